"""The ``load`` section: the three load averages."""

import os
from collections.abc import Callable

from nodnod_client.sections import Load


def compute(averages: tuple[float, float, float]) -> Load:
    """The section from getloadavg(3), which says far more digits than it knows."""
    return Load(*(round(average, 2) for average in averages))


class LoadCollector:
    """Asks the C library, which has them on Linux and macOS alike."""

    def __init__(self, source: Callable[[], tuple[float, float, float]] = os.getloadavg) -> None:
        self._source = source

    def read(self, now: float) -> Load:
        """The section as it is now."""
        return compute(self._source())
