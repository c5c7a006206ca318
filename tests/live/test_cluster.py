"""Several agents that know each other, and clients that ask any of them."""

import asyncio
from typing import Any

import pytest

from bench.harness.agents import Agent, Agents, whole
from bench.harness.processes import free_ports
from doubles.v1_client import V1Client
from eventually import eventually
from live.asking import ask, errors


@pytest.fixture
async def cartman(shared_agents: Agents) -> Agent:
    """An agent that knows one other, kenny."""
    if not shared_agents.started:
        await shared_agents.cluster("cartman", "kenny")
    return shared_agents.started[0]


async def test_any_agent_answers_for_all(agents: Agents) -> None:
    names = ("cartman", "kenny", "kyle")

    cluster = await agents.cluster(*names)

    answers = [await ask(agent, {"type": 1}) for agent in cluster]
    assert [answer["host"] for answer in answers] == list(names)
    assert [errors(answer) for answer in answers] == [dict.fromkeys(names, "")] * 3


async def test_an_agent_answers_for_itself_alone(cartman: Agent) -> None:
    assert list((await ask(cartman, {"type": 0}))["nodes"]) == ["cartman"]


async def test_the_log_tells_the_story_of_the_tutorial(agents: Agents) -> None:
    here, there = (f"127.0.0.1:{port}" for port in free_ports(2))
    cartman = agents.start("cartman", listen=here, nodes=[here, there])
    await eventually(lambda: f"Could not connect to node: {there}" in cartman.log())
    kenny = agents.start("kenny", listen=there, nodes=[here, there])
    await whole(cartman, "cartman", "kenny")
    await whole(kenny, "cartman", "kenny")

    story = [line for line in cartman.messages() if "client" not in line]

    assert story == [
        f"Starting NodNod websocket server: [cartman : {here}]",
        "Starting discovery service",
        f"Could not connect to node: {there}. Error: connection refused",
        f"Established connection with node: {there}",
        f"Connected to node: [kenny : {there}]",
    ]


async def test_the_log_names_each_client(cartman: Agent) -> None:
    async with V1Client(cartman.address) as client:
        assert client._connection is not None
        _, port = client._connection.local_address[:2]
        line = f"Accepted connection from client: 127.0.0.1:{port}"
        await eventually(lambda: line in cartman.messages())


async def test_pipelined_requests_without_id_are_answered_in_order(cartman: Agent) -> None:
    requests = [
        {"type": turn % 2, "statType": turn % 4, "nodes": ["kenny"] if turn % 3 else None}
        for turn in range(60)
    ]

    async with V1Client(cartman.address) as client:
        await client.send(*requests)
        answers = await client.receive(len(requests))

    assert [_shape(answer) for answer in answers] == [_expected(request) for request in requests]


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
            # Whatever were answered twice would come before this one.
            await client.send({"id": "end"})
            assert [answer["id"] for answer in await client.receive()] == ["end"]
            return sorted(set(answers)) == sorted([*ids, "last"])

    assert all(await asyncio.gather(*(one(connection) for connection in range(20))))


def _shape(answer: dict[str, Any]) -> tuple[list[str], set[str]]:
    nodes = answer["nodes"]
    return list(nodes), set(nodes[next(iter(nodes))])


def _expected(request: dict[str, Any]) -> tuple[list[str], set[str]]:
    cpu = ["cpuUsed"]
    memory = ["memoryTotal", "memoryUsed", "memoryUsedPercent"]
    disk = ["diskTotal", "diskUsed", "diskUsedPercent"]
    stats = [cpu + memory + disk, cpu, memory, disk][request["statType"]]
    nodes = ["cartman"]
    if request["type"] == 1:
        nodes = ["kenny"] if request["nodes"] else ["cartman", "kenny"]
    return nodes, {"name", "error", *stats}
