"""The ``load`` section: the load averages over 1, 5 and 15 minutes."""

import os

from nodnod_client.sections import Load


def compute(averages: tuple[float, float, float]) -> Load:
    """The section from getloadavg(3), rounded to the precision that the kernel has."""
    return Load(*(round(average, 2) for average in averages))


class LoadCollector:
    """Reads the load averages from the C library."""

    def read(self, now: float) -> Load:
        """The current section."""
        return compute(os.getloadavg())
