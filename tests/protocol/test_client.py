"""Questions and answers of the client with an event loop, against both versions."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from doubles.v1_server import V1Server, node_object
from doubles.v2_server import V2Server
from nodnod_client.client import Client
from nodnod_client.errors import (
    ConnectError,
    NotConnectedError,
    RequestTimeoutError,
    StatFailedError,
)


@pytest.fixture
async def v1() -> AsyncIterator[V1Server]:
    async with V1Server() as server:
        yield server


@pytest.fixture
async def v2() -> AsyncIterator[V2Server]:
    async with V2Server() as server:
        yield server


@pytest.mark.parametrize("server_kind", [V1Server, V2Server])
async def test_an_answer_is_typed(server_kind: type[V1Server]) -> None:
    nodes = [node_object("kyle"), node_object("kenny", error="connection refused")]
    async with server_kind(nodes=nodes) as server, Client(server.address) as client:
        answer = await client.stat_all()
        assert answer.host == "kyle"
        assert answer.nodes["kyle"].memory_total == 8589934592
        assert answer.nodes["kenny"].error == "connection refused"
        assert list((await client.stat()).nodes) == ["kyle"]


async def test_a_question_before_connect_is_not_connected() -> None:
    with pytest.raises(NotConnectedError, match=r"connect\(\)"):
        await Client().stat()


async def test_a_question_after_disconnect_is_not_connected(v2: V2Server) -> None:
    async with Client(v2.address) as client:
        pass
    with pytest.raises(NotConnectedError):
        await client.stat_all()


async def test_version_1_is_asked_in_its_own_words(v1: V1Server) -> None:
    async with Client(v1.address) as client:
        await client.stat()
        await client.stat_all(deadline=1.0, stat_type=1)
    assert v1.requests == [{}, {"type": 1}]


@pytest.mark.parametrize("wish", [{"nodes": "a"}, {"detail": ["cpu"]}, {"history": 60}])
async def test_version_1_is_not_asked_for_what_it_would_ignore(
    v1: V1Server, wish: dict[str, Any]
) -> None:
    async with Client(v1.address) as client:
        with pytest.raises(StatFailedError, match="version-2 agent"):
            await client.stat_all(**wish)
        assert (await client.stat()).host == "kyle"


async def test_version_2_is_asked_with_an_id_and_all_fields(v2: V2Server) -> None:
    async with Client(v2.address) as client:
        await client.stat_all(nodes=["db-*"], detail=["cpu"], history=60, deadline=1.5, stat_type=2)
    (request,) = v2.requests
    assert isinstance(request.pop("id"), int)
    assert request == {
        "type": 1,
        "statType": 2,
        "nodes": ["db-*"],
        "detail": ["cpu"],
        "history": 60,
        "timeout": 1.5,
    }


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        ({"error": "busy"}, ""),
        ({"error": "no section `x`", "code": "unknown_section"}, "unknown_section"),
    ],
)
async def test_an_answer_with_an_error_is_stat_failed(
    v2: V2Server, refusal: dict[str, str], code: str
) -> None:
    v2.refusal = refusal
    async with Client(v2.address) as client:
        with pytest.raises(StatFailedError, match=refusal["error"]) as caught:
            await client.stat()
        assert caught.value.code == code


async def test_answers_out_of_order_reach_their_askers(v2: V2Server) -> None:
    v2.hold()
    v2.nodes = [node_object("kyle"), node_object("kenny")]
    async with Client(v2.address) as client:
        all_, one = asyncio.create_task(client.stat_all()), asyncio.create_task(client.stat())
        await v2.arrived(2)
        await v2.release(1, 0)
        assert len((await all_).nodes) == 2
        assert len((await one).nodes) == 1


@pytest.mark.parametrize("server_kind", [V1Server, V2Server])
async def test_many_coroutines_share_one_client(server_kind: type[V1Server]) -> None:
    nodes = [node_object("kyle"), node_object("kenny")]
    async with server_kind(nodes=nodes) as server, Client(server.address) as client:
        questions = [client.stat_all() if i % 3 else client.stat() for i in range(200)]
        answers = await asyncio.gather(*questions)
        assert [len(answer.nodes) for answer in answers] == [2 if i % 3 else 1 for i in range(200)]


# Answers that do not come


@pytest.mark.parametrize("server_kind", [V1Server, V2Server])
async def test_no_answer_in_time_is_a_request_timeout(server_kind: type[V1Server]) -> None:
    async with server_kind() as server, Client(server.address, timeout=0.05) as client:
        server.freeze()
        with pytest.raises(RequestTimeoutError, match=r"within 0.05 s"):
            await client.stat()
        assert client.connected


@pytest.mark.parametrize("server_kind", [V1Server, V2Server])
async def test_a_late_answer_is_not_handed_to_the_next_question(
    server_kind: type[V1Server],
) -> None:
    nodes = [node_object("kyle"), node_object("kenny")]
    async with server_kind(nodes=nodes) as server, Client(server.address) as client:
        server.freeze()
        client.timeout = 0.05
        with pytest.raises(RequestTimeoutError):
            await client.stat()
        client.timeout = 10.0
        following = asyncio.create_task(client.stat_all())
        await asyncio.sleep(0)
        server.thaw()
        assert len((await following).nodes) == 2


@pytest.mark.parametrize("server_kind", [V1Server, V2Server])
async def test_a_cancelled_question_is_like_one_timed_out(server_kind: type[V1Server]) -> None:
    nodes = [node_object("kyle"), node_object("kenny")]
    async with server_kind(nodes=nodes) as server, Client(server.address) as client:
        server.freeze()
        asked = [asyncio.create_task(client.stat()) for _ in range(3)]
        await server.arrived(1)
        asked[0].cancel()
        asked[1].cancel()
        following = asyncio.create_task(client.stat_all())
        await asyncio.sleep(0)
        server.thaw()
        assert len((await asked[2]).nodes) == 1
        assert len((await following).nodes) == 2


async def test_a_longer_deadline_is_waited_for(v2: V2Server) -> None:
    v2.delay = 0.1
    async with Client(v2.address, timeout=5.0) as client:
        client.timeout = 0.05
        assert (await client.stat(deadline=0.05)).host == "kyle"


@pytest.mark.parametrize("server_kind", [V1Server, V2Server])
async def test_a_lost_connection_fails_all_who_wait_at_once(server_kind: type[V1Server]) -> None:
    async with server_kind() as server, Client(server.address) as client:
        server.freeze()
        asked = [asyncio.create_task(client.stat()) for _ in range(5)]
        await server.arrived(1)
        await server.drop()
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ConnectError] * 5
        assert not client.connected
        with pytest.raises(ConnectError):
            await client.stat()


async def test_disconnect_fails_all_who_wait_at_once(v2: V2Server) -> None:
    client = Client(v2.address)
    await client.connect()
    v2.freeze()
    asked = asyncio.create_task(client.stat())
    await v2.arrived(1)
    await client.disconnect()
    with pytest.raises(ConnectError, match="disconnected"):
        await asked


async def test_connect_again_works_after_a_loss(v2: V2Server) -> None:
    async with Client(v2.address) as client:
        await v2.drop()
        await client.connect()
        assert (await client.stat()).host == "kyle"


async def test_a_goodbye_of_the_agent_reaches_all_who_wait(v2: V2Server) -> None:
    async with Client(v2.address) as client:
        v2.hold()
        asked = asyncio.create_task(client.stat())
        await v2.arrived(1)
        (connection,) = v2.connections
        await connection.close(1001, "shutting down")
        with pytest.raises(ConnectError, match=r"1001 .* shutting down"):
            await asked
        assert not client.connected


@pytest.mark.parametrize(
    "nonsense",
    ["hello", "[]", '{"nodes": 3}', '{"host": "k", "nodes": {"k": {"name": 1}}}', b"\x00\x01"],
)
async def test_a_message_that_is_no_answer_ends_the_connection(
    v2: V2Server, nonsense: str | bytes
) -> None:
    async with Client(v2.address) as client:
        v2.hold()
        asked = asyncio.create_task(client.stat())
        await v2.arrived(1)
        await v2.say(nonsense)
        with pytest.raises(ConnectError, match=r"invalid answer|binary"):
            await asked
        assert not client.connected


async def test_an_answer_to_no_question_ends_a_version_1_connection(v1: V1Server) -> None:
    async with Client(v1.address) as client:
        await client.stat()
        (connection,) = v1.connections
        await connection.send(json.dumps(v1.answer({})))
        await connection.wait_closed()
        assert not client.connected


async def test_a_fragmented_answer_is_put_together(v2: V2Server) -> None:
    async with Client(v2.address) as client:
        v2.hold()
        asked = asyncio.create_task(client.stat())
        await v2.arrived(1)
        (connection,) = v2.connections
        text = json.dumps({**(v2.answer({}) or {}), "id": v2.requests[0]["id"]})
        await connection.send(iter([text[:20], text[20:40], text[40:]]))
        assert (await asked).host == "kyle"


async def test_an_answer_beyond_4_mib_ends_the_connection(v2: V2Server) -> None:
    async with Client(v2.address) as client:
        v2.hold()
        asked = asyncio.create_task(client.stat())
        await v2.arrived(1)
        await v2.say("x" * (4 * 2**20 + 1))
        with pytest.raises(ConnectError, match="broke the protocol"):
            await asked


async def test_an_answer_of_4_mib_is_taken(v2: V2Server) -> None:
    v2.nodes = [node_object(f"node-{i}", error="x" * 600) for i in range(5000)]
    async with Client(v2.address) as client:
        assert len((await client.stat_all()).nodes) == 5000


async def test_an_agent_that_stops_reading_is_given_up(
    v2: V2Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodnod_client.websocket.MAX_UNSENT", 1000)
    async with Client(v2.address) as client:
        (connection,) = v2.connections
        connection.transport.pause_reading()
        questions = [client.stat_all(nodes=["x" * 100] * 100) for _ in range(2000)]
        outcomes = await asyncio.gather(*questions, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {ConnectError}
        assert "stopped reading" in str(outcomes[0])
        assert not client.connected
