from pathlib import Path

import pytest

from nodnod_agent.collectors.cgroup import (
    Cgroup,
    CpuUse,
    MemoryUse,
    find_cgroup,
    memory_use,
    mount_points,
    parse_cpu_max,
    parse_limit,
)
from nodnod_agent.collectors.cpus import CpuSet

# docker run --memory 512m --cpus 1.5, on a host with cgroup v2, in a cgroup namespace.
DOCKER_V2 = (
    b"1205 1204 0:30 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw\n"
    b"1206 1203 0:26 / /dev/mqueue rw - mqueue mqueue rw\n"
)
# The same on a host with v1, where the container's group is bind-mounted.
V1_MEMORY = b"705 699 0:33 /docker/4f2b /sys/fs/cgroup/memory ro,nosuid master:15 - cgroup cgroup rw,memory\n"
DOCKER_V1 = (
    b"700 699 0:27 /docker/4f2b /sys/fs/cgroup/systemd ro - cgroup cgroup rw,xattr,name=systemd\n"
    + V1_MEMORY
    + b"706 699 0:34 /docker/4f2b /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
)
V1_CPUSET = b"707 699 0:35 / /sys/fs/cgroup/cpuset ro - cgroup cgroup rw,cpuset\n"
MEMORY_STAT_V2 = b"anon 104857600\nfile 52428800\nkernel 1048576\ninactive_file 20971520\n"
MEMORY_STAT_V1 = (
    b"cache 1000\nrss 2000\ninactive_file 10\nhierarchical_memory_limit 536870912\n"
    b"total_cache 52428800\ntotal_inactive_file 20971520\n"
)
CPU_STAT_V2 = b"usage_usec 5500000\nuser_usec 4000000\nsystem_usec 1500000\nnr_throttled 3\n"


@pytest.mark.parametrize("odd", ["\r", "\v", "\f", "\x1c", "\x85", "\u2028"])
def test_a_mount_with_an_odd_name_does_not_hide_the_cgroup(odd: str) -> None:
    line = f"9 1 0:30 / /mnt/a{odd}b rw - tmpfs {odd} rw\n"
    assert mount_points(line.encode() + DOCKER_V2) == {"": "/sys/fs/cgroup"}


def test_a_cgroup_may_be_mounted_at_a_path_with_a_space() -> None:
    line = b"9 1 0:30 / /mnt/my\\040cgroup rw - cgroup cgroup rw,memory\n"
    assert mount_points(line)["memory"] == "/mnt/my cgroup"


@pytest.mark.parametrize(
    ("data", "limit"),
    [
        (b"536870912\n", 536870912),
        (b"max\n", None),
        (b"9223372036854771712\n", None),
        (b"0\n", None),
        (b"", None),
    ],
)
def test_a_memory_limit_may_be_absent_in_v2_and_v1(data: bytes, limit: int | None) -> None:
    assert parse_limit(data) == limit


@pytest.mark.parametrize(
    ("data", "cores"),
    [
        (b"150000 100000\n", 1.5),
        (b"max 100000\n", None),
        (b"-1 100000\n", None),
        (b"0 100000\n", None),
        (b"", None),
    ],
)
def test_a_cpu_limit_may_be_absent_in_v2_and_v1(data: bytes, cores: float | None) -> None:
    assert parse_cpu_max(data) == cores


V2_FILES = {
    "memory.max": b"536870912\n",
    "memory.current": b"167772160\n",
    "memory.stat": MEMORY_STAT_V2,
    "memory.swap.max": b"max\n",
    "memory.swap.current": b"4096\n",
    "cpu.max": b"150000 100000\n",
    "cpu.stat": CPU_STAT_V2,
}
V1_FILES = {
    "memory/memory.limit_in_bytes": b"536870912\n",
    "memory/memory.usage_in_bytes": b"167772160\n",
    "memory/memory.stat": MEMORY_STAT_V1,
    "cpu,cpuacct/cpu.cfs_quota_us": b"150000\n",
    "cpu,cpuacct/cpu.cfs_period_us": b"100000\n",
    "cpu,cpuacct/cpuacct.usage": b"5500000000\n",
    "cpu,cpuacct/cpuacct.stat": b"user 400\nsystem 150\n",
}
# Used memory is without the inactive file cache.
MEMORY_V2 = MemoryUse(536870912, 167772160 - 20971520, 52428800, None, 4096)
MEMORY_V1 = MEMORY_V2._replace(swap_used=None)
CPU = CpuUse(1.5, 5.5, 4.0, 1.5)
NO_CPU_QUOTA_V1 = {"cpu,cpuacct/cpu.cfs_quota_us": b"-1\n"}


HOST_V2 = b"83 80 0:26 / /host/sys/fs/cgroup ro - cgroup2 cgroup2 rw\n"
OWN_V2 = b"117 109 0:26 /machine.slice/c1.scope /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
HOST_V1 = V1_MEMORY.replace(b" /sys/", b" /host/sys/")
ODD_LINES = (
    b"not a mount\n90 80 0:9 / /a\rb\x0bc\x0cd\xc2\x85e\xe2\x80\xa8f\xff rw - ext4 /dev/vda rw\n"
)


@pytest.mark.parametrize(
    ("mountinfo", "points"),
    [
        (HOST_V2 + OWN_V2, {"": "/sys/fs/cgroup"}),
        (OWN_V2 + HOST_V2, {"": "/sys/fs/cgroup"}),
        (HOST_V1 + V1_MEMORY, {"rw": "/sys/fs/cgroup/memory", "memory": "/sys/fs/cgroup/memory"}),
        (HOST_V2 + V1_MEMORY, {"rw": "/sys/fs/cgroup/memory", "memory": "/sys/fs/cgroup/memory"}),
        (HOST_V2, {"": "/host/sys/fs/cgroup"}),
        (OWN_V2.replace(b"/sys/fs/cgroup", b"/a\\040b\\134c"), {"": "/a b\\c"}),
        (ODD_LINES + OWN_V2, {"": "/sys/fs/cgroup"}),
        (b"", {}),
    ],
    ids=[
        "the host's tree is mounted before that of the container",
        "the host's tree is mounted after that of the container",
        "the host's memory controller is mounted too",
        "the host has a tree that the container has not",
        "there is no other tree",
        "a path is unescaped",
        "white space in other lines is no line end",
        "nothing is mounted",
    ],
)
def test_the_tree_of_the_container_counts(mountinfo: bytes, points: dict[str, str]) -> None:
    assert mount_points(mountinfo) == points


@pytest.mark.parametrize(
    ("swap_max", "limit"),
    [(b"0\n", 0), (b"4096\n", 4096), (b"max\n", None), (b"", None)],
)
def test_a_group_may_have_no_swap_at_all(swap_max: bytes, limit: int | None) -> None:
    assert memory_use(2**20, b"4096\n", {}, swap_max, b"0\n").swap_limit == limit


def open_tree(folder: Path, files: dict[str, bytes], mountinfo: bytes) -> Cgroup:
    """The cgroup of a fake tree in this folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return find_cgroup(mountinfo.replace(b"/sys/fs/cgroup", bytes(folder)))


READINGS = {
    "v2": (V2_FILES, DOCKER_V2, MEMORY_V2, CPU),
    "v1, with the groups below": (V1_FILES, DOCKER_V1, MEMORY_V1, CPU),
    "each controller from its own tree": (V1_FILES, DOCKER_V2 + V1_MEMORY, MEMORY_V1, None),
    "v2 without a quota": (V2_FILES | {"cpu.max": b"max 100000\n"}, DOCKER_V2, MEMORY_V2, None),
    "v1 without a quota": (V1_FILES | NO_CPU_QUOTA_V1, DOCKER_V1, MEMORY_V1, None),
    "the root group of a host": (
        {"cpu.stat": CPU_STAT_V2, "memory.stat": MEMORY_STAT_V2},
        DOCKER_V2,
        None,
        None,
    ),
    "the root group of a host with v1": (
        V1_FILES | NO_CPU_QUOTA_V1 | {"memory/release_agent": b"\n"},
        DOCKER_V1,
        None,
        None,
    ),
    "a v1 limit on a group above": (
        V1_FILES
        | {
            "memory/memory.limit_in_bytes": b"9223372036854771712\n",
            "memory/memory.usage_in_bytes": b"314572800\n",
            "memory/memory.stat": b"cache 94371840\ninactive_file 62914560\n"
            b"hierarchical_memory_limit 805306368\n",
        },
        DOCKER_V1,
        MemoryUse(805306368, 251658240, 94371840, None, None),
        CPU,
    ),
    "a v1 limit that is higher than that of a group above": (
        V1_FILES | {"memory/memory.limit_in_bytes": b"805306368\n"},
        DOCKER_V1,
        MEMORY_V1,
        CPU,
    ),
    "statistics that are older than the usage": (
        V2_FILES | {"memory.current": b"10000000\n"},
        DOCKER_V2,
        MEMORY_V2._replace(used=10000000),
        CPU,
    ),
    "a v2 quota above the cpuset": (
        V2_FILES | {"cpu.max": b"1200000 100000\n", "cpuset.cpus.effective": b"0,2-10\n"},
        DOCKER_V2,
        MEMORY_V2,
        CPU._replace(cores=10),
    ),
    "a v1 quota above the cpuset": (
        V1_FILES | {"cpuset/cpuset.cpus": b"3\n"},
        DOCKER_V1 + V1_CPUSET,
        MEMORY_V1,
        CPU._replace(cores=1),
    ),
    "a v2 cpuset of some cores": (
        V2_FILES | {"cpu.max": b"max 100000\n", "cpuset.cpus.effective": b"1\n"},
        DOCKER_V2,
        MEMORY_V2,
        CPU._replace(cores=1),
    ),
    "a v1 cpuset of some cores": (
        V1_FILES | NO_CPU_QUOTA_V1 | {"cpuset/cpuset.effective_cpus": b"1\n"},
        DOCKER_V1 + V1_CPUSET,
        MEMORY_V1,
        CPU._replace(cores=1),
    ),
    "a cpuset of all cores": (
        V2_FILES | {"cpu.max": b"max 100000\n", "cpuset.cpus.effective": b"0-3\n"},
        DOCKER_V2,
        MEMORY_V2,
        None,
    ),
    "no cgroup tree": (V2_FILES, b"22 27 0:21 / /sys/fs/cgroup rw - proc proc rw\n", None, None),
}


@pytest.mark.parametrize(("files", "mountinfo", "memory", "cpu"), READINGS.values(), ids=READINGS)
def test_the_limits_and_the_use_are_read_from_the_mounted_trees(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, bytes],
    mountinfo: bytes,
    memory: MemoryUse | None,
    cpu: CpuUse | None,
) -> None:
    monkeypatch.setattr(CpuSet, "count", lambda _: 4)
    cgroup = open_tree(tmp_path, files, mountinfo)
    assert (cgroup.memory(), cgroup.cpu()) == (memory, cpu)


def test_a_limit_that_is_removed_is_followed(tmp_path: Path) -> None:
    cgroup = open_tree(tmp_path, V2_FILES, DOCKER_V2)
    (tmp_path / "memory.max").write_bytes(b"max\n")
    assert cgroup.memory() is None


def test_a_controller_that_is_switched_on_later_is_followed(tmp_path: Path) -> None:
    cgroup = open_tree(tmp_path, {"cpu.stat": CPU_STAT_V2}, DOCKER_V2)
    assert (cgroup.memory(), cgroup.cpu()) == (None, None)
    open_tree(tmp_path, V2_FILES, DOCKER_V2)
    assert (cgroup.memory(), cgroup.cpu()) == (MEMORY_V2, CPU)


def test_a_group_that_is_made_anew_is_followed(tmp_path: Path) -> None:
    cgroup = open_tree(tmp_path, V2_FILES, DOCKER_V2)
    assert cgroup.cpu() == CPU
    (tmp_path / "cpu.stat").unlink()
    open_tree(tmp_path, V2_FILES | {"cpu.stat": b"usage_usec 1\nuser_usec 1\nsystem_usec 0\n"}, b"")
    assert cgroup.cpu() == CpuUse(1.5, 1e-6, 1e-6, 0)


def test_a_group_with_a_limit_and_without_its_use(tmp_path: Path) -> None:
    cgroup = open_tree(tmp_path, {"memory.max": b"1\n", "cpu.max": b"1 1\n"}, DOCKER_V2)
    assert cgroup.cpu() == CpuUse(1, 0, 0, 0), "there is another source"
    with pytest.raises(FileNotFoundError, match=r"memory\.current"):
        cgroup.memory()


BELOW_0 = b"18446744073709547520\n"


def test_a_number_below_0_is_passed_over(tmp_path: Path) -> None:
    stat = b"file 10\ninactive_file " + BELOW_0
    files = {
        "memory.stat": stat,
        "memory.swap.current": BELOW_0,
        "cpu.stat": b"usage_usec " + BELOW_0,
    }
    cgroup = open_tree(tmp_path, V2_FILES | files, DOCKER_V2)
    assert cgroup.memory() == MemoryUse(536870912, 167772160, 10, None, None)
    assert cgroup.cpu() == CpuUse(1.5, 0, 0, 0), "there is another source"
    (tmp_path / "memory.current").write_bytes(BELOW_0)
    with pytest.raises(ValueError, match="uses 18446744073709547520 bytes"):
        cgroup.memory()


def test_the_use_under_a_limit_from_elsewhere_is_that_of_the_group(tmp_path: Path) -> None:
    cgroup = open_tree(tmp_path, V2_FILES | {"memory.max": b"max\n"}, DOCKER_V2)
    assert cgroup.memory() is None
    assert cgroup.memory_within(805306368) == MEMORY_V2._replace(limit=805306368)
    assert find_cgroup(b"").memory_within(805306368) is None
