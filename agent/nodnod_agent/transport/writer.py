"""What goes out over one connection, and how the connection ends.

All that is sent in one turn of the loop goes out in one write at its end. An abort is always armed
where the other side could keep us waiting: for output that it does not read, for a close that it
does not complete.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import cast

from websockets.protocol import OPEN, Protocol

from nodnod_agent.transport.beats import Beats
from nodnod_agent.transport.user import User

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

LEFTOVERS = 16 * 1024 * 1024
"""Bytes that may still come after our end of a connection, read so that it is no reset, which would
take our last word along; with more, it is one. Four times what a message of a peer may have."""


class ConnectionWriter(asyncio.Protocol):
    """One connection, seen from what goes out; the pump, which reads too, is built on it."""

    __slots__ = (
        "_abort_timer",
        "_beats",
        "_blocked",
        "_dirty",
        "_leftovers",
        "_pinged",
        "_unsent_then",
        "cut",
        "loop",
        "out",
        "transport",
        "user",
        "ws",
    )

    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop, ws: Protocol) -> None:
        self.loop = loop
        self.ws = ws
        self.user: User | None = None
        self.cut = ""
        """Why we cut the connection, if we did."""
        self.out: list[bytes] = []
        self._beats = Beats.of(ws.side)
        self._dirty = False
        self._blocked = False
        self._pinged = 0.0
        self._unsent_then = self._leftovers = 0
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
            self.out.append(self._beats.ping)
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

    # What those built on it say.

    def frame(self, text: bytes) -> bytes:
        """Encode one text message as a frame."""
        raise NotImplementedError

    def read_on(self) -> None:
        """The other side takes output again, or the user has room: go on with what it sent."""
        raise NotImplementedError

    def forget_unread(self) -> None:
        """What was read and not taken yet is of no use any more."""
        raise NotImplementedError

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop has a class of its own
        self.transport.set_write_buffer_limits(HIGH_WATER)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self._abort_timer is not None:
            self._abort_timer.cancel()
            self._abort_timer = None
        self.user = None
        self.forget_unread()
        # What was to go out in this very turn must not: a closed transport would raise.
        self.ws.receive_eof()
        self.ws.data_to_send()
        self.out.clear()

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self._blocked = True
        if self._abort_timer is None:
            self._watch_stall()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._blocked = False
        # An end that is under way keeps its limit.
        if self._abort_timer is not None and self.ws.state is OPEN:
            self._abort_timer.cancel()
            self._abort_timer = None
        self.read_on()

    # How it works.

    def mark(self) -> None:
        """See to it that what is queued goes out at the end of this turn."""
        if not self._dirty:
            self._dirty = True
            self.loop.call_soon(self._flush)

    def _discard(self, data: bytes) -> None:
        """Drop what comes after our end; nobody may go on for long."""
        self._leftovers += len(data)
        if self._leftovers > LEFTOVERS:
            self.transport.abort()

    def _let_go(self) -> None:
        """Let the protocol's object go at once: it stands in circles, and would wait for the collector.

        Where connections come and go by the thousand, a collector that looks for them stops the
        loop for tens of milliseconds.
        """
        self.ws.parser.close()
        self.ws.parser_exc = self.ws.handshake_exc = None

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

    def _flush(self) -> None:
        self._dirty = False
        self._collect()
        if self.out:
            self._write()

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
            self.forget_unread()
            if not self.transport.can_write_eof():  # TLS has no half
                self._end()
                return
            with suppress(OSError):  # asyncio's own loop tells at once that the other side has gone
                self.transport.write_eof()
            self.transport.resume_reading()
            self._rearm(CLOSE_LIMIT, self._end)

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
