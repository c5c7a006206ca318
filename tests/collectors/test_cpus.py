from pathlib import Path

import pytest

from nodnod_agent.collectors.cpus import CpuSet, parse_cpu_list


@pytest.mark.parametrize(
    ("data", "cpus"),
    [(b"0-3\n", {0, 1, 2, 3}), (b"0,4,8-9\n", {0, 4, 8, 9}), (b"7\n", {7}), (b"\n", set())],
)
def test_a_list_of_cpus_has_numbers_and_ranges(data: bytes, cpus: set[int]) -> None:
    assert parse_cpu_list(data) == cpus


def test_the_cpus_of_the_kernel_are_counted_whatever_is_shown_as_online(tmp_path: Path) -> None:
    here = CpuSet(str(tmp_path))
    (tmp_path / "online").write_bytes(b"1\n")
    (tmp_path / "present").write_bytes(b"0-15\n")
    (tmp_path / "offline").write_bytes(b"1,3,5,7,9,11,13,15-63\n")
    assert here.count() == 8
    (tmp_path / "offline").write_bytes(b"\n")
    assert here.count() == 16
