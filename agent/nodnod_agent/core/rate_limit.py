"""How many events are allowed per time."""

from nodnod_agent.core.interfaces import EARLY


class RateLimit:
    """A sliding window: at most ``limit`` events in any ``per`` seconds.

    The time comes in as an argument. A clock that was set back starts a new window. An event is
    allowed up to ``EARLY`` seconds before its time, since timers fire that early.
    """

    __slots__ = ("_limit", "_per", "_taken")

    def __init__(self, limit: int, per: float = 1.0) -> None:
        self._limit = limit
        self._per = per
        # A list, since every connection has a limit: an empty deque takes 760 bytes.
        self._taken: list[float] = []

    def left(self, now: float) -> int:
        """How many events are allowed at this moment."""
        taken, expired = self._taken, 0
        while expired < len(taken) and not 0 <= now - taken[expired] < self._per - EARLY:
            expired += 1
        if expired:
            del taken[:expired]
        return self._limit - len(taken)

    def take(self, now: float, count: int = 1) -> bool:
        """Use up ``count`` events; false if fewer are left, which uses up those too."""
        left = self.left(now)
        self._taken.extend([now] * min(count, left))
        return count <= left

    def next_time(self, now: float) -> float:
        """When the next event is allowed: ``now`` or later."""
        return now if self.left(now) > 0 else self._taken[0] + self._per
