"""The members request."""

import asyncio

import pytest

from bench.harness.threaded import Threaded
from doubles.members import row, wire
from doubles.v1_server import V1Server
from doubles.v2_server import V2Server
from nodnod_client.client import Client
from nodnod_client.errors import ConnectError, StatFailedError
from nodnod_client.sync import SyncClient

ROWS = [row("kyle"), row("stan", "down", since=None, rtt=None, version=None)]


@pytest.fixture
def server() -> V2Server:
    server = V2Server()
    server.members = wire(*ROWS)
    return server


async def test_members_are_typed_and_in_order(server: V2Server) -> None:
    async with server, Client(server.address) as client:
        members = await client.members()
    assert members.host == "kyle"
    assert members.members == ROWS
    assert server.requests == [{"type": 3, "id": 1}]


def test_the_blocking_client_has_them_too(server: V2Server) -> None:
    with Threaded(server) as agent, SyncClient(agent.address) as client:
        assert client.members().members == ROWS


async def test_concurrent_requests_for_members_and_stats_get_their_own_answers(
    server: V2Server,
) -> None:
    server.hold()
    async with server, Client(server.address) as client:
        members, stats = asyncio.create_task(client.members()), asyncio.create_task(client.stat())
        await server.arrived(2)
        await server.release(1, 0)
        assert (await members).members == ROWS
        assert list((await stats).nodes) == ["kyle"]


async def test_members_are_refused_against_version_1_with_the_reason() -> None:
    async with V1Server() as server, Client(server.address) as client:
        with pytest.raises(
            StatFailedError, match=r"members need a version-2 agent, and ws://.* is"
        ):
            await client.members()
        assert client.connected
        assert server.requests == []


async def test_a_refusal_is_an_error_with_its_code(server: V2Server) -> None:
    server.refusal = {"error": "token needed", "code": "forbidden"}
    async with server, Client(server.address) as client:
        with pytest.raises(StatFailedError, match="token needed") as caught:
            await client.members()
    assert caught.value.code == "forbidden"


async def test_an_invalid_list_ends_the_connection_at_once(server: V2Server) -> None:
    server.members = [{"name": 7}]
    async with server, Client(server.address, timeout=30) as client:
        with pytest.raises(ConnectError, match="sent an invalid answer"):
            await client.members()
        assert not client.connected
