"""A loop whose time stands still, and a transport that only notes what it is told."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Any


class FakeTimer:
    """A call that is due, until it is cancelled."""

    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._call = callback, args
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def run(self) -> None:
        if not self.cancelled:
            callback, args = self._call
            callback(*args)


class FakeLoop:
    """The part of an asyncio loop that a pump uses: the test says when a turn is over."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._soon: list[FakeTimer] = []
        self._later: list[tuple[float, int, FakeTimer]] = []
        self._order = count()

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> FakeTimer:
        self._soon.append(FakeTimer(callback, args))
        return self._soon[-1]

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> FakeTimer:
        timer = FakeTimer(callback, args)
        heapq.heappush(self._later, (self._now + delay, next(self._order), timer))
        return timer

    def one_turn(self) -> None:
        """Run what was called soon, and not yet what that calls soon."""
        soon, self._soon = self._soon, []
        for timer in soon:
            timer.run()

    def turn(self) -> None:
        """Run what was called soon, and what that calls soon."""
        while self._soon:
            self._soon.pop(0).run()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with all that falls due meanwhile."""
        end = self._now + seconds
        self.turn()
        while self._later and self._later[0][0] <= end:
            self._now, _, timer = heapq.heappop(self._later)
            timer.run()
            self.turn()
        self._now = end


class FakeTransport(asyncio.Transport):
    """Takes what is written. With ``stuck`` it keeps it, as the other side does not read."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.writes: list[bytes] = []
        self.stuck = False
        self.unsent = 0
        self.high_water = 0
        self.reading = True
        self.half_closed = False
        self.closed = False
        self.aborted = False
        self.lost = False
        self._paused = False

    def write(self, data: Any) -> None:
        # As uvloop does; asyncio's own loop is more patient.
        if self.lost or self.half_closed:
            raise RuntimeError("write after the end")
        self.writes.append(bytes(data))
        if self.stuck:
            self.unsent += len(data)
            if self.unsent > self.high_water and not self._paused:
                self._paused = True
                self.protocol.pause_writing()

    def take(self, size: int) -> None:
        """The other side reads so many bytes."""
        self.unsent -= size
        if self._paused and self.unsent <= self.high_water // 4:
            self._paused = False
            self.protocol.resume_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high_water = high or 0

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.half_closed = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def lose(self) -> None:
        """The connection is gone."""
        self.lost = True
        self.protocol.connection_lost(None)

    @property
    def sent(self) -> bytes:
        """All that was written."""
        return b"".join(self.writes)
