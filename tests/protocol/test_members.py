"""Asking an agent whom it knows."""

import asyncio

import pytest

from bench.harness.threaded import Threaded
from doubles.members import row, wire
from doubles.v1_server import V1Server
from doubles.v2_server import V2Server
from nodnod_client.client import Client
from nodnod_client.errors import (
    ConnectError,
    NotConnectedError,
    RequestTimeoutError,
    StatFailedError,
)
from nodnod_client.sync import SyncClient

ROWS = [row("kyle"), row("stan", "down", since=None, rtt=None, version=None)]


@pytest.fixture
def server() -> V2Server:
    server = V2Server()
    server.members = wire(*ROWS)
    return server


async def test_members_come_typed_and_in_their_order(server: V2Server) -> None:
    async with server, Client(server.address) as client:
        members = await client.members()
    assert members.host == "kyle"
    assert members.members == ROWS
    assert server.requests == [{"type": 3, "id": 1}]


def test_the_client_without_a_loop_has_them_too(server: V2Server) -> None:
    with Threaded(server) as agent, SyncClient(agent.address) as client:
        assert client.members().members == ROWS


async def test_members_and_stats_asked_together_are_not_mixed_up(server: V2Server) -> None:
    server.hold()
    async with server, Client(server.address) as client:
        members, stats = asyncio.create_task(client.members()), asyncio.create_task(client.stat())
        await server.arrived(2)
        await server.release(1, 0)
        assert (await members).members == ROWS
        assert list((await stats).nodes) == ["kyle"]


async def test_version_1_is_not_asked_and_the_error_says_why() -> None:
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


async def test_a_list_of_nonsense_ends_the_connection_at_once(server: V2Server) -> None:
    server.members = [{"name": 7}]
    async with server, Client(server.address, timeout=30) as client:
        with pytest.raises(ConnectError, match="sent an invalid answer"):
            await client.members()
        assert not client.connected


async def test_no_answer_in_time_is_a_request_timeout(server: V2Server) -> None:
    server.hold()
    async with server, Client(server.address, timeout=0.05) as client:
        with pytest.raises(RequestTimeoutError):
            await client.members()


async def test_members_need_a_connection() -> None:
    with pytest.raises(NotConnectedError):
        await Client("127.0.0.1:1").members()
