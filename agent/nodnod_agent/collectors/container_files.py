"""What the cgroup of a container says, and the network of its processes.

An engine is not asked for numbers: those of 60 containers cost it seconds of CPU.
"""

import os
from collections.abc import Callable, Collection
from typing import NamedTuple

from nodnod_agent.collectors.cgroup import parse_cpu_max, parse_limit, parse_number
from nodnod_agent.collectors.container_groups import (
    Group,
    Trees,
    directories,
    has_directories,
    inode_of,
    read_file,
)

_MAX_INNER = 200
"""Groups inside one container of which the processes are counted."""

_MAX_STARTS = 50
"""Processes of a container of which the oldest is taken."""


class Usage(NamedTuple):
    """What a container has used so far, in CPU seconds and bytes, and its limits; None if unknown.

    ``started`` is that of its oldest process, in seconds after the start of the machine.
    """

    cpu: float | None
    cpu_limit: float | None
    memory_limit: int | None
    memory: int | None
    read_bytes: int | None
    write_bytes: int | None
    recv_bytes: int | None
    sent_bytes: int | None
    processes: int | None
    started: float | None


def parse_field(data: bytes | None, name: bytes) -> int | None:
    """The number of one line of ``memory.stat`` or ``cpu.stat``, which may have 60 others."""
    _, found, rest = (b"\n%s" % (data or b"")).partition(b"\n%s " % name)
    return parse_number(rest.partition(b"\n")[0]) if found else None


def parse_io_v2(data: bytes, counts: Callable[[str], bool]) -> tuple[int, int]:
    """``io.stat``: bytes read and written on the devices that count."""
    read = written = 0
    for line in data.split(b"\n"):
        device, *pairs = line.split()[:3] or [b""]
        if pairs and counts(device.decode("ascii", "replace")):
            values = dict(pair.partition(b"=")[::2] for pair in pairs)
            read += int(values.get(b"rbytes", 0))
            written += int(values.get(b"wbytes", 0))
    return read, written


def parse_io_v1(data: bytes, counts: Callable[[str], bool]) -> tuple[int, int]:
    """``blkio.throttle.io_service_bytes``: the same."""
    read = written = 0
    for line in data.split(b"\n"):
        words = line.split()
        if len(words) == 3 and words[1] in (b"Read", b"Write"):
            if not counts(words[0].decode("ascii", "replace")):
                continue
            if words[1] == b"Read":
                read += int(words[2])
            else:
                written += int(words[2])
    return read, written


def parse_traffic(data: bytes) -> tuple[int, int]:
    """``/proc/PID/net/dev``: bytes received and sent, of all interfaces but the loopback."""
    received = sent = 0
    for line in data.split(b"\n")[2:]:
        name, _, rest = line.rpartition(b":")
        words = rest.split()
        if len(words) > 8 and name.strip() != b"lo":
            received += int(words[0])
            sent += int(words[8])
    return received, sent


def parse_start(stat: bytes | None) -> int | None:
    """``/proc/PID/stat``: the start of the process, in ticks since the start of the machine."""
    columns = (stat or b"").rpartition(b")")[2].split()
    return int(columns[19]) if len(columns) > 19 else None


def parse_process_cgroups(data: bytes | None) -> dict[str, str]:
    """``/proc/PID/cgroup``: controller -> path; ``""`` is that of v2."""
    found: dict[str, str] = {}
    for line in os.fsdecode(data or b"").split("\n"):
        _, _, rest = line.partition(":")
        names, colon, path = rest.partition(":")
        if colon:
            found |= dict.fromkeys(names.split(","), path)
    return found


class ContainerFiles:
    """The files of one container."""

    def __init__(self, group: Group, trees: Trees) -> None:
        self.group = group
        self._trees = trees
        self._oldest: tuple[int, float] | None = None
        main = trees.directory(trees.main or "", group, {})
        self._main = main or ""
        pids = self._pids()
        of_process: dict[str, str] = {}
        if pids:
            of_process = parse_process_cgroups(read_file(f"{trees.proc}/{pids[0]}/cgroup"))

        self.is_complete = True
        """Whether it has a directory in each tree; an engine makes one after the other."""

        def directory(controller: str) -> str | None:
            found = trees.directory(controller, group, of_process)
            if found is None and trees.has(controller):
                self.is_complete = False
            return found

        v2 = directory("")
        self._cpu, cpu_limit = _cpu_readers(trees, v2, directory("cpu"), directory("cpuacct"))
        self._memory, memory_limit = _memory_readers(trees, v2, directory("memory"))
        self._io = _io_reader(trees, v2, directory("blkio"))
        self._find_limits = cpu_limit, memory_limit
        self.read_limits()
        freezer = directory("freezer")
        # Where v1 freezes, v2 says "frozen 0" of a frozen group.
        self._freezer = f"{freezer}/freezer.state" if freezer else f"{v2}/cgroup.events"

    def read(self, host_networks: Collection[int]) -> Usage | None:
        """The current numbers; None if the container is gone. Raises OSError without free files."""
        pids = self._pids()
        if pids is None:
            return None
        oldest, started = self._find_oldest(pids, host_networks)
        received, sent = self._traffic(oldest, host_networks)
        read, written = self._io()
        return Usage(
            self._cpu(),
            *self._limits,
            self._memory(),
            read,
            written,
            received,
            sent,
            len(pids),
            started,
        )

    def read_limits(self) -> None:
        """Read the limits again, which seldom change."""
        cpu_limit, memory_limit = self._find_limits
        self._limits = cpu_limit(), memory_limit()

    def is_frozen(self) -> bool:
        """Whether it is paused."""
        data = read_file(self._freezer) or b""
        return data.strip() == b"FROZEN" or parse_field(data, b"frozen") == 1

    def _pids(self) -> list[int] | None:
        """The processes, of groups inside too; None if the container is gone."""
        data = read_file(f"{self._main}/cgroup.procs")
        if data is None and not os.path.isdir(self._main):
            return None
        pids = (data or b"").split()
        if has_directories(self._main):
            queue = [self._main]
            for _ in range(_MAX_INNER):
                if not queue:
                    break
                above = queue.pop()
                for name in directories(above):
                    queue.append(f"{above}/{name}")
                    pids += (read_file(f"{above}/{name}/cgroup.procs") or b"").split()
        return [int(pid) for pid in pids]

    def _find_oldest(
        self, pids: list[int], host_networks: Collection[int]
    ) -> tuple[int | None, float | None]:
        """The oldest of the first processes, and its start; 0 is one that this agent cannot see."""

        def is_inside(pid: int) -> bool:
            # systemd-nspawn itself is in the group too, outside of the machine that it runs.
            if self.group.engine != "nspawn":
                return True
            return inode_of(f"{self._trees.proc}/{pid}/net/dev") not in host_networks

        found = self._oldest
        if found is None or found[0] not in pids or not is_inside(found[0]):
            visible = [pid for pid in pids if pid][:_MAX_STARTS]
            visible = [pid for pid in visible if is_inside(pid)] or visible
            stats = ((read_file(f"{self._trees.proc}/{pid}/stat"), pid) for pid in visible)
            starts = [
                (start, pid) for stat, pid in stats if (start := parse_start(stat)) is not None
            ]
            if not starts:
                return (visible[0] if visible else None), None
            ticks, oldest = min(starts)
            self._oldest = found = oldest, ticks / self._trees.tick
        return found

    def _traffic(
        self, pid: int | None, host_networks: Collection[int]
    ) -> tuple[int | None, int | None]:
        """Bytes received and sent, in the network of a process, unless it is that of the host."""
        # Opened each time: a file that stays open still answers after the end of the container.
        path = f"{self._trees.proc}/{pid}/net/dev"
        inode = None if pid is None else inode_of(path)
        if inode is None or inode in host_networks:
            return None, None
        data = read_file(path)
        return (None, None) if data is None else parse_traffic(data)


def _cpu_readers(
    trees: Trees, v2: str | None, cpu: str | None, cpuacct: str | None
) -> tuple[Callable[[], float | None], Callable[[], float | None]]:
    """For the seconds used, and for the limit in cores."""

    def used_v2() -> float | None:
        used = parse_field(read_file(f"{v2}/cpu.stat"), b"usage_usec")
        return None if used is None else used / 1e6

    def used_v1() -> float | None:
        used = parse_number(read_file(f"{cpuacct}/cpuacct.usage"))
        return None if used is None else used / 1e9

    def limit_v1() -> float | None:
        words = (read_file(f"{cpu}/cpu.cfs_{name}_us") or b"" for name in ("quota", "period"))
        return parse_cpu_max(b" ".join(word.strip() for word in words))

    if trees.is_v2("cpu", "cpuacct"):
        return used_v2, lambda: parse_cpu_max(read_file(f"{v2}/cpu.max") or b"")
    return used_v1, limit_v1


def _memory_readers(
    trees: Trees, v2: str | None, v1: str | None
) -> tuple[Callable[[], int | None], Callable[[], int | None]]:
    """For the bytes used, and for the limit."""
    if trees.is_v2("memory"):
        usage, maximum = f"{v2}/memory.current", f"{v2}/memory.max"
        stat, inactive = f"{v2}/memory.stat", b"inactive_file"
    else:
        usage, maximum = f"{v1}/memory.usage_in_bytes", f"{v1}/memory.limit_in_bytes"
        stat, inactive = f"{v1}/memory.stat", b"total_inactive_file"  # of the groups inside too

    def used() -> int | None:
        used = parse_number(read_file(usage))
        cache = parse_field(read_file(stat), inactive) or 0
        # The kernel brings the statistics up to date later than the usage.
        return used - cache if used is not None and cache <= used else used

    return used, lambda: parse_limit(read_file(maximum) or b"")


def _io_reader(
    trees: Trees, v2: str | None, v1: str | None
) -> Callable[[], tuple[int, int] | tuple[None, None]]:
    """For the bytes read and written."""

    def read_v2() -> tuple[int, int] | tuple[None, None]:
        data = read_file(f"{v2}/io.stat")
        return (None, None) if data is None else parse_io_v2(data, trees.counts)

    def read_v1() -> tuple[int, int] | tuple[None, None]:
        name = "blkio.throttle.io_service_bytes"
        data = read_file(f"{v1}/{name}_recursive")
        if data is None:  # an older kernel
            data = read_file(f"{v1}/{name}")
        return (None, None) if data is None else parse_io_v1(data, trees.counts)

    return read_v2 if trees.is_v2("io", "blkio") else read_v1
