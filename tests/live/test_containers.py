"""The numbers of a container: real groups of cgroup v1, and lxcfs, in a mount table of their own.

A process enters the groups, mounts them as a container runtime does, reads this machine with the
agent's collectors, and prints what it has seen.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors import private_mounts
from live.tools import tool

CGROUPS = Path("/sys/fs/cgroup")
LIMIT = 512 * 1024 * 1024

START = """
import json, os, sys, tempfile
from pathlib import Path
from collectors.private_mounts import mount
from nodnod_agent.collectors.machine import Machine, open_collectors
from nodnod_agent.collectors.moment import moment

BIND = 0x1000
scratch = Path(tempfile.mkdtemp())


def enter(name, controllers):
    "Enter the group `name`/inner, and mount the host's tree and then that group, as a container has it."
    for controller in controllers:
        host = scratch / "host" / "sys" / "fs" / "cgroup" / controller
        host.mkdir(parents=True)
        Path("/sys/fs/cgroup", controller, name, "inner", "tasks").write_text(str(os.getpid()))
        mount(f"/sys/fs/cgroup/{controller}", str(host), "none", BIND)
        mount(f"{host}/{name}/inner", f"/sys/fs/cgroup/{controller}", "none", BIND)


def fill(megabytes):
    "Fill a tmpfs of this container."
    point = tempfile.mkdtemp()
    mount("tmpfs", point, "tmpfs")
    Path(point, "full").write_bytes(bytes(megabytes << 20))


def look(machine):
    "The error and the sections of one sample."
    sample = machine.sample(moment())
    sections = {name: json.loads(value) for name, value in sample.sections.items()}
    return {"error": sample.error, **{name: sections[name] for name in ("system", "memory", "cpu")}}
"""

LIMITED = """
enter(NAME, ["memory", "cpuset", "cpuacct"])
fill(100)
machine = Machine(open_collectors())
look(machine)
print(json.dumps(look(machine)))
"""

LXCFS_RESTART = """
import signal, subprocess, time
from collectors.private_mounts import call

NEWNS, SHARED = 0x20000, 1 << 20
FILES = ["proc/meminfo", "proc/stat", "sys/devices/system/cpu/online"]
LIBRARIES = {"LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "") + os.pathsep + LIBRARIES}

# lxcfs must not read its own files, so it stays behind in the mount table of the host. What it mounts
# in `shared` is seen in that of the container.
shared = scratch / "shared"
shared.mkdir()
mount("tmpfs", str(shared), "tmpfs")
mount("none", str(shared), "none", SHARED)
host = os.open("/proc/self/ns/mnt", os.O_RDONLY)
call("unshare", NEWNS)


def umount(path):
    subprocess.run(["umount", path], check=True)


def start(number):
    "A new lxcfs, whose files are bound over those of the kernel."
    point = shared / str(number)
    point.mkdir()
    process = subprocess.Popen(
        [LXCFS, "-f", "-p", str(scratch / f"pid{number}"), str(point)],
        stdout=sys.stderr,
        env=os.environ | LIBRARIES,
        preexec_fn=lambda: call("setns", host, NEWNS),
    )
    while not (point / "proc" / "meminfo").exists():
        assert process.poll() is None
        time.sleep(0.01)
    for name in FILES:
        mount(str(point / name), f"/{name}", "none", BIND)
    return process, point


def stop(process, point):
    process.send_signal(signal.SIGKILL)
    process.wait()
    umount(str(point))


enter(NAME, ["memory", "cpuset", "cpuacct"])
fill(100)
first = start(1)
machine = Machine(open_collectors())
look(machine)
seen = {"before": look(machine)}
stop(*first)
seen["dead"] = look(machine)
for name in FILES:
    umount(f"/{name}")
second = start(2)
look(machine)
seen["after"] = look(machine)
third = start(3)  # bound over the second
look(machine)
seen["covered"] = look(machine)
stop(*third)
for name in FILES:
    umount(f"/{name}")
look(machine)
seen["second again"] = look(machine)
for name in FILES:
    umount(f"/{name}")  # one that works is not kept busy either
stop(*second)
print(json.dumps(seen))
"""


@pytest.fixture
def groups() -> Iterator[str]:
    """The name of groups with limits, and in each of them one `inner` without."""
    name = f"nodnod-{os.getpid()}"
    memory, cpuset = CGROUPS / "memory" / name, CGROUPS / "cpuset" / name
    made: list[Path] = []
    try:
        for controller in ("memory", "cpuset", "cpuacct"):
            group = CGROUPS / controller / name
            for one in (group, group / "inner"):
                one.mkdir()
                made.append(one)
        (memory / "memory.limit_in_bytes").write_text(str(LIMIT))
        for one in (cpuset, cpuset / "inner"):
            (one / "cpuset.mems").write_text("0")
            (one / "cpuset.cpus").write_text("0")
        yield name
    except OSError as error:
        pytest.skip(f"needs root and cgroup v1: {error}")
    finally:
        for one in reversed(made):
            one.rmdir()


def run(script: str, **values: str) -> Any:
    """What the script prints; ``values`` are its constants."""
    constants = "".join(f"{name} = {value!r}\n" for name, value in values.items())
    done = private_mounts.run(constants + START + script, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(seen: dict[str, Any]) -> None:
    """It is a container with the limits of the groups above, and its tmpfs is in use."""
    assert seen["error"] == ""
    system, memory, cpu = seen["system"], seen["memory"], seen["cpu"]
    assert (system["scope"], system["memoryLimit"]) == ("container", LIMIT)
    assert memory["total"] == LIMIT
    assert 100 << 20 <= memory["used"] < 300 << 20
    if len(os.sched_getaffinity(0)) > 1:
        assert (system["cpuLimit"], cpu["cores"]) == (1, [])


@pytest.mark.skipif(sys.platform != "linux", reason="needs cgroups")
def test_limits_on_the_group_above_count_beside_the_tree_of_the_host(groups: str) -> None:
    check(run(LIMITED, NAME=groups))


@pytest.mark.skipif(sys.platform != "linux", reason="needs cgroups")
def test_under_lxcfs_the_use_is_that_of_the_group_and_a_restart_is_survived(groups: str) -> None:
    private_mounts.need_fuse()
    lxcfs = tool("lxcfs", "lxcfs")
    # Debian's package may be unpacked somewhere, not installed.
    root = Path(lxcfs).parents[2]
    libraries = [*root.glob("usr/lib/*/lxcfs"), *root.glob("lib/*linux-gnu*")]
    found = os.pathsep.join(map(str, libraries))

    seen = run(LXCFS_RESTART, NAME=groups, LXCFS=lxcfs, LIBRARIES=found)

    for state in ("before", "after", "covered", "second again"):
        check(seen[state])
    assert "Transport endpoint is not connected" in seen["dead"]["error"]
