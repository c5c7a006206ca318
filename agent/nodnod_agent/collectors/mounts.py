"""The mount table: which mounts are shown, and which are counted in the disk total.

The disk total counts every device once. So only one mount of a device is kept (of bind mounts,
btrfs subvolumes, APFS volumes), and filesystems without storage of their own (memory, images,
overlays, loop devices, other machines) are not counted.
"""

import os
import re
from collections.abc import Callable, Iterable
from enum import Enum
from typing import NamedTuple

import psutil

from nodnod_agent.collectors.kernel_files import open_optional, text


class MountEntry(NamedTuple):
    """One line of the mount table; ``device`` identifies the filesystem."""

    device: str
    root: str
    point: str
    type: str
    source: str


class Mount(NamedTuple):
    """A mount to show; ``point`` is its path, ``counted`` whether it is in the disk total."""

    point: str
    source: str
    type: str
    device: str
    counted: bool

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
_ESCAPE = re.compile(rb"\\([0-7]{3})")


def kind(entry: MountEntry) -> Kind:
    """The kind of a filesystem, by its type and device."""
    type_, major = entry.type, entry.device.partition(":")[0]
    if type_ in _IMAGES or type_ in _HELPERS:
        return Kind.OTHER
    if type_ in _REMOTE or type_ == "fuse" or type_.startswith("fuse."):
        return Kind.REMOTE
    if type_ in _DEVICELESS:
        return Kind.STORAGE
    if major == "0":
        return Kind.OTHER
    if major in _NO_STORAGE or entry.source.startswith("/dev/zram"):
        return Kind.REMOTE
    return Kind.STORAGE


def choose(table: Iterable[MountEntry]) -> list[Mount]:
    """The mounts to show: each device once, counted ones first, always with the root.

    Of the mounts of a device, one of the whole filesystem is preferred, then the one with the
    shortest path, as in df. If no mount is storage (a container on an overlay, a diskless machine),
    the root is counted, so that the total is not 0.
    """
    # A later mount hides an earlier one at the same path.
    visible = {entry.point: entry for entry in table}
    kinds = {point: kind(entry) for point, entry in visible.items()}
    best: dict[str, MountEntry] = {}
    for point, entry in visible.items():
        if kinds[point] is Kind.OTHER:
            continue
        rival = best.get(entry.device)
        if rival is None or _rank(entry) < _rank(rival):
            best[entry.device] = entry
    root = visible.get("/")
    if root is not None:
        best[root.device] = root
    storage = any(kinds[entry.point] is Kind.STORAGE for entry in best.values())
    mounts = [
        Mount(
            entry.point,
            entry.source,
            entry.type,
            entry.device,
            kinds[entry.point] is Kind.STORAGE or (not storage and entry is root),
        )
        for entry in best.values()
    ]
    return sorted(mounts, key=lambda mount: (not mount.counted, mount.point))


def _rank(entry: MountEntry) -> tuple[bool, int, str]:
    return entry.root != "/", len(entry.point), entry.point


def parse_mountinfo(data: bytes) -> list[MountEntry]:
    """/proc/self/mountinfo (proc(5)); undecodable bytes of paths are kept as surrogates."""
    table = []
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        left, separator, right = line.partition(" - ")
        if not separator:
            continue
        _id, _parent, device, root, point, *_ = left.split(" ")
        type_, source, *_ = [*right.split(" "), ""]
        table.append(
            MountEntry(device, _unescape(root), _unescape(point), type_, _unescape(source))
        )
    return table


def _unescape(escaped: str) -> str:
    if "\\" not in escaped:
        return escaped
    # An escape stands for a byte, not for a character.
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match[1], 8)]), os.fsencode(escaped)))


def from_partitions(partitions: Iterable[tuple[str, str, str, str]]) -> list[MountEntry]:
    """The same from the partitions of psutil on macOS: (device, mount point, type, options).

    All volumes of an APFS container share its space: their device is the disk of the container. A
    read-only mount of a device, other than the root, is a disk image.
    """
    table = []
    for source, point, type_, options in partitions:
        disk = re.match(r"/dev/disk\d+", source) if type_ == "apfs" else None
        local = source.startswith("/dev/")
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


def mount_table() -> Callable[[], list[Mount] | None]:
    """A function that returns the mounts to show, or None if they have not changed."""
    file = open_optional("/proc/self/mountinfo")
    if file is None:
        return psutil_mounts
    # Parsing the table of a container host takes milliseconds, so it is parsed after a change.
    return lambda: choose(parse_mountinfo(file.read())) if file.changed() else None


def psutil_mounts() -> list[Mount]:
    """The mounts of a system without /proc."""
    return choose(
        from_partitions(
            (part.device, part.mountpoint, part.fstype, part.opts)
            for part in psutil.disk_partitions(all=True)
        )
    )
