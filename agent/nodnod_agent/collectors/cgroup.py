"""The limits and the use of this container's cgroup; v2, v1 and the mixture of both.

The files read are those where the cgroup tree is *mounted*, not those of the agent's own group. In
a container that is the group of the container (by a cgroup namespace or a bind mount); on a host it
is the root, which has no limits. So an agent that is a service with a memory limit reports the host.
"""

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from nodnod_agent.collectors.cpus import CpuSet, parse_cpu_list
from nodnod_agent.collectors.kernel_files import OptionalFile, open_optional, text
from nodnod_agent.collectors.mountinfo import parse_mountinfo

TREE = "/sys/fs/cgroup"
"""Where a system has its own cgroup tree; elsewhere there may be that of the host."""


class MemoryUse(NamedTuple):
    """Bytes; ``used`` is without the file cache that can be dropped at once."""

    limit: int
    used: int
    cached: int | None
    swap_limit: int | None
    swap_used: int | None


class CpuUse(NamedTuple):
    """The limit in ``cores``; the CPU seconds used so far: all, in user and in system mode.

    ``used`` is 0 if the group does not count them.
    """

    cores: float
    used: float
    user: float
    system: float


def mount_points(mountinfo: bytes) -> dict[str, str]:
    """Controller -> its mount point; ``""`` is the single tree of v2.

    In a container with the files of its host (``-v /:/host``) only what is in ``TREE`` counts.
    """
    lines = b"\n".join(line for line in mountinfo.split(b"\n") if b" - cgroup" in line)
    table = sorted(parse_mountinfo(lines), key=lambda entry: len(entry.point))
    own = [entry for entry in table if f"{entry.point}/".startswith(f"{TREE}/")]
    found: dict[str, str] = {}
    for entry in own or table:
        names = [""] if entry.type == "cgroup2" else entry.options.split(",")
        for name in names:
            found.setdefault(name, entry.point)
    return found


def parse_limit(data: bytes) -> int | None:
    """``memory.max`` or ``memory.limit_in_bytes``: bytes, or None for no limit.

    In v1, no limit is the largest possible number of pages.
    """
    word = data.strip()
    return int(word) if word.isdigit() and 0 < int(word) < 2**62 else None


def parse_cpu_max(data: bytes) -> float | None:
    """``cpu.max`` (v2), ``quota period`` in microseconds: cores, or None for no limit."""
    quota, _, period = data.strip().partition(b" ")
    limited = quota.isdigit() and int(quota) > 0 and int(period or 0) > 0
    return int(quota) / int(period) if limited else None


def parse_flat(data: bytes) -> dict[bytes, int]:
    """``memory.stat``, ``cpu.stat``: a name and a number per line; other lines are passed over."""
    found: dict[bytes, int] = {}
    for line in data.split(b"\n"):
        name, _, value = line.partition(b" ")
        number = parse_number(value)
        if number is not None:
            found[name] = number
    return found


def parse_number(data: bytes | None) -> int | None:
    """A number of the kernel; None for one below 0, which is printed as 2**64 less a little."""
    word = (data or b"").strip()
    return int(word) if word.isdigit() and int(word) < 2**63 else None


def memory_use(
    limit: int, usage: bytes, stats: Mapping[bytes, int], swap_max: bytes | None, swap: bytes | None
) -> MemoryUse:
    """The memory of a cgroup from its files (v2, or v1 without the swap ones)."""
    used = parse_number(usage)
    if used is None:
        raise ValueError(f"the cgroup uses {text(usage.strip())} bytes of memory")
    # In v1 the prefix "total_" includes the groups below this one.
    inactive = _first(stats, b"total_inactive_file", b"inactive_file") or 0
    return MemoryUse(
        limit=limit,
        # The kernel brings the statistics up to date later than the usage.
        used=used - inactive if inactive <= used else used,
        cached=_first(stats, b"file", b"total_cache", b"cache"),
        swap_limit=None if swap_max is None else _swap_limit(swap_max),
        swap_used=parse_number(swap),
    )


def _swap_limit(data: bytes) -> int | None:
    # A group without swap is a common thing, one without memory cannot run.
    return 0 if data.strip() == b"0" else parse_limit(data)


def _first(stats: Mapping[bytes, int], *names: bytes) -> int | None:
    return next((stats[name] for name in names if name in stats), None)


class _Group:
    """The files of the group at a mount point; all are absent if nothing is mounted."""

    def __init__(self, point: str | None) -> None:
        self._point = point
        self._files: dict[str, OptionalFile] = {}

    def __bool__(self) -> bool:
        return self._point is not None

    def read(self, name: str) -> bytes | None:
        """A file, if there is one: controllers may be switched on later. Raises OSError."""
        if self._point is None:
            return None
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = OptionalFile(f"{self._point}/{name}")
        return file.read()

    def require(self, name: str) -> bytes:
        """A file that must be there. Raises OSError."""
        data = self.read(name)
        if data is None:
            raise FileNotFoundError(f"{self._point}/{name} cannot be read")
        return data


def _unlimited() -> None:
    return None


def _unknown(limit: int) -> None:
    return None


class Cgroup(NamedTuple):
    """The limits of this container; ``memory`` and ``cpu`` return None if there is no limit.

    ``memory_within`` is the use of memory under a limit that is known from elsewhere, because it
    stands on a group above: None without a group.
    """

    memory: Callable[[], MemoryUse | None] = _unlimited
    cpu: Callable[[], CpuUse | None] = _unlimited
    memory_within: Callable[[int], MemoryUse | None] = _unknown


def find_cgroup(mountinfo: bytes) -> Cgroup:
    """The cgroup files by the mount table; each controller may be v2 or v1."""
    points = {name: at for name, at in mount_points(mountinfo).items() if not _is_root(at)}
    v2 = _Group(points.get(""))
    v1 = {name: _Group(points.get(name)) for name in ("memory", "cpu", "cpuacct", "cpuset")}
    online = CpuSet()

    def memory(within: int | None = None) -> MemoryUse | None:
        maximum = v2.read("memory.max")
        if maximum is None:
            return _memory_v1(v1["memory"], within)
        return _memory_v2(v2, maximum, within)

    def cpu() -> CpuUse | None:
        maximum = v2.read("cpu.max")
        in_v1 = maximum is None and bool(v1["cpuacct"])
        quota = _quota_v1(v1["cpu"]) if in_v1 else parse_cpu_max(maximum or b"")
        allowed = _allowed_cpus(v2, v1["cpuset"])
        if quota is None and (allowed is None or allowed >= online.count()):
            return None
        cores = min(limit for limit in (quota, allowed) if limit is not None)
        return CpuUse(cores, *(_cpu_times_v1(v1["cpuacct"]) if in_v1 else _cpu_times_v2(v2)))

    return Cgroup(memory, cpu, memory)


def _is_root(point: str) -> bool:
    """Whether it is the group of all processes, which has no limit: by the files of v1, and of v2."""
    v1 = os.path.exists(f"{point}/release_agent")
    v2 = os.path.exists(f"{point}/cgroup.controllers")
    return v1 or (v2 and not os.path.exists(f"{point}/cgroup.events"))


def follow_cgroup() -> Cgroup:
    """The same by this process' mount table, which may change. Its functions raise OSError."""
    table = open_optional("/proc/self/mountinfo")
    if table is None:
        return Cgroup()
    found: Cgroup | None = None

    def current() -> Cgroup:
        nonlocal found
        if table.changed() or found is None:
            found = None  # until it could be read
            found = find_cgroup(table.read())
        return found

    return Cgroup(
        lambda: current().memory(),
        lambda: current().cpu(),
        lambda limit: current().memory_within(limit),
    )


def _memory_v2(group: _Group, maximum: bytes, within: int | None) -> MemoryUse | None:
    limits = [limit for limit in (parse_limit(maximum), within) if limit is not None]
    if not limits:  # the other files are slow to read
        return None
    return memory_use(
        min(limits),
        group.require("memory.current"),
        parse_flat(group.read("memory.stat") or b""),
        group.read("memory.swap.max"),
        group.read("memory.swap.current"),
    )


def _memory_v1(group: _Group, within: int | None) -> MemoryUse | None:
    maximum = group.read("memory.limit_in_bytes")
    if maximum is None:
        return None
    stats = parse_flat(group.read("memory.stat") or b"")
    # The limit that applies may stand on a group above.
    applies = parse_limit(b"%d" % stats.get(b"hierarchical_memory_limit", 2**63))
    limits = [limit for limit in (parse_limit(maximum), applies, within) if limit is not None]
    if not limits:
        return None
    return memory_use(min(limits), group.require("memory.usage_in_bytes"), stats, None, None)


def _quota_v1(group: _Group) -> float | None:
    words = [group.read(f"cpu.cfs_{name}_us") or b"" for name in ("quota", "period")]
    return parse_cpu_max(b" ".join(word.strip() for word in words))


def _cpu_times_v2(group: _Group) -> list[float]:
    stats = parse_flat(group.read("cpu.stat") or b"")
    return [stats.get(key, 0) / 1e6 for key in (b"usage_usec", b"user_usec", b"system_usec")]


def _cpu_times_v1(group: _Group) -> list[float]:
    stats = parse_flat(group.read("cpuacct.stat") or b"")  # ticks of 10 ms
    used = parse_number(group.read("cpuacct.usage")) or 0
    return [used / 1e9, stats.get(b"user", 0) / 100, stats.get(b"system", 0) / 100]


def _allowed_cpus(v2: _Group, cpuset: _Group) -> float | None:
    data = (
        v2.read("cpuset.cpus.effective")
        or cpuset.read("cpuset.effective_cpus")
        or cpuset.read("cpuset.cpus")
    )
    return float(len(parse_cpu_list(data or b""))) or None
