"""The mounts of this machine: which are shown, and which are counted in the disk total.

The disk total counts every device once. So only one mount of a device is kept (of bind mounts,
btrfs subvolumes, APFS volumes), and filesystems without storage of their own (memory, images,
snapshots, overlays, loop devices, other machines) are not counted.
"""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import NamedTuple

import psutil

from nodnod_agent.collectors.backing import without_storage
from nodnod_agent.collectors.kernel_files import KernelFile, open_optional, text
from nodnod_agent.collectors.mountinfo import (
    MountEntry,
    expiring,
    mount_id,
    parse_mountinfo,
    visible,
)

READ_AGAIN_AFTER = 60.0
"""Seconds after which the table is read again: the kernel reports no rename of a directory."""


class Mount(NamedTuple):
    """A mount to show; ``point`` is its path, ``counted`` whether it is in the disk total.

    ``expires``: an automounter unmounts it when it has not been used for a while, and looking at it
    is use. ``id`` is that of the mount table, or None.
    """

    point: str
    source: str
    type: str
    device: str
    counted: bool
    expires: bool = False
    id: int | None = None

    @property
    def printable(self) -> tuple[str, str, str]:
        """Mount point, source and type as text for JSON."""
        return text(self.point), text(self.source), text(self.type)


class Kind(Enum):
    """How a filesystem is treated."""

    STORAGE = "shown and counted"
    REMOTE = "shown: the bytes belong to another machine, or to another filesystem"
    OTHER = "not shown, unless it is the root"


# Storage with an anonymous device (major 0). Other filesystems on block devices are storage too.
_DEVICELESS = frozenset({"btrfs", "zfs", "bcachefs", "ubifs", "apfs"})
# Read-only images: always full, and stored on another filesystem.
_IMAGES = frozenset({"squashfs", "iso9660", "udf", "erofs", "cramfs", "romfs", "cd9660"})
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "webdav", "afs", "ncpfs"})
_CLUSTER = frozenset({"ceph", "lustre", "beegfs", "gpfs", "pvfs2", "orangefs", "coda"})
_SHARED_BY_HOST = frozenset({"9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "drvfs"})
_REMOTE = _NETWORK | _CLUSTER | _SHARED_BY_HOST
# Helpers of desktops and containers that are no filesystems for users.
_DESKTOP = frozenset({"fuse.portal", "fuse.gvfsd-fuse", "fuse.vmware-vmblock", "fuse.rofiles-fuse"})
_WRAPPERS = frozenset({"fuse.lxcfs", "fuse.snapfuse", "fuse.squashfuse", "fuse.fuse-overlayfs"})
_HELPERS = _DESKTOP | _WRAPPERS
# Major numbers of memory (1), floppies (2), files of another filesystem (7), CDs (11).
_NO_STORAGE = frozenset({"1", "2", "7", "11"})
_NO_STORAGE_SOURCE = re.compile(r"/dev/(loop|z?ram)\d")


def kind(entry: MountEntry) -> Kind:
    """The kind of a filesystem, by its type and device."""
    type_, major = entry.type, entry.device.partition(":")[0]
    snapshot = type_ == "zfs" and "@" in entry.source
    if type_ in _IMAGES or type_ in _HELPERS or snapshot:
        return Kind.OTHER
    if type_ in _REMOTE or type_ == "fuse" or type_.startswith("fuse."):
        return Kind.REMOTE
    if major == "0" and type_ not in _DEVICELESS:
        return Kind.OTHER
    if major in _NO_STORAGE or _NO_STORAGE_SOURCE.match(entry.source):
        return Kind.REMOTE
    return Kind.STORAGE


def choose(
    table: Sequence[MountEntry],
    root_id: int | None = None,
    without_storage: Callable[[MountEntry], bool] = lambda _: False,
) -> list[Mount]:
    """The mounts to show: each device once, counted ones first, always with the root.

    Of the mounts of a device, one that does not expire is preferred, then one of the whole
    filesystem, then the one with the shortest path, as in df. If no mount is storage (a container
    on an overlay, a diskless machine), the root is counted, so that the total is not 0. ``root_id``
    is the mount at which paths start, if known. ``without_storage`` is for mounts whose entry does
    not tell it.
    """
    # On macOS, a later mount hides an earlier one at the same path.
    mounted = {entry.point: entry for entry in visible(table, root_id)}
    expire = expiring(table)

    def rank(entry: MountEntry) -> tuple[bool, bool, int, str]:
        return entry.id in expire, entry.root != "/", len(entry.point), entry.point

    candidates = [entry for entry in mounted.values() if kind(entry) is not Kind.OTHER]
    best: dict[str, MountEntry] = {}
    for entry in sorted(candidates, key=rank):
        best.setdefault(entry.device, entry)
    root = mounted.get("/")
    if root is not None:
        best[root.device] = root
    counted = {
        entry.point
        for entry in best.values()
        if kind(entry) is Kind.STORAGE and not without_storage(entry)
    } or {"/"}
    mounts = [
        Mount(
            entry.point,
            entry.source,
            entry.type,
            entry.device,
            entry.point in counted,
            entry.id in expire,
            entry.id,
        )
        for entry in best.values()
    ]
    return sorted(mounts, key=lambda mount: (not mount.counted, mount.point))


def from_partitions(partitions: Iterable[tuple[str, str, str, str]]) -> list[MountEntry]:
    """The same from the partitions of psutil on macOS: (device, mount point, type, options).

    All volumes of an APFS container share its space: their device is the disk of the container. A
    read-only mount of a device, other than the root, is a disk image.
    """
    table = []
    for source, point, type_, options in partitions:
        # The source of a snapshot is "NAME@/dev/disk3s5".
        disk = re.search(r"/dev/disk\d+", source) if type_ == "apfs" else None
        local = disk is not None or source.startswith("/dev/")
        image = local and point != "/" and "ro" in options.split(",")
        device = disk[0] if disk else source
        table.append(
            MountEntry(
                f"1:{device}" if image else f"d:{device}" if local else f"0:{point}",
                "/",
                point,
                "iso9660" if image else type_,
                source,
            )
        )
    return table


class MountTable:
    """The table of Linux. To parse that of a container host takes milliseconds."""

    def __init__(
        self, file: KernelFile, outdated: Callable[[], bool], clock: Callable[[], float]
    ) -> None:
        self._file = file
        self._outdated = outdated
        self._clock = clock
        self._due = clock()

    def read(self) -> list[Mount] | None:
        """The mounts to show, or None if nothing suggests that they have changed."""
        now = self._clock()
        if self._file.changed() or self._outdated():
            self._due = now
        if now < self._due:
            return None
        mounts = choose(parse_mountinfo(self._file.read()), mount_id("/"), without_storage)
        self._due = now + READ_AGAIN_AFTER
        return mounts


def mount_table(
    outdated: Callable[[], bool] = lambda: False, clock: Callable[[], float] = time.monotonic
) -> Callable[[], list[Mount] | None]:
    """A function that returns the mounts to show, or None if they have not changed.

    ``outdated``: whether a mount was not found where the table has it.
    """
    file = open_optional("/proc/self/mountinfo")
    return psutil_mounts if file is None else MountTable(file, outdated, clock).read


def psutil_mounts() -> list[Mount]:
    """The mounts of a system without /proc."""
    return choose(
        from_partitions(
            (part.device, part.mountpoint, part.fstype, part.opts)
            for part in psutil.disk_partitions(all=True)
        )
    )
