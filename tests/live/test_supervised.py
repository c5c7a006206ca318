"""An agent under a service manager: its messages while it starts, runs, reloads and stops."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.harness.agents import Agent, Agents
from bench.harness.processes import free_ports
from doubles.v1_client import V1Client
from eventually import eventually
from live.manager import Manager

WATCHDOG = 0.5
"""Seconds; the agent sends a sign of life every half of them."""


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """A service manager of the agents of a test."""
    with Manager(tmp_path, watchdog=WATCHDOG) as manager:
        for name, value in manager.environment.items():
            monkeypatch.setenv(name, value)
        yield manager


def is_stopped(agent: Agent) -> bool:
    return Path(f"/proc/{agent.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def test_an_agent_is_ready_once_it_answers_with_stats_and_says_when_it_stops(
    agents: Agents, manager: Manager
) -> None:
    (port,) = free_ports(1)
    settings = {"interval": 0.25}
    cartman = agents.begin("cartman", listen=f"127.0.0.1:{port}", settings=settings)

    first = await manager.receive()
    async with V1Client(f"127.0.0.1:{port}") as client:
        (answer,) = await client.ask(0)

    assert first == {"READY": "1", "STATUS": "nodes: 1, down: 0"}
    assert answer["nodes"]["cartman"]["memoryTotal"] > 0
    cartman.signal(signal.SIGTERM)
    await manager.until("STOPPING")
    assert await cartman.exited() == 0
    with pytest.raises(TimeoutError):
        await manager.receive(within=0)


async def test_an_agent_that_cannot_start_is_never_ready(agents: Agents, manager: Manager) -> None:
    cartman = agents.begin("cartman", listen="127.0.0.1:0", settings={"interval": 1000})

    assert await cartman.exited(within=30) == 2
    with pytest.raises(TimeoutError):
        await manager.receive(within=0)


async def test_the_status_counts_nodes_and_those_that_are_down(
    agents: Agents, manager: Manager
) -> None:
    (port,) = free_ports(1)
    agents.start("cartman", nodes=[f"127.0.0.1:{port}"], settings={"interval": 0.25})
    await manager.until("STATUS", "nodes: 2, down: 1")

    kenny = agents.start("kenny", listen=f"127.0.0.1:{port}", settings={"interval": 60})
    await manager.until("STATUS", "nodes: 2, down: 0")

    kenny.kill()
    await manager.until("STATUS", "nodes: 2, down: 1")


async def test_watchdog_messages_come_unless_the_agent_is_frozen(
    agents: Agents, manager: Manager
) -> None:
    cartman = agents.start("cartman", settings={"interval": 0.25})
    for _ in range(4):
        await manager.until("WATCHDOG")

    cartman.signal(signal.SIGSTOP)
    await eventually(lambda: is_stopped(cartman))
    manager.discard()
    with pytest.raises(TimeoutError):
        await manager.receive(within=4 * WATCHDOG)

    cartman.signal(signal.SIGCONT)
    await manager.until("WATCHDOG")


async def test_a_reload_has_a_message_at_its_begin_and_at_its_end(
    agents: Agents, manager: Manager
) -> None:
    cartman = agents.start("cartman")
    await manager.until("READY")

    before = time.monotonic_ns() // 1000
    cartman.signal(signal.SIGHUP)
    began = await manager.until("RELOADING")
    ended = await manager.until("READY")

    # systemd takes an older time for that of an earlier reload.
    assert before <= int(began["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert ended["STATUS"] == "nodes: 1, down: 0"
