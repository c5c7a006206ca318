"""A timer that goes off at the earliest of the times that were asked for."""

from collections.abc import Callable
from math import inf

from nodnod_agent.core.interfaces import Clock, Timer


class Wakeup:
    """Calls ``act`` once, at the earliest time that was asked for since the last call."""

    def __init__(self, clock: Clock, act: Callable[[], None]) -> None:
        self._clock = clock
        self._act = act
        self._timer: Timer | None = None
        self._when = inf

    def at(self, when: float) -> None:
        """Call at this time, on the core's clock, or earlier."""
        if when < self._when:
            self.cancel()
            self._when = when
            self._timer = self._clock.call_at(when, self._go)

    def cancel(self) -> None:
        """Do not call before it is asked for again."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._when = None, inf

    def _go(self) -> None:
        self._timer, self._when = None, inf
        self._act()
