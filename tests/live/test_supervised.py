"""An agent under a service manager: what it tells while it starts, runs, reloads and stops."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.harness.agents import Agent, Agents
from bench.harness.processes import free_ports
from collectors import private_mounts
from doubles.v1_client import V1Client
from eventually import eventually
from live.asking import ask
from live.manager import Manager

WATCHDOG = 0.5
"""Seconds; the agent feeds it every half of them."""


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """A manager that supervises the agents of a test."""
    with Manager(tmp_path, watchdog=WATCHDOG) as manager:
        for name, value in manager.environment.items():
            monkeypatch.setenv(name, value)
        yield manager


def is_stopped(agent: Agent) -> bool:
    return Path(f"/proc/{agent.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def test_an_agent_is_ready_once_it_can_be_asked_and_has_numbers(
    agents: Agents, manager: Manager
) -> None:
    (port,) = free_ports(1)
    cartman = agents.begin("cartman", listen=f"127.0.0.1:{port}")

    first = await manager.hear()
    async with V1Client(f"127.0.0.1:{port}") as client:
        (answer,) = await client.ask(0)

    assert first == {"READY": "1", "STATUS": "nodes: 1, down: 0"}
    assert answer["nodes"]["cartman"]["memoryTotal"] > 0
    cartman.listening()


async def test_an_agent_that_cannot_start_is_never_ready(agents: Agents, manager: Manager) -> None:
    cartman = agents.begin("cartman", listen="127.0.0.1:0", settings={"interval": 1000})

    assert await cartman.exited(within=30) == 2
    with pytest.raises(TimeoutError):
        await manager.hear(within=0)


async def test_the_status_follows_the_cluster(agents: Agents, manager: Manager) -> None:
    (port,) = free_ports(1)
    agents.start("cartman", nodes=[f"127.0.0.1:{port}"], settings={"interval": 0.25})
    await manager.until("STATUS", "nodes: 2, down: 1")

    kenny = agents.start("kenny", listen=f"127.0.0.1:{port}", settings={"interval": 60})
    await manager.until("STATUS", "nodes: 2, down: 0")

    kenny.kill()
    await manager.until("STATUS", "nodes: 2, down: 1")


async def test_the_watchdog_is_fed_while_the_agent_runs_and_not_while_it_is_frozen(
    agents: Agents, manager: Manager
) -> None:
    cartman = agents.start("cartman", settings={"interval": 0.25})
    for _ in range(4):
        await manager.until("WATCHDOG")

    cartman.signal(signal.SIGSTOP)
    await eventually(lambda: is_stopped(cartman))
    manager.forget()
    with pytest.raises(TimeoutError):
        await manager.hear(within=4 * WATCHDOG)

    cartman.signal(signal.SIGCONT)
    await manager.until("WATCHDOG")


async def test_a_watchdog_of_another_process_is_not_fed(
    agents: Agents, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    agents.start("cartman", settings={"interval": 0.25})
    await manager.until("READY")

    with pytest.raises(TimeoutError):
        await manager.hear(within=4 * WATCHDOG)


@pytest.mark.parametrize("file", ['{"nodes": []}', '{"nodes": ['], ids=["good", "broken"])
async def test_a_reload_is_told_from_its_beginning_to_its_end(
    agents: Agents, manager: Manager, file: str
) -> None:
    cartman = agents.start("cartman")
    await manager.until("READY")

    cartman.config.write_text(file)
    before = time.monotonic_ns() // 1000
    cartman.signal(signal.SIGHUP)
    began = await manager.until("RELOADING")
    ended = await manager.until("READY")

    # systemd takes an older stamp for that of a reload before this one.
    assert before <= int(began["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert ended["STATUS"] == "nodes: 1, down: 0"


async def test_the_goodbye_is_the_last_word(agents: Agents, manager: Manager) -> None:
    cartman = agents.start("cartman", settings={"interval": 0.25})
    await manager.until("READY")

    cartman.signal(signal.SIGTERM)
    await manager.until("STOPPING")

    assert await cartman.exited() == 0
    with pytest.raises(TimeoutError):
        await manager.hear(within=0)


async def test_an_agent_whose_manager_does_not_listen_answers_as_ever(
    agents: Agents, manager: Manager
) -> None:
    cartman = agents.start("cartman", settings={"interval": 0.25})
    await manager.until("WATCHDOG")

    manager.path.unlink()
    complaint = "Cannot notify the service manager: No such file or directory"
    await eventually(lambda: complaint in cartman.messages())
    async with V1Client(cartman.address) as client:
        await client.send({"type": 0, "every": 0.25, "id": "s"})
        await client.receive(8, within=15)

    assert cartman.messages().count(complaint) == 1
    assert (await ask(cartman, {"type": 0}))["error"] == ""


PROGRAM = """
import asyncio, os
from pathlib import Path
from tempfile import mkdtemp

from doubles.v1_client import V1Client
from bench.harness.agents import Agents
from live.fuse import Fuse
from live.manager import Manager


async def main():
    "An agent beside a mount that never answers."
    directory = Path(mkdtemp())
    fuse, agents = Fuse(), Agents(directory)
    with Manager(directory, watchdog=0.5) as manager:
        os.environ.update(manager.environment)
        try:
            cartman = agents.start("cartman", settings={"interval": 0.25})
            async with V1Client(cartman.address) as client:
                await client.send({"type": 0, "detail": ["filesystems"], "every": 0.25, "id": "s"})
                while "stuckSince" not in await row(client, fuse):
                    pass
            manager.forget()
            for _ in range(8):
                await manager.until("WATCHDOG")
        finally:
            agents.end()
            fuse.answer()


async def row(client, fuse):
    (answer,) = await client.receive(within=15)
    rows = answer["nodes"]["cartman"]["detail"]["filesystems"]
    return next((row for row in rows if row["mount"] == fuse.point), {})


asyncio.run(main())
"""


def test_a_mount_that_never_answers_does_not_starve_the_watchdog() -> None:
    private_mounts.need_fuse()

    done = private_mounts.run(PROGRAM, timeout=60)

    assert done.returncode == 0, done.stderr
