"""Requests and answers of the asyncio client, against both versions."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
from nodnod_client.messages import Answer


async def test_an_answer_is_typed(server: V1Server) -> None:
    server.nodes = [node_object("kyle"), node_object("kenny", error="connection refused")]
    async with Client(server.address) as client:
        answer = await client.stat_all()
        assert answer.host == "kyle"
        assert answer.nodes["kyle"].memory_total == 8589934592
        assert answer.nodes["kenny"].error == "connection refused"
        assert list((await client.stat()).nodes) == ["kyle"]


async def test_a_request_without_a_connection_is_not_connected(v2: V2Server) -> None:
    client = Client(v2.address)
    with pytest.raises(NotConnectedError, match=r"connect\(\)"):
        await client.stat()
    async with client:
        pass
    with pytest.raises(NotConnectedError):
        await client.stat_all()


async def test_a_version_1_agent_gets_only_the_type(v1: V1Server) -> None:
    async with Client(v1.address) as client:
        await client.stat()
        await client.stat_all(deadline=1.0, stat_type=1)
    assert v1.requests == [{}, {"type": 1}]


@pytest.mark.parametrize(
    "wish", [{"nodes": "a"}, {"detail": ["cpu"]}, {"history": 60}, {"match": "x"}, {"until": 5}]
)
async def test_fields_that_version_1_ignores_are_refused(
    v1: V1Server, wish: dict[str, Any]
) -> None:
    async with Client(v1.address) as client:
        with pytest.raises(StatFailedError, match="version-2 agent"):
            await client.stat_all(**wish)
        assert (await client.stat()).host == "kyle"


async def test_a_request_that_is_too_large_for_the_agent_is_not_sent(v2: V2Server) -> None:
    v2.limit = 1000
    async with Client(v2.address) as client:
        assert (await client.stat_all(nodes=["x" * 128] * 6)).host == "kyle"
        with pytest.raises(
            StatFailedError, match=r"has 10\d\d bytes, and ws:.* accepts 1000: name"
        ):
            await client.stat_all(nodes=["x" * 128] * 8)
        with pytest.raises(StatFailedError, match="accepts 1000"):
            await anext(client.stream(nodes=["x" * 128] * 8))
        assert (await client.stat()).host == "kyle"
    assert len(v2.requests) == 2


async def test_a_version_2_agent_gets_an_id_and_all_fields(v2: V2Server) -> None:
    async with Client(v2.address) as client:
        await client.stat_all(
            nodes="db-*",
            detail=("cpu",),
            history=60,
            until=1.7e9,
            deadline=1.5,
            stat_type=2,
            match="x*",
        )
    (request,) = v2.requests
    assert isinstance(request.pop("id"), int)
    assert request == {
        "type": 1,
        "statType": 2,
        "nodes": ["db-*"],
        "detail": ["cpu"],
        "history": 60,
        "until": 1.7e9,
        "timeout": 1.5,
        "match": "x*",
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


async def test_answers_out_of_order_reach_their_requests(v2: V2Server) -> None:
    v2.hold()
    v2.nodes = [node_object("kyle"), node_object("kenny")]
    async with Client(v2.address) as client:
        all_, one = asyncio.create_task(client.stat_all()), asyncio.create_task(client.stat())
        await v2.arrived(2)
        await v2.release(1, 0)
        assert len((await all_).nodes) == 2
        assert len((await one).nodes) == 1


async def test_many_coroutines_share_one_client(server: V1Server) -> None:
    async with Client(server.address) as client:
        requests = [client.stat_all() if i % 3 else client.stat() for i in range(200)]
        answers = await asyncio.gather(*requests)
        assert [len(answer.nodes) for answer in answers] == [2 if i % 3 else 1 for i in range(200)]


@pytest.mark.parametrize("field", ["history", "until", "deadline", "every"])
@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_refused(field: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=f"`{field}`"):
        Client().stream(**{field: seconds})  # type: ignore[arg-type]


def test_nodes_are_refused_in_a_request_to_one_node() -> None:
    with pytest.raises(ValueError, match="`nodes`"):
        Client().stream(all=False, nodes="kyle")


def test_an_end_of_the_past_is_refused_in_a_stream() -> None:
    with pytest.raises(ValueError, match="`until`"):
        Client().stream(history=60, until=1.7e9)


# Requests without an answer


async def test_no_answer_in_time_is_a_request_timeout(server: V1Server) -> None:
    async with Client(server.address, timeout=0.05) as client:
        server.freeze()
        with pytest.raises(RequestTimeoutError, match=r"within 0.05 s"):
            await client.stat()
        assert client.connected


async def test_a_late_answer_is_not_given_to_the_next_request(server: V1Server) -> None:
    async with Client(server.address) as client:
        server.freeze()
        client.timeout = 0.05
        with pytest.raises(RequestTimeoutError):
            await client.stat()
        client.timeout = 10.0
        following = asyncio.create_task(client.stat_all())
        await asyncio.sleep(0)
        server.thaw()
        assert len((await following).nodes) == 2


async def test_the_answer_to_a_cancelled_request_is_not_given_to_another(server: V1Server) -> None:
    async with Client(server.address) as client:
        server.freeze()
        requests = [asyncio.create_task(client.stat()) for _ in range(3)]
        await server.arrived(1)
        requests[0].cancel()
        requests[1].cancel()
        following = asyncio.create_task(client.stat_all())
        await asyncio.sleep(0)
        server.thaw()
        assert len((await requests[2]).nodes) == 1
        assert len((await following).nodes) == 2


async def test_a_deadline_longer_than_the_timeout_is_waited_for(v2: V2Server) -> None:
    v2.delay = 0.1
    async with Client(v2.address, timeout=5.0) as client:
        client.timeout = 0.05
        assert (await client.stat(deadline=0.05)).host == "kyle"


async def test_a_lost_connection_fails_pending_requests_at_once(server: V1Server) -> None:
    async with Client(server.address) as client:
        server.freeze()
        requests = [asyncio.create_task(client.stat()) for _ in range(5)]
        await server.arrived(1)
        await server.drop()
        outcomes = await asyncio.gather(*requests, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ConnectError] * 5
        assert not client.connected
        with pytest.raises(ConnectError):
            await client.stat()


@asynccontextmanager
async def pending(server: V2Server) -> AsyncIterator[tuple[Client, asyncio.Task[Answer]]]:
    """A client, and its request that the server has received and not answered."""
    async with Client(server.address) as client:
        server.hold()
        request = asyncio.create_task(client.stat())
        await server.arrived(1)
        yield client, request


async def test_disconnect_fails_pending_requests_at_once(v2: V2Server) -> None:
    async with pending(v2) as (client, request):
        await client.disconnect()
        with pytest.raises(ConnectError, match="disconnected"):
            await request


async def test_connect_works_again_after_a_lost_connection(v2: V2Server) -> None:
    async with Client(v2.address) as client:
        await v2.drop()
        await client.connect()
        assert (await client.stat()).host == "kyle"


async def test_a_close_by_the_agent_fails_pending_requests_with_its_reason(v2: V2Server) -> None:
    async with pending(v2) as (client, request):
        (connection,) = v2.connections
        await connection.close(1001, "shutting down")
        with pytest.raises(ConnectError, match=r"1001 .* shutting down"):
            await request
        assert not client.connected


INVALID = {
    "no JSON": ("hello", "invalid answer"),
    "no object": ("[]", "invalid answer"),
    "a field of another type": ('{"nodes": 3}', "invalid answer"),
    "a node of another type": ('{"host": "k", "nodes": {"k": {"name": 1}}}', "invalid answer"),
    "a binary message": (b"\x00\x01", "binary"),
    "more than 4 MiB": ("x" * (4 * 2**20 + 1), "broke the protocol"),
}


@pytest.mark.parametrize(("message", "reason"), INVALID.values(), ids=INVALID)
async def test_an_invalid_answer_ends_the_connection(
    v2: V2Server, message: str | bytes, reason: str
) -> None:
    async with pending(v2) as (client, request):
        await v2.say(message)
        with pytest.raises(ConnectError, match=reason):
            await request
        assert not client.connected


async def test_an_answer_without_a_request_ends_a_version_1_connection(v1: V1Server) -> None:
    async with Client(v1.address) as client:
        await client.stat()
        (connection,) = v1.connections
        await connection.send(json.dumps(v1.answer({})))
        await connection.wait_closed()
        assert not client.connected


async def test_a_fragmented_answer_is_assembled(v2: V2Server) -> None:
    async with pending(v2) as (_client, request):
        (connection,) = v2.connections
        text = json.dumps({**(v2.answer({}) or {}), "id": v2.requests[0]["id"]})
        await connection.send(iter([text[:20], text[20:40], text[40:]]))
        assert (await request).host == "kyle"


async def test_an_answer_of_almost_4_mib_is_accepted(v2: V2Server) -> None:
    v2.nodes = [node_object(f"node-{i}", error="x" * 600) for i in range(5000)]
    async with Client(v2.address) as client:
        assert len((await client.stat_all()).nodes) == 5000


async def test_an_agent_that_stops_reading_counts_as_lost(
    v2: V2Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodnod_client.websocket.MAX_UNSENT", 1000)
    async with Client(v2.address) as client:
        (connection,) = v2.connections
        connection.transport.pause_reading()
        requests = [client.stat_all(nodes=["x" * 100] * 100) for _ in range(2000)]
        outcomes = await asyncio.gather(*requests, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {ConnectError}
        assert "stopped reading" in str(outcomes[0])
        assert not client.connected
