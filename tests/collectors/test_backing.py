from pathlib import Path

import pytest

from nodnod_agent.collectors.backing import without_storage
from nodnod_agent.collectors.mountinfo import MountEntry


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    """A /sys with a disk of two partitions, an image of one, memory, and devices stacked on them."""
    devices = {
        "sda": ("8:0", []),
        "sda/sda1": ("8:1", []),
        "sda/sda2": ("8:2", []),
        "loop0": ("7:0", []),
        "loop0/loop0p1": ("259:0", []),
        "zram0": ("252:0", []),
        "dm-0": ("253:0", ["sda/sda2"]),
        "dm-1": ("253:1", ["loop0/loop0p1"]),
        "dm-2": ("253:2", ["dm-1"]),
        "dm-3": ("253:3", ["sda/sda2"]),
        "dm-4": ("253:4", ["sda/sda2"]),
        "dm-5": ("253:5", ["dm-3"]),
        "dm-6": ("253:6", ["dm-3", "dm-4"]),
        "md0": ("9:0", ["dm-2", "sda/sda1"]),
    }
    names = {"dm-3": "vg-root-real", "dm-4": "vg-root--snap-cow", "dm-5": "vg-root"}
    for name, (number, slaves) in devices.items():
        path = tmp_path / "devices" / name
        (path / "slaves").mkdir(parents=True)
        for directory, link in (("class/block", path.name), ("dev/block", number)):
            (tmp_path / directory).mkdir(parents=True, exist_ok=True)
            (tmp_path / directory / link).symlink_to(path)
        for slave in slaves:
            (path / "slaves" / Path(slave).name).symlink_to(tmp_path / "devices" / slave)
        if name in names:
            (path / "dm").mkdir()
            (path / "dm/name").write_text(f"{names[name]}\n")
        if "/" in name:
            (path / "partition").write_text("1\n")
    return tmp_path


@pytest.mark.parametrize(
    ("device", "source", "expected"),
    [
        pytest.param("8:0", "/dev/sda", False, id="a disk"),
        pytest.param("8:1", "/dev/sda1", False, id="a partition"),
        pytest.param("253:0", "/dev/mapper/home", False, id="encrypted"),
        pytest.param("7:0", "/dev/loop0", True, id="an image"),
        pytest.param("259:0", "/dev/loop0p1", True, id="a partition of an image"),
        pytest.param("253:2", "/dev/mapper/vault", True, id="encrypted twice in an image"),
        pytest.param("9:0", "/dev/md0", False, id="half of it in an image"),
        pytest.param("253:5", "/dev/mapper/vg-root", False, id="a volume with a snapshot"),
        pytest.param("253:6", "/dev/mapper/vg-root--snap", True, id="a snapshot of LVM"),
        pytest.param("252:0", "/dev/zram0", True, id="memory"),
        pytest.param("0:40", "/dev/loop0", True, id="btrfs in an image"),
        pytest.param("0:40", "/dev/dm-2", True, id="btrfs, encrypted in an image"),
        pytest.param("0:40", "/dev/sda1", False, id="btrfs on a partition"),
        pytest.param("0:41", "loop0/data", False, id="a ZFS pool with an odd name"),
        pytest.param("0:41", "ram1", False, id="another one"),
        pytest.param("8:99", "/dev/sdz", False, id="a device that sysfs does not have"),
        pytest.param("0:42", "/dev/mapper/vault", False, id="a device that is not in /dev"),
    ],
)
def test_a_filesystem_is_without_storage_if_all_below_it_are_files_or_memory(
    sysfs: Path, device: str, source: str, expected: bool
) -> None:
    entry = MountEntry(device, "/", "/mnt", "ext4", source)
    assert without_storage(entry, str(sysfs)) is expected
