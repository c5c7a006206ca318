"""Real containers of a real engine: Podman, with the image of a busybox, and its socket."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bench.harness.agents import Agent, Agents
from eventually import eventually
from live.asking import ask
from live.podman import IMAGE, Podman, empty_podman
from live.tools import end

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs cgroups")

MIB = 1 << 20
INTERVAL = {"interval": 0.25}
LIMITS = ("--memory", "64m", "--cpus", "0.5")


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    """Podman with three containers: `busy` with limits, `paused` and healthy, and `old`."""
    health = ("--health-cmd", "/bin/busybox true", "--health-interval", "disable")
    with empty_podman() as podman:
        podman.import_image()
        podman.run("busy", "sh", "-c", "while :; do :; done", options=LIMITS)
        podman.run("paused", "busybox", "sleep", "1000", options=health)
        podman("healthcheck", "run", "paused")
        podman("pause", "paused")
        podman.run("old", "busybox", "true")
        yield podman


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
