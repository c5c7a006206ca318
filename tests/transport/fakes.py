"""A loop whose time stands still, and a transport that notes what it is told."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from live.raw_tls import TlsEnd
from simulation.clock import FakeClock, Timer

READ_SIZE = 20 * 1024
"""Bytes that a transport reads at a time, at most: more than a connection parses in one go."""


class FakeLoop(FakeClock):
    """The part of an event loop that the agent uses; `FakeClock` says when time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: dict[object, Callable[[], None]] = {}

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> Timer:
        return self.call_at(self.now, callback, *args)

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> Timer:
        return self.call_at(self.now + delay, callback, *args)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=cast(Any, self))

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """An exception of a future that nothing waits for."""

    def add_reader(self, sock: object, callback: Callable[[], None]) -> None:
        self.readers[sock] = callback

    def remove_reader(self, sock: object) -> None:
        self.readers.pop(sock, None)

    def iterate(self) -> None:
        """Make the calls that are due, and not yet those that they schedule."""
        last = self._planned
        while self._heap and self._heap[0][0] <= self.now and self._heap[0][1] <= last:
            self._step(self._heap)


class FakeTransport(asyncio.Transport):
    """One end of a connection; ``arrive`` is what the other end sends.

    With ``stuck``, the other end reads nothing. A transport whose reading is paused keeps what
    arrives. One that is closed or aborted is lost in the next loop iteration.
    """

    def __init__(
        self,
        loop: FakeLoop,
        protocol: asyncio.Protocol,
        *,
        high_water: int | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(extra)
        self.protocol = protocol
        self.writes: list[bytes] = []
        self.stuck = False
        self.unsent = 0
        self.reading = True
        self.reading_was_paused = False
        self.half_closed = False
        self.closed = False
        self.aborted = False
        self.lost = False
        self.first = b""
        """The first few bytes that arrived."""
        self.eof_arrived = False
        self._loop = loop
        self._high_water = high_water
        self._writing_paused = False
        self._inbox: list[bytes] = []
        self._eof_undelivered = False

    @property
    def sent(self) -> bytes:
        """All that was written."""
        return b"".join(self.writes)

    # What the other end does.

    def arrive(self, data: bytes) -> None:
        """Send something, which is read once reading is not paused."""
        if not self.eof_arrived:
            self.first = (self.first + data)[:8]
            self._inbox += [data[at : at + READ_SIZE] for at in range(0, len(data), READ_SIZE)]
            self._deliver()

    def arrive_eof(self) -> None:
        """End the stream."""
        self._eof_undelivered = self.eof_arrived = True
        self._deliver()

    @property
    def unread(self) -> bool:
        """Whether something that has arrived is not read."""
        return bool(self._inbox)

    def take(self, size: int) -> None:
        """Read so many bytes."""
        self.unsent -= size
        if self._writing_paused and self.unsent <= (self._high_water or 0) // 4:
            self._writing_paused = False
            self.protocol.resume_writing()
        if self.closed and not self.unsent:
            self._end()

    def take_all(self) -> None:
        """Read everything, from now on."""
        self.stuck = False
        self.take(self.unsent)

    def lose(self) -> None:
        """Lose the connection."""
        if not self.lost:
            self.lost = True
            self.protocol.connection_lost(None)

    # What the agent does.

    def write(self, data: Any) -> None:
        # As uvloop does; asyncio's own loop is more patient.
        if self.lost or self.half_closed:
            raise RuntimeError("write after the end")
        self.writes.append(bytes(data))
        if self.stuck:
            self.unsent += len(data)
            if self.unsent > (self._high_water or 0) and not self._writing_paused:
                self._writing_paused = True
                self.protocol.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high_water = self._high_water or high

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        self.reading = False
        self.reading_was_paused = True

    def resume_reading(self) -> None:
        self.reading = True
        self._loop.call_soon(self._deliver)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.half_closed = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def close(self) -> None:
        self.closed = True
        if not self.unsent:
            self._end()

    def abort(self) -> None:
        self.aborted = True
        self._end()

    def _deliver(self) -> None:
        while self._inbox and self.reading and not self.is_closing():
            self.protocol.data_received(self._inbox.pop(0))
        if self._eof_undelivered and self.reading and not self._inbox and not self.is_closing():
            self._eof_undelivered = False
            if not self.protocol.eof_received():
                self.close()

    def _end(self) -> None:
        self._loop.call_soon(self.lose)


class TlsFakeTransport(FakeTransport):
    """Notes decrypted what the agent has written."""

    def __init__(self, loop: FakeLoop, protocol: asyncio.Protocol, client: TlsEnd) -> None:
        super().__init__(loop, protocol)
        self._client = client

    def write(self, data: bytes) -> None:
        super().write(data)
        text = self._client.decrypt(self.writes.pop())
        if text:
            self.writes.append(text)
