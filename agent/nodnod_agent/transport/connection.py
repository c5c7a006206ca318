"""One WebSocket connection in either direction: bytes to messages, messages to bytes.

The Sans-I/O core of the websockets library speaks the protocol; this module connects it to the
event loop. There is no task, queue or future per connection: bytes that arrive become messages,
which go to the receiver, and what the receiver sends is written at the end of the loop iteration.
"""

import asyncio
from collections import deque
from time import perf_counter
from typing import ClassVar

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CLOSING, OPEN, SERVER, Protocol

from nodnod_agent.transport.control_frames import MUTED_FOR, SMALL, ControlFrameLimit
from nodnod_agent.transport.empty_frames import MAX_EMPTY_FRAME, FrameTracker
from nodnod_agent.transport.fair_queue import TIME_SLICE, CpuBudget, FairQueue
from nodnod_agent.transport.writer import BURST, ConnectionWriter, Framer

FEED_SIZE = 512
"""Bytes that the library parses at a time: input that waits is bytes, not objects."""

CONTROL_FRAMES = 100
"""Frames per second that carry no message, unless a subclass says otherwise."""

UNREAD_LIMIT = 16 * 1024
"""Bytes of waiting input above which reading pauses; one more read, 256 KB, may come on top."""

EOF_SLICES = 2
"""Time slices for queued input once the other side has ended the stream: a last answer, a close.

A client that sends more than that and goes does not wait for answers.
"""

CLOSE_SEARCH_LIMIT = 64 * 1024
"""Bytes of input in which a server looks for the client's close frame, after its own."""

DISCARD_COST = 0.0001
"""Seconds of CPU charged for one read, of 256 KB, that is dropped."""

INVALID_DATA = 1007
UNSUPPORTED_DATA = 1003


class Connection(ConnectionWriter):
    """Reading, flow control and keepalive of one connection; a subclass does the handshake."""

    __slots__ = (
        "_control_frames",
        "_fragments",
        "_frames",
        "_reading_paused",
        "_tracker",
        "_unread",
        "_unread_start",
        "budget",
        "heard",
        "queue",
        "rtt",
    )

    time_slice: ClassVar[float] = TIME_SLICE
    """Seconds of CPU after which it makes room for other connections."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ws: Protocol,
        framer: Framer,
        queue: FairQueue,
        control_frames: int = CONTROL_FRAMES,
    ) -> None:
        """``queue`` is shared by all connections of the loop."""
        super().__init__(loop, ws, framer)
        self.heard = loop.time()
        self.rtt: float | None = None
        self.queue = queue
        self.budget = CpuBudget(self.queue, self.heard)
        self._unread = b""
        self._unread_start = 0
        """Where in ``_unread`` the input begins that is not parsed yet."""
        self._frames: deque[Frame] | None = None
        """Parsed, and not processed yet."""
        self._tracker = FrameTracker(ws)
        self._fragments: bytearray | None = None
        self._reading_paused = False
        self._control_frames = ControlFrameLimit(control_frames)

    # What a subclass decides.

    @property
    def weight(self) -> float:
        """How many clients it counts for where CPU is short."""
        return 1.0

    @property
    def must_queue(self) -> bool:
        """Whether its input has to wait in the fair queue."""
        return self.ws.state is not OPEN or self.budget.exhausted(self.heard)

    def handshake(self, event: Request | Response) -> None:
        """Take the one event that comes before the frames."""
        raise NotImplementedError

    def bad_handshake(self, error: Exception) -> None:
        """Answer an invalid handshake."""
        raise NotImplementedError

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, and a share of the CPU."""
        super().connection_made(transport)
        self.queue.connection_opened()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the fair queue."""
        super().connection_lost(exc)
        self.queue.connection_closed()
        self.queue.remove(self._serve)

    def data_received(self, data: bytes) -> None:
        """Process the input now or queue it; drop it after our end of the connection."""
        self.heard = self.loop.time()
        if self.ws.eof_sent:
            self._discard(data)
            if not self.transport.is_closing():
                self.transport.pause_reading()
                self._enqueue()
        elif self._ignores_close(len(data)):
            self._end_stream()
        elif self._unread or self._frames or self._control_frames.muted:
            self._unread, self._unread_start = self._unread[self._unread_start :] + data, 0
            self._update_reading()
        elif self.must_queue:
            self._unread = data
            self._update_reading()
            self._enqueue()
        else:
            may_be_empty = len(data) <= MAX_EMPTY_FRAME and self.ws.state is OPEN
            reply = self._tracker.reply(data) if may_be_empty else None
            if reply is None:
                self._unread = data
                self._process()
            else:
                self._take_empty(reply)

    def pause_writing(self) -> None:
        """Read nothing from the other side while it does not read."""
        super().pause_writing()
        self._update_reading()

    def eof_received(self) -> bool | None:
        """Process a part of the queued input, and end; the transport then closes itself."""
        for _ in range(EOF_SLICES):
            if (self._unread or self._frames) and not self._held:
                self._process()
        self.drop_input()
        self.ws.receive_eof()
        self._flush()
        return None

    def _enqueue(self) -> None:
        self.queue.enqueue(self._serve, self.budget)

    def _serve(self) -> bool:
        """Process input for one time slice. True if more can be processed now."""
        if self.ws.eof_sent:
            self.queue.charge(DISCARD_COST)
            self.transport.resume_reading()
            return False
        if self._held or not (self._unread or self._frames):
            return False
        try:
            self._process()
        except BaseException:
            self.abort()  # as an event loop does where data_received fails
            raise
        return bool(self._unread or self._frames) and not self._held

    # What the writing side calls.

    def resume_input(self) -> None:
        """Read again, and queue the input that waits."""
        self._update_reading()
        if self._unread or self._frames:
            self._enqueue()

    def drop_input(self) -> None:
        """Drop the input that is not processed yet."""
        self._unread, self._unread_start, self._frames = b"", 0, None

    def _flush(self) -> None:
        super()._flush()
        if (self._unread or self._frames) and not self._held:  # the receiver may have room now
            self._enqueue()

    @property
    def _held(self) -> bool:
        """Whether input must wait: the receiver is full, output is stuck, or the side is muted."""
        full = self.receiver is not None and self.receiver.full
        return full or self._writing_paused or self._control_frames.muted or bool(self.cut)

    def _update_reading(self) -> None:
        """Pause or resume the transport's reading."""
        pause = self._writing_paused or self._control_frames.muted
        if self._unread or self._frames:
            pause = pause or len(self._unread) - self._unread_start > UNREAD_LIMIT or self._held
        if pause != self._reading_paused:
            self._reading_paused = pause
            if pause:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _process(self) -> None:
        """Process waiting input for one time slice: at least one frame, or one piece of bytes."""
        if self._ignores_close(0, len(self._unread) - self._unread_start):
            self._end_stream()
            return
        began = perf_counter()
        end = began + self.time_slice
        self._flush_scheduled = True  # the flush below writes what is sent meanwhile
        while True:
            if self._frames:
                self._take(self._frames.popleft())
            else:
                self._parse(end)
            if len(self.out) > BURST:
                self._write()
            if not (self._unread or self._frames) or self._held or perf_counter() >= end:
                break
        if self.cut or not (self._unread or self._frames):
            self.drop_input()
        self._update_reading()
        self._flush()
        self.budget.spend((perf_counter() - began) / self.weight, self.heard)

    def _ignores_close(self, more: int, waiting: int = 0) -> bool:
        """Whether a client has sent so much since our close frame that its own is not looked for."""
        if self.ws.state is not CLOSING or self.ws.side is not SERVER:
            return False
        self._discarded += more
        return self._discarded > CLOSE_SEARCH_LIMIT or waiting > CLOSE_SEARCH_LIMIT

    def _end_stream(self) -> None:
        """End the connection after our close frame, without the other side's."""
        self.drop_input()
        self.ws.send_eof()
        self._flush()

    def _parse(self, end: float) -> None:
        """Parse one piece of the input, and process its frames as far as there is time."""
        ws = self.ws
        start = self._unread_start
        piece = self._unread[start : start + FEED_SIZE]
        self._unread_start += FEED_SIZE
        if self._unread_start >= len(self._unread):
            self._unread, self._unread_start = b"", 0
        ws.receive_data(piece)
        tracker = self._tracker
        tracker.incomplete += len(piece)
        if ws.handshake_exc is not None:
            self._collect()
            self.bad_handshake(ws.handshake_exc)
            return
        for event in ws.events_received():
            if not isinstance(event, Frame):
                self.handshake(event)
                self._collect()  # ahead of answers to frames that came in the same read
                tracker.head_parsed(piece)
                continue
            tracker.frame_parsed(len(event.data))
            if self._frames or perf_counter() >= end or self._held:
                if self._frames is None:
                    self._frames = deque()
                self._frames.append(event)
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
            self._count_control_frame()
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
            self._take_pong()

    def _take_empty(self, reply: bytes) -> None:
        """Take an empty ping, which has a reply, or an empty pong."""
        self._count_control_frame()
        if reply:
            self.out.append(reply)
        else:
            self._take_pong()
        self._flush()

    def _take_pong(self) -> None:
        if self._ping_sent_at:
            self.rtt, self._ping_sent_at = perf_counter() - self._ping_sent_at, 0.0

    def _count_control_frame(self) -> None:
        """Mute or cut a connection that sends too many frames without a message."""
        control_frames = self._control_frames
        if not control_frames.exceeded(self.loop.time()):
            return
        if control_frames.persistent:
            self._cut_off(f"more than {control_frames.limit} frames a second that are no messages")
            return
        self._update_reading()
        self.loop.call_later(MUTED_FOR, self._unmute)

    def _unmute(self) -> None:
        self._control_frames.muted = False
        if not self.transport.is_closing():
            self.resume_input()

    def _message(self, data: bytes | bytearray | memoryview) -> None:
        text = bytes(data)
        if not text.isascii():
            try:
                text.decode()
            except UnicodeDecodeError as error:
                self._fail(INVALID_DATA, f"{error.reason} at position {error.start}")
                return
        if self.receiver is not None and not self.cut:
            self.receiver.received(text)
