"""Push mode: agents stream to each other and answer from memory."""

import re
import signal
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import pytest

from bench.harness.agents import Agent, Agents, whole
from bench.harness.processes import free_ports
from doubles.v1_client import V1Client
from doubles.v1_server import STATS, V1Server
from eventually import SLACK, eventually
from live.asking import ask, errors
from live.web import counts, fetch

INTERVAL = 0.25
PUSH = {"mode": "push", "interval": INTERVAL}
STALE = 3 * INTERVAL
NAMES = ("cartman", "kenny")


@pytest.fixture
async def cartman(shared_agents: Agents) -> AsyncIterator[Agent]:
    """One of two agents in push mode; a test must leave both well."""
    if not shared_agents.started:
        await shared_agents.cluster(*NAMES, settings=PUSH)
    cartman = shared_agents.started[0]
    yield cartman
    await whole(cartman, *NAMES)


@pytest.fixture
def kenny(cartman: Agent, shared_agents: Agents) -> Agent:
    return shared_agents.started[1]


async def numbers(agent: Agent, node: str) -> dict[str, Any]:
    """A node's object in a cluster answer of this agent, without its error."""
    found: dict[str, Any] = (await ask(agent, {"type": 1}))["nodes"][node]
    return {field: value for field, value in found.items() if field != "error"}


async def has_error(agent: Agent, node: str, pattern: str, *, within: float = 5.0) -> None:
    """Wait until the agent has such an error for a node."""
    seen = ""

    async def look() -> bool:
        nonlocal seen
        seen = errors(await ask(agent, {"type": 1}))[node]
        return re.fullmatch(pattern, seen) is not None

    await eventually(look, within=within, why=lambda: seen)


async def test_cluster_requests_streams_and_pages_are_answered_from_memory(
    cartman: Agent,
) -> None:
    before = (await counts(cartman))["nodnod_broadcasts_total"]

    async with V1Client(cartman.address) as client:
        for stat_type in range(4):
            await client.send({"type": 1, "statType": stat_type, "nodes": ["k*", "cartman"]})
        await client.send({"type": 1, "every": INTERVAL, "id": "s"})
        answers = await client.receive(6)
    page = await fetch(cartman.port, "/stat/all")
    metrics = await fetch(cartman.port, "/metrics/cluster")

    assert [errors(answer) for answer in answers] == [dict.fromkeys(NAMES, "")] * 6
    assert errors(page.json) == dict.fromkeys(NAMES, "")
    assert b'nodnod_up{node="kenny"} 1.0' in metrics.body
    assert (await counts(cartman))["nodnod_broadcasts_total"] == before


async def test_numbers_are_new_every_interval_and_the_same_at_all_agents(
    cartman: Agent, kenny: Agent
) -> None:
    seen = set()

    async def agreed() -> bool:
        here, there = await numbers(cartman, "kenny"), await numbers(kenny, "kenny")
        if here == there:
            seen.add(tuple(here.values()))
        return len(seen) >= 3

    await eventually(agreed)


async def test_a_frozen_peer_keeps_its_numbers_as_stale_and_delays_no_answer(
    cartman: Agent, kenny: Agent
) -> None:
    kenny.signal(signal.SIGSTOP)
    try:
        asked = monotonic()
        last = await numbers(cartman, "kenny")
        assert monotonic() - asked < SLACK

        await has_error(cartman, "kenny", r"stale: last heard \d+\.\d s ago", within=STALE + SLACK)

        answer = await ask(cartman, {"type": 1, "timeout": 30})
        stale = float(errors(answer)["kenny"].split()[3])
        assert STALE <= stale < 5
        assert errors(answer)["cartman"] == ""
        assert await numbers(cartman, "kenny") == last
        assert last["memoryTotal"] > 0
        await has_error(cartman, "kenny", f"stale: last heard (?!{stale} ).*")
    finally:
        kenny.signal(signal.SIGCONT)

    await whole(cartman, *NAMES, within=1 + SLACK)


async def test_both_modes_and_both_versions_are_one_cluster(agents: Agents) -> None:
    async with V1Server("kyle") as kyle:
        mine, other = (f"127.0.0.1:{port}" for port in free_ports(2))
        nodes = [mine, other, kyle.address]
        for name, listen, mode in (("stan", mine, "push"), ("wendy", other, "pull")):
            settings = {"mode": mode, "interval": INTERVAL}
            agents.begin(name, listen=listen, nodes=nodes, settings=settings)
        for agent in agents.started:
            agent.listening()
            await whole(agent, "kyle", "stan", "wendy")

        for agent in agents.started:
            answer = await ask(agent, {"type": 1, "detail": ["load"], "statType": 1})
            v1, *v2 = (answer["nodes"][name] for name in ("kyle", "stan", "wendy"))
            assert v1 == {"name": "kyle", "cpuUsed": STATS["cpuUsed"], "error": ""}
            assert [list(node["detail"]) for node in v2] == [["load"]] * 2

            answer = await ask(agent, {"type": 1, "history": 60})
            assert ["history" in node for node in answer["nodes"].values()] == [False, True, True]

        kyle.stats = {"cpuUsed": 77.0}
        for agent in agents.started:

            async def heard(agent: Agent = agent) -> bool:
                return (await numbers(agent, "kyle"))["cpuUsed"] == 77.0

            await eventually(heard)
        assert kyle.requests == [{"type": 0, "statType": 0}] * len(kyle.requests)

        asked = len(kyle.requests)
        kyle.freeze()
        await has_error(agents.started[0], "kyle", r"stale: last heard \d\.\d s ago")
        # One unanswered question is enough; the agent in pull mode sent none.
        assert len(kyle.requests) <= asked + 2
        kyle.thaw()
        await whole(agents.started[0], "kyle", "stan", "wendy")
