"""Time that passes only when told to: one heap of calls, made in order."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from nodnod_agent.core.interfaces import EARLY

if TYPE_CHECKING:
    from simulation.hosts import Process


class Timer:
    """A planned call; ``io`` tells calls of the network from those of timers."""

    __slots__ = ("args", "callback", "io", "process")

    def __init__(
        self,
        process: "Process | None",
        io: bool,
        callback: Callable[..., Any] | None,
        args: tuple[Any, ...],
    ) -> None:
        self.process = process
        self.io = io
        self.callback = callback
        self.args = args

    def cancel(self) -> None:
        """Forget the call."""
        self.callback = None


class FakeClock:
    """The core's Clock; calls that are due at one moment are made in the order of their planning.

    A call that belongs to a process is made only while that process is alive, and waits while it is
    frozen, as its sockets and timers would.
    """

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.running: Process | None = None
        """The process whose call is being made."""
        self._heap: list[tuple[float, int, Timer]] = []
        self._planned = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Timer:
        return self.plan(when, None, False, callback, args)

    def plan(
        self,
        when: float,
        process: "Process | None",
        io: bool,
        callback: Callable[..., Any] | None,
        args: tuple[Any, ...] = (),
    ) -> Timer:
        """Plan a call for ``process``."""
        timer = Timer(process, io, callback, args)
        self._planned += 1
        heappush(self._heap, (when, self._planned, timer))
        return timer

    def resume(self, process: "Process") -> None:
        """Make the calls that waited for a frozen process due now: first the network's, then timers."""
        backlog, process.backlog = process.backlog, []
        for timer in sorted(backlog, key=lambda timer: not timer.io):
            self._planned += 1
            heappush(self._heap, (self.now, self._planned, timer))

    def advance(self, seconds: float) -> None:
        """Let time pass and make all calls that fall due."""
        self.run_until(self.now + seconds)

    def turn(self) -> None:
        """Make all calls that are due at this moment; no time passes."""
        self.run_until(self.now)

    def run_until(self, moment: float) -> None:
        """Make all calls up to ``moment``."""
        heap = self._heap
        while heap and heap[0][0] <= moment:
            self._step(heap)
        self.now = max(self.now, moment)

    def wait_for(self, condition: Callable[[], bool], limit: float) -> float:
        """Go on until ``condition`` holds; the seconds it took. AssertionError after ``limit``."""
        began = self.now
        heap = self._heap
        while not condition():
            if not heap or heap[0][0] > began + limit:
                self.now = began + limit
                raise AssertionError(f"it did not come true within {limit} s")
            self._step(heap)
        return self.now - began

    def _step(self, heap: list[tuple[float, int, Timer]]) -> None:
        when, _, timer = heappop(heap)
        callback = timer.callback
        if callback is None:
            return
        if when > self.now:
            self.now = when
        process = timer.process
        if process is not None and (process.frozen or not process.alive):
            if process.alive:
                process.backlog.append(timer)
            return
        self.running = process
        callback(*timer.args)


class HastyClock(FakeClock):
    """It calls as early as a clock may, and a caller that then plans the same again at once."""

    def __init__(self) -> None:
        super().__init__()
        self.planned: list[float] = []
        """When each call was planned."""

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Raises AssertionError for a busy loop."""
        self.planned.append(self.now)
        assert self.planned[-100:].count(self.now) < 100, "a busy loop"
        return super().call_at(max(self.now, when - EARLY), callback, *args)
