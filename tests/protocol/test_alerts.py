"""The alerts and silences of the client, and the stream of alerts."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec import to_builtins

from bench.harness.threaded import Threaded
from doubles.alert_rows import alert_row
from doubles.v1_server import V1Server
from doubles.v2_server import V2Server
from nodnod_client.alerts import Alerts, SilenceInfo
from nodnod_client.client import Client
from nodnod_client.errors import ConnectError, StatFailedError
from nodnod_client.sync import SyncClient

ROWS = [alert_row("kenny", severity="critical", told=["webhook x"]), alert_row(state="resolved")]


@pytest.fixture
async def client(v2: V2Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setattr("nodnod_client.stream.FIRST_DELAY", 0.001)
    async with Client(v2.address) as client:
        yield client


async def test_alerts_are_typed_and_in_order(v2: V2Server, client: Client) -> None:
    v2.alerts = to_builtins(ROWS)
    found = await client.alerts(nodes="k*")
    assert (found.host, found.alerts) == ("kyle", ROWS)
    assert [one.firing for one in found.alerts] == [True, False]
    assert v2.requests == [{"type": 5, "nodes": ["k*"], "id": 1}]


async def test_a_silence_begins_and_is_listed_and_ends(v2: V2Server, client: Client) -> None:
    silence = await client.silence("db-*", rule="cpu", seconds=60, reason="upgrade")
    assert silence == SilenceInfo("00000000", "db-*", "cpu", 1060.0, "upgrade", "kyle", 1000.0)
    assert await client.silences() == [silence]
    assert await client.end_silence(silence.id) == silence
    assert await client.silences() == []
    assert v2.requests[0]["silence"] == {
        "seconds": 60.0,
        "node": "db-*",
        "rule": "cpu",
        "reason": "upgrade",
    }


def test_the_blocking_client_has_them_too() -> None:
    server = V2Server(ticking=True)
    server.alerts = to_builtins(ROWS)
    with Threaded(server) as agent, SyncClient(agent.address) as client:
        assert client.alerts().alerts == ROWS
        assert next(client.stream_alerts(every=0.25)).alerts == ROWS
        silence = client.silence(seconds=60)
        assert client.silences() == [silence]
        client.end_silence(silence.id)
        assert client.silences() == []


async def test_a_stream_yields_the_whole_list_and_goes_on_after_a_reconnection(
    v2: V2Server, client: Client
) -> None:
    stream = client.stream_alerts(every=0.5)

    async def ticked() -> Alerts:
        following = asyncio.create_task(anext(stream))
        await v2.streaming_count(1)
        await v2.tick()
        return await following

    v2.alerts = to_builtins(ROWS)
    assert (await ticked()).alerts == ROWS
    following = asyncio.create_task(anext(stream))
    for connection in list(v2.connections):
        await connection.close()
    await v2.streaming_count(0)
    await v2.streaming_count(1)
    v2.alerts = []
    await v2.tick()
    assert (await following).alerts == []
    await stream.aclose()
    await v2.streaming_count(0)


@pytest.mark.parametrize("code", ["forbidden", "no_such_silence"])
async def test_a_refusal_is_an_error_with_its_code(v2: V2Server, client: Client, code: str) -> None:
    v2.refusal = {"error": "no", "code": code}
    for request in (client.silence(seconds=60), client.end_silence("a"), client.silences()):
        with pytest.raises(StatFailedError, match=r"^no$") as refused:
            await request
        assert refused.value.code == code


async def test_an_agent_that_knows_no_alerts_is_too_old(v2: V2Server, client: Client) -> None:
    v2.refusal = {"error": "`type` must be one of 0, 1, 2, 3, 4, got 5", "code": "unknown_type"}
    for request in (client.alerts(), anext(client.stream_alerts())):
        with pytest.raises(StatFailedError, match="alerts need a newer agent than"):
            await request
    with pytest.raises(StatFailedError, match="silences need a newer agent than"):
        await client.silences()


async def test_an_agent_of_version_1_has_no_alerts(v1: V1Server) -> None:
    async with Client(v1.address) as client:
        for request in (client.alerts(), anext(client.stream_alerts())):
            with pytest.raises(StatFailedError, match="alerts need a version-2 agent"):
                await request
        with pytest.raises(StatFailedError, match="silences need a version-2 agent"):
            await client.silences()


async def test_an_answer_that_is_none_ends_the_connection(v2: V2Server, client: Client) -> None:
    v2.alerts = [{"node": 5}]
    with pytest.raises(ConnectError, match="invalid answer"):
        await client.alerts()


async def test_numbers_that_json_does_not_have_are_refused(client: Client) -> None:
    with pytest.raises(ValueError, match="`every` must be a number of seconds"):
        client.stream_alerts(every=float("nan"))
    with pytest.raises(ValueError, match="`seconds` must be a number of seconds"):
        await client.silence(seconds=float("inf"))
