"""One reading of this machine, as the sampler hands it to the core."""

from msgspec import Struct


class Sample(Struct, frozen=True):
    """Immutable; made outside the event loop, one per sample interval.

    ``time`` is when it was taken, in Unix seconds. ``clock`` is the same moment, in seconds of a
    clock that never goes back and also runs while the machine sleeps. ``cpu_used`` is the busy
    share of all cores since the sample before, in percent. ``disk_*`` and ``memory_*`` are bytes.
    ``error`` is empty, or says what could not be read; the other numbers are valid all the same.
    ``sections`` maps the name of a detail section, or its key with a pattern (``Question.key``), to
    its JSON (``b"null"`` if the machine has no such thing). ``series`` holds the numbers that the history keeps, by their wire names
    (``cpuUsed``, ``memoryUsedPercent``, ``diskUsedPercent``, ``recvBytes``, ``sentBytes``, ``load1``,
    ``readBytes``, ``writeBytes``, ``cpuPressure``, ``memoryPressure``, ``ioPressure``, ``cpuUser``,
    ``cpuSystem``, ``cpuIowait``, ``cpuSteal``); none is negative.

    A sample may come again with the same ``time`` and ``clock`` and more ``sections``: on-demand
    sections are read in parallel.
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

    @property
    def numbers(self) -> dict[str, float]:
        """Those of ``series``, and the bytes of memory and disks, as far as they are known."""
        known = dict(self.series)
        if self.memory_total:
            known["memoryTotal"], known["memoryUsed"] = self.memory_total, self.memory_used
        if self.disk_total:
            known["diskTotal"], known["diskUsed"] = self.disk_total, self.disk_used
        return known
