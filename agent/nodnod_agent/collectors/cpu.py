"""The ``cpu`` section: how the cores spent the time since the previous reading."""

import os
from collections.abc import Callable
from contextlib import suppress

import psutil

from nodnod_agent.collectors.cgroup import Cgroup, CpuUse
from nodnod_agent.collectors.kernel_files import KernelFile, open_optional
from nodnod_agent.core.stats.rates import CpuTimes, cpu_shares, percent
from nodnod_client.sections import Cpu

ALL = -1
"""The key of all cores together."""

Times = dict[int, CpuTimes]
Source = Callable[[], Times]


def parse_cpu_times(data: bytes) -> Times:
    """The cpu lines at the start of /proc/stat, in ticks; cores that are offline are absent."""
    times: Times = {}
    for line in data.split(b"\n"):
        if not line.startswith(b"cpu"):
            break
        name, *columns = line.split()
        times[int(name[3:] or ALL)] = CpuTimes(*map(int, columns[:8]))
    return times


def compute(before: Times, after: Times, frequency: float | None) -> Cpu:
    """The section from two readings; a core that is in only one of them is left out."""
    whole = cpu_shares(before.get(ALL, after[ALL]), after[ALL])
    cores = [
        round(cpu_shares(before[core], times).used, 2)
        for core, times in sorted(after.items())
        if core != ALL and core in before
    ]
    used, user, system, iowait, steal = (round(share, 2) for share in whole)
    return Cpu(used, user, system, iowait, steal, cores, frequency)


def compute_quota(
    before: CpuUse, after: CpuUse, elapsed: float, count: int, frequency: float | None
) -> Cpu:
    """The section of a container: percent of the cores in its quota, at most ``count`` cores.

    A burst may exceed the quota for a moment; it counts as 100.
    """
    allowed = min(after.cores, count) * elapsed
    used, user, system = (
        min(100.0, percent(max(0.0, now - then), allowed))
        for then, now in zip(before[1:], after[1:], strict=True)
    )
    return Cpu(round(used, 2), round(user, 2), round(system, 2), None, None, [], frequency)


def parse_frequency(cpuinfo: bytes) -> float | None:
    """MHz of the first core in /proc/cpuinfo; None if the architecture has no such field."""
    for line in cpuinfo.split(b"\n"):
        name, colon, value = line.partition(b":")
        if colon and name.strip() == b"cpu MHz":
            with suppress(ValueError):
                return round(float(value), 1)
    return None


class CpuCollector:
    """Reads /proc/stat (psutil on other systems), and the CPU quota of the cgroup."""

    def __init__(self, cgroup: Cgroup, source: Source | None = None) -> None:
        self._cgroup = cgroup
        self._source = source or _source()
        self._frequency = _frequency_source()
        self._count = os.cpu_count() or 1
        self._times: Times = {}
        self._use: CpuUse | None = None
        self._when = 0.0

    def read(self, now: float) -> Cpu:
        """The section since the previous reading; the first one is all 0."""
        frequency = self._frequency()
        last_use, self._use = self._use, self._cgroup.cpu()
        last_times, self._times = self._times, self._source()
        elapsed, self._when = now - self._when, now
        if last_use is not None and self._use is not None:
            return compute_quota(last_use, self._use, elapsed, self._count, frequency)
        return compute(last_times, self._times, frequency)


def _source() -> Source:
    file = open_optional("/proc/stat")
    if file is None:
        return psutil_times
    # The lines after the cores (interrupts) have many kilobytes on a large machine.
    size = 4096 + 256 * (os.cpu_count() or 1)
    return lambda: parse_cpu_times(file.head(size))


def psutil_times() -> Times:
    """CPU times through psutil, in seconds, for systems without /proc; missing columns are 0."""
    rows = [psutil.cpu_times(), *psutil.cpu_times(percpu=True)]
    return {
        number: CpuTimes(*(getattr(times, field, 0.0) for field in CpuTimes._fields))
        for number, times in enumerate(rows, start=ALL)
    }


def _frequency_source() -> Callable[[], float | None]:
    file = open_optional("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
    if file is not None:
        return lambda: _khz(file)
    # Without frequency scaling it is constant. /proc/cpuinfo is slow, so it is read once.
    fixed = None
    info = open_optional("/proc/cpuinfo")
    if info is not None:
        with suppress(OSError):
            fixed = parse_frequency(info.head(8192))
    return lambda: fixed


def _khz(file: KernelFile) -> float | None:
    try:
        return round(int(file.read()) / 1000, 1)
    except (OSError, ValueError):  # the core is offline, or the driver has no value
        return None
