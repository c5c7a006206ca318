"""One WebSocket connection, either direction: bytes to messages, messages to bytes.

The protocol is the Sans-I/O core of the websockets library; here is only the pump around it. No
task, queue or future per connection: bytes that arrive are turned into messages, handed to the
user, and what the user sends goes out in one write at the end of the turn of the loop (outlet.py).

Who takes little of the loop's time is read as its bytes arrive; who takes much stands in line
(turns.py), and what it has sent waits as bytes.
"""

import asyncio
from collections import deque
from time import perf_counter
from typing import ClassVar

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CLOSING, OPEN, SERVER, Protocol

from nodnod_agent.transport.control_frames import MUTED_FOR, SMALL, ControlFrameLimit
from nodnod_agent.transport.fair_queue import PIECE, FairQueue, Share
from nodnod_agent.transport.writer import BURST, ConnectionWriter

SLICE = 512
"""Bytes handed to the protocol at a time, so that what waits unread is bytes, not objects."""

CONTROL_FRAMES = 100
"""Frames that are no messages (pings, pongs, tiny pieces) in a second, where nobody says."""

ENOUGH = 16 * 1024
"""Bytes that wait, from which on no more are read; one more read, 256 KB, may come on top."""

LAST_PIECES = 2
"""Pieces that are read of what stood in line when the other side ended: its answer, its goodbye.

Who sends more than that and goes does not wait for answers.
"""

GOODBYE = 64 * 1024
"""Bytes in which we look for a client's goodbye, once we have said ours."""

DISCARDED = 0.0001
"""Seconds for which one read, of 256 KB, counts that is only dropped."""

INVALID_DATA = 1007
UNSUPPORTED_DATA = 1003


class Connection(ConnectionWriter):
    """Flow control, keepalive and framing of one connection; a subclass opens and ends it."""

    __slots__ = (
        "_backlog",
        "_begin",
        "_chatter",
        "_events",
        "_fragments",
        "_paused",
        "heard",
        "rtt",
        "share",
        "turns",
    )

    piece: ClassVar[float] = PIECE
    """Seconds after which it makes room for others."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, ws: Protocol, turns: FairQueue | None = None
    ) -> None:
        """``turns`` is the line of the loop, which all share who are served by it."""
        super().__init__(loop, ws)
        self.heard = loop.time()
        self.rtt: float | None = None
        self.turns = turns or FairQueue(loop)
        self.share = Share(self.turns, self.heard)
        self._backlog = b""
        self._begin = 0
        """Where in it what waits begins."""
        self._events: deque[Frame] | None = None
        self._fragments: bytearray | None = None
        self._paused = False
        self._chatter = ControlFrameLimit(self.heard)

    # What a subclass says.

    @property
    def control_frames(self) -> int:
        """Frames that are no messages that the other side may send in a second."""
        return CONTROL_FRAMES

    @property
    def weight(self) -> float:
        """For how many it counts where there is not time for all."""
        return 1.0

    @property
    def waits_in_line(self) -> bool:
        """Whether it has to stand in line for what it sends."""
        return self.ws.state is not OPEN or self.share.spent(self.heard)

    def handshake(self, event: Request | Response) -> None:
        """Take the one event that comes before the frames."""
        raise NotImplementedError

    def bad_handshake(self, error: Exception) -> None:
        """The other side spoke, but not the handshake."""
        raise NotImplementedError

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self.turns.opened()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        self.turns.closed()
        self.turns.leave(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self.heard = self.loop.time()
        if self.ws.eof_sent:
            self._discard(data)
            if not self.transport.is_closing():
                self.transport.pause_reading()
                self.turns.stand(self)
        elif self._goes_on(len(data)):
            self._end_stream()
        elif self._backlog or self._events or self._chatter.muted:
            self._backlog, self._begin = self._backlog[self._begin :] + data, 0
            self._pace()
        elif self.waits_in_line:
            self._backlog = data
            self._pace()
            self.turns.stand(self)
        else:
            reply = self._beats.reply(data, self.ws)
            if reply is None:
                self._backlog = data
                self._work()
            else:
                self._beat(reply)
                self._flush()

    def pause_writing(self) -> None:
        """See asyncio.Protocol: the other side does not read, so we do not read from it either."""
        super().pause_writing()
        self._pace()

    def eof_received(self) -> bool | None:
        """See asyncio.Protocol."""
        for _ in range(LAST_PIECES):
            if (self._backlog or self._events) and not self._holds:
                self._work()
        self.forget_unread()
        self.ws.receive_eof()
        self._flush()
        return None  # the transport closes itself

    # What goes on.

    def serve(self) -> bool:
        """See Served."""
        if self.ws.eof_sent:
            self.turns.charge(DISCARDED)
            self.transport.resume_reading()
            return False
        if self._holds or not (self._backlog or self._events):
            return False
        try:
            self._work()
        except BaseException:
            self.abort()  # as a loop does where data_received fails
            raise
        return bool(self._backlog or self._events) and not self._holds

    @property
    def taken(self) -> float:
        """See Served."""
        return self.share.taken

    def read_on(self) -> None:
        """See Outlet."""
        self._pace()
        if self._backlog or self._events:
            self.turns.stand(self)

    def forget_unread(self) -> None:
        """See Outlet."""
        self._backlog, self._begin, self._events = b"", 0, None

    def _flush(self) -> None:
        super()._flush()
        if (self._backlog or self._events) and not self._holds:  # the user may have room by now
            self.turns.stand(self)

    # How it works.

    @property
    def _holds(self) -> bool:
        """Whether what waits has to wait on: for us, for the user, or for the other side."""
        full = self.user is not None and self.user.full
        return full or self._blocked or self._chatter.muted or bool(self.cut)

    def _pace(self) -> None:
        """Read on, or read no more for now."""
        enough = self._blocked or self._chatter.muted
        if self._backlog or self._events:
            enough = enough or len(self._backlog) - self._begin > ENOUGH or self._holds
        if enough != self._paused:
            self._paused = enough
            if enough:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _work(self) -> None:
        """Take some of what waits, one frame or slice at least; and note how long it took."""
        if self._goes_on(0, len(self._backlog) - self._begin):
            self._end_stream()
            return
        began = perf_counter()
        end = began + self.piece
        self._dirty = True  # no flush need be scheduled: one comes at the end
        while True:
            if self._events:
                self._take(self._events.popleft())
            else:
                self._feed(end)
            if len(self.out) > BURST:
                self._write()
            if not (self._backlog or self._events) or self._holds or perf_counter() >= end:
                break
        if self.cut or not (self._backlog or self._events):
            self.forget_unread()
        self._pace()
        self._flush()
        self.share.take((perf_counter() - began) / self.weight, self.heard)

    def _goes_on(self, more: int, waiting: int = 0) -> bool:
        """Whether a client sends much, though we have said goodbye, or has sent it before."""
        if self.ws.state is not CLOSING or self.ws.side is not SERVER:
            return False
        self._leftovers += more
        return self._leftovers > GOODBYE or waiting > GOODBYE

    def _end_stream(self) -> None:
        """Look no further for a goodbye in what it sends: ours stands."""
        self.forget_unread()
        self.ws.send_eof()
        self._flush()

    def _feed(self, end: float) -> None:
        """Hand a slice to the protocol, and on what it makes of it, as far as there is time."""
        ws = self.ws
        begin = self._begin
        piece = self._backlog[begin : begin + SLICE]
        self._begin += SLICE
        if self._begin >= len(self._backlog):
            self._backlog, self._begin = b"", 0
        ws.receive_data(piece)
        if ws.handshake_exc is not None:
            self._collect()
            self.bad_handshake(ws.handshake_exc)
            return
        for event in ws.events_received():
            if not isinstance(event, Frame):
                self.handshake(event)
                self._collect()  # ahead of answers to what came in with it
            elif self._events or perf_counter() >= end or self._holds:
                if self._events is None:
                    self._events = deque()
                self._events.append(event)
            else:
                self._take(event)
                if len(self.out) > BURST:
                    self._write()
        self._collect()

    def _take(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.TEXT and frame.fin:
            self._message(frame.data)
            return
        if len(frame.data) < SMALL:
            self._control()
        if opcode is Opcode.TEXT:
            self._fragments = bytearray(frame.data)
        elif opcode is Opcode.CONT and self._fragments is not None:
            self._fragments += frame.data
            if frame.fin:
                data, self._fragments = self._fragments, None
                self._message(data)
        elif opcode is Opcode.BINARY:
            self._fail(UNSUPPORTED_DATA, "text messages only")
        elif opcode is Opcode.PONG:
            self._ponged()

    def _beat(self, reply: bytes) -> None:
        """Take an empty ping, to which there is a reply, or an empty pong."""
        self._control()
        if reply:
            self.out.append(reply)
        else:
            self._ponged()

    def _ponged(self) -> None:
        if self._pinged:
            self.rtt, self._pinged = perf_counter() - self._pinged, 0.0

    def _control(self) -> None:
        """Count a frame that is no message; with too many of them, read no further for a while."""
        chatter = self._chatter
        if not chatter.too_much(self.control_frames, self.loop.time):
            return
        if chatter.hopeless:
            self._cut_off(f"more than {self.control_frames} frames a second that are no messages")
            return
        self._pace()
        self.loop.call_later(MUTED_FOR, self._unmute)

    def _unmute(self) -> None:
        self._chatter.unmute(self.loop.time())
        if not self.transport.is_closing():
            self.read_on()

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
