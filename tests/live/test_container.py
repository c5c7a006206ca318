"""The image of examples/container/Containerfile: built by Podman, and run as the manual says.

No registry is needed: its base is a busybox, and Python is that of this machine, mounted.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from bench.harness.processes import free_ports
from eventually import SLACK, eventually
from live.access import Secret
from live.podman import IMAGE, USUAL, Podman, empty_podman
from live.tools import system_python
from nodnod_agent.collectors.filesystems import FilesystemsCollector
from nodnod_client import Client

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs a Podman of this machine")

ROOT = Path(__file__).parents[2]
MANUAL = (ROOT / "docs" / "operations.md").read_text()
PYTHON = ("/usr", "/lib", "/lib64", "/etc/ssl")
MOUNTS = tuple(f"--volume={path}:{path}:ro" for path in PYTHON if os.path.exists(path))
PEERS = "10.0.0.1,10.0.0.2"
PAGE = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:7070/').read())"


def manual(beginning: str) -> list[str]:
    """The words, after ``podman``, of the command in the manual that begins like this."""
    command = re.search(rf"^podman ({beginning} (?:.*\\\n)*.*)", MANUAL, re.MULTILINE)
    assert command is not None
    return shlex.split(command[1].replace("\\\n", " "))


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    """Podman with the image, called `nodnod`."""
    system_python()
    with empty_podman() as podman:
        podman.import_image()
        for_pip = [f"--env={name}" for name in os.environ if name.startswith(("PIP_", "SSL_"))]
        # Without layers, since each would be a copy.
        options = ("--network=host", "--layers=false", f"--build-arg=BASE={IMAGE}", *for_pip)
        podman("build", *options, *USUAL, *MOUNTS, *manual("build")[1:], cwd=ROOT)
        yield podman


@pytest.fixture
async def cartman(podman: Podman) -> AsyncIterator[str]:
    """A container of this name, with a network of its own."""
    name = "cartman"
    options = ("--detach", "--name", name, "--network", "none", *USUAL, *MOUNTS)
    podman("run", *options, "nodnod", "--name", name)
    await eventually(lambda: healthy(podman, name))
    yield name
    podman("rm", "--force", "--time", "0", name)


def healthy(podman: Podman, name: str, port: int = 7070) -> bool:
    """The result of the health check of the image, for an agent on this port."""
    check = podman("image", "inspect", "--format", "{{json .HealthCheck.Test}}", "nodnod")
    _, *command = json.loads(check.replace("7070", str(port)))
    try:
        podman("exec", name, *command)
    except subprocess.CalledProcessError:
        return False
    return True


def test_the_agent_of_the_image_answers(podman: Podman, cartman: str) -> None:
    answer: Any = json.loads(podman("exec", cartman, "nodnod", "stat", "--json"))

    assert answer["nodes"][cartman]["error"] == ""
    assert "<script" in podman("exec", cartman, "/opt/nodnod/bin/python", "-c", PAGE)


async def test_the_health_check_fails_for_an_agent_that_is_frozen(
    podman: Podman, cartman: str
) -> None:
    podman("kill", "--signal", "STOP", cartman)
    assert not healthy(podman, cartman)

    podman("kill", "--signal", "CONT", cartman)
    await eventually(lambda: healthy(podman, cartman))


def test_sigterm_ends_the_agent_before_it_is_killed(podman: Podman, cartman: str) -> None:
    podman("stop", "--time", str(round(2.0 + SLACK)), cartman)

    assert podman("inspect", "--format", "{{.State.ExitCode}}", cartman) == "0"


async def test_the_commands_of_the_manual_show_the_machine(podman: Podman, tmp_path: Path) -> None:
    secret = Secret(tmp_path)
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    variables = [f"--env={name}={address}" for name in ("NODNOD_LISTEN", "NODNOD_SERVER")]
    *create, path = manual("secret create")
    assert path == "/etc/nodnod/secret"
    run, *words = manual("run")

    podman(*create, str(secret.path))
    podman(run, *USUAL, *MOUNTS, *variables, *(word.replace(PEERS, address) for word in words))
    await eventually(lambda: healthy(podman, "nodnod", port))

    assert podman(*manual("exec")).startswith("NODNOD OK: 1 of 1 node up")
    async with Client(address, token=secret.token()) as client:
        sections = ("filesystems", "network", "processes")
        (node,) = (await client.stat_all(detail=sections)).nodes.values()
    detail: Any = node.detail
    assert counted(detail["filesystems"]) == counted(filesystems())
    assert detail["network"].keys() == psutil.net_io_counters(pernic=True).keys()
    assert detail["processes"]["count"] > 1


def filesystems() -> list[dict[str, Any]]:
    """The section as this process sees it."""
    collector = FilesystemsCollector()
    collector.refresh()
    rows: list[dict[str, Any]] = msgspec.to_builtins(collector.read(0.0))
    collector.stop()
    return rows


def counted(rows: list[dict[str, Any]]) -> set[tuple[str, int]]:
    """The devices that are in the total, with their sizes. Where they are mounted depends on Podman's storage."""
    return {(row["device"], row["total"]) for row in rows if row["counted"]}


def test_it_does_not_run_as_root(podman: Podman) -> None:
    user, _, group = podman("image", "inspect", "--format", "{{.User}}", "nodnod").partition(":")

    # Numbers, because Kubernetes' runAsNonRoot cannot resolve names.
    assert int(user) > 0
    assert int(group) > 0
