from pathlib import Path

import pytest

from nodnod_agent.collectors.cgroup import (
    Cgroup,
    CpuUse,
    MemoryUse,
    cpu_use_v1,
    cpu_use_v2,
    find_cgroup,
    memory_use,
    mount_points,
    parse_cpu_max,
    parse_limit,
)

# docker run --memory 512m --cpus 1.5, on a host with cgroup v2, in a cgroup namespace.
DOCKER_V2 = (
    b"1205 1204 0:30 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw\n"
    b"1206 1203 0:26 / /dev/mqueue rw - mqueue mqueue rw\n"
)
# The same on a host with v1, where the container's group is bind-mounted.
DOCKER_V1 = (
    b"700 699 0:27 /docker/4f2b /sys/fs/cgroup/systemd ro - cgroup cgroup rw,xattr,name=systemd\n"
    b"705 699 0:33 /docker/4f2b /sys/fs/cgroup/memory ro,nosuid master:15 - cgroup cgroup rw,memory\n"
    b"706 699 0:34 /docker/4f2b /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
)
MEMORY_STAT_V2 = b"anon 104857600\nfile 52428800\nkernel 1048576\ninactive_file 20971520\n"
MEMORY_STAT_V1 = (
    b"cache 1000\nrss 2000\ninactive_file 10\nhierarchical_memory_limit 536870912\n"
    b"total_cache 52428800\ntotal_inactive_file 20971520\n"
)
CPU_STAT_V2 = b"usage_usec 5500000\nuser_usec 4000000\nsystem_usec 1500000\nnr_throttled 3\n"


def test_the_mount_points_are_found_in_the_mount_table() -> None:
    assert mount_points(DOCKER_V2) == {"": "/sys/fs/cgroup"}
    v1 = mount_points(DOCKER_V1)
    assert v1["memory"] == "/sys/fs/cgroup/memory"
    assert v1["cpu"] == v1["cpuacct"] == "/sys/fs/cgroup/cpu,cpuacct"


@pytest.mark.parametrize(
    ("data", "limit"),
    [(b"536870912\n", 536870912), (b"max\n", None), (b"9223372036854771712\n", None), (b"", None)],
)
def test_a_memory_limit_may_be_absent_in_v2_and_v1(data: bytes, limit: int | None) -> None:
    assert parse_limit(data) == limit


@pytest.mark.parametrize(
    ("data", "cores"),
    [(b"150000 100000\n", 1.5), (b"max 100000\n", None), (b"-1 100000\n", None), (b"", None)],
)
def test_a_cpu_limit_may_be_absent_in_v2_and_v1(data: bytes, cores: float | None) -> None:
    assert parse_cpu_max(data) == cores


def test_used_memory_is_without_the_inactive_file_cache() -> None:
    use = memory_use(b"536870912\n", b"167772160\n", MEMORY_STAT_V2, b"max\n", b"4096\n")
    assert use == MemoryUse(536870912, 167772160 - 20971520, 52428800, None, 4096)


def test_v1_includes_the_groups_below() -> None:
    use = memory_use(b"536870912\n", b"167772160\n", MEMORY_STAT_V1, None, None)
    assert use == MemoryUse(536870912, 167772160 - 20971520, 52428800, None, None)


def test_there_is_no_use_without_a_limit() -> None:
    assert memory_use(b"max\n", b"1\n", b"", None, None) is None
    assert cpu_use_v2(b"max 100000\n", CPU_STAT_V2) is None
    assert cpu_use_v1(b"-1\n", b"100000\n", b"1\n", b"") is None


def test_cpu_use_is_in_seconds_in_both_versions() -> None:
    assert cpu_use_v2(b"150000 100000\n", CPU_STAT_V2) == CpuUse(1.5, 5.5, 4.0, 1.5)
    stat = b"user 400\nsystem 150\n"
    v1 = cpu_use_v1(b"150000\n", b"100000\n", b"5500000000\n", stat)
    assert v1 == CpuUse(1.5, 5.5, 4.0, 1.5)


V2_FILES = {
    "memory.max": b"536870912\n",
    "memory.current": b"167772160\n",
    "memory.stat": MEMORY_STAT_V2,
    "cpu.max": b"150000 100000\n",
    "cpu.stat": CPU_STAT_V2,
}
V1_FILES = {
    "memory/memory.limit_in_bytes": b"536870912\n",
    "memory/memory.usage_in_bytes": b"167772160\n",
    "memory/memory.stat": MEMORY_STAT_V1,
    "cpu/cpu.cfs_quota_us": b"150000\n",
    "cpu/cpu.cfs_period_us": b"100000\n",
    "cpu/cpuacct.usage": b"5500000000\n",
    "cpu/cpuacct.stat": b"user 400\nsystem 150\n",
}
V2_LINE = b"1 0 0:30 / TREE rw - cgroup2 cgroup rw\n"
V1_MEMORY_LINE = b"2 0 0:33 /docker/4f2b TREE/memory ro - cgroup cgroup rw,memory\n"
V1_CPU_LINE = b"3 0 0:34 /docker/4f2b TREE/cpu ro - cgroup cgroup rw,cpu,cpuacct\n"
MEMORY = MemoryUse(536870912, 146800640, 52428800, None, None)
CPU = CpuUse(1.5, 5.5, 4.0, 1.5)


def open_tree(folder: Path, files: dict[str, bytes], mountinfo: bytes) -> Cgroup:
    """The cgroup of a fake tree in this folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return find_cgroup(mountinfo.replace(b"TREE", bytes(folder)))


@pytest.mark.parametrize(
    ("files", "mountinfo", "memory", "cpu"),
    [
        (V2_FILES, V2_LINE, MEMORY, CPU),
        (V1_FILES, V1_MEMORY_LINE + V1_CPU_LINE, MEMORY, CPU),
        (V1_FILES, V2_LINE + V1_MEMORY_LINE, MEMORY, None),  # each controller from its own tree
        ({"cpu.stat": CPU_STAT_V2, "memory.stat": MEMORY_STAT_V2}, V2_LINE, None, None),  # a host
        (V2_FILES, b"22 27 0:21 / TREE rw - proc proc rw\n", None, None),
    ],
)
def test_the_limits_are_read_from_the_mounted_trees(
    tmp_path: Path,
    files: dict[str, bytes],
    mountinfo: bytes,
    memory: MemoryUse | None,
    cpu: CpuUse | None,
) -> None:
    cgroup = open_tree(tmp_path, files, mountinfo)
    assert (cgroup.memory(), cgroup.cpu()) == (memory, cpu)


def test_a_limit_that_is_removed_is_followed(tmp_path: Path) -> None:
    cgroup = open_tree(tmp_path, V2_FILES, V2_LINE)
    (tmp_path / "memory.max").write_bytes(b"max\n")
    assert cgroup.memory() is None
