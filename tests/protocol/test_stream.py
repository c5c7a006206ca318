"""Streams: ticks, gaps, and reconnections."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from doubles.v1_server import V1Server, node_object
from doubles.v2_server import V2Server
from nodnod_client.client import Client
from nodnod_client.errors import ConnectError, NotConnectedError, StatFailedError
from nodnod_client.mailbox import Mailbox
from nodnod_client.messages import Answer
from nodnod_client.stream import Gaps, StreamAnswer

Stream = AsyncGenerator[StreamAnswer, None]


@pytest.fixture
async def client(v2: V2Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setattr("nodnod_client.stream.FIRST_DELAY", 0.001)
    async with Client(v2.address) as client:
        yield client


async def subscribed(server: V2Server, stream: Any, streams: int = 1) -> asyncio.Task[StreamAnswer]:
    """Wait for the next answer in a task, once the agent runs so many streams."""
    task = asyncio.create_task(anext(stream))
    await server.streaming_count(streams)
    return task


@pytest.fixture
async def stream(v2: V2Server, client: Client) -> AsyncIterator[Stream]:
    """A stream whose first answer has been read."""
    stream = client.stream()
    first = await subscribed(v2, stream)
    await v2.tick()
    await first
    yield stream
    await stream.aclose()


async def test_each_tick_is_an_answer(v2: V2Server, client: Client) -> None:
    v2.nodes = [node_object("kyle"), node_object("kenny")]
    stream = client.stream(every=0.25)
    waiting = await subscribed(v2, stream)
    await v2.tick()
    first = await waiting
    assert (list(first.nodes), first.reconnected) == (["kyle", "kenny"], False)
    await v2.tick()
    second = await anext(stream)
    assert (second.seq, second.missed, second.reconnected) == (1, 0, False)
    await stream.aclose()


async def test_the_request_has_all_fields(v2: V2Server, client: Client) -> None:
    stream = client.stream(all=False, every=2, detail="load", history=60, deadline=1, stat_type=3)
    await subscribed(v2, stream)
    (request,) = v2.streams.values()
    assert isinstance(request.pop("id"), int)
    assert request == {"every": 2, "detail": ["load"], "history": 60, "timeout": 1, "statType": 3}


async def test_leaving_the_loop_stops_the_stream(v2: V2Server, client: Client) -> None:
    v2.ticking = True
    async for answer in client.stream(every=0.25):
        assert answer.host == "kyle"
        break
    await v2.streaming_count(0)
    assert [request["type"] for request in v2.requests] == [1, 2]
    assert (await client.stat()).host == "kyle"


async def test_cancelling_the_reader_stops_the_stream(v2: V2Server, client: Client) -> None:
    reader = await subscribed(v2, client.stream())
    reader.cancel()
    await v2.streaming_count(0)


async def test_streams_and_requests_share_one_connection(v2: V2Server, client: Client) -> None:
    cluster, own = client.stream(), client.stream(all=False)
    v2.nodes = [node_object("a"), node_object("b")]
    first = await subscribed(v2, cluster)
    second = await subscribed(v2, own, 2)
    await v2.tick()
    assert len((await first).nodes) == 2
    assert len((await second).nodes) == 1
    assert len((await client.stat_all()).nodes) == 2
    await cluster.aclose()
    await own.aclose()
    assert len(v2.connections) == 1


async def test_ticks_that_the_agent_skips_are_counted(v2: V2Server, stream: Stream) -> None:
    await v2.tick(skip=3)
    assert (await anext(stream)).missed == 3


async def test_a_slow_reader_gets_the_newest_tick_next(
    v2: V2Server, client: Client, stream: Stream
) -> None:
    for _ in range(5):
        await v2.tick()
    await client.stat()  # comes after the ticks on the same connection
    newest = await anext(stream)
    assert (newest.seq, newest.missed) == (5, 4)


async def test_a_stream_continues_after_a_lost_connection_and_reports_it(
    v2: V2Server, client: Client, stream: Stream
) -> None:
    await v2.drop()
    await v2.streaming_count(0)
    again = await subscribed(v2, stream)
    await v2.tick()
    answer = await again
    assert answer.reconnected
    assert answer.seq == 0
    assert client.connected


async def test_a_stream_reconnects_until_an_agent_answers(
    v2: V2Server, client: Client, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, failed = client._connect, asyncio.Event()

    async def recorded() -> None:
        try:
            await connect()
        except ConnectError:
            failed.set()
            raise

    monkeypatch.setattr(client, "_connect", recorded)
    port = v2.port
    await v2.__aexit__(None, None, None)
    waiting = asyncio.create_task(anext(stream))
    await failed.wait()
    async with V2Server("kenny", port=port) as successor:
        await successor.streaming_count(1)
        await successor.tick()
        assert (await waiting).host == "kenny"
    await v2.__aenter__()


async def test_without_reconnect_a_silent_agent_is_a_connect_error(client: Client) -> None:
    client.timeout = 0.05
    with pytest.raises(ConnectError, match="no tick"):
        await anext(client.stream(every=0.01, reconnect=False))


async def test_without_reconnect_a_lost_connection_is_raised(v2: V2Server, client: Client) -> None:
    waiting = await subscribed(v2, client.stream(reconnect=False))
    await v2.drop()
    with pytest.raises(ConnectError):
        await waiting


async def test_disconnect_ends_a_stream(v2: V2Server, client: Client) -> None:
    waiting = await subscribed(v2, client.stream())
    await client.disconnect()
    with pytest.raises(NotConnectedError):
        await waiting


async def test_disconnect_ends_a_stream_that_waits_to_reconnect(
    v2: V2Server, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodnod_client.stream.FIRST_DELAY", 1000.0)
    waiting = await subscribed(v2, client.stream())
    await v2.drop()
    await client.disconnect()
    with pytest.raises(NotConnectedError):
        await asyncio.wait_for(waiting, 5)


async def test_a_stream_before_connect_is_not_connected() -> None:
    with pytest.raises(NotConnectedError):
        await anext(Client().stream())


async def test_a_refused_stream_raises_and_is_not_stopped_again(
    v2: V2Server, client: Client
) -> None:
    v2.refusal = {
        "error": "`every` must be between 0.25 and 3600, got 0",
        "code": "bad_request",
    }
    with pytest.raises(StatFailedError, match="`every`") as caught:
        await anext(client.stream(every=0))
    assert caught.value.code == "bad_request"
    v2.refusal = None
    await client.stat()
    assert [request.get("type", 0) for request in v2.requests] == [1, 0]


async def test_a_stream_continues_after_its_agent_shuts_down(v2: V2Server, client: Client) -> None:
    v2.refusal = {"error": "shutting down", "code": "shutting_down"}
    stream = client.stream()
    waiting = asyncio.create_task(anext(stream))
    await v2.arrived(1)
    v2.refusal = None
    await v2.streaming_count(1)
    await v2.tick()
    assert (await waiting).host == "kyle"
    await stream.aclose()


async def test_an_agent_that_answers_once_does_not_stream(v2: V2Server, client: Client) -> None:
    v2.streaming = False
    with pytest.raises(StatFailedError, match="does not stream"):
        await anext(client.stream())


async def test_version_1_does_not_stream(v1: V1Server) -> None:
    async with Client(v1.address) as client:
        with pytest.raises(StatFailedError, match="version-2 agent"):
            await anext(client.stream())
        assert (await client.stat()).host == "kyle"


async def test_a_silent_agent_counts_as_lost(v2: V2Server, client: Client) -> None:
    client.timeout = 0.05
    stream = client.stream(every=0.01)
    waiting = asyncio.create_task(anext(stream))
    await v2.arrived(2)  # subscribed again, on a new connection
    client.timeout = 10.0
    await v2.streaming_count(1)
    waiting.cancel()
    await v2.streaming_count(0)


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
