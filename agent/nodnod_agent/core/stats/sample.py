"""One reading of this machine, as the sampler hands it to the core."""

from msgspec import Struct


class Sample(Struct, frozen=True):
    """Immutable; made off the event loop, one per sample interval.

    ``time`` is when it was taken, in Unix seconds; ``clock`` the same moment in seconds on a clock
    that never goes back and also runs while the machine sleeps. ``cpu_used`` is the busy share of
    all cores since the sample before (percent). The rest are bytes. ``error`` is empty, or says
    what could not be read; the numbers that could be read still stand. ``sections`` maps the name
    of a detail section to its JSON (``b"null"`` where the machine has no such thing). ``series``
    holds the numbers that history keeps, by their wire names (``cpuUsed``,
    ``memoryUsedPercent``, ``diskUsedPercent``, ``recvBytes``, ``sentBytes``, ``load1``).

    A sample may come again, with the same ``time`` and ``clock`` and more ``sections``: the costly
    ones, which are read beside it.
    """

    time: float
    cpu_used: float = 0.0
    disk_total: int = 0
    disk_used: int = 0
    memory_total: int = 0
    memory_used: int = 0
    error: str = ""
    sections: dict[str, bytes] = {}
    series: dict[str, float] = {}
    clock: float = 0.0
