"""Rate limit on repeated log messages: a number of them per window, then only a count.

Pure: the time comes in as an argument, in monotonic seconds, and must not go back.
"""

from collections.abc import Hashable

from msgspec import Struct


class Repeated(Struct):
    """One kind of message in its current window, which began at ``began``.

    The caller sets ``last`` when a message is admitted, and gets it back with the count.
    """

    began: float
    last: object = None
    admitted: int = 0
    suppressed: int = 0


class LogRateLimit:
    """Admits ``most`` messages of a kind per ``window`` seconds, for up to ``kinds`` kinds at once.

    With more kinds the oldest window ends early, so memory is bounded and new kinds are admitted.
    """

    def __init__(self, most: int = 10, window: float = 60.0, kinds: int = 1000) -> None:
        self._most = most
        self._window = window
        self._kinds = kinds
        self._current: dict[Hashable, Repeated] = {}  # all windows are equal: the oldest ends first
        self._ended: list[Repeated] = []

    def admit(self, kind: Hashable, now: float) -> Repeated | None:
        """Admit a message, or count it as suppressed and return None."""
        self._end_windows(now)
        repeated = self._current.get(kind)
        if repeated is None:
            if len(self._current) >= self._kinds:
                self._end_oldest()
            repeated = self._current[kind] = Repeated(now)
        if repeated.admitted == self._most:
            repeated.suppressed += 1
            return None
        repeated.admitted += 1
        return repeated

    def ended(self, now: float) -> list[Repeated]:
        """Return, once each, the kinds whose window has ended with some messages suppressed."""
        self._end_windows(now)
        ended, self._ended = self._ended, []
        return ended

    def next_end(self) -> float | None:
        """Return when the next window ends."""
        oldest = next(iter(self._current.values()), None)
        return None if oldest is None else oldest.began + self._window

    def _end_windows(self, now: float) -> None:
        while (end := self.next_end()) is not None and end <= now:
            self._end_oldest()

    def _end_oldest(self) -> None:
        repeated = self._current.pop(next(iter(self._current)))
        if repeated.suppressed:
            self._ended.append(repeated)
