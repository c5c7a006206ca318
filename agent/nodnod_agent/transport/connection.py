"""One WebSocket connection in either direction: bytes to messages, messages to bytes.

The Sans-I/O core of the websockets library speaks the protocol; this module connects it to the
event loop. There is no task, queue or future per connection: bytes that arrive become messages,
which go to the receiver, and the receiver's answers to one read go out in one write.
"""

import asyncio
from time import perf_counter
from typing import ClassVar

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CLOSING, SERVER

from nodnod_agent.transport.control_frames import MUTED_FOR, SMALL, ControlFrameLimit
from nodnod_agent.transport.fair_queue import TIME_SLICE, FairQueue
from nodnod_agent.transport.frames import PING, TEXT, Framer, WholeFrames
from nodnod_agent.transport.half_messages import UNCOUNTED, HalfMessages
from nodnod_agent.transport.writer import BURST, ConnectionWriter

CONTROL_FRAMES = 100
"""Frames per second that carry no message, unless a subclass says otherwise."""

UNREAD_LIMIT = 16 * 1024
"""Bytes of waiting input above which reading pauses; one more read, 256 KB, may come on top."""

END_OF_INPUT = b"end"
"""Input that stands for its end, which waits until all answers are sent."""

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
        "_halves",
        "_late",
        "_reading_paused",
        "_unread_start",
        "cpu_used",
        "heard",
        "queue",
        "rtt",
        "weight",
    )

    pinged = True
    time_slice: ClassVar[float] = TIME_SLICE
    """Seconds of CPU after which it makes room for other connections."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ws: WholeFrames,
        framer: Framer,
        queue: FairQueue,
        halves: HalfMessages,
        control_frames: int = CONTROL_FRAMES,
    ) -> None:
        """``queue`` and ``halves`` are shared by all connections of the loop."""
        super().__init__(loop, ws, framer)
        self.heard = loop.time()
        self.rtt: float | None = None
        self.queue = queue
        self.cpu_used = queue.newcomer(self.heard)
        self.weight = 1.0
        """How many clients it counts for where CPU is short."""
        self._unread_start = 0
        """Where in ``_unread`` the input begins that is not processed yet."""
        self._fragments: bytearray | None = None
        self._halves = halves
        self._late = False
        """Whether input is dropped after the end of our stream, or the input has ended."""
        self._reading_paused = False
        self._control_frames = ControlFrameLimit(control_frames)

    # What a subclass decides.

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
        self.queue.remove(self)
        self._halves.forget(self)

    def data_received(self, data: bytes) -> None:
        """Process the input now or queue it; drop it after our end of the connection."""
        self.heard = now = self.loop.time()
        queue, receiver = self.queue, self.receiver
        if receiver is None or receiver.full or self._unread or self._reading_paused:
            self._receive_late(data)
        elif self.cpu_used < queue.threshold or queue.admits(self, now):
            self._process(data, 0)
        else:
            self._unread, self._unread_start = data, 0
            self._update_reading()
            self.queue.enqueue(self)

    def pause_writing(self) -> None:
        """Read nothing from the other side while it does not read."""
        super().pause_writing()
        self._update_reading()

    def eof_received(self) -> bool | None:
        """Answer what was asked, then end: the other side may have ended one direction only."""
        if self._ended:
            return None  # the transport closes itself
        self._late = self._input_ended = True
        self.serve()
        return not self._ended

    # What the fair queue calls.

    def serve(self) -> None:
        """Process input for one time slice."""
        try:
            if self._late:
                self._serve_late()
            else:
                self._process_unread()
        except BaseException:
            self.abort()  # as an event loop does where data_received fails
            raise

    def _serve_late(self) -> None:
        """Go on after the end of our stream, or after the end of the input."""
        if self.ws.eof_sent:
            if not self._input_ended:
                self.queue.charge(DISCARD_COST)
                self.transport.resume_reading()
            return
        if self._unread is not END_OF_INPUT:
            self._process_unread()
            if self._unread and not self.cut:
                return
        if self.receiver is not None and self.receiver.input_ended():
            self._unread = END_OF_INPUT
        else:
            self.drop_input()
            self.ws.receive_eof()
            self._flush()

    # What the writing side calls.

    def resume_input(self) -> None:
        """Read again, and queue the input that waits."""
        self._update_reading()
        if self._unread:
            self.queue.enqueue(self)

    def drop_input(self) -> None:
        """Drop the input that is not processed yet."""
        self._unread = b""

    def _flush(self) -> None:
        self._flush_scheduled = False
        if self.ws.writes:
            self._collect()
        if self.out:
            self._write()
        if self._unread and not self._held:  # the receiver may have room now
            self.queue.enqueue(self)

    # Input.

    def _receive_late(self, data: bytes) -> None:
        """Take input of a connection that is opening or ending, or whose input waits."""
        if self.ws.eof_sent:
            self._late = True
            self._discard(data)
            if not self.transport.is_closing():
                self.transport.pause_reading()
                self.queue.enqueue(self)
        elif self._ignores_close(len(data)):
            self._end_stream()
        else:
            self._unread, self._unread_start = self._unread[self._unread_start :] + data, 0
            self._update_reading()
            if not self._held:
                self.queue.enqueue(self)

    @property
    def _held(self) -> bool:
        """Whether input must wait: the receiver is full, output is stuck, or the side is muted."""
        full = self.receiver is not None and self.receiver.full
        return full or self._writing_paused or self._control_frames.muted or bool(self.cut)

    def _update_reading(self) -> None:
        """Pause or resume the transport's reading."""
        pause = self._writing_paused or self._control_frames.muted
        if self._unread:
            pause = pause or len(self._unread) - self._unread_start > UNREAD_LIMIT or self._held
        if pause != self._reading_paused:
            self._reading_paused = pause
            if pause:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _process_unread(self) -> None:
        """Process input that waits for one time slice, unless it has to go on waiting."""
        if not self._unread or self._held:
            return
        if self._ignores_close(0, len(self._unread) - self._unread_start):
            self._end_stream()
        else:
            self._process(self._unread, self._unread_start)

    def _process(self, data: bytes, start: int) -> None:
        """Process input for one time slice: at least one frame, or one piece of bytes."""
        began = perf_counter()
        end = began + self.time_slice
        self._flush_scheduled = True  # the flush below writes what is sent meanwhile
        while True:
            frame = self.ws.take_frame(data, start)
            if frame is None:
                start = self._parse(data, start)
            else:
                first, payload, start = frame
                receiver = self.receiver
                if first != TEXT:
                    self._take_control(first)
                elif receiver is not None and payload.isascii():
                    receiver.received(payload)
                else:
                    self._message(payload)
            if len(self.out) > BURST:
                self._write()
            if start == len(data) or self._held or perf_counter() >= end:
                break
        if start == len(data) or self.cut or self.ws.eof_sent:
            self._unread = b""
        else:
            self._unread, self._unread_start = data, start
        if self._unread or self._reading_paused:
            self._update_reading()
        if self._unread or self.out or self.ws.writes:
            self._flush()
        else:
            self._flush_scheduled = False
        seconds, queue = perf_counter() - began, self.queue
        queue.budget_left -= seconds
        used = max(self.cpu_used, queue.credit) + seconds / self.weight
        self.cpu_used = min(used, queue.ceiling)

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

    def _parse(self, data: bytes, start: int) -> int:
        """Give the parser the piece of input that it waits for; returns the end of the piece."""
        ws = self.ws
        end = ws.reader.piece_end(data, start)
        ws.receive_data(data[start:end])
        events = ws.events_received()
        if ws.handshake_exc is not None:
            self._collect()
            self.bad_handshake(ws.handshake_exc)
            events = []
        for event in events:  # one at most: the parser gets no more than it waits for
            if isinstance(event, Frame):
                self._take(event)
            else:
                self.handshake(event)
        self._collect()
        held = len(ws.reader.buffer) + len(self._fragments or b"")
        if (held > UNCOUNTED or self._halves.held) and not self.cut:  # each message comes by here
            self._halves.note(self, held, self.heard)
        return end

    def _take(self, frame: Frame) -> None:
        """Take a frame that the parser has parsed."""
        opcode = frame.opcode
        if opcode is Opcode.TEXT and frame.fin:
            self._message(bytes(frame.data))
            return
        if len(frame.data) < SMALL:
            self._count_control_frame()
        if opcode is Opcode.TEXT:
            self._fragments = bytearray(frame.data)
        elif opcode is Opcode.CONT and self._fragments is not None:
            self._fragments += frame.data
            if frame.fin:
                data, self._fragments = self._fragments, None
                self._message(bytes(data))
        elif opcode is Opcode.BINARY:
            self._fail(UNSUPPORTED_DATA, "text messages only")
        elif opcode is Opcode.PONG:
            self._take_pong()

    def _take_control(self, first: int) -> None:
        """Take a whole ping, whose reply is queued, or a whole pong."""
        self._count_control_frame()
        if first == PING:
            self._collect()
        else:
            self._take_pong()

    def _take_pong(self) -> None:
        if self._ping_sent_at:
            self.rtt, self._ping_sent_at = perf_counter() - self._ping_sent_at, 0.0

    def _count_control_frame(self) -> None:
        """Mute or cut a connection that sends too many frames without a message."""
        control_frames = self._control_frames
        if not control_frames.exceeded(self.loop.time()):
            return
        if control_frames.persistent:
            self.cut_off(f"more than {control_frames.limit} frames a second that are no messages")
            return
        self._update_reading()
        self.loop.call_later(MUTED_FOR, self._unmute)

    def _unmute(self) -> None:
        self._control_frames.muted = False
        if not self.transport.is_closing():
            self.resume_input()

    def _message(self, text: bytes) -> None:
        if not text.isascii():
            try:
                text.decode()
            except UnicodeDecodeError as error:
                self._fail(INVALID_DATA, f"{error.reason} at position {error.start}")
                return
        if self.receiver is not None and not self.cut:
            self.receiver.received(text)
