"""How much of something is borne in a second."""


class RateLimit:
    """So many in each second of a clock, and none of what goes beyond."""

    __slots__ = ("_left", "_most", "_second")

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most
        self._second = 0

    def take(self, now: float, count: int = 1) -> bool:
        """Use up so many; false where there are not so many left, which uses up the rest."""
        second = int(now)
        if second != self._second:
            self._second, self._left = second, self._most
        self._left -= count
        return self._left >= 0
