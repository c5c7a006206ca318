"""How often one complaint may be repeated: so many times in a window, then a count.

Pure: the time comes in as an argument, in monotonic seconds, and must not go back.
"""

from collections.abc import Hashable

from msgspec import Struct


class Repeated(Struct):
    """One kind of complaint in its current window, which ``began`` with the first of them.

    ``last`` is whatever the caller wants back with the count; he sets it on what was admitted.
    """

    began: float
    last: object = None
    admitted: int = 0
    suppressed: int = 0


class LogRateLimit:
    """Lets ``most`` of a kind through in ``window`` seconds, for up to ``kinds`` kinds at once.

    With more kinds than that the oldest ends its window early: memory is bounded, and a flood of
    ever new kinds gets through.
    """

    def __init__(self, most: int = 10, window: float = 60.0, kinds: int = 1000) -> None:
        self._most = most
        self._window = window
        self._kinds = kinds
        self._current: dict[Hashable, Repeated] = {}  # windows are equal: the oldest ends first
        self._ended: list[Repeated] = []

    def admit(self, kind: Hashable, now: float) -> Repeated | None:
        """Let one through, or count it and return None."""
        self._end(now)
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
        """Those whose window is over and of which some were suppressed; each is returned once."""
        self._end(now)
        ended, self._ended = self._ended, []
        return ended

    def next_end(self) -> float | None:
        """When the next window is over."""
        oldest = next(iter(self._current.values()), None)
        return None if oldest is None else oldest.began + self._window

    def _end(self, now: float) -> None:
        while (end := self.next_end()) is not None and end <= now:
            self._end_oldest()

    def _end_oldest(self) -> None:
        repeated = self._current.pop(next(iter(self._current)))
        if repeated.suppressed:
            self._ended.append(repeated)
