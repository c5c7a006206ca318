"""The cgroups of containers, found by their names in the cgroup trees of v2, v1 or both."""

import errno
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from nodnod_agent.collectors.cgroup import mount_points
from nodnod_agent.collectors.kernel_files import open_optional, text

_MAX_DIRECTORIES = 5000
"""Directories of the cgroup tree that are searched: any user may have a tree of any size."""

_HALF_PAGE = 2048

_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ESRCH, errno.EINVAL, errno.ENOTDIR})
_NOT_READABLE = _GONE | {errno.EACCES, errno.EPERM, errno.EOPNOTSUPP}

# The last form is that of runc where the kubelet means systemd to make the groups and its engine does
# not: kubepods-podUID.slice:cri-containerd:ID
_BY_ID = re.compile(r"(?:([a-z][a-z-]*)-|[^:]+\.slice:([a-z][a-z-]*):)?([0-9a-f]{64})(?:\.scope)?")
_ENGINES = {
    "docker": "docker",
    "libpod": "podman",
    "libpod-payload": "podman",
    "cri-containerd": "containerd",
    "nerdctl": "containerd",
    "crio": "cri-o",
}
_BY_NAME = (
    ("lxc", re.compile(r"lxc\.payload\.(.+)")),
    ("nspawn", re.compile(r"systemd-nspawn@(.+)\.service")),
    # systemd-machined registers virtual machines of libvirt too.
    ("nspawn", re.compile(r"machine-(?!qemu\\x2d)(.+)\.scope")),
)
_LXC_PARENTS = frozenset({"lxc", "lxc.payload"})
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")


class Group(NamedTuple):
    """The cgroup of a container: its path below the mount point, ``/docker/…``.

    ``id`` has 64 digits, or is the name; ``name`` is empty if the path does not tell it.
    """

    path: str
    engine: str
    id: str
    name: str = ""


def group_of(path: str) -> Group | None:
    """The container that a cgroup is made for, by its path; None for any other cgroup.

    ``/libpod_parent/POD/libpod-ID`` is a container, ``/libpod_parent/POD`` is none.
    """
    above, _, name = path.rpartition("/")
    parent = above.rpartition("/")[2]
    found = _BY_ID.fullmatch(name)
    if found:
        prefix, after_slice, id_ = found.groups()
        prefix = prefix or after_slice
        if prefix:
            engine = _ENGINES.get(prefix)
        elif parent == "libpod_parent":
            engine = None
        elif parent == "docker":
            engine = "docker"
        else:
            engine = "kubernetes" if "/kubepods" in path else "containerd"
        return Group(path, engine, id_) if engine else None
    if parent in _LXC_PARENTS:
        return Group(path, "lxc", text(name), text(name))
    for engine, pattern in _BY_NAME:
        if found := pattern.fullmatch(name):
            plain = text(_ESCAPE.sub(lambda match: chr(int(match[1], 16)), found[1]))
            return Group(path, engine, plain, plain)
    return None


def find_groups(point: str) -> Iterator[Group]:
    """The containers in a cgroup tree, without those inside of containers."""
    queue = [""]
    for _ in range(_MAX_DIRECTORIES):
        if not queue:
            return
        above = queue.pop()
        for name in directories(point + above):
            path = f"{above}/{name}"
            group = group_of(path)
            if group:
                yield group
            elif has_directories(point + path):
                queue.append(path)


def has_directories(path: str) -> bool:
    """Whether there are directories in a directory of the kernel, or might be."""
    # The kernel counts a link for the ".." of each directory inside; listing takes ten times longer.
    try:
        return os.stat(path).st_nlink != 2
    except OSError:
        return False


def directories(path: str) -> list[str]:
    """The names of the directories in a directory; none if it is gone or not for this user."""
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError as error:
        if error.errno in _NOT_READABLE:
            return []
        raise


def read_file(path: str) -> bytes | None:
    """A file of a cgroup or process; None if it is gone, absent, or not for this user.

    Raises OSError for other reasons: the agent has no free file descriptor.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # A list comes page by page, without the line that no longer fits: none is longer than
            # half a page.
            chunks = [os.read(fd, 65536)]
            while len(chunks[-1]) > _HALF_PAGE:
                chunks.append(os.read(fd, 65536))
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno in _NOT_READABLE:
            return None
        raise
    return b"".join(chunks)


class Trees:
    """The cgroup trees of this machine: each controller is in that of v2, or in one of its own."""

    def __init__(self, proc: str = "/proc", sysfs: str = "/sys") -> None:
        self.proc = proc
        self.tick = os.sysconf("SC_CLK_TCK")
        self._sysfs = sysfs
        self._counted: dict[str, bool] = {}
        table = open_optional(f"{proc}/self/mountinfo")
        self._points = mount_points(table.read() if table else b"")
        self.v2 = self._points.get("")
        words = read_file(f"{self.v2}/cgroup.controllers") if self.v2 else None
        # On a mixed machine the files of v2 are there, and empty, for what v1 controls.
        self._in_v2 = frozenset((words or b"").decode("ascii", "replace").split())
        ordered = ("name=systemd", "memory", "cpuacct", "pids", "freezer", "")
        main = "" if self._in_v2 & {"memory", "cpu", "io"} else None
        if main is None:
            main = next((name for name in ordered if name in self._points), None)
        self.main = main
        """The controller in whose tree containers are looked for; None without any."""

    def find(self) -> list[Group]:
        """The containers, in the order of their paths."""
        if self.main is None:
            return []
        return sorted(find_groups(self._points[self.main]))

    def has(self, controller: str) -> bool:
        """Whether there is a tree of a controller of v1, or for ``""`` of v2."""
        return controller in self._points

    def directory(self, controller: str, group: Group, of_process: dict[str, str]) -> str | None:
        """The directory of a container for a controller of v1, or ``""``; None if it has none.

        ``of_process`` are the groups of one of its processes, for a tree in which the path differs.
        """
        point = self._points.get(controller)
        if point is None:
            return None
        if os.path.isdir(point + group.path):
            return point + group.path
        path = of_process.get(controller, "/")
        # The process may be in a group inside that of the container.
        while path not in ("", "/"):
            found = group_of(path)
            if found and found.id == group.id and os.path.isdir(point + path):
                return point + path
            path = path.rpartition("/")[0]
        return None

    def is_v2(self, *controllers: str) -> bool:
        """Whether v2 has one of these, or v1 has none of them."""
        return not self._in_v2.isdisjoint(controllers) or self._points.keys().isdisjoint(
            controllers
        )

    def counts(self, device: str) -> bool:
        """Whether a block device is one whose I/O is not also that of a device below it."""
        counted = self._counted.get(device)
        if counted is None:
            path = f"{self._sysfs}/dev/block/{device}"
            counted = self._counted[device] = not (
                os.path.exists(f"{path}/loop") or _names(f"{path}/slaves")
            )
        return counted

    def host_networks(self) -> set[int]:
        """The inodes of the files ``net/dev`` of the machine and of this agent.

        Each network has files of its own. The link ``ns/net`` would need rights on the process.
        """
        found = (inode_of(f"{self.proc}/{name}/net/dev") for name in ("self", "1"))
        return {inode for inode in found if inode is not None}


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def inode_of(path: str) -> int | None:
    """None if there is no such file."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return None
