from pathlib import Path
from unittest.mock import Mock

import pytest

from collectors import private_mounts
from nodnod_agent.collectors.kernel_files import KernelFile
from nodnod_agent.collectors.mountinfo import MountEntry, parse_mountinfo
from nodnod_agent.collectors.mounts import (
    READ_AGAIN_AFTER,
    Kind,
    MountTable,
    choose,
    from_partitions,
    kind,
)


def shown(table: list[MountEntry]) -> list[tuple[str, bool]]:
    return [(mount.point, mount.counted) for mount in choose(table)]


SERVER = rb"""22 27 0:21 / /proc rw,relatime - proc proc rw
24 27 0:6 / /dev rw,relatime - devtmpfs devtmpfs rw,size=12334460k
25 24 0:23 / /dev/shm rw,relatime - tmpfs tmpfs rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
40 27 254:0 /srv/www /var/www rw,relatime shared:1 - ext4 /dev/vda rw,discard
41 27 254:0 / /mnt/again rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard
42 27 254:16 / /srv/disk\0401 rw,relatime - xfs /dev/vdb rw
43 27 254:32 / /srv/disk2 rw,relatime - xfs /dev/vdc rw
44 27 253:3 / /srv/lvm rw,relatime - xfs /dev/mapper/vg-data rw
45 27 7:0 / /snap/core/1 ro,nodev - squashfs /dev/loop0 ro
46 27 7:1 / /srv/image rw - ext4 /dev/loop1 rw
55 27 0:56 / /srv/image2 rw - btrfs /dev/loop2 rw
56 27 259:0 / /srv/image3 rw - ext4 /dev/loop3p1 rw
47 27 11:0 / /media/cdrom ro - iso9660 /dev/sr0 ro
48 27 0:50 / /srv/nfs rw,relatime - nfs4 files.example:/export rw,vers=4.2
49 27 0:51 / /srv/ssh rw - fuse.sshfs user@files.example:/ rw
50 27 0:52 / /run/user/1000/doc rw - fuse.portal portal rw
51 27 0:53 / /sys/firmware/efi/efivars rw - efivarfs efivarfs rw
52 27 0:54 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw,lowerdir=/a
53 27 253:9 / /srv/compressed rw - ext4 /dev/zram0 rw
54 27 0:55 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw,direct
"""


BTRFS = b"""\
1 0 0:30 /@ / rw - btrfs /dev/nvme0n1p2 rw,subvol=/@
2 1 0:30 /@home /home rw - btrfs /dev/nvme0n1p2 rw,subvol=/@home
3 1 0:31 / /backup rw - btrfs /dev/sdb rw
4 1 259:1 / /boot rw - ext4 /dev/nvme0n1p1 rw
"""
DOCKER = b"""\
1200 900 0:120 / / rw,relatime - overlay overlay rw,lowerdir=/var/lib/docker/a:b
1201 1200 0:121 / /proc rw - proc proc rw
1203 1200 0:122 / /dev rw - tmpfs tmpfs rw,size=65536k
1210 1200 8:1 /docker/4f/resolv.conf /etc/resolv.conf rw - ext4 /dev/sda1 rw
1211 1200 8:1 /docker/4f/hostname /etc/hostname rw - ext4 /dev/sda1 rw
1212 1200 8:1 /docker/4f/hosts /etc/hosts rw - ext4 /dev/sda1 rw
"""
DISKLESS = b"""\
1 0 0:120 / / rw - overlay overlay rw
2 1 0:121 / /proc rw - proc proc rw
3 1 0:122 / /data rw - nfs files.example:/data rw
"""
HOST_IN_CONTAINER = b"""\
1 0 0:120 / / rw - overlay overlay rw
2 1 8:1 / /host rw - ext4 /dev/sda1 rw
3 2 8:2 / /host/data rw - xfs /dev/sda2 rw
4 1 8:1 /docker/hosts /etc/hosts rw - ext4 /dev/sda1 rw
"""
OVERMOUNTED = b"""\
1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:2 / /srv/data rw - xfs /dev/sdb rw
3 1 8:3 / /srv rw - xfs /dev/sdc rw
4 1 8:2 /old /mnt/old rw - xfs /dev/sdb rw
"""
ZFS = b"""\
1 0 0:30 / / rw - zfs rpool/ROOT rw
2 1 0:31 / /home rw - zfs rpool/home rw
3 2 0:32 / /home/.zfs/snapshot/mon ro - zfs rpool/home@mon ro
4 1 0:33 / /mnt/tue ro - zfs rpool/home@tue ro
"""
AUTOMOUNTED = b"""\
1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:40 / /net rw - autofs auto.net rw,timeout=300,indirect
3 2 8:2 / /net/b rw - ext4 /dev/sdb rw
4 1 8:2 /dir /home/long/path rw - ext4 /dev/sdb rw
5 2 8:3 / /net/c rw - ext4 /dev/sdc rw
"""
SHOWN = {
    "the mounts of the host under /host count in a container": (
        HOST_IN_CONTAINER,
        [("/host", True), ("/host/data", True), ("/", False)],
    ),
    "a filesystem that another one hides is shown at its other place": (
        OVERMOUNTED,
        [("/", True), ("/mnt/old", True), ("/srv", True)],
    ),
    "snapshots of ZFS are not shown": (ZFS, [("/", True), ("/home", True)]),
    "a mount that stays is preferred to one that expires": (
        AUTOMOUNTED,
        [("/", True), ("/home/long/path", True), ("/net/c", True)],
    ),
    "a server counts each disk once and shows remote filesystems": (
        SERVER,
        [
            ("/", True),
            ("/srv/disk 1", True),
            ("/srv/disk2", True),
            ("/srv/lvm", True),
            ("/srv/compressed", False),
            ("/srv/image", False),
            ("/srv/image2", False),
            ("/srv/image3", False),
            ("/srv/nfs", False),
            ("/srv/ssh", False),
        ],
    ),
    "btrfs subvolumes of one device are one filesystem": (
        BTRFS,
        [("/", True), ("/backup", True), ("/boot", True)],
    ),
    "a container counts the disk of its files": (DOCKER, [("/etc/hosts", True), ("/", False)]),
    "a machine without a device counts its root": (DISKLESS, [("/", True), ("/data", False)]),
    "a mount of the whole filesystem is preferred to a shorter path": (
        b"1 0 8:1 /part /a rw - xfs /dev/sda rw\n2 1 8:1 / /longer rw - xfs /dev/sda rw\n",
        [("/longer", True)],
    ),
    "malformed lines are skipped": (b"\ngarbage\n", []),
}


@pytest.mark.parametrize(("table", "expected"), SHOWN.values(), ids=SHOWN)
def test_each_device_is_shown_once(table: bytes, expected: list[tuple[str, bool]]) -> None:
    assert shown(parse_mountinfo(table)) == expected


def test_of_mounts_at_the_same_path_the_upper_one_is_shown() -> None:
    table = parse_mountinfo(
        b"1 0 0:2 / / rw - rootfs rootfs rw\n"
        b"2 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        b"3 4 8:2 / /mnt rw - ext4 /dev/sda2 rw\n"
        b"4 2 8:3 / /mnt rw - ext4 /dev/sda3 rw\n"
    )
    assert [(mount.point, mount.source) for mount in choose(table)] == [
        ("/", "/dev/sda1"),
        ("/mnt", "/dev/sda2"),
    ]


def test_a_mount_keeps_its_id_and_whether_it_expires() -> None:
    mounts = choose(parse_mountinfo(AUTOMOUNTED))
    assert [(mount.id, mount.expires) for mount in mounts] == [(1, False), (4, False), (5, True)]


def test_storage_in_files_of_other_filesystems_is_shown_and_not_counted() -> None:
    table = parse_mountinfo(
        b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 253:1 / /vault rw - ext4 /dev/mapper/vault rw\n"
    )
    mounts = choose(table, without_storage=lambda entry: entry.point == "/vault")
    assert [(mount.point, mount.counted) for mount in mounts] == [("/", True), ("/vault", False)]


def test_a_path_that_is_not_utf_8_is_printable_for_json() -> None:
    (mount,) = choose(parse_mountinfo(b"1 0 8:1 / /a\\134\\012\\377b rw - ext4 /dev/s\xff rw\n"))
    assert mount.printable == ("/a\\\n\ufffdb", "/dev/s\ufffd", "ext4")


@pytest.mark.parametrize(
    ("type_", "device", "source", "expected"),
    [
        ("ext4", "8:1", "/dev/sda1", Kind.STORAGE),
        ("fuseblk", "8:3", "/dev/sda3", Kind.STORAGE),
        ("zfs", "0:40", "tank/home", Kind.STORAGE),
        ("zfs", "0:40", "tank/home@mon", Kind.OTHER),
        ("zfs", "0:40", "loop0", Kind.STORAGE),
        ("btrfs", "0:41", "/dev/sda1", Kind.STORAGE),
        ("btrfs", "0:41", "/dev/loop0", Kind.REMOTE),
        ("btrfs", "0:41", "/dev/zram1", Kind.REMOTE),
        ("f2fs", "259:3", "/dev/loop12p2", Kind.REMOTE),
        ("fuse", "0:41", "something", Kind.REMOTE),
        ("fuse.rclone", "0:41", "remote:", Kind.REMOTE),
        ("ramfs", "0:42", "ramfs", Kind.OTHER),
        ("squashfs", "8:1", "/dev/sda1", Kind.OTHER),
        ("fuse.snapfuse", "0:41", "snapfuse", Kind.OTHER),
        ("fusectl", "0:43", "fusectl", Kind.OTHER),
        ("autofs", "0:44", "systemd-1", Kind.OTHER),
    ],
)
def test_the_kind_follows_from_type_and_device(
    type_: str, device: str, source: str, expected: Kind
) -> None:
    assert kind(MountEntry(device, "/", "/x", type_, source)) is expected


MACBOOK = [
    ("/dev/disk3s1s1", "/", "apfs", "ro,local,rootfs,dovolfs,journaled,multilabel"),
    ("devfs", "/dev", "devfs", "rw,local,dontbrowse,multilabel"),
    ("/dev/disk3s6", "/System/Volumes/VM", "apfs", "rw,noexec,local,dontbrowse"),
    ("/dev/disk3s5", "/System/Volumes/Data", "apfs", "rw,local,dontbrowse,journaled"),
    ("com.apple.TimeMachine.1.local@/dev/disk3s5", "/Volumes/.tm/1", "apfs", "ro,local"),
    ("map auto_home", "/System/Volumes/Data/home", "autofs", "rw,dontbrowse,automounted"),
    ("/dev/disk5s1", "/Volumes/Installer", "hfs", "ro,nosuid,quarantine,local"),
    ("/dev/disk6s2", "/Volumes/Stick", "msdos", "rw,nosuid,local"),
    ("//me@nas/share", "/Volumes/share", "smbfs", "rw,nosuid,quarantine"),
]


def test_a_macbook_counts_the_disk_of_its_apfs_volumes_once() -> None:
    assert shown(from_partitions(MACBOOK)) == [
        ("/", True),
        ("/Volumes/Stick", True),
        ("/Volumes/share", False),
    ]


class TableHarness:
    """A table read from a file, with a clock that stands still."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(BTRFS)
        self.path = path
        self.now = 1000.0
        self.outdated = False
        self.table = MountTable(KernelFile(str(path)), self._outdated, lambda: self.now)

    def _outdated(self) -> bool:
        outdated, self.outdated = self.outdated, False
        return outdated

    def points(self) -> list[str] | None:
        mounts = self.table.read()
        return None if mounts is None else [mount.point for mount in mounts]


@pytest.fixture
def harness(tmp_path: Path) -> TableHarness:
    harness = TableHarness(tmp_path / "mountinfo")
    assert harness.points() == ["/", "/backup", "/boot"]
    return harness


def test_a_table_that_has_not_changed_is_not_parsed(harness: TableHarness) -> None:
    harness.now += READ_AGAIN_AFTER / 2
    assert harness.points() is None


def test_a_table_is_read_again_every_minute(harness: TableHarness) -> None:
    harness.path.write_bytes(BTRFS.replace(b"/boot", b"/bo"))
    harness.now += READ_AGAIN_AFTER
    assert harness.points() == ["/", "/backup", "/bo"]
    assert harness.points() is None


def test_a_table_is_read_again_when_a_mount_is_not_where_it_was(harness: TableHarness) -> None:
    harness.path.write_bytes(BTRFS.replace(b"/boot", b"/bo"))
    harness.outdated = True
    assert harness.points() == ["/", "/backup", "/bo"]
    assert harness.points() is None


def test_a_table_that_could_not_be_read_is_read_at_the_next_time(
    harness: TableHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.outdated = True
    with monkeypatch.context() as patch:
        patch.setattr(KernelFile, "read", Mock(side_effect=OSError(5, "Input/output error")))
        with pytest.raises(OSError, match="Input/output"):
            harness.points()
    assert harness.points() == ["/", "/backup", "/boot"]


WITH_NEW_MOUNTS = """
from collectors.private_mounts import bind
from nodnod_agent.collectors.mounts import mount_table

table = mount_table()
before, unchanged = table(), table()
bind("/"), bind("/usr")
print(unchanged, len(before) > 0 and table() == before)
"""


def test_new_mounts_of_a_known_device_are_noticed_and_not_shown() -> None:
    done = private_mounts.run(WITH_NEW_MOUNTS)
    assert (done.stdout, done.stderr) == ("None True\n", "")
