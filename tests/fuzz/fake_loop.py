"""What stands in for an event loop and a socket: time passes, and bytes come, when an input says so.

More is modelled than in edge/fakes.py: here nobody knows beforehand what will be written, and when
either side ends. So a transport that is told to end does so in the next turn of the loop, one whose
reading is paused keeps what comes, and one that has half ended ends when the other side does.
"""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from nodnod_agent.transport import connection, fair_queue, writer
from simulation.clock import FakeClock, Timer
from transport.fakes import FakeTransport

HIGH_WATER = 2048
"""Bytes that wait before a transport calls itself full: a small input must be able to fill it."""

READ = 20 * 1024
"""Bytes that are read at a time, at most: more than a pump takes in one go."""


MEASURING = (writer, connection, fair_queue)
LOOK = 20e-6


class Stopwatch:
    """Measures how long work takes: the same each time. At each look at it 20 µs have passed.

    So a pump makes room for others as often as it does with work of that length.
    """

    def __init__(self) -> None:
        self._looks = 0
        self._patches = [patch.object(module, "perf_counter", self) for module in MEASURING]

    def __call__(self) -> float:
        self._looks += 1
        return LOOK * self._looks

    def __enter__(self) -> "Stopwatch":
        for one in self._patches:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._patches:
            one.stop()


class Future:
    """As much of a future as a dial needs."""

    def __init__(self) -> None:
        self._result: Any = None
        self._exception: BaseException | None = None
        self._done = False

    def done(self) -> bool:
        return self._done

    def cancelled(self) -> bool:
        return False

    def exception(self) -> BaseException | None:
        assert self._done
        return self._exception

    def set_result(self, result: Any) -> None:
        assert not self._done
        self._done, self._result = True, result

    def set_exception(self, exception: BaseException) -> None:
        assert not self._done
        self._done, self._exception = True, exception


class Loop(FakeClock):
    """The part of an event loop that an agent uses; the core's clock and the edge's in one."""

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> Timer:
        return self.call_at(self.now, callback, *args)

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> Timer:
        return self.call_at(self.now + delay, callback, *args)

    def create_future(self) -> Future:
        return Future()


class Transport(FakeTransport):
    """One end of a connection; ``arrives`` is what the other end sends."""

    def __init__(self, loop: Loop, protocol: Any, *, here: Any, there: Any) -> None:
        super().__init__(protocol)
        self._loop = loop
        self._extra = {"sockname": here, "peername": there}
        self._inbox: list[bytes] = []
        self._ending = False
        self._their_end = False
        self.paused = False
        """Whether reading was ever paused."""
        self.first = b""
        """The first few bytes that came."""
        self.said_all = False
        """Whether the other side has said all that it had to say."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._extra.get(name, default)

    def arrives(self, data: bytes) -> None:
        """The other side has sent something, which is read when reading is not paused."""
        if not self.said_all:
            self.first = (self.first + data)[:8]
            self._inbox += [data[at : at + READ] for at in range(0, len(data), READ)]
            self._deliver()

    def ends(self) -> None:
        """The other side has said all that it had to say."""
        self._their_end = self.said_all = True
        self._deliver()

    @property
    def unread(self) -> bool:
        """Whether something has come that was not read."""
        return bool(self._inbox)

    def stalls(self) -> None:
        """The other side reads no more."""
        self.stuck = True

    def take_all(self) -> None:
        """The other side reads all that there is, and on."""
        self.stuck = False
        self.take(self.unsent)

    def breaks(self) -> None:
        """The connection is gone."""
        self._end()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high_water = HIGH_WATER

    def pause_reading(self) -> None:
        super().pause_reading()
        self.paused = True

    def resume_reading(self) -> None:
        super().resume_reading()
        self._loop.call_soon(self._deliver)

    def close(self) -> None:
        super().close()
        if not self.unsent:
            self._end()

    def take(self, size: int) -> None:
        super().take(size)
        if self.closed and not self.unsent:
            self._end()

    def abort(self) -> None:
        super().abort()
        self._end()

    def _deliver(self) -> None:
        while self._inbox and self.reading and not self.is_closing():
            self.protocol.data_received(self._inbox.pop(0))
        if self._their_end and self.reading and not self._inbox and not self.is_closing():
            self._their_end = False
            if not self.protocol.eof_received():
                self.close()

    def _end(self) -> None:
        if not self._ending:
            self._ending = True
            self.closed = True
            self._loop.call_soon(self.lose)
