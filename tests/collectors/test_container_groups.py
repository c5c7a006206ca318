from pathlib import Path

import pytest

from nodnod_agent.collectors.container_groups import Trees, find_groups, group_of

ID = "0123456789abcdef" * 4
POD = "f" * 64


@pytest.mark.parametrize(
    ("path", "engine", "id_"),
    [
        (f"/docker/{ID}", "docker", ID),
        (f"/system.slice/docker-{ID}.scope", "docker", ID),
        (f"/libpod_parent/libpod-{ID}", "podman", ID),
        (f"/libpod_parent/{POD}/libpod-{ID}", "podman", ID),
        (f"/machine.slice/machine-libpod_pod_{POD}.slice/libpod-{ID}.scope", "podman", ID),
        (
            f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope",
            "podman",
            ID,
        ),
        (f"/kubepods/burstable/pod7f1e/{ID}", "kubernetes", ID),
        (
            f"/system.slice/containerd.service/kubepods-pod7f1e.slice:cri-containerd:{ID}",
            "containerd",
            ID,
        ),
        (f"/kubelet.slice/kubelet-kubepods.slice/crio-{ID}.scope", "cri-o", ID),
        (f"/kubepods.slice/kubepods-pod7f1e.slice/cri-containerd-{ID}.scope", "containerd", ID),
        (f"/kubepods.slice/kubepods-pod7f1e.slice/crio-{ID}.scope", "cri-o", ID),
        (f"/system.slice/nerdctl-{ID}.scope", "containerd", ID),
        (f"/default/{ID}", "containerd", ID),
        ("/lxc/101", "lxc", "101"),
        ("/lxc.payload/web", "lxc", "web"),
        ("/lxc.payload.web", "lxc", "web"),
        ("/machine.slice/systemd-nspawn@deb.service", "nspawn", "deb"),
        (r"/machine.slice/machine-my\x2ddeb.scope", "nspawn", "my-deb"),
    ],
)
def test_a_container_is_recognised_by_its_path(path: str, engine: str, id_: str) -> None:
    group = group_of(path)
    assert group is not None
    assert (group.engine, group.id) == (engine, id_)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/system.slice/nginx.service",
        f"/libpod_parent/{POD}",
        f"/libpod_parent/libpod-conmon-{ID}",
        f"/machine.slice/libpod-conmon-{ID}.scope",
        f"/kubepods.slice/crio-conmon-{ID}.scope",
        f"/machine.slice/machine-libpod_pod_{POD}.slice",
        f"/system.slice/{ID}.service",
        "/kubepods/burstable/pod7f1e",
        "/lxc.monitor.web",
        r"/machine.slice/machine-qemu\x2d1\x2dwindows.scope",
        "/docker",
        "/docker/buildkit",
        f"/system.slice/a:b:{ID}",
        f"/kubepods-pod7f1e.slice:unknown:{ID}",
    ],
)
def test_other_cgroups_are_no_containers(path: str) -> None:
    assert group_of(path) is None


def test_a_container_inside_of_a_container_is_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "lxc.payload.web" / "docker" / ID).mkdir(parents=True)
    (tmp_path / "libpod_parent" / POD / f"libpod-{ID}").mkdir(parents=True)
    (tmp_path / "libpod_parent" / "conmon").mkdir()
    assert sorted(group.id for group in find_groups(str(tmp_path))) == [ID, "web"]


UID = "7f1e83a2_5c0d_4a4e_9d0e_1b2c3d4e5f60"
TREES = {
    "Docker, v2 with systemd": (
        ["init.scope", "system.slice/docker.service", f"system.slice/docker-{ID}.scope",
         "system.slice/containerd.service", "user.slice/user-0.slice/session-1.scope"],
        [("docker", ID)],
    ),
    "Docker with cgroupfs": (
        ["system.slice/docker.service", f"docker/{ID}/init", "docker/buildkit"],
        [("docker", ID)],
    ),
    "kubepods of systemd": (
        ["system.slice/kubelet.service",
         f"kubepods.slice/kubepods-pod{UID}.slice/cri-containerd-{ID}.scope",
         f"kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{UID}.slice/"
         f"cri-containerd-{POD}.scope"],
        [("containerd", ID), ("containerd", POD)],
    ),
    "kubepods of cgroupfs": (
        [f"kubepods/besteffort/pod{UID}/{ID}", f"kubepods/burstable/pod{UID}", "system.slice"],
        [("kubernetes", ID)],
    ),
    "CRI-O": (
        [f"kubepods.slice/kubepods-pod{UID}.slice/crio-{ID}.scope/container",
         f"kubepods.slice/kubepods-pod{UID}.slice/crio-conmon-{ID}.scope"],
        [("cri-o", ID)],
    ),
    "LXC, and Docker inside": (
        ["lxc.monitor.web", f"lxc.payload.web/system.slice/docker-{ID}.scope", "lxc.pivot",
         "lxc.payload.db/init.scope"],
        [("lxc", "db"), ("lxc", "web")],
    ),
    "Proxmox": (["lxc/101/ns/init.scope", "lxc.monitor/101"], [("lxc", "101")]),
    "systemd-nspawn": (
        ["machine.slice/systemd-nspawn@deb.service/supervisor",
         "machine.slice/systemd-nspawn@deb.service/payload/system.slice/cron.service",
         "machine.slice/machine-by\\x2dhand.scope/payload/init.scope",
         "machine.slice/machine-qemu\\x2d1\\x2dwin.scope/libvirt/emulator"],
        [("nspawn", "by-hand"), ("nspawn", "deb")],
    ),
    "Podman without root": (
        ["user.slice/user-1000.slice/user@1000.service/user.slice/"
         f"user-libpod_pod_{POD}.slice/libpod-{ID}.scope/container",
         "user.slice/user-1000.slice/user@1000.service/user.slice/"
         f"libpod-conmon-{ID}.scope",
         f"system.slice/web.service/libpod-payload-{POD}", "system.slice/web.service/runtime"],
        [("podman", ID), ("podman", POD)],
    ),
}  # fmt: skip
"""What is in the trees of real machines, and the containers there."""


@pytest.mark.parametrize("machine", TREES)
def test_the_containers_of_a_machine_are_found_in_its_tree(tmp_path: Path, machine: str) -> None:
    paths, containers = TREES[machine]
    for path in paths:
        (tmp_path / path).mkdir(parents=True)
    found = find_groups(str(tmp_path))
    assert sorted((group.engine, group.id) for group in found) == sorted(containers)


def test_a_tree_that_is_not_there_has_no_containers(tmp_path: Path) -> None:
    assert list(find_groups(str(tmp_path / "gone"))) == []


def trees(tmp_path: Path, mounts: dict[str, tuple[str, str]]) -> Trees:
    """Mount point below ``tmp_path`` -> type and options."""
    (tmp_path / "self").mkdir(exist_ok=True)
    table = "".join(
        f"{20 + number} 1 0:{20 + number} / {tmp_path / name} rw - {type_} none {options}\n"
        for number, (name, (type_, options)) in enumerate(mounts.items())
    )
    (tmp_path / "self" / "mountinfo").write_text(table)
    return Trees(str(tmp_path), str(tmp_path / "sys"))


def test_a_controller_is_in_v2_only_if_its_tree_names_it(tmp_path: Path) -> None:
    mounts = {
        "memory": ("cgroup", "rw,memory"),
        "systemd": ("cgroup", "rw,xattr,name=systemd"),
        "unified": ("cgroup2", "rw"),
    }
    (tmp_path / "unified").mkdir()
    (tmp_path / "unified" / "cgroup.controllers").write_text("hugetlb\n")

    mixed = trees(tmp_path, mounts)

    assert mixed.main == "name=systemd"
    assert not mixed.is_v2("memory")
    assert mixed.is_v2("hugetlb")
    assert mixed.is_v2("cpu", "cpuacct"), "v1 has none either"


def test_where_v2_has_the_controllers_its_tree_is_searched(tmp_path: Path) -> None:
    (tmp_path / "unified").mkdir()
    (tmp_path / "unified" / "cgroup.controllers").write_text("cpu io memory pids\n")
    mounts = {"unified": ("cgroup2", "rw"), "devices": ("cgroup", "rw,devices")}
    assert trees(tmp_path, mounts).main == ""


def test_a_system_without_cgroups_has_no_containers(tmp_path: Path) -> None:
    assert Trees(str(tmp_path)).find() == []


def test_io_of_a_device_above_another_does_not_count(tmp_path: Path) -> None:
    block = tmp_path / "sys" / "dev" / "block"
    (block / "8:0" / "slaves").mkdir(parents=True)
    (block / "253:0" / "slaves" / "sda").mkdir(parents=True)
    (block / "7:0" / "loop").mkdir(parents=True)
    here = trees(tmp_path, {})
    assert [here.counts(device) for device in ("8:0", "253:0", "7:0", "9:9")] == [
        True, False, False, True,
    ]  # fmt: skip
