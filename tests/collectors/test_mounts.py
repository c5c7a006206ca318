import pytest

from collectors import private_mounts
from nodnod_agent.collectors.mounts import (
    Kind,
    MountEntry,
    choose,
    from_partitions,
    kind,
    parse_mountinfo,
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
SHOWN = {
    "a server counts each disk once and shows remote filesystems": (
        SERVER,
        [
            ("/", True),
            ("/srv/disk 1", True),
            ("/srv/disk2", True),
            ("/srv/lvm", True),
            ("/srv/compressed", False),
            ("/srv/image", False),
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


def test_a_later_mount_hides_an_earlier_one_at_the_same_path() -> None:
    table = parse_mountinfo(
        b"1 0 0:2 / / rw - rootfs rootfs rw\n"
        b"2 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        b"3 2 8:2 / /mnt rw - ext4 /dev/sda2 rw\n"
        b"4 3 8:3 / /mnt rw - ext4 /dev/sda3 rw\n"
    )
    assert [(mount.point, mount.source) for mount in choose(table)] == [
        ("/", "/dev/sda1"),
        ("/mnt", "/dev/sda3"),
    ]


def test_a_path_that_is_not_utf_8_is_kept_for_the_system_and_printable_for_json() -> None:
    (mount,) = choose(parse_mountinfo(b"1 0 8:1 / /a\\134\\012\\377b rw - ext4 /dev/s\xff rw\n"))
    assert mount.point == "/a\\\n\udcffb"
    assert mount.printable == ("/a\\\n\ufffdb", "/dev/s\ufffd", "ext4")


@pytest.mark.parametrize(
    ("type_", "device", "source", "expected"),
    [
        ("ext4", "8:1", "/dev/sda1", Kind.STORAGE),
        ("fuseblk", "8:3", "/dev/sda3", Kind.STORAGE),
        ("zfs", "0:40", "tank/home", Kind.STORAGE),
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
