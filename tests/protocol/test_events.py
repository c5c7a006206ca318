"""The events request of the client, and the stream of events."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bench.harness.threaded import Threaded
from doubles.v1_server import V1Server
from doubles.v2_server import V2Server
from nodnod_client.client import Client
from nodnod_client.errors import ConnectError, StatFailedError
from nodnod_client.messages import Event
from nodnod_client.sync import SyncClient

EVENTS = [Event(f"i1-{number}", 1000.0 + number, "kyle", "down", "gone") for number in range(6)]


def wire(*events: Event) -> list[dict[str, Any]]:
    return [{field: getattr(one, field) for field in one.__struct_fields__} for one in events]


@pytest.fixture
async def client(v2: V2Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setattr("nodnod_client.stream.FIRST_DELAY", 0.001)
    async with Client(v2.address) as client:
        yield client


async def test_events_are_typed_and_in_order(v2: V2Server, client: Client) -> None:
    v2.events = wire(*EVENTS)
    found = await client.events(since=5, nodes="k*")
    assert (found.host, found.events) == ("kyle", EVENTS)
    assert v2.requests == [{"type": 7, "since": 5.0, "nodes": ["k*"], "id": 1}]


def test_the_blocking_client_has_them_too() -> None:
    server = V2Server(ticking=True)
    server.events = wire(*EVENTS)
    with Threaded(server) as agent, SyncClient(agent.address) as client:
        assert client.events().events == EVENTS
        followed = client.follow_events(every=0.25)
        assert [next(followed) for _ in EVENTS] == EVENTS


async def test_a_stream_yields_each_event_once_whatever_its_time(
    v2: V2Server, client: Client
) -> None:
    v2.events = wire(*EVENTS[1:3])
    followed = client.follow_events(every=0.5)
    first = asyncio.create_task(anext(followed))
    await v2.streaming_count(1)
    await v2.tick()
    assert [await first, await anext(followed)] == EVENTS[1:3]
    v2.events = []
    await v2.tick()
    v2.events = wire(EVENTS[2], EVENTS[0])
    await v2.tick()
    assert await anext(followed) == EVENTS[0]
    await followed.aclose()
    await v2.streaming_count(0)


async def test_a_slow_reader_misses_none(v2: V2Server, client: Client) -> None:
    followed = client.follow_events()
    first = asyncio.create_task(anext(followed))
    await v2.streaming_count(1)
    for event in EVENTS:
        v2.events = wire(event)
        await v2.tick()
    await client.stat()  # all ticks have come by now
    assert [await first, *[await anext(followed) for _ in EVENTS[1:]]] == EVENTS


async def test_after_a_reconnection_only_what_is_new_comes(v2: V2Server, client: Client) -> None:
    v2.events = wire(*EVENTS[:2])
    followed = client.follow_events()
    first = asyncio.create_task(anext(followed))
    await v2.streaming_count(1)
    await v2.tick()
    assert [await first, await anext(followed)] == EVENTS[:2]
    following = asyncio.create_task(anext(followed))
    for connection in list(v2.connections):
        await connection.close()
    await v2.streaming_count(0)
    await v2.streaming_count(1)
    v2.events = wire(*EVENTS[:3])
    await v2.tick()
    assert await following == EVENTS[2]


async def test_without_reconnecting_a_lost_connection_is_an_error(
    v2: V2Server, client: Client
) -> None:
    following = asyncio.create_task(anext(client.follow_events(reconnect=False)))
    await v2.streaming_count(1)
    for connection in list(v2.connections):
        await connection.close()
    with pytest.raises(ConnectError):
        await following


async def test_an_agent_that_knows_no_events_is_too_old(v2: V2Server, client: Client) -> None:
    v2.refusal = {"error": "`type` must be one of 0, 1, 2, 3, 4, got 7", "code": "unknown_type"}
    for request in (client.events(), anext(client.follow_events())):
        with pytest.raises(StatFailedError, match="events need a newer agent than") as refused:
            await request
        assert refused.value.code == "unknown_type"


async def test_an_agent_of_version_1_has_no_events(v1: V1Server) -> None:
    async with Client(v1.address) as client:
        for request in (client.events(), anext(client.follow_events())):
            with pytest.raises(StatFailedError, match="events need a version-2 agent"):
                await request


async def test_an_answer_that_has_no_events_ends_the_connection(
    v2: V2Server, client: Client
) -> None:
    v2.events = [{"id": 5}]
    with pytest.raises(ConnectError, match="invalid answer"):
        await client.events()


@pytest.mark.parametrize("wrong", [{"since": float("nan")}, {"every": float("inf")}])
async def test_numbers_that_json_does_not_have_are_refused(
    client: Client, wrong: dict[str, float]
) -> None:
    with pytest.raises(ValueError, match="must be a number of seconds"):
        client.follow_events(**wrong)
