"""Streams over plain WebSockets, and through the client library, from real agents."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from time import monotonic
from typing import Any

import pytest

from bench.harness.agents import Agent, Agents
from bench.harness.processes import free_ports
from doubles.v1_client import V1Client
from eventually import SLACK, eventually
from live.raw import RawClient, frame
from live.web import counts
from nodnod_client.client import Client

EVERY = 0.25
"""Seconds from tick to tick in these tests: the shortest interval there is."""

NEVER = 3600.0
"""Seconds from tick to tick of a stream of which only the first answer comes in a test."""

NAMES = ("cartman", "kenny")
STREAM = {"type": 1, "every": EVERY, "id": "s"}


@pytest.fixture
async def cartman(shared_agents: Agents) -> AsyncIterator[Agent]:
    """One of two agents; it has no streams, and a test must leave none behind."""
    if not shared_agents.started:
        await shared_agents.cluster(*NAMES)
    cartman = shared_agents.started[0]
    yield cartman
    await running(cartman, 0)


@pytest.fixture
async def client(cartman: Agent) -> AsyncIterator[V1Client]:
    async with V1Client(cartman.address) as client:
        yield client


async def running(agent: Agent, streams: int) -> None:
    """Wait until exactly so many streams run."""

    async def look() -> bool:
        return (await counts(agent))["nodnod_streams"] == streams

    await eventually(look)


async def until(client: V1Client, **fields: Any) -> dict[str, Any]:
    """Read until an answer comes with all these fields."""
    while True:
        (answer,) = await client.receive()
        if fields.items() <= answer.items():
            return answer


@asynccontextmanager
async def listening(agent: Agent, request: dict[str, Any]) -> AsyncIterator[list[dict[str, Any]]]:
    """Send a request over a connection of its own; all answers come into the list."""
    async with V1Client(agent.address) as client:
        received: list[dict[str, Any]] = []

        async def listen() -> None:
            while True:
                received.extend(await client.receive(within=60))

        await client.send(request)
        listener = asyncio.create_task(listen())
        try:
            yield received
        finally:
            listener.cancel()


# Ticks.


async def test_the_first_answer_comes_at_once(client: V1Client) -> None:
    asked = monotonic()
    await client.send({**STREAM, "every": NEVER})
    (first,) = await client.receive()

    assert monotonic() - asked < SLACK
    assert list(first) == ["host", "nodes", "error", "id", "seq"]
    assert (first["host"], set(first["nodes"]), first["error"]) == ("cartman", set(NAMES), "")
    assert (first["id"], first["seq"]) == ("s", 0)


async def test_ticks_keep_their_interval_and_each_stream_has_its_own_count(
    client: V1Client,
) -> None:
    await client.send({**STREAM, "id": 1}, {**STREAM, "id": 2, "every": 2 * EVERY})
    await until(client, id=1, seq=1)
    began = monotonic()
    answers = [await until(client)]
    while answers[-1]["seq"] < 4:
        answers.append(await until(client))
    took = monotonic() - began

    fast, slow = ([answer["seq"] for answer in answers if answer["id"] == id_] for id_ in (1, 2))
    assert fast == [2, 3, 4]
    assert slow in ([1], [1, 2])
    # The first of these ticks may have come late, and the last one in time.
    assert 2 * EVERY < took < 3 * EVERY + SLACK


async def test_every_field_of_a_request_can_be_streamed(client: V1Client) -> None:
    what = {"statType": 1, "detail": ["load"], "history": 5, "nodes": ["k*", "nobody"]}
    await client.send({**STREAM, **what, "timeout": 1})

    for answer in await client.receive(2):
        kenny, nobody = answer["nodes"]["kenny"], answer["nodes"]["nobody"]
        assert list(kenny) == ["name", "cpuUsed", "error", "detail", "history"]
        assert list(kenny["detail"]) == ["load"]
        assert nobody["error"] == "unknown node"


# Start and stop.


async def test_the_answer_to_a_stop_is_the_last_of_its_stream_which_can_start_again(
    client: V1Client,
) -> None:
    await client.send({**STREAM, "id": "other"}, STREAM)
    await client.receive(4)
    await client.send({"type": 2, "id": "s"}, STREAM)

    done = await until(client, id="s", done=True)
    again = await until(client, id="s")

    assert done == {"host": "cartman", "nodes": {}, "error": "", "done": True, "id": "s"}
    assert again["seq"] == 0


async def test_a_stream_with_a_used_id_or_beyond_sixteen_is_refused_and_the_others_go_on(
    client: V1Client,
) -> None:
    await client.send(*({**STREAM, "id": number} for number in range(17)))
    assert (await until(client, code="too_many_streams"))["id"] == 16

    await client.send({**STREAM, "type": 0, "id": 0}, {"type": 2, "id": 3}, {**STREAM, "id": 16})

    assert (await until(client, code="duplicate_id"))["id"] == 0
    await until(client, id=3, done=True)
    assert len((await until(client, id=0))["nodes"]) == 2
    await until(client, id=16, seq=1)


async def test_the_streams_of_a_client_that_is_gone_cost_nothing(cartman: Agent) -> None:
    async with V1Client(cartman.address) as client:
        await client.send(*({**STREAM, "id": number} for number in range(16)))
        await client.receive(16)
        await running(cartman, 16)
        client.abort()

    await running(cartman, 0)
    broadcasts = (await counts(cartman))["nodnod_broadcasts_total"]
    async with V1Client(cartman.address) as other:
        await other.send({**STREAM, "type": 0})
        await other.receive(3)

    assert (await counts(cartman))["nodnod_broadcasts_total"] == broadcasts


# Costs.


async def test_fifty_streams_that_ask_the_same_cost_one_query_a_tick(cartman: Agent) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(listening(cartman, STREAM)) for _ in range(50)]
        received = clients[-1]

        async def ticked(count: int) -> None:
            last = received[-1]["seq"] + count
            await eventually(lambda: received[-1]["seq"] >= last)

        await eventually(lambda: all(clients))
        first, before = received[-1]["seq"], (await counts(cartman))["nodnod_broadcasts_total"]
        await ticked(3)
        queries = (await counts(cartman))["nodnod_broadcasts_total"] - before
        # All ticks that were sent before the reading have been received by the next one.
        await ticked(1)

        assert 2 <= queries <= received[-1]["seq"] - first + 1


async def test_a_slow_client_skips_ticks_then_gets_the_newest_and_others_lose_none(
    cartman: Agent,
) -> None:
    # Long answers and many of them, so that the kernel's buffers are soon full.
    request = {**STREAM, "type": 0, "detail": ["cpu", "network", "system"], "history": 60}

    async def skipped() -> float:
        return (await counts(cartman))["nodnod_stream_ticks_skipped_total"]

    async def stuck() -> bool:
        return await skipped() >= before + 4 * 16

    before = await skipped()
    async with (
        listening(cartman, request) as seen,
        RawClient(cartman.port, receive_buffer=4096) as slow,
    ):
        await slow.shake()
        await slow.send(*(frame(json.dumps({**request, "id": id_})) for id_ in range(16)))
        await eventually(stuck, within=20)
        newest = taken(seen[-1])
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        got: list[dict[str, Any]] = []
        while not got or got[-1]["seq"] == len(got) - 1:  # until the gap
            answer = await slow.answer()
            if answer["id"] == 0:
                got.append(answer)

    assert taken(got[-1]) >= newest > taken(got[-2])
    assert [answer["seq"] for answer in seen] == list(range(len(seen)))


def taken(answer: dict[str, Any]) -> float:
    """When the sample in an answer was taken."""
    moment: float = answer["nodes"]["cartman"]["history"]["end"]
    return moment


# The client library.


async def test_the_client_resumes_its_stream_when_the_agent_is_back(agents: Agents) -> None:
    (port,) = free_ports(1)
    stan = agents.start("stan", listen=f"127.0.0.1:{port}")
    async with Client(stan.address, timeout=5) as client:
        stream = client.stream(every=EVERY)
        before = [await anext(stream) for _ in range(2)]
        stan.kill()
        await asyncio.sleep(2 * EVERY)  # an agent may start before a tick is missed
        stan.start()
        after = [await anext(stream) for _ in range(2)]
        await stream.aclose()

    assert [(answer.seq, answer.reconnected) for answer in before] == [(0, False), (1, False)]
    assert [(answer.seq, answer.reconnected) for answer in after] == [(0, True), (1, False)]
    assert after[0].missed >= 1
    assert after[0].nodes["stan"].error == ""


async def test_leaving_the_loop_stops_the_stream_at_the_agent(cartman: Agent) -> None:
    async with Client(cartman.address) as client:
        async with aclosing(client.stream(every=EVERY, detail=["network"])) as stream:
            async for answer in stream:
                assert set(answer.nodes) == set(NAMES)
                await running(cartman, 1)
                break
        await running(cartman, 0)
