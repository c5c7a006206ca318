"""Real containers of a real engine: Podman, with the image of a busybox, and its socket."""

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from bench.harness.agents import Agent, Agents
from eventually import eventually
from live.asking import ask
from live.tools import end, missing, start, tool, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs cgroups")

MIB = 1 << 20
INTERVAL = {"interval": 0.25}
LIMITS = ("--memory", "64m", "--cpus", "0.5")
# Where these are higher than the limits of the machine, no container starts.
USUAL = ("--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000")
WITHOUT_FILES = ("--security-opt", "seccomp=unconfined")
IMAGE = "localhost/busybox:test"


class Podman:
    """Podman with a store of its own, and its socket."""

    def __init__(self, directory: Path) -> None:
        command = Path(tool("podman", "podman runc busybox-static"))
        # Debian's packages may be unpacked somewhere, not installed.
        root = command.parents[2]
        libraries = [str(path) for path in root.glob("usr/lib/*linux-gnu*")]
        path = os.pathsep.join([f"{root}/usr/bin", f"{root}/usr/sbin", os.environ["PATH"]])
        self.environ = os.environ | {
            "HOME": str(directory),
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),
            "PATH": path,
        }
        self.busybox = shutil.which("busybox", path=f"{root}/bin{os.pathsep}{path}")
        self.socket = directory / "podman.sock"
        self._log = directory / "service.log"
        policy = directory / ".config" / "containers" / "policy.json"
        policy.parent.mkdir(parents=True)
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self._command = [str(command), "--storage-driver", "vfs", "--events-backend", "none"]
        self._command += ["--cgroup-manager", "cgroupfs"]
        for option, name in (("root", "store"), ("runroot", "run"), ("tmpdir", "tmp")):
            self._command += [f"--{option}", str(directory / name)]
        for option, program in (("runtime", "runc"), ("conmon", "conmon")):
            self._command += [f"--{option}", shutil.which(program, path=path) or program]

    def __call__(self, *arguments: str, stdin: bytes = b"") -> str:
        """What it prints. Raises CalledProcessError."""
        done = subprocess.run(
            [*self._command, *arguments], input=stdin, env=self.environ, capture_output=True
        )
        if done.returncode:
            error = subprocess.CalledProcessError(done.returncode, arguments, stderr=done.stderr)
            error.add_note(done.stderr.decode(errors="replace"))
            raise error
        return done.stdout.decode().strip()

    def run(self, name: str, *command: str, options: tuple[str, ...] = ()) -> str:
        """The id of a new container."""
        return self(
            "run", "--detach", "--name", name, *USUAL, *WITHOUT_FILES, *options, IMAGE, *command
        )

    def import_image(self) -> None:
        """An image that is a static busybox and nothing else."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(self.busybox or "busybox", "bin/busybox")
            link = tarfile.TarInfo("bin/sh")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        self("import", "-", IMAGE, stdin=archive.getvalue())

    def serve(self) -> subprocess.Popen[bytes]:
        """Start the service behind the socket."""
        command = [*self._command, "system", "service", "--time", "0", f"unix://{self.socket}"]
        service = start(command, self._log, env=self.environ)
        wait_until(self.socket.exists, service, self._log)
        return service


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    """Podman with three containers: `busy` with limits, `paused` and healthy, and `old`."""
    if os.geteuid():
        pytest.skip("needs root")
    # Podman refuses directories whose paths have more than 50 characters.
    with TemporaryDirectory(prefix="podman-", ignore_cleanup_errors=True) as directory:
        yield from with_containers(Podman(Path(directory)))


def with_containers(podman: Podman) -> Iterator[Podman]:
    """The same Podman, with its containers until the tests are over."""
    health = ("--health-cmd", "/bin/busybox true", "--health-interval", "disable")
    try:
        podman.import_image()
        podman.run("busy", "sh", "-c", "while :; do :; done", options=LIMITS)
        podman.run("paused", "busybox", "sleep", "1000", options=health)
        podman("healthcheck", "run", "paused")
        podman("pause", "paused")
        podman.run("old", "busybox", "true")
    except subprocess.CalledProcessError as error:
        podman("rm", "--all", "--force", "--time", "0")
        missing(f"Podman starts no container here: {error.stderr.decode()}")
    yield podman
    podman("rm", "--all", "--force", "--time", "0")


@pytest.fixture(scope="module")
def service(podman: Podman) -> Iterator[subprocess.Popen[bytes]]:
    """The service behind its socket."""
    service = podman.serve()
    yield service
    end(service)


@pytest.fixture
def agent(podman: Podman, service: subprocess.Popen[bytes], agents: Agents) -> Agent:
    """An agent that is told of the socket."""
    prefix = ("env", f"CONTAINER_HOST=unix://{podman.socket}")
    return agents.start("a", settings=INTERVAL, prefix=prefix)


async def section(agent: Agent) -> dict[str, Any]:
    """The containers of this test, by name or id, and the note."""
    answer = await ask(agent, {"detail": ["containers"], "timeout": 10})
    found = answer["nodes"]["a"]["detail"]["containers"]
    rows = {row["name"] or row["id"]: row for row in found["containers"]}
    return {"rows": rows, "note": found.get("note", "")}


async def test_containers_have_names_states_and_the_numbers_of_their_cgroups(
    podman: Podman, agent: Agent
) -> None:
    async def rows() -> dict[str, Any]:
        found: dict[str, Any] = (await section(agent))["rows"]
        return found

    async def complete() -> bool:
        seen = await rows()
        settled = seen.get("old", {}).get("state") != "running"
        return settled and seen.get("busy", {}).get("restarts") is not None

    await eventually(complete)
    found = await rows()
    busy, paused, old = found["busy"], found["paused"], found["old"]

    assert busy["id"] == podman("inspect", "--format", "{{.Id}}", "busy")
    assert (busy["engine"], busy["image"], busy["state"]) == ("podman", IMAGE, "running")
    assert (busy["cpuLimit"], busy["memoryLimit"]) == (0.5, 64 * MIB)
    assert busy["cpu"] > 0
    assert busy["cpuOfLimit"] == pytest.approx(busy["cpu"] * (os.cpu_count() or 1) / 0.5, rel=0.01)
    assert 0 < busy["memoryUsed"] < 64 * MIB
    assert (busy["processes"], busy["restarts"]) == (1, 0)
    assert (busy["recvBytes"], busy["sentBytes"]) == (0, 0)
    assert 0 <= time.time() - busy["since"] < 600
    assert (paused["state"], paused["health"], paused["cpu"]) == ("paused", "healthy", 0)
    # Where Podman's cleanup has not run yet, the cgroup is still there.
    assert (old["state"], old["processes"]) in (("exited", None), ("stopped", 0))


async def test_without_the_engine_the_ids_and_numbers_stand_alone(
    podman: Podman, agents: Agents
) -> None:
    agent = agents.start("a", settings=INTERVAL)
    rows = (await section(agent))["rows"]
    paused = rows[podman("inspect", "--format", "{{.Id}}", "paused")]
    assert (paused["engine"], paused["name"], paused["state"]) == ("podman", "", "paused")
    assert paused["memoryUsed"] > 0


async def test_a_container_that_ends_has_no_row_any_more(podman: Podman, agent: Agent) -> None:
    id_ = podman.run("short", "busybox", "sleep", "1000")

    async def listed() -> bool:
        return bool({"short", id_} & (await section(agent))["rows"].keys())

    async def gone() -> bool:
        return not await listed()

    await eventually(listed)
    podman("rm", "--force", "--time", "0", "short")
    await eventually(gone)


async def test_an_engine_that_hangs_delays_nothing_and_is_named(
    podman: Podman, agent: Agent, service: subprocess.Popen[bytes]
) -> None:
    service.send_signal(signal.SIGSTOP)
    try:

        async def noted() -> bool:
            return "no answer within 2 s" in (await section(agent))["note"]

        rows = (await section(agent))["rows"]
        assert rows[podman("inspect", "--format", "{{.Id}}", "busy")]["cpu"] > 0
        await eventually(noted)
    finally:
        service.send_signal(signal.SIGCONT)
