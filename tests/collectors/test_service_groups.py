"""Control groups of services: v2, v1 and the mixture, as files."""

from pathlib import Path

import pytest

from nodnod_agent.collectors.service_groups import (
    GroupUse,
    ServiceGroups,
    manager_root,
    unescape,
)

V2 = {"cpu.stat": "usage_usec 2500000\nuser_usec 1\n", "memory.current": "1000\n"}
V2["memory.stat"] = "anon 1\ninactive_file 300\n"
CPU_V1 = {"cpuacct.usage": "7500000000\n"}
MEMORY_V1 = {
    "memory.usage_in_bytes": "2000\n",
    "memory.stat": "inactive_file 1\ntotal_inactive_file 500\n",
}


def group(tree: Path, path: str, files: dict[str, str]) -> None:
    directory = tree / path
    directory.mkdir(parents=True)
    for name, text in files.items():
        (directory / name).write_text(text)


def controllers(tree: Path, text: str) -> str:
    tree.mkdir(exist_ok=True)
    (tree / "cgroup.controllers").write_text(text)
    return str(tree)


def test_services_are_found_in_nested_slices_and_nothing_else_is(tmp_path: Path) -> None:
    v2 = controllers(tmp_path, "cpuset cpu io memory pids\n")
    for path in (
        "system.slice/web.service",
        "system.slice/system-getty.slice/getty@tty1.service",
        "user.slice/user-1000.slice/user@1000.service",
    ):
        group(tmp_path, path, V2)
    group(tmp_path, "user.slice/user-1000.slice/user@1000.service/app.slice/x.service", V2)
    group(tmp_path, "machine.slice/libpod-1.scope", V2)

    found = ServiceGroups(v2, {}, "").read()

    assert found == dict.fromkeys(
        ["web.service", "getty@tty1.service", "user@1000.service"], GroupUse(2.5, 700)
    )


def test_in_version_1_each_controller_has_its_tree(tmp_path: Path) -> None:
    v1 = {name: str(tmp_path / name) for name in ("name=systemd", "cpuacct", "memory")}
    group(tmp_path / "name=systemd", "system.slice/web.service", {})
    group(tmp_path / "name=systemd", "system.slice/idle.service", {})
    group(tmp_path / "cpuacct", "system.slice/web.service", CPU_V1)
    group(tmp_path / "memory", "system.slice/web.service", MEMORY_V1)

    assert ServiceGroups(None, v1, "").read() == {"web.service": GroupUse(7.5, 1500)}


def test_in_a_hybrid_memory_is_read_where_its_controller_is(tmp_path: Path) -> None:
    v2 = controllers(tmp_path / "unified", "hugetlb\n")
    group(tmp_path / "unified", "system.slice/web.service", V2 | {"memory.current": ""})
    v1 = {name: str(tmp_path / name) for name in ("name=systemd", "memory")}
    group(tmp_path / "name=systemd", "system.slice/web.service", {})
    group(tmp_path / "memory", "system.slice/web.service", MEMORY_V1)

    assert ServiceGroups(v2, v1, "").read() == {"web.service": GroupUse(2.5, 1500)}

    v1["cpuacct"] = str(tmp_path / "cpuacct")
    group(tmp_path / "cpuacct", "system.slice/web.service", CPU_V1)
    assert ServiceGroups(v2, v1, "").read() == {"web.service": GroupUse(2.5, 1500)}
    (tmp_path / "unified/system.slice/web.service/cpu.stat").unlink()
    assert ServiceGroups(v2, v1, "").read() == {"web.service": GroupUse(7.5, 1500)}


@pytest.mark.parametrize("files", [{}, {"cpu.stat": ""}, {"cpu.stat": "usage_usec x\n"}])
def test_a_service_that_cannot_be_read_is_left_out(tmp_path: Path, files: dict[str, str]) -> None:
    v2 = controllers(tmp_path, "cpu memory\n")
    group(tmp_path, "system.slice/odd.service", files)
    group(tmp_path, "system.slice/web.service", V2)
    assert list(ServiceGroups(v2, {}, "").read()) == ["web.service"]


def test_without_any_tree_there_is_no_service() -> None:
    assert ServiceGroups(None, {}, "").read() == {}


@pytest.mark.parametrize(
    ("groups", "mounted", "root"),
    [
        (b"0::/init.scope\n", "/", ""),
        (b"12:memory:/x\n1:name=systemd:/init.scope\n0::/init.scope\n", "/", ""),
        (b"1:name=systemd:/machine/m1/init.scope\n0::/\n", "/", "/machine/m1"),
        (b"1:name=systemd:/machine/m1/init.scope\n", "/machine", "/m1"),
        (b"0::/\n", "/", ""),
        (b"", "/", ""),
    ],
)
def test_the_groups_begin_where_systemd_is(groups: bytes, mounted: str, root: str) -> None:
    assert manager_root(groups, mounted) == root


def test_a_manager_below_its_root_finds_its_services(tmp_path: Path) -> None:
    v2 = controllers(tmp_path, "cpu memory\n")
    group(tmp_path, "m1/system.slice/_cpu.service", V2)
    group(tmp_path, "system.slice/other.service", V2)
    assert list(ServiceGroups(v2, {}, "/m1").read()) == ["cpu.service"]


def test_names_are_as_systemd_has_them() -> None:
    assert unescape("_cgroup.service") == "cgroup.service"
    assert unescape("a_b.service") == "a_b.service"
