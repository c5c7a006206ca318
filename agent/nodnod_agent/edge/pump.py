"""One WebSocket connection, either direction: bytes to messages, messages to bytes.

The protocol is the Sans-I/O core of the websockets library; here is only the pump around it. No
task, queue or future per connection: bytes that arrive are turned into messages, handed to the
user, and what the user sends goes out in one write at the end of the turn of the loop.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN, Protocol

from nodnod_agent.edge.user import User

__all__ = ["Pump"]

SLICE = 16 * 1024
"""Bytes handed to the protocol at a time, so that what waits unread is bytes, not objects."""

BURST = 64
"""Messages of output that wait for the end of the turn; more go out at once, to see if they can."""

HIGH_WATER = 64 * 1024
"""Bytes of unsent output from which on nothing more is read from the other side."""

UNSENT_LIMIT = 1024 * 1024
"""Bytes of unsent output on top of which nothing more is put: the connection is cut instead."""

STALL_LIMIT = 5.0
"""Seconds in which the other side must take some output, where there is no user to say."""

CLOSE_LIMIT = 1.0
"""Seconds that the other side has to complete a close."""

INVALID_DATA = 1007
UNSUPPORTED_DATA = 1003


class Pump(asyncio.Protocol):
    """Flow control, keepalive and framing of one connection; a subclass opens and ends it."""

    __slots__ = (
        "_abort_timer",
        "_backlog",
        "_blocked",
        "_dirty",
        "_events",
        "_fragments",
        "_pinged",
        "_unsent_then",
        "cut",
        "heard",
        "loop",
        "out",
        "rtt",
        "transport",
        "user",
        "ws",
    )

    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop, ws: Protocol) -> None:
        self.loop = loop
        self.ws = ws
        self.user: User | None = None
        self.heard = loop.time()
        self.rtt: float | None = None
        self.cut = ""
        """Why we cut the connection, if we did."""
        self.out: list[bytes] = []
        self._dirty = False
        self._blocked = False
        self._backlog = b""
        self._events: deque[Frame] | None = None
        self._fragments: bytearray | None = None
        self._pinged = 0.0
        self._unsent_then = 0
        self._abort_timer: asyncio.TimerHandle | None = None

    # What the user calls: the core's Wire.

    def send(self, text: bytes) -> None:
        """Send one text message; see Wire."""
        if self.ws.state is OPEN:
            self.out.append(self.frame(text))
            self.mark()

    def ping(self) -> None:
        """Send a ping; see Wire."""
        if self.ws.state is OPEN:
            self._pinged = perf_counter()
            self.ws.send_ping(b"")
            self.mark()

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye and end within ``CLOSE_LIMIT``; see Wire."""
        self.user = None
        if self.ws.state is OPEN:
            self._collect()
            self.ws.send_close(code, reason)
            self.mark()
            self._rearm(CLOSE_LIMIT, self._cut_off, "did not complete the close")
        else:
            self.abort()

    def abort(self) -> None:
        """End at once; see Wire."""
        self.user = None
        self.transport.abort()

    @property
    def unsent(self) -> int:
        """Bytes that the other side has not taken yet; see Wire."""
        return self.transport.get_write_buffer_size()

    @property
    def unsent_limit(self) -> int:
        """Bytes of unsent output on top of which nothing more is put."""
        return UNSENT_LIMIT

    @property
    def patience(self) -> float:
        """Seconds in which the other side must take some output, where there is no user to say."""
        return STALL_LIMIT

    # What a subclass says.

    def frame(self, text: bytes) -> bytes:
        """Encode one text message as a frame."""
        raise NotImplementedError

    def handshake(self, event: Request | Response) -> None:
        """Take the one event that comes before the frames."""
        raise NotImplementedError

    def bad_handshake(self, error: Exception) -> None:
        """The other side spoke, but not the handshake."""
        raise NotImplementedError

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop has a class of its own
        self.transport.set_write_buffer_limits(HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self.heard = self.loop.time()
        if self._backlog or self._events:
            self._backlog += data
            return
        self._dirty = True  # no flush need be scheduled: one comes at the end
        if len(data) <= SLICE:
            self._feed(data)
        else:
            self._backlog = data
            self._catch_up()
        self._flush()

    def eof_received(self) -> bool | None:
        """See asyncio.Protocol."""
        self.ws.receive_eof()
        self._flush()
        return None  # the transport closes itself

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self._abort_timer is not None:
            self._abort_timer.cancel()
            self._abort_timer = None
        self.user = None
        self._backlog, self._events = b"", None
        # What was to go out in this very turn must not: a closed transport would raise.
        self.ws.receive_eof()
        self.ws.data_to_send()
        self.out.clear()

    def pause_writing(self) -> None:
        """See asyncio.Protocol: the other side does not read, so we do not read from it either."""
        self._blocked = True
        self.transport.pause_reading()
        if self._abort_timer is None:
            self._watch_stall()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._blocked = False
        # An end that is under way keeps its limit.
        if self._abort_timer is not None and self.ws.state is OPEN:
            self._abort_timer.cancel()
            self._abort_timer = None
        self._catch_up()
        self.mark()

    # How it works.

    def _feed(self, data: bytes) -> None:
        ws = self.ws
        ws.receive_data(data)
        if ws.handshake_exc is not None:
            self._collect()
            self.bad_handshake(ws.handshake_exc)
            return
        for event in ws.events_received():
            if not isinstance(event, Frame):
                self.handshake(event)
                self._collect()  # ahead of answers to what came in with it
            elif self._events or self._blocked or (self.user is not None and self.user.full):
                # The user or the other side has enough: the rest waits, and nothing more is read.
                if self._events is None:
                    self._events = deque()
                self._events.append(event)
                self.transport.pause_reading()
            else:
                self._take(event)
                if len(self.out) > BURST:
                    self._write()
        self._collect()

    def _take(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.TEXT and frame.fin:
            self._message(frame.data)
        elif opcode is Opcode.TEXT:
            self._fragments = bytearray(frame.data)
        elif opcode is Opcode.CONT and self._fragments is not None:
            self._fragments += frame.data
            if frame.fin:
                data, self._fragments = self._fragments, None
                self._message(data)
        elif opcode is Opcode.BINARY:
            self._fail(UNSUPPORTED_DATA, "text messages only")
        elif opcode is Opcode.PONG and self._pinged:
            self.rtt, self._pinged = perf_counter() - self._pinged, 0.0

    def _message(self, data: bytes | bytearray | memoryview) -> None:
        text = bytes(data)
        if not text.isascii():
            try:
                text.decode()
            except UnicodeDecodeError as error:
                self._fail(INVALID_DATA, f"{error.reason} at position {error.start}")
                return
        if self.user is not None and not self.cut:
            self.user.received(text)

    def _fail(self, code: int, reason: str) -> None:
        """Close because the other side broke the protocol; what it sent besides is not read."""
        if self.ws.state is OPEN:
            self.cut = reason
            self._collect()
            self.ws.fail(code, reason)
            self.mark()
            self._rearm(CLOSE_LIMIT, self._cut_off, reason)

    def _collect(self) -> None:
        """Queue what the protocol itself has to say (pongs, closes) behind what was sent."""
        writes = self.ws.data_to_send()
        if writes:
            self.out += writes
            if self.ws.close_expected():
                self._rearm(CLOSE_LIMIT, self._cut_off, "did not complete the close")

    def mark(self) -> None:
        """See to it that what is queued goes out at the end of this turn."""
        if not self._dirty:
            self._dirty = True
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._dirty = False
        self._collect()
        if self.out:
            self._write()
        if self._backlog or self._events:
            self._catch_up()
            if self.out:
                self.mark()

    def _write(self) -> None:
        out, self.out = self.out, []
        data = out[0] if len(out) == 1 else b"".join(out)
        if self._blocked:
            if self.unsent > self.unsent_limit:
                self._cut_off(f"{self.unsent} bytes of output unread")
                return
            self._unsent_then += len(data)  # or new output would hide that some was taken
        self.transport.write(data)
        if not out[-1]:  # the protocol's word for the end of the stream
            # Half an end: a whole one, with input on its way, resets what is not yet read there.
            self.user = None
            self._backlog, self._events = b"", None
            if not self.transport.can_write_eof():  # TLS has no half
                self._end()
                return
            self.transport.write_eof()
            self.transport.resume_reading()
            self._rearm(CLOSE_LIMIT, self._end)

    def _catch_up(self) -> None:
        """Go on with what waits, as far as the user and the other side take it."""
        while self._events or self._backlog:
            if self._blocked or (self.user is not None and self.user.full):
                self.transport.pause_reading()
                return
            if self._events:
                self._take(self._events.popleft())
            else:
                piece, self._backlog = self._backlog[:SLICE], self._backlog[SLICE:]
                self._feed(piece)
            if len(self.out) > BURST:
                self._write()
        self._events = None
        if not self._blocked:
            self.transport.resume_reading()

    def _watch_stall(self) -> None:
        limit = self.patience if self.user is None else self.user.stall_limit
        self._unsent_then = self.unsent
        self._rearm(limit, self._stalled, limit)

    def _stalled(self, limit: float) -> None:
        self._abort_timer = None
        if self.unsent >= self._unsent_then:
            self._cut_off(f"has read nothing for {limit:.3g} s")
        elif self._blocked:
            self._watch_stall()

    def _end(self) -> None:
        """End from our side; what is unsent still goes out while the other side takes any."""
        self._watch_stall()
        self.transport.close()

    def _rearm(self, seconds: float, callback: Callable[..., None], *args: object) -> None:
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        self._abort_timer = self.loop.call_later(seconds, callback, *args)

    def _cut_off(self, reason: str) -> None:
        self._abort_timer = None
        self.cut = self.cut or reason
        self.transport.abort()
