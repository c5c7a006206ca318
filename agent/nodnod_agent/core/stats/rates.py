"""Two readings of a counter and the time between them -> percent and per-second.

Counters may be in any unit, as long as both readings are. One that went backwards (a device that
was reset, an idle counter that the kernel corrected) counts as standing still: nothing here is
ever negative.
"""

from typing import NamedTuple


class CpuTimes(NamedTuple):
    """What one core, or all together, spent where; the first eight columns of Linux' /proc/stat.

    The guest columns are left out on purpose: Linux has counted them in ``user`` and ``nice``
    already (proc(5)).
    """

    user: float = 0
    nice: float = 0
    system: float = 0
    idle: float = 0
    iowait: float = 0
    irq: float = 0
    softirq: float = 0
    steal: float = 0


class CpuShares(NamedTuple):
    """Percent of the time between two readings (0-100); ``used`` is all but idle and iowait."""

    used: float = 0.0
    user: float = 0.0
    system: float = 0.0
    iowait: float = 0.0
    steal: float = 0.0


def cpu_shares(before: CpuTimes, after: CpuTimes) -> CpuShares:
    """How the time between two readings was spent; nice is in ``user``, interrupts in ``system``.

    All 0 where no time has passed.
    """
    user, nice, system, idle, iowait, irq, softirq, steal = (
        now - then if now > then else 0 for then, now in zip(before, after, strict=True)
    )
    user += nice
    system += irq + softirq
    busy = user + system + steal
    total = busy + idle + iowait
    if total <= 0:
        return CpuShares()
    scale = 100 / total
    return CpuShares(busy * scale, user * scale, system * scale, iowait * scale, steal * scale)


def per_second(before: float, after: float, elapsed: float) -> float:
    """The speed of a counter over ``elapsed`` seconds; 0 for one that went back or had no time."""
    return (after - before) / elapsed if after > before and elapsed > 0 else 0.0


def percent(part: float, whole: float) -> float:
    """``part`` of ``whole`` in percent; 0 of nothing is 0."""
    return 100 * part / whole if whole > 0 else 0.0
