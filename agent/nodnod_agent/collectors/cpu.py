"""The ``cpu`` section: how the cores spent the time since the previous reading."""

import math
from collections.abc import Callable, Container
from contextlib import suppress

import psutil

from nodnod_agent.collectors.cgroup import Cgroup, CpuUse
from nodnod_agent.collectors.cpus import CpuSet
from nodnod_agent.collectors.kernel_files import OptionalFile, SharedFile
from nodnod_agent.core.stats.rates import CpuTimes, cpu_shares, percent, step
from nodnod_client.sections import Cpu

ALL = -1
"""The key of all cores together."""

MAX_CORES = 65_536
"""Numbers of cores below this one are believed; Linux has 8192 at most."""

FREQUENCY_INTERVAL = 60.0
"""Seconds between two readings of /proc/cpuinfo, which is slow, without a driver of frequencies."""

Times = dict[int, CpuTimes]
Source = Callable[[], Times]


def parse_cpu_times(data: bytes) -> Times:
    """The cpu lines at the start of /proc/stat, in ticks; cores that are offline are absent."""
    times: Times = {}
    for line in data.split(b"\n"):
        if not line.startswith(b"cpu"):
            break
        name, *columns = line.split()
        with suppress(ValueError):  # one bad line costs its own core
            number = int(name[3:] or ALL)
            if number < MAX_CORES:
                times[number] = CpuTimes(*map(int, columns[:8]))
    return times


def compute(
    before: Times,
    after: Times,
    frequency: float | None,
    places: int = 0,
    columns: Container[str] = CpuTimes._fields,
) -> Cpu:
    """The section from two readings; the place of a core in the list is its number.

    ``columns`` are those that the system has: without them, ``iowait`` and ``steal`` are None.

    The list has at least ``places`` places; that of a core that is in only one reading, or in none,
    is None. Raises ValueError if no counter goes on: some systems have a /proc/stat of zeros.
    """
    if ALL not in after:
        raise ValueError("no counters of all cores")
    if ALL in before and not any(map(step, before[ALL], after[ALL])):
        raise ValueError("the counters of all cores stand still")
    whole = cpu_shares(before.get(ALL, after[ALL]), after[ALL])
    cores: list[float | None] = [None] * max(places, max(after) + 1)
    for core, times in after.items():
        if core != ALL and core in before:
            cores[core] = round(cpu_shares(before[core], times).used, 2)
    used, user, system, iowait, steal = (round(share, 2) for share in whole)
    return Cpu(
        used,
        user,
        system,
        iowait if "iowait" in columns else None,
        steal if "steal" in columns else None,
        cores,
        frequency,
    )


def compute_quota(
    before: CpuUse, after: CpuUse, elapsed: float, count: int, frequency: float | None
) -> Cpu:
    """The section of a container: percent of the cores that it may use, at most ``count`` cores.

    A burst may exceed the quota for a moment; it counts as 100.
    """
    allowed = min(after.cores, count) * elapsed
    used, user, system = (
        min(100.0, percent(step(then, now), allowed))
        for then, now in zip(before[1:], after[1:], strict=True)
    )
    return Cpu(round(used, 2), round(user, 2), round(system, 2), None, None, [], frequency)


def parse_frequency(cpuinfo: bytes) -> float | None:
    """MHz of the first core in /proc/cpuinfo; None if the architecture has no such field."""
    for line in cpuinfo.split(b"\n"):
        name, colon, value = line.partition(b":")
        if colon and name.strip() == b"cpu MHz":
            with suppress(ValueError):
                return round(float(value), 1) or None
    return None


class CpuCollector:
    """Reads /proc/stat (psutil on other systems), and the CPU limit of the cgroup."""

    def __init__(
        self, cgroup: Cgroup, source: Source | None = None, stat: SharedFile | None = None
    ) -> None:
        self._cgroup = cgroup
        self._source = source
        self._stat = stat or SharedFile("/proc/stat")
        self._frequency = _FrequencyReader()
        self._online = CpuSet()
        self._times: Times = {}
        self._columns: Container[str] = CpuTimes._fields
        self._places = 0
        self._use: CpuUse | None = None
        self._when = 0.0

    def read(self, now: float) -> Cpu:
        """The section since the previous reading; the first one is all 0."""
        use, times = self._cgroup.cpu(), self._read_times(now)  # either may raise
        last_use, self._use = self._use, use
        last_times, self._times = self._times, times
        elapsed, self._when = now - self._when, now
        cores = times.keys() - {ALL}
        frequency = self._frequency.read(min(cores, default=0), now)
        if last_use is not None and use is not None and use.used > 0:
            return compute_quota(last_use, use, elapsed, self._online.count(), frequency)
        # A core keeps its place when it goes offline.
        self._places = max(self._places, max(cores, default=ALL) + 1)
        return compute(last_times, times, frequency, self._places, self._columns)

    def _read_times(self, now: float) -> Times:
        if self._source is not None:
            return self._source()
        data = self._stat.read(now)
        if data is not None:
            return parse_cpu_times(data)
        self._columns = psutil.cpu_times()._fields
        return psutil_times()


def psutil_times() -> Times:
    """CPU times through psutil, in seconds, for systems without /proc; missing columns are 0."""
    rows = [psutil.cpu_times(), *psutil.cpu_times(percpu=True)]
    return {
        number: CpuTimes(*(getattr(times, field, 0.0) for field in CpuTimes._fields))
        for number, times in enumerate(rows, start=ALL)
    }


class _FrequencyReader:
    """The frequency of a core, by its driver, or from /proc/cpuinfo."""

    def __init__(self) -> None:
        self._core: int | None = None
        self._driver = self._cpuinfo = OptionalFile("/proc/cpuinfo")
        self._fixed: float | None = None
        self._fixed_until = -math.inf

    def read(self, core: int, now: float) -> float | None:
        """MHz, or None if unknown; ``now`` is in seconds."""
        if core != self._core:
            path = f"/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq"
            self._core, self._driver, self._fixed_until = core, OptionalFile(path), -math.inf
        if now < self._fixed_until:
            return self._fixed
        try:
            khz = self._driver.read()
            if khz is not None:
                return round(int(khz) / 1000, 1) or None
            self._fixed_until = now + FREQUENCY_INTERVAL
            self._fixed = parse_frequency(self._cpuinfo.read(8192) or b"")
        except (OSError, ValueError):  # the driver has no value
            return None
        return self._fixed
