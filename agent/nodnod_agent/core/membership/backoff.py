"""How long to wait before dialing again."""

from nodnod_agent.core.interfaces import Random

FIRST = 0.25
MOST = 15.0


class Backoff:
    """Waits from 0 to a ceiling that doubles from FIRST to MOST seconds (full jitter).

    The jitter keeps a cluster that restarts at once from dialing at once; see "Exponential Backoff
    And Jitter", AWS Architecture Blog, 2015.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._ceiling = FIRST

    def wait(self) -> float:
        """Seconds until the next attempt."""
        ceiling, self._ceiling = self._ceiling, min(self._ceiling * 2, MOST)
        return self._rng.uniform(0, ceiling)

    def longest(self) -> float:
        """The longest wait; all following ones have that ceiling, until ``reset``."""
        self._ceiling = MOST
        return MOST

    def reset(self) -> None:
        """Start over: the last attempt went well."""
        self._ceiling = FIRST
