"""Percentages and rates from two readings of a counter and the time between them.

The unit does not matter, as long as both readings have the same. A counter that went backwards (a
device was reset, the kernel corrected an idle counter) counts as unchanged: no result is negative.
So does one that went below 0, which the kernel prints as 2**64 less a little.
"""

from typing import NamedTuple


class CpuTimes(NamedTuple):
    """CPU time of one core or of all: the first eight columns of Linux' /proc/stat.

    The guest columns are left out: Linux counts them in ``user`` and ``nice`` too (proc(5)).
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


def step(before: float, after: float) -> float:
    """How far a counter went on between two readings; 0 if it went back, or below 0."""
    difference = after - before
    return difference if 0 < difference < 2**63 else 0


def cpu_shares(before: CpuTimes, after: CpuTimes) -> CpuShares:
    """The shares between two readings; nice counts as ``user``, interrupts as ``system``.

    All are 0 if no time has passed.
    """
    user, nice, system, idle, iowait, irq, softirq, steal = map(step, before, after)
    user += nice
    system += irq + softirq
    busy = user + system + steal
    total = busy + idle + iowait
    if total <= 0:
        return CpuShares()
    scale = 100 / total
    return CpuShares(busy * scale, user * scale, system * scale, iowait * scale, steal * scale)


def per_second(before: float, after: float, elapsed: float) -> float:
    """The rate of a counter over ``elapsed`` seconds; 0 if it went back or no time has passed."""
    return step(before, after) / elapsed if elapsed > 0 else 0.0


def percent(part: float, whole: float) -> float:
    """``part`` of ``whole`` in percent; 0 of nothing is 0."""
    return 100 * part / whole if whole > 0 else 0.0
