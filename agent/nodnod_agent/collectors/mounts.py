"""The mount table: which mounts are storage, which of them are shown, which are counted.

A machine's disk total counts every device once. So of all mounts of a device (bind mounts,
btrfs subvolumes, APFS volumes) only one is kept, and what is no storage of its own (memory,
images, overlays, loop devices, other machines) is not counted.
"""

import os
import re
from collections.abc import Callable, Iterable
from enum import Enum
from typing import NamedTuple

import psutil

from nodnod_agent.collectors.kernel_files import KernelFile, open_if_there, text


class Mounted(NamedTuple):
    """One line of the mount table; ``device`` is what tells two filesystems apart."""

    device: str
    root: str
    point: str
    type: str
    source: str


class Mount(NamedTuple):
    """A mount that is shown; ``point`` is its path, ``counted`` whether it is in the disk total."""

    point: str
    source: str
    type: str
    device: str
    counted: bool

    @property
    def shown(self) -> tuple[str, str, str]:
        """Mount point, source and type, fit for JSON."""
        return text(self.point), text(self.source), text(self.type)


class Kind(Enum):
    """What a filesystem is to us."""

    STORAGE = "shown and counted"
    REMOTE = "shown: the bytes belong to another machine, or to another filesystem"
    OTHER = "not shown, unless it is the root"


# Filesystems on block devices are storage. These have an anonymous device (major 0) instead.
_DEVICELESS = frozenset({"btrfs", "zfs", "bcachefs", "ubifs", "apfs"})
# Read-only images: full by nature, and their bytes lie on another filesystem.
_IMAGES = frozenset({"squashfs", "iso9660", "udf", "erofs", "cramfs", "romfs", "cd9660"})
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "webdav", "afs", "ncpfs"})
_CLUSTER = frozenset({"ceph", "lustre", "beegfs", "gpfs", "pvfs2", "orangefs", "coda"})
_OF_THE_HOST = frozenset({"9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "drvfs"})
_REMOTE = _NETWORK | _CLUSTER | _OF_THE_HOST
# Helpers of desktops and containers that only look like filesystems.
_DESKTOP = frozenset({"fuse.portal", "fuse.gvfsd-fuse", "fuse.vmware-vmblock", "fuse.rofiles-fuse"})
_WRAPPERS = frozenset({"fuse.lxcfs", "fuse.snapfuse", "fuse.squashfuse", "fuse.fuse-overlayfs"})
_TOYS = _DESKTOP | _WRAPPERS
# Block devices that are memory (1), files of another filesystem (7), floppies, CDs.
_NO_STORAGE = frozenset({"1", "2", "7", "11"})
_ESCAPE = re.compile(rb"\\([0-7]{3})")


def kind(mounted: Mounted) -> Kind:
    """What this filesystem is to us, by its type and device alone."""
    type_, major = mounted.type, mounted.device.partition(":")[0]
    if type_ in _IMAGES or type_ in _TOYS:
        return Kind.OTHER
    if type_ in _REMOTE or type_ == "fuse" or type_.startswith("fuse."):
        return Kind.REMOTE
    if type_ in _DEVICELESS:
        return Kind.STORAGE
    if major == "0":
        return Kind.OTHER
    if major in _NO_STORAGE or mounted.source.startswith("/dev/zram"):
        return Kind.REMOTE
    return Kind.STORAGE


def choose(table: Iterable[Mounted]) -> list[Mount]:
    """The mounts to show, each device once, storage first, the root always.

    Of a device's mounts the one of the whole filesystem is taken, and of those the one with the
    shortest path, as df does. If nothing at all is storage (a container on an overlay, a diskless
    machine), the root is counted, so that the total is never 0 for want of a device.
    """
    # A later mount hides an earlier one at the same place.
    visible = {mounted.point: mounted for mounted in table}
    kinds = {point: kind(mounted) for point, mounted in visible.items()}
    best: dict[str, Mounted] = {}
    for point, mounted in visible.items():
        if kinds[point] is Kind.OTHER:
            continue
        rival = best.get(mounted.device)
        if rival is None or _rank(mounted) < _rank(rival):
            best[mounted.device] = mounted
    root = visible.get("/")
    if root is not None:
        best[root.device] = root
    storage = any(kinds[mounted.point] is Kind.STORAGE for mounted in best.values())
    mounts = [
        Mount(
            mounted.point,
            mounted.source,
            mounted.type,
            mounted.device,
            kinds[mounted.point] is Kind.STORAGE or (not storage and mounted is root),
        )
        for mounted in best.values()
    ]
    return sorted(mounts, key=lambda mount: (not mount.counted, mount.point))


def _rank(mounted: Mounted) -> tuple[bool, int, str]:
    return mounted.root != "/", len(mounted.point), mounted.point


def parse_mountinfo(data: bytes) -> list[Mounted]:
    """/proc/self/mountinfo, as proc(5) describes it; paths as they go to the system."""
    table = []
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        left, separator, right = line.partition(" - ")
        if not separator:
            continue
        _id, _parent, device, root, point, *_ = left.split(" ")
        type_, source, *_ = [*right.split(" "), ""]
        table.append(Mounted(device, _plain(root), _plain(point), type_, _plain(source)))
    return table


def _plain(escaped: str) -> str:
    if "\\" not in escaped:
        return escaped
    # The escapes are bytes of the path, not characters of it.
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match[1], 8)]), os.fsencode(escaped)))


def from_partitions(partitions: Iterable[tuple[str, str, str, str]]) -> list[Mounted]:
    """The same from psutil's (device, mount point, type, options), as macOS has them.

    All volumes of an APFS container share its space: their device is the container's disk. What
    is mounted from a device read-only and is not the root is a disk image.
    """
    table = []
    for source, point, type_, options in partitions:
        disk = re.match(r"/dev/disk\d+", source) if type_ == "apfs" else None
        local = source.startswith("/dev/")
        image = local and point != "/" and "ro" in options.split(",")
        device = disk[0] if disk else source
        table.append(
            Mounted(
                f"1:{device}" if image else f"d:{device}" if local else f"0:{point}",
                "/",
                point,
                "iso9660" if image else type_,
                source,
            )
        )
    return table


def mount_table() -> Callable[[], list[Mount] | None]:
    """A function that gives the mounts to show, or None while they are what they were."""
    file = open_if_there("/proc/self/mountinfo")
    return psutil_mounts if file is None else _mountinfo_source(file)


def _mountinfo_source(file: KernelFile) -> Callable[[], list[Mount] | None]:
    # Parsing the table of a container host takes milliseconds; the kernel tells when to.
    return lambda: choose(parse_mountinfo(file.read())) if file.changed() else None


def psutil_mounts() -> list[Mount]:
    """The mounts of a system without /proc."""
    return choose(
        from_partitions(
            (part.device, part.mountpoint, part.fstype, part.opts)
            for part in psutil.disk_partitions(all=True)
        )
    )
