"""The filesystems section on real mount tables: each test has a mount table of its own."""

import json
from typing import Any

import pytest

from collectors import private_mounts
from live.tools import tool

PRELUDE = """
import json, os, threading
from tempfile import mkdtemp

from collectors.private_mounts import mount, on_loop, unmount
from live.fuse import Fuse
from nodnod_agent.collectors.filesystems import FilesystemsCollector

MOVE = 0x2000
collector = FilesystemsCollector()
base = os.path.realpath(mkdtemp())


def fuse(*path, **more):
    "A filesystem that answers, at this path below the base, which is made."
    point = os.path.join(base, *path)
    os.makedirs(point, exist_ok=True)
    found = Fuse(point=point, **more)
    found.answer()
    return found


def rows(fits, rounds=3):
    "The rows below the base, by their path from there, as soon as they fit, and some rounds later."
    for _ in range(1000):
        collector.refresh()
        threading.Event().wait(0.01)
        found = {
            os.path.relpath(row.mount, base): row
            for row in collector.read(0.0)
            if row.mount.startswith(base)
        }
        rounds -= bool(fits(found))
        if rounds == 0:
            return found
    raise SystemExit(f"did not fit: {found}")


def show(found):
    print(json.dumps({path: row.total // 4096 for path, row in found.items()}))

"""


def seen(script: str) -> Any:
    """What a script prints, as JSON."""
    private_mounts.need_fuse()
    done = private_mounts.run(PRELUDE + script, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_a_mount_over_the_directory_of_another_hides_it() -> None:
    script = """
fuse("d", "x", blocks=1000)
rows(lambda found: "d/x" in found)
fuse("d", blocks=2000)
show(rows(lambda found: "d" in found and "d/x" not in found))
"""
    assert seen(script) == {"d": 2000}


def test_of_two_mounts_at_one_place_the_upper_is_shown_though_its_id_is_lower() -> None:
    script = """
low, high = fuse("a", source="low"), fuse("b", source="high")
mount(low.point, high.point, "none", MOVE)
found = rows(lambda found: "b" in found and "a" not in found)
print(json.dumps({path: row.device for path, row in found.items()}))
"""
    assert seen(script) == {"b": "low"}


def test_a_mount_over_the_root_that_no_path_leads_to_is_not_the_root() -> None:
    script = """
before = os.stat("/").st_dev
Fuse(point="/").answer()
fuse("a")
rows(lambda found: "a" in found)
print(json.dumps([row.type for row in collector.read(0.0) if row.mount == "/"]))
"""
    (type_,) = seen(script)
    assert type_ != "fuse"


@pytest.mark.parametrize("replaced", [False, True])
def test_a_mount_below_a_directory_that_is_renamed_keeps_its_row(replaced: bool) -> None:
    script = f"""
fuse("old", "x", blocks=1000)
rows(lambda found: "old/x" in found)
os.rename(f"{{base}}/old", f"{{base}}/new")
if {replaced}:
    os.makedirs(f"{{base}}/old/x")
show(rows(lambda found: "new/x" in found))
"""
    assert seen(script) == {"new/x": 1000}


def test_the_filesystem_of_another_user_is_no_row() -> None:
    script = """
fuse("other", user=1234), fuse("own")
show(rows(lambda found: "own" in found))
"""
    assert seen(script) == {"own": 1000}


def test_inodes_of_which_more_are_free_than_there_are_have_no_percentage() -> None:
    script = """
fuse("like-ceph", free_files=2**64 - 1), fuse("usual")
found = rows(lambda found: len(found) == 2)
print(json.dumps({path: row.inodes_used_percent for path, row in found.items()}))
"""
    assert seen(script) == {"like-ceph": None, "usual": 25.0}


def test_a_mount_that_an_automounter_unmounts_is_measured_once_each_time() -> None:
    script = """
import fcntl, struct, time

from msgspec import UNSET

started = time.time()
os.makedirs(f"{base}/auto")
daemon = os.pipe()
options = f"fd={daemon[1]},pgrp={os.getpgrp()},minproto=5,maxproto=5,direct"
mount("test", f"{base}/auto", "autofs", options=options)
AUTOFS_IOC_SETTIMEOUT = 0xC0089364
fd = os.open(f"{base}/auto", os.O_RDONLY)
fcntl.ioctl(fd, AUTOFS_IOC_SETTIMEOUT, bytearray(struct.pack("=Q", 300)))
os.close(fd)
counts = []
for blocks in (1000, 2000):
    expiring, other = fuse("auto", blocks=blocks), fuse("other")
    found = rows(lambda found: {"auto", "other"} <= found.keys(), rounds=10)
    assert other.measured > 3 and found["other"].measured_at is UNSET
    assert found["auto"].measured_at > started
    counts.append([found["auto"].total // 4096, expiring.measured])
    unmount(expiring.point), unmount(other.point)
    rows(lambda found: not found)
print(json.dumps(counts))
"""
    assert seen(script) == [[1000, 1], [2000, 1]]


def test_btrfs_in_an_image_is_shown_once_and_not_counted() -> None:
    mkfs = tool("mkfs.btrfs", "btrfs-progs")
    script = f"""
os.mkdir(f"{{base}}/a"), os.mkdir(f"{{base}}/b")
with on_loop(128 << 20, {mkfs!r}, "--quiet") as device:
    mount(device, f"{{base}}/a", "btrfs")
    mount(device, f"{{base}}/b", "btrfs")
found = rows(lambda found: "a" in found)
print(json.dumps([(path, row.device == device, row.total, row.counted) for path, row in found.items()]))
"""
    assert seen(script) == [["a", True, 128 << 20, False]]


def test_used_percent_is_that_of_df() -> None:
    mkfs, df = tool("mkfs.ext4", "e2fsprogs"), tool("df", "coreutils")
    script = f"""
import subprocess
os.mkdir(f"{{base}}/disk")
with on_loop(64 << 20, {mkfs!r}, "-q", "-m", "20") as device:
    mount(device, f"{{base}}/disk", "ext4")
percents = []
for name in "abcd":
    with open(f"{{base}}/disk/{{name}}", "wb") as file:
        file.write(bytes(12 << 20))
        os.fsync(file.fileno())
    command = [{df!r}, "--output=pcent", f"{{base}}/disk"]
    shown = subprocess.run(command, capture_output=True, check=True).stdout.split()[1]
    percent = int(shown.rstrip(b"%"))
    rows(lambda found: "disk" in found and found["disk"].used_percent == percent)
    percents.append(percent)
print(json.dumps(percents))
"""
    percents = seen(script)
    assert percents == sorted(percents)
    assert percents[-1] == 100


ODD = """
import json, os, urllib.request
from pathlib import Path
from tempfile import mkdtemp

from bench.harness.agents import Agents
from collectors.private_mounts import mount
from live.fuse import Fuse

points = [f"{mkdtemp()}/a{odd}b" for odd in ("\\r", "\\v", "\\f", "\\x85", "\\u2028", "\\n", " ")]
for point in points:
    os.mkdir(point)
    Fuse(point=point).answer()
with Agents(Path(mkdtemp())) as agents:
    agent = agents.start("cartman")
    with urllib.request.urlopen(f"http://{agent.address}/stat?detail=filesystems") as answer:
        node = json.load(answer)["nodes"]["cartman"]
found = {row["mount"] for row in node["detail"]["filesystems"]}
print(json.dumps([node["error"], found >= set(points)]))
"""


def test_an_agent_starts_beside_mounts_whose_names_have_line_ends() -> None:
    private_mounts.need_fuse()
    done = private_mounts.run(ODD, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == ["", True]
