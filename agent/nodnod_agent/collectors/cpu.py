"""The ``cpu`` section: how the cores spent the last interval."""

import os
from collections.abc import Callable

import psutil

from nodnod_agent.collectors.cgroup import Cgroup, CpuUse
from nodnod_agent.collectors.kernel_files import KernelFile, open_if_there
from nodnod_agent.core.stats.rates import CpuShares, CpuTimes, cpu_shares, percent
from nodnod_client.sections import Cpu

ALL = -1
"""The key of all cores together, among the numbers of the cores."""

Times = dict[int, CpuTimes]
Source = Callable[[], Times]


def parse_stat(data: bytes) -> Times:
    """The cpu lines at the head of /proc/stat, in ticks; cores that are offline are not there."""
    times: Times = {}
    for line in data.split(b"\n"):
        if not line.startswith(b"cpu"):
            break
        name, *columns = line.split()
        times[int(name[3:] or ALL)] = CpuTimes(*map(int, columns[:8]))
    return times


def compute(before: Times, after: Times, frequency: float | None) -> Cpu:
    """The section, from two readings; a core that one of them lacks is left out."""
    whole = cpu_shares(before.get(ALL, after[ALL]), after[ALL])
    cores = [
        round(cpu_shares(before[core], times).used, 2)
        for core, times in sorted(after.items())
        if core != ALL and core in before
    ]
    return _section(whole, cores, frequency)


def compute_quota(
    before: CpuUse, after: CpuUse, elapsed: float, count: int, frequency: float | None
) -> Cpu:
    """The section of a container: shares of the cores that its quota allows (at most ``count``).

    A burst may exceed the quota for a moment; that is still 100.
    """
    allowed = min(after.cores, count) * elapsed
    used, user, system = (
        min(100.0, percent(max(0.0, now - then), allowed))
        for then, now in zip(before[1:], after[1:], strict=True)
    )
    return Cpu(round(used, 2), round(user, 2), round(system, 2), None, None, [], frequency)


def parse_frequency(cpuinfo: bytes) -> float | None:
    """MHz of the first core in /proc/cpuinfo; None where the architecture does not say."""
    for line in cpuinfo.split(b"\n"):
        name, colon, value = line.partition(b":")
        if colon and name.strip() == b"cpu MHz":
            return round(float(value), 1)
    return None


class CpuCollector:
    """Reads /proc/stat where there is one, psutil elsewhere; the quota where there is one."""

    def __init__(self, cgroup: Cgroup, source: Source | None = None) -> None:
        self._cgroup = cgroup
        self._source = source or _source()
        self._frequency = _frequency_source()
        self._count = os.cpu_count() or 1
        self._times: Times = {}
        self._use: CpuUse | None = None
        self._when = 0.0

    def read(self, now: float) -> Cpu:
        """The section since the reading before; the very first one is all 0."""
        frequency = self._frequency()
        use, before = self._cgroup.cpu(), self._use
        elapsed, self._when, self._use = now - self._when, now, use
        times, earlier = self._source(), self._times
        self._times = times
        if use is not None and before is not None:
            return compute_quota(before, use, elapsed, self._count, frequency)
        return compute(earlier, times, frequency)


def _section(shares: CpuShares, cores: list[float], frequency: float | None) -> Cpu:
    return Cpu(
        used=round(shares.used, 2),
        user=round(shares.user, 2),
        system=round(shares.system, 2),
        iowait=round(shares.iowait, 2),
        steal=round(shares.steal, 2),
        cores=cores,
        frequency=frequency,
    )


def _source() -> Source:
    file = open_if_there("/proc/stat")
    return psutil_times if file is None else _stat_source(file)


def _stat_source(file: KernelFile) -> Source:
    # The lines after the cores (interrupts) are many kilobytes on a large machine.
    size = 4096 + 256 * (os.cpu_count() or 1)
    return lambda: parse_stat(file.head(size))


def psutil_times() -> Times:
    """The same from psutil, in seconds, for systems without /proc; what they lack is 0."""
    everything = [psutil.cpu_times(), *psutil.cpu_times(percpu=True)]
    return {
        number: CpuTimes(*(getattr(times, field, 0.0) for field in CpuTimes._fields))
        for number, times in enumerate(everything, start=ALL)
    }


def _frequency_source() -> Callable[[], float | None]:
    file = open_if_there("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
    if file is not None:
        return lambda: _khz(file)
    # Without frequency scaling it does not change, and /proc/cpuinfo is slow: once is enough.
    info = open_if_there("/proc/cpuinfo")
    fixed = None if info is None else parse_frequency(info.head(8192))
    return lambda: fixed


def _khz(file: KernelFile) -> float | None:
    try:
        return round(int(file.read()) / 1000, 1)
    except (OSError, ValueError):  # the core went offline, or the driver does not know
        return None
