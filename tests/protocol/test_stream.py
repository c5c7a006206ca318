"""Streams: ticks, gaps, and reconnections."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from doubles.v1_server import V1Server, node_object
from doubles.v2_server import V2Server
from nodnod_client.client import Client
from nodnod_client.errors import ConnectError, NotConnectedError, StatFailedError
from nodnod_client.mailbox import Mailbox
from nodnod_client.messages import Answer
from nodnod_client.stream import Gaps, StreamAnswer


@pytest.fixture
def server(v2: V2Server) -> V2Server:
    return v2


@pytest.fixture
async def client(server: V2Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setattr("nodnod_client.stream.FIRST_DELAY", 0.001)
    async with Client(server.address) as client:
        yield client


async def subscribed(server: V2Server, stream: Any, streams: int = 1) -> asyncio.Task[StreamAnswer]:
    """Wait for the next answer in a task, once the agent runs so many streams."""
    task = asyncio.create_task(anext(stream))
    await server.streaming_count(streams)
    return task


async def test_each_tick_is_an_answer(server: V2Server, client: Client) -> None:
    server.nodes = [node_object("kyle"), node_object("kenny")]
    stream = client.stream(every=0.25)
    first = await subscribed(server, stream)
    await server.tick()
    assert list((await first).nodes) == ["kyle", "kenny"]
    await server.tick()
    second = await anext(stream)
    assert (second.seq, second.missed, second.reconnected) == (1, 0, False)
    await stream.aclose()


async def test_the_request_has_all_fields(server: V2Server, client: Client) -> None:
    stream = client.stream(all=False, every=2, detail="load", history=60, deadline=1, stat_type=3)
    await subscribed(server, stream)
    (request,) = server.streams.values()
    assert isinstance(request.pop("id"), int)
    assert request == {"every": 2, "detail": ["load"], "history": 60, "timeout": 1, "statType": 3}


async def test_leaving_the_loop_stops_the_stream(server: V2Server, client: Client) -> None:
    server.ticking = True
    async for answer in client.stream(every=0.25):
        assert answer.host == "kyle"
        break
    await server.streaming_count(0)
    assert [request["type"] for request in server.requests] == [1, 2]
    assert (await client.stat()).host == "kyle"


async def test_cancelling_the_reader_stops_the_stream(server: V2Server, client: Client) -> None:
    reader = await subscribed(server, client.stream())
    reader.cancel()
    await server.streaming_count(0)


async def test_streams_and_requests_share_one_connection(server: V2Server, client: Client) -> None:
    cluster, own = client.stream(), client.stream(all=False)
    server.nodes = [node_object("a"), node_object("b")]
    first = await subscribed(server, cluster)
    second = await subscribed(server, own, 2)
    await server.tick()
    assert len((await first).nodes) == 2
    assert len((await second).nodes) == 1
    assert len((await client.stat_all()).nodes) == 2
    await cluster.aclose()
    await own.aclose()
    assert len(server.connections) == 1


async def test_ticks_that_the_agent_skips_are_counted(server: V2Server, client: Client) -> None:
    stream = client.stream()
    first = await subscribed(server, stream)
    await server.tick()
    await first
    await server.tick(skip=3)
    assert (await anext(stream)).missed == 3
    await stream.aclose()


async def test_a_slow_reader_gets_the_newest_tick_next(server: V2Server, client: Client) -> None:
    stream = client.stream()
    first = await subscribed(server, stream)
    await server.tick()
    await first
    for _ in range(5):
        await server.tick()
    await client.stat()  # comes after the ticks on the same connection
    newest = await anext(stream)
    assert (newest.seq, newest.missed) == (5, 4)
    await stream.aclose()


async def test_a_stream_continues_after_a_lost_connection_and_reports_it(
    server: V2Server, client: Client
) -> None:
    stream = client.stream()
    first = await subscribed(server, stream)
    await server.tick()
    assert not (await first).reconnected
    await server.drop()
    await server.streaming_count(0)
    again = await subscribed(server, stream)
    await server.tick()
    answer = await again
    assert answer.reconnected
    assert answer.seq == 0
    assert client.connected
    await stream.aclose()


async def test_a_stream_reconnects_until_an_agent_answers(
    server: V2Server, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, failed = client._connect, asyncio.Event()

    async def recorded() -> None:
        try:
            await connect()
        except ConnectError:
            failed.set()
            raise

    monkeypatch.setattr(client, "_connect", recorded)
    stream = client.stream()
    first = await subscribed(server, stream)
    await server.tick()
    await first
    port = server.port
    await server.__aexit__(None, None, None)
    waiting = asyncio.create_task(anext(stream))
    await failed.wait()
    async with V2Server("kenny", port=port) as successor:
        await successor.streaming_count(1)
        await successor.tick()
        assert (await waiting).host == "kenny"
        await stream.aclose()
    await server.__aenter__()


async def test_without_reconnect_a_silent_agent_is_a_connect_error(client: Client) -> None:
    client.timeout = 0.05
    with pytest.raises(ConnectError, match="no tick"):
        await anext(client.stream(every=0.01, reconnect=False))


async def test_without_reconnect_a_lost_connection_is_raised(
    server: V2Server, client: Client
) -> None:
    waiting = await subscribed(server, client.stream(reconnect=False))
    await server.drop()
    with pytest.raises(ConnectError):
        await waiting


async def test_disconnect_ends_a_stream(server: V2Server, client: Client) -> None:
    waiting = await subscribed(server, client.stream())
    await client.disconnect()
    with pytest.raises(NotConnectedError):
        await waiting


async def test_disconnect_ends_a_stream_that_waits_to_reconnect(
    server: V2Server, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodnod_client.stream.FIRST_DELAY", 1000.0)
    waiting = await subscribed(server, client.stream())
    await server.drop()
    await client.disconnect()
    with pytest.raises(NotConnectedError):
        await asyncio.wait_for(waiting, 5)


async def test_a_stream_before_connect_is_not_connected() -> None:
    with pytest.raises(NotConnectedError):
        await anext(Client().stream())


async def test_a_refused_stream_raises_and_is_not_stopped_again(
    server: V2Server, client: Client
) -> None:
    server.refusal = {
        "error": "`every` must be between 0.25 and 3600, got 0",
        "code": "bad_request",
    }
    with pytest.raises(StatFailedError, match="`every`") as caught:
        await anext(client.stream(every=0))
    assert caught.value.code == "bad_request"
    server.refusal = None
    await client.stat()
    assert [request.get("type", 0) for request in server.requests] == [1, 0]


async def test_a_stream_continues_after_its_agent_shuts_down(
    server: V2Server, client: Client
) -> None:
    server.refusal = {"error": "shutting down", "code": "shutting_down"}
    stream = client.stream()
    waiting = asyncio.create_task(anext(stream))
    await server.arrived(1)
    server.refusal = None
    await server.streaming_count(1)
    await server.tick()
    assert (await waiting).host == "kyle"
    await stream.aclose()


async def test_an_agent_that_answers_once_does_not_stream(server: V2Server, client: Client) -> None:
    server.streaming = False
    with pytest.raises(StatFailedError, match="does not stream"):
        await anext(client.stream())


async def test_version_1_does_not_stream() -> None:
    async with V1Server() as server, Client(server.address) as client:
        with pytest.raises(StatFailedError, match="version-2 agent"):
            await anext(client.stream())
        assert (await client.stat()).host == "kyle"


async def test_a_silent_agent_counts_as_lost(server: V2Server, client: Client) -> None:
    client.timeout = 0.05
    stream = client.stream(every=0.01)
    waiting = asyncio.create_task(anext(stream))
    await server.arrived(2)  # subscribed again, on a new connection
    client.timeout = 10.0
    await server.streaming_count(1)
    waiting.cancel()
    await server.streaming_count(0)


# Units


@pytest.mark.parametrize(
    ("away", "seq", "missed"), [(0.4, 0, 0), (1.4, 0, 0), (10.0, 0, 9), (2.0, 7, 7)]
)
def test_gaps_count_by_time_over_a_reconnection(away: float, seq: int, missed: int) -> None:
    gaps = Gaps(1.0)
    gaps.mark(Answer(seq=0), now=100.0)
    gaps.reset()
    answer = gaps.mark(Answer(seq=seq), now=100.0 + away)
    assert (answer.missed, answer.reconnected) == (missed, True)
    following = gaps.mark(Answer(seq=seq + 1), now=101.0 + away)
    assert (following.missed, following.reconnected) == (0, False)


def test_nothing_is_missed_before_the_first_answer() -> None:
    gaps = Gaps(1.0)
    gaps.reset()
    answer = gaps.mark(Answer(seq=0), now=500.0)
    assert (answer.missed, answer.reconnected) == (0, False)


async def test_a_mailbox_returns_its_last_answer_before_the_error() -> None:
    mailbox = Mailbox()
    mailbox.put(Answer(seq=1))
    mailbox.close("gone")
    assert (await mailbox.take(1.0))[0].seq == 1
    for _ in range(2):
        with pytest.raises(ConnectError, match="gone"):
            await mailbox.take(1.0)
