"""The limits and the use of this container's cgroup; v2, v1 and the mixture of both.

The files read are those where the cgroup tree is *mounted*, not those of the agent's own group. In
a container that is the group of the container (by a cgroup namespace or a bind mount); on a host it
is the root, which has no limits. So an agent that is a service with a memory limit reports the host.
"""

from collections.abc import Callable
from typing import NamedTuple

from nodnod_agent.collectors.kernel_files import KernelFile, open_optional
from nodnod_agent.collectors.mountinfo import parse_mountinfo


class MemoryUse(NamedTuple):
    """Bytes; ``used`` is without the file cache that can be dropped at once."""

    limit: int
    used: int
    cached: int
    swap_limit: int | None
    swap_used: int | None


class CpuUse(NamedTuple):
    """The quota in ``cores``; the CPU seconds used so far: all, in user and in system mode."""

    cores: float
    used: float
    user: float
    system: float


def mount_points(mountinfo: bytes) -> dict[str, str]:
    """Controller -> its mount point; ``""`` is the single tree of v2."""
    found: dict[str, str] = {}
    for entry in parse_mountinfo(mountinfo):
        if entry.type in ("cgroup", "cgroup2"):
            names = [""] if entry.type == "cgroup2" else entry.options.split(",")
            for name in names:
                found.setdefault(name, entry.point)
    return found


def parse_limit(data: bytes) -> int | None:
    """``memory.max`` or ``memory.limit_in_bytes``: bytes, or None for no limit.

    In v1, no limit is the largest possible number of pages.
    """
    word = data.strip()
    return int(word) if word.isdigit() and int(word) < 2**62 else None


def parse_cpu_max(data: bytes) -> float | None:
    """``cpu.max`` (v2), ``quota period`` in microseconds: cores, or None for no limit."""
    quota, _, period = data.strip().partition(b" ")
    return int(quota) / int(period) if quota.isdigit() and int(period or 0) > 0 else None


def parse_flat(data: bytes) -> dict[bytes, int]:
    """``memory.stat``, ``cpu.stat``: a name and a number per line."""
    words = data.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


def memory_use(
    limit: int, usage: bytes, stat: bytes, swap_max: bytes | None, swap: bytes | None
) -> MemoryUse:
    """The memory of a cgroup from its files (v2, or v1 without the swap ones)."""
    stats = parse_flat(stat)
    # In v1 the prefix "total_" includes the groups below this one.
    inactive = stats.get(b"total_inactive_file", stats.get(b"inactive_file", 0))
    cached = stats.get(b"file", stats.get(b"total_cache", 0))
    return MemoryUse(
        limit=limit,
        used=max(0, int(usage) - inactive),
        cached=cached,
        swap_limit=None if swap_max is None else parse_limit(swap_max),
        swap_used=None if swap is None else int(swap),
    )


def cpu_use_v2(maximum: bytes, stat: bytes) -> CpuUse | None:
    """The CPU of a v2 cgroup from ``cpu.max`` and ``cpu.stat``; None: no quota."""
    cores = parse_cpu_max(maximum)
    if cores is None:
        return None
    stats = parse_flat(stat)
    used, user, system = (
        stats.get(key, 0) / 1e6 for key in (b"usage_usec", b"user_usec", b"system_usec")
    )
    return CpuUse(cores, used, user, system)


def cpu_use_v1(quota: bytes, period: bytes, usage: bytes, stat: bytes) -> CpuUse | None:
    """The CPU of a v1 cgroup; ``usage`` is in nanoseconds, ``stat`` in ticks of 10 ms."""
    cores = parse_cpu_max(quota.strip() + b" " + period)
    if cores is None:
        return None
    stats = parse_flat(stat)
    return CpuUse(
        cores, int(usage) / 1e9, stats.get(b"user", 0) / 100, stats.get(b"system", 0) / 100
    )


def _unlimited() -> None:
    return None


class Cgroup(NamedTuple):
    """The limits of this container; ``memory`` and ``cpu`` return None if there is no limit."""

    memory: Callable[[], MemoryUse | None] = _unlimited
    cpu: Callable[[], CpuUse | None] = _unlimited


def find_cgroup(mountinfo: bytes) -> Cgroup:
    """Open the cgroup files by the mount table; each controller may be v2 or v1."""
    points = mount_points(mountinfo)
    v2 = points.get("")
    memory = _memory(v2, ("memory.max", "memory.current", "memory.stat")) or _memory(
        points.get("memory"), ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat")
    )
    cpu = _cpu_v2(v2) or _cpu_v1(points.get("cpu"), points.get("cpuacct"))
    return Cgroup(memory or _unlimited, cpu or _unlimited)


def _memory(
    point: str | None, names: tuple[str, str, str]
) -> Callable[[], MemoryUse | None] | None:
    files = _open(point, names)
    if files is None:
        return None
    limit, usage, stat = files
    swap_max = open_optional(f"{point}/memory.swap.max")
    swap = open_optional(f"{point}/memory.swap.current")

    def read() -> MemoryUse | None:
        maximum = parse_limit(limit.read())
        if maximum is None:  # the other files are slow to read
            return None
        return memory_use(
            maximum,
            usage.read(),
            stat.read(),
            swap_max.read() if swap_max else None,
            swap.read() if swap else None,
        )

    return read


def _cpu_v2(point: str | None) -> Callable[[], CpuUse | None] | None:
    files = _open(point, ("cpu.max", "cpu.stat"))
    if files is None:
        return None
    maximum, stat = files
    return lambda: cpu_use_v2(maximum.read(), stat.read())


def _cpu_v1(cpu: str | None, cpuacct: str | None) -> Callable[[], CpuUse | None] | None:
    quota = _open(cpu, ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
    usage = _open(cpuacct, ("cpuacct.usage", "cpuacct.stat"))
    if quota is None or usage is None:
        return None
    return lambda: cpu_use_v1(*(file.read() for file in (*quota, *usage)))


def _open(point: str | None, names: tuple[str, ...]) -> list[KernelFile] | None:
    if point is None:
        return None
    files = [open_optional(f"{point}/{name}") for name in names]
    opened = [file for file in files if file is not None]
    return opened if len(opened) == len(files) else None
