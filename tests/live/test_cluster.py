"""Several agents that know each other, of both versions, and clients that ask any of them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bench.harness.agents import Agent, Agents, whole
from bench.harness.processes import free_ports
from doubles.v1_client import V1Client
from doubles.v1_server import STATS, V1Server
from eventually import eventually
from live.asking import ask


@pytest.fixture
async def cartman(shared_agents: Agents) -> Agent:
    """An agent that knows one other, kenny."""
    if not shared_agents.started:
        await shared_agents.cluster("cartman", "kenny")
    return shared_agents.started[0]


async def test_the_log_has_the_lines_of_the_tutorial(agents: Agents) -> None:
    here, there = (f"127.0.0.1:{port}" for port in free_ports(2))
    cartman = agents.start("cartman", listen=here, nodes=[here, there])
    await eventually(lambda: f"Could not connect to node: {there}" in cartman.log())
    kenny = agents.start("kenny", listen=there, nodes=[here, there])
    await whole(cartman, "cartman", "kenny")
    await whole(kenny, "cartman", "kenny")

    assert cartman.messages() == [
        f"Configuration file: {cartman.config}",
        f"Starting NodNod websocket server: [cartman : {here}]",
        "Starting discovery service",
        f"Could not connect to node: {there}. Error: connection refused",
        f"Established connection with node: {there}",
        f"Connected to node: [kenny : {there}]",
    ]


async def test_only_at_debug_the_log_names_each_client(agents: Agents) -> None:
    cartman = agents.start("cartman", flags=["--debug"])

    async with V1Client(cartman.address) as client:
        assert client._connection is not None
        _, port = client._connection.local_address[:2]
        line = f"Accepted connection from client: 127.0.0.1:{port}"
        await eventually(lambda: line in cartman.messages())


async def test_pipelined_requests_without_id_are_answered_in_order(cartman: Agent) -> None:
    requests = [
        {"type": number % 2, "statType": number % 4, "nodes": ["kenny"] if number % 3 else None}
        for number in range(60)
    ]

    async with V1Client(cartman.address) as client:
        await client.send(*requests)
        answers = await client.receive(len(requests))

    for request, answer in zip(requests, answers, strict=True):
        nodes = ["cartman", "kenny"] if request["type"] == 1 else ["cartman"]
        assert list(answer["nodes"]) == (request["nodes"] or nodes if request["type"] else nodes)
        assert {len(node) for node in answer["nodes"].values()} == {
            [9, 3, 5, 5][request["statType"]]
        }


@pytest.mark.parametrize("type_", [0, 1])
async def test_each_of_many_pipelined_requests_gets_exactly_one_answer(
    cartman: Agent, type_: int
) -> None:
    count = 200

    async def one(connection: int) -> bool:
        async with V1Client(cartman.address) as client:
            ids = [f"{connection}/{number}" for number in range(count)]
            await client.send(*({"type": type_, "id": id_} for id_ in ids), {"id": "last"})
            answers = [answer["id"] for answer in await client.receive(count + 1)]
            # A second answer to any of them would come before this one.
            await client.send({"id": "end"})
            assert [answer["id"] for answer in await client.receive()] == ["end"]
            return sorted(set(answers)) == sorted([*ids, "last"])

    assert all(await asyncio.gather(*(one(connection) for connection in range(20))))


# Version 1.


@pytest.fixture
async def kyle() -> AsyncIterator[V1Server]:
    async with V1Server("kyle") as server:
        yield server


@pytest.fixture
async def stan(agents: Agents, kyle: V1Server) -> Agent:
    """An agent of ours that knows the version-1 agent kyle."""
    stan = agents.start("stan", nodes=[kyle.address])
    await whole(stan, "kyle", "stan")
    return stan


async def test_a_version_1_peer_is_asked_for_itself_and_listed_with_its_numbers(
    stan: Agent, kyle: V1Server
) -> None:
    answer = await ask(stan, {"type": 1, "timeout": 3})
    granular = await ask(stan, {"type": 1, "statType": 1, "id": 7})

    assert answer["nodes"]["kyle"] == {"name": "kyle", **STATS, "error": ""}
    assert granular["nodes"]["kyle"] == {"name": "kyle", "cpuUsed": 5.0, "error": ""}
    assert kyle.requests == [{"type": 0, "statType": 0}] * len(kyle.requests)


async def test_a_version_1_peer_that_was_lost_is_found_again(stan: Agent, kyle: V1Server) -> None:
    await kyle.drop()

    await whole(stan, "kyle", "stan")


async def test_a_version_1_agent_that_dials_ours_gets_our_numbers(stan: Agent) -> None:
    async with V1Client(stan.address) as dialer:
        answers: list[dict[str, Any]] = await dialer.ask(0, 0, 0)

    assert [list(answer["nodes"]) for answer in answers] == [["stan"]] * 3
