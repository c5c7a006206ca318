"""What each service of systemd uses, from its control group; v2, v1 and the mixture of both."""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from nodnod_agent.collectors.cgroup import mount_points, parse_flat
from nodnod_agent.collectors.kernel_files import read_once, text
from nodnod_agent.collectors.mountinfo import parse_mountinfo

SYSTEMD = "name=systemd"
"""The tree of v1 that systemd keeps for its own use."""


class GroupUse(NamedTuple):
    """CPU seconds used so far, and bytes without the file cache that can be dropped at once.

    None where the kernel does not account it.
    """

    cpu: float | None
    memory: int | None


class ServiceGroups:
    """The control groups of the services of one systemd; ``root`` is its own place in each tree."""

    def __init__(self, v2: str | None, v1: dict[str, str], root: str) -> None:
        """``v2`` and ``v1`` are mount points; those of v1 by controller."""
        controllers = read_once(f"{v2}/cgroup.controllers").split() if v2 is not None else []
        self._root = root
        self._tree = v1.get(SYSTEMD, v2)
        self._cpu = v2
        self._cpu_v1 = v1.get("cpuacct")
        # In a hybrid, v2 may have the files of a controller that belongs to v1.
        self._memory = v2 if b"memory" in controllers else None
        self._memory_v1 = v1.get("memory")

    def read(self) -> dict[str, GroupUse]:
        """Each running service by the name of its unit; those that end meanwhile are left out."""
        found = {}
        for name, path in self._services():
            use = GroupUse(self._cpu_of(path), self._memory_of(path))
            if use.cpu is not None or use.memory is not None:
                found[name] = use
        return found

    def _services(self) -> Iterator[tuple[str, str]]:
        """The name of each service, and its path in every tree."""
        if self._tree is None:
            return
        slices = [self._root]
        while slices:
            path = slices.pop()
            try:
                names = os.listdir(self._tree + path)
            except OSError:  # it has ended
                continue
            for name in names:
                below = f"{path.rstrip('/')}/{name}"
                if name.endswith(".slice"):
                    slices.append(below)
                elif name.endswith(".service"):
                    yield unescape(text(name)), below

    def _cpu_of(self, path: str) -> float | None:
        # The kernel counts it for each group of v2, whatever its controllers.
        if self._cpu is not None:
            with suppress(OSError, ValueError, KeyError):
                return parse_flat(read_once(f"{self._cpu}{path}/cpu.stat"))[b"usage_usec"] / 1e6
        if self._cpu_v1 is not None:
            with suppress(OSError, ValueError):
                return int(read_once(f"{self._cpu_v1}{path}/cpuacct.usage")) / 1e9
        return None

    def _memory_of(self, path: str) -> int | None:
        point, usage, inactive = self._memory, "memory.current", b"inactive_file"
        if point is None:
            point, usage = self._memory_v1, "memory.usage_in_bytes"
            inactive = b"total_inactive_file"
        if point is None:
            return None
        try:
            used = int(read_once(f"{point}{path}/{usage}"))
            return max(
                0, used - parse_flat(read_once(f"{point}{path}/memory.stat")).get(inactive, 0)
            )
        except (OSError, ValueError):
            return None


def unescape(name: str) -> str:
    """The unit of a control group: systemd puts ``_`` before names that the kernel could take."""
    return name.removeprefix("_")


def manager_root(groups: bytes, mounted: str) -> str:
    """Where systemd's groups begin, in a tree of which ``mounted`` is mounted.

    ``groups`` is /proc/1/cgroup: systemd itself is in ``init.scope``.
    """
    paths = {}
    for line in groups.splitlines():
        _, _, rest = os.fsdecode(line).partition(":")
        names, _, path = rest.partition(":")
        paths[names] = path
    path = paths.get(SYSTEMD, paths.get("", "/")).removesuffix("/init.scope")
    return path.removeprefix(mounted.rstrip("/")).rstrip("/")


def find_groups() -> ServiceGroups:
    """Those of the systemd that runs this machine. Raises OSError."""
    mountinfo = _read_all("/proc/self/mountinfo")
    points = mount_points(mountinfo)
    v2 = points.pop("", None)
    tree = points.get(SYSTEMD, v2)
    mounted = [entry.root for entry in parse_mountinfo(mountinfo) if entry.point == tree]
    return ServiceGroups(
        v2, points, manager_root(read_once("/proc/1/cgroup"), (mounted or ["/"])[-1])
    )


def _read_all(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
