import os
import sys
from unittest.mock import Mock

import pytest

from nodnod_agent.collectors.mountinfo import (
    MountEntry,
    expiring,
    mount_id,
    parse_mountinfo,
    visible,
)

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def test_a_line_has_its_ids_paths_and_options() -> None:
    (entry,) = parse_mountinfo(
        b"54 27 0:55 / /net rw,relatime shared:1 master:2 - autofs /etc/auto.net rw,timeout=300\n"
    )
    assert entry == MountEntry(
        "0:55", "/", "/net", "autofs", "/etc/auto.net", "rw,timeout=300", 54, 27
    )


def test_a_path_that_is_not_utf_8_is_kept_for_the_system() -> None:
    (entry,) = parse_mountinfo(b"1 0 8:1 / /a\\134\\012\\377b rw - ext4 /dev/s\xff rw\n")
    assert (os.fsencode(entry.point), os.fsencode(entry.source)) == (b"/a\\\n\xffb", b"/dev/s\xff")


def test_the_type_of_a_fuse_filesystem_may_have_a_space() -> None:
    (entry,) = parse_mountinfo(b"1 0 0:50 / /a rw - fuse.my\\040fs my\\040disk rw\n")
    assert (entry.type, entry.source) == ("fuse.my fs", "my disk")


@pytest.mark.parametrize(
    "odd", ["\r", "\v", "\f", "\x1c", "\x1e", "\x85", "\xa0", "\u2028", "\u3000"]
)
def test_only_a_line_feed_ends_a_line_and_only_a_space_a_field(odd: str) -> None:
    line = f"1 0 8:1 / /a{odd}b rw - ext4 /dev/s{odd} rw,x={odd}\n"
    (entry,) = parse_mountinfo(line.encode())
    assert (entry.point, entry.source, entry.options) == (
        f"/a{odd}b",
        f"/dev/s{odd}",
        f"rw,x={odd}",
    )


NO_MOUNTS = [
    b"",
    b"garbage",
    b" - ext4 /dev/sda rw",
    b"1 0 8:1 / - ext4 /dev/sda rw",
    b"1 0 8:1 / /a rw ext4 /dev/sda rw",
    b"x 0 8:1 / /a rw - ext4 /dev/sda rw",
    b"1 0 sda / /a rw - ext4 /dev/sda rw",
    b"1" * 5000 + b" 0 8:1 / /a rw - ext4 /dev/sda rw",
    b"1 0 8:1 / /a rw - ",
]


@pytest.mark.parametrize("line", NO_MOUNTS)
def test_a_line_that_is_no_mount_is_passed_over(line: bytes) -> None:
    good = b"2 1 8:1 / /good rw - ext4 /dev/sda rw"
    assert [entry.point for entry in parse_mountinfo(line + b"\n" + good)] == ["/good"]


def test_an_escape_that_is_no_byte_stays_as_it_is() -> None:
    (entry,) = parse_mountinfo(b"1 0 8:1 / /a\\777\\040 rw - ext4 /dev/sda\n")
    assert entry.point == "/a\\777 "


def table(*lines: str) -> list[MountEntry]:
    """Mounts by "id parent point"."""
    return [
        MountEntry(f"8:{id_}", "/", point, "ext4", f"/dev/{id_}", "", int(id_), int(parent))
        for id_, parent, point in (line.split(" ") for line in lines)
    ]


VISIBLE = {
    "one beside the other": (["1 0 /", "2 1 /a", "3 1 /b"], [1, 2, 3]),
    "one inside the other": (["1 0 /", "2 1 /a", "3 2 /a/b"], [1, 2, 3]),
    "one on top of the other": (["1 0 /", "2 1 /a", "3 2 /a"], [1, 3]),
    "on top, though its line is earlier": (["1 0 /", "74 75 /b", "75 1 /b"], [1, 74]),
    "a pile": (["1 0 /", "4 1 /a", "2 4 /a", "3 2 /a"], [1, 3]),
    "on top, but of another parent": (["1 0 /", "2 1 /a", "3 2 /a", "4 2 /a/b"], [1, 3]),
    "over the directory of another": (["1 0 /", "74 1 /d/x", "75 1 /d"], [1, 75]),
    "over it, though its line is earlier": (["1 0 /", "74 1 /d", "75 1 /d/x"], [1, 74]),
    "over it, far above": (["1 0 /", "2 1 /d/x/y/z", "3 1 /d"], [1, 3]),
    "a name that only begins the same": (
        ["1 0 /", "2 1 /d/x", "3 1 /d/xy", "4 1 /dd"],
        [1, 2, 3, 4],
    ),
    "below what is hidden": (["1 0 /", "2 1 /d/x", "3 2 /d/x/y", "4 3 /d/x/y", "5 1 /d"], [1, 5]),
    "in the new one at the old place": (["1 0 /", "2 1 /d/x", "3 1 /d", "4 3 /d/x"], [1, 3, 4]),
    "over the first root": (["1 1 /", "2 1 /", "3 2 /a", "4 1 /a"], [2, 3]),
    "a root that is its own parent": (["1 1 /", "2 1 /a"], [1, 2]),
    "all parents out of sight, as in a chroot": (["5 3 /a", "6 3 /b", "7 3 /b/c"], [5, 6]),
    "no mount is below itself": (["1 2 /a", "2 1 /a/b"], [1, 2]),
}


@pytest.mark.parametrize(("lines", "seen"), VISIBLE.values(), ids=VISIBLE)
def test_a_mount_is_visible_if_its_path_leads_to_it(lines: list[str], seen: list[int]) -> None:
    assert [entry.id for entry in visible(table(*lines))] == seen


@pytest.mark.parametrize(
    ("root", "seen"), [(2, [2, 3]), (4, [4]), (None, [4]), (99, [4]), (3, [4])]
)
def test_paths_start_at_the_root_of_the_process(root: int | None, seen: list[int]) -> None:
    mounts = table("1 1 /", "2 1 /", "3 2 /a", "4 2 /")
    assert [entry.id for entry in visible(mounts, root)] == seen


def test_mounts_without_ids_are_all_visible() -> None:
    mounts = [MountEntry("d:1", "/", point, "apfs", "/dev/disk1") for point in ("/", "/a", "/a")]
    assert visible(mounts) == mounts
    assert expiring(mounts) == set()


def test_a_pile_of_thousands_is_no_problem() -> None:
    mounts = table("1 0 /", *(f"{n} {n - 1} /a" for n in range(2, 5000)))
    assert [entry.id for entry in visible(mounts)] == [1, 4999]


def autofs(options: str) -> MountEntry:
    return MountEntry("0:50", "/", "/net", "autofs", "auto.net", options, 5, 1)


def test_what_is_mounted_on_an_autofs_with_a_timeout_expires() -> None:
    mounts = [
        *table("1 0 /", "6 5 /net/nas", "7 6 /net/nas/deep", "8 1 /data"),
        autofs("rw,fd=6,timeout=300,indirect"),
    ]
    assert expiring(mounts) == {6, 7}


@pytest.mark.parametrize("options", ["rw,timeout=0,direct", "rw,direct", "rw,notimeout=5", ""])
def test_what_is_mounted_on_an_autofs_without_a_timeout_stays(options: str) -> None:
    assert expiring([autofs(options), *table("6 5 /net/nas")]) == set()


@linux
def test_the_id_of_a_mount_is_that_of_the_mount_table() -> None:
    with open("/proc/self/mountinfo", "rb") as file:
        points = {entry.id: entry.point for entry in visible(parse_mountinfo(file.read()))}
    assert points[mount_id("/proc")] == "/proc"
    assert mount_id("/does/not/exist") is None


@linux
def test_a_system_that_does_not_tell_has_no_mount_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr("builtins.open", Mock(side_effect=FileNotFoundError))
    assert mount_id("/proc") is None
    assert len(os.listdir("/proc/self/fd")) == before
