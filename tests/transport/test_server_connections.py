"""Accepted connections over real sockets: clients that are silent, stop reading or leave; pages."""

import asyncio
from typing import cast

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Response

from eventually import eventually
from live.raw import CLOSE, PING, PONG, TEXT, RawClient, frame, upgrade
from nodnod_agent.core.limits import Limits
from nodnod_agent.transport import writer as writer_module
from nodnod_agent.transport.server import Server
from nodnod_agent.transport.server_connection import PING_AFTER, ServerConnection
from transport.sessions import MOMENT, FakeService, FakeSession


@pytest.mark.parametrize("says_goodbye", [True, False])
async def test_the_session_of_a_client_that_leaves_ends_once(
    client: RawClient, service: FakeService, server: Server, says_goodbye: bool
) -> None:
    await client.shake()
    if says_goodbye:
        await client.send(frame(b"\x03\xe8", CLOSE))
        assert await client.frame() == (CLOSE, b"\x03\xe8")

    client.socket.close()

    await eventually(lambda: not server.context.table)
    assert service.sessions[0].ends == 1


async def test_an_incomplete_handshake_makes_no_session(
    client: RawClient, service: FakeService, server: Server
) -> None:
    await client.send(upgrade()[:-1])
    await eventually(lambda: len(server.context.table))

    client.socket.close()

    await eventually(lambda: not server.context.table)
    assert service.sessions == []


# Keepalive.


@pytest.fixture
async def accepted(client: RawClient, server: Server) -> ServerConnection:
    """The server's side of a client's connection."""
    await client.shake()
    (accepted,) = cast(set[ServerConnection], server.context.table)
    return accepted


async def test_a_client_that_answers_no_ping_is_cut(
    client: RawClient, accepted: ServerConnection, service: FakeService
) -> None:
    accepted.check(accepted.heard + PING_AFTER)
    accepted.check(accepted.heard + 2 * PING_AFTER + 1)

    assert await client.close_code() == 1006
    assert service.sessions[0].ends == 1


async def test_a_client_that_answers_its_pings_is_not_cut(
    client: RawClient, accepted: ServerConnection, service: FakeService
) -> None:
    for _ in range(6):
        accepted.check(accepted.heard + 2 * PING_AFTER - 1)
        assert await client.frame() == (PING, b"")
        await client.send(frame(b"", PONG))
        await eventually(lambda: not accepted._ping_sent_at)

    assert service.sessions[0].ends == 0


# Flow control.


async def test_a_client_that_stops_reading_is_cut(
    client: RawClient, service: FakeService, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeSession, "stall_limit", MOMENT)
    await client.shake()
    for _ in range(100):
        service.sessions[0].wire.send(b"x" * 1_000_000)

    await eventually(lambda: not server.context.table)

    assert service.sessions[0].ends == 1


async def test_a_client_that_reads_again_gets_everything(
    client: RawClient, service: FakeService
) -> None:
    await client.shake()
    await client.send_until_stuck(frame("x" * 10_000), most=20_000_000)
    count = len(service.sessions[0].texts)

    for _ in range(count):
        assert (await client.frame())[0] == TEXT


# Pages.

GET = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_a_late_page_is_not_cut_at_the_limit_of_the_handshake(
    client: RawClient, service: FakeService, server: Server
) -> None:
    service.prompt = False
    await client.send(GET)
    await eventually(lambda: service.replies)
    server.context.limits = Limits(handshake=0.0)

    asyncio.get_running_loop().call_later(2 * MOMENT, service.replies[0], service.page)

    assert (await client.rest()).endswith(b"\r\n\r\npage")


async def test_a_page_whose_client_has_gone_is_dropped(
    client: RawClient, service: FakeService, server: Server
) -> None:
    service.prompt = False
    await client.send(GET)
    await eventually(lambda: service.replies)
    client.socket.close()
    await eventually(lambda: not server.context.table)

    service.replies[0](service.page)

    assert not server.context.table


async def test_a_slow_client_gets_the_whole_of_a_large_page(
    server: Server, port: int, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "CLOSE_LIMIT", MOMENT)
    size = 8_000_000
    service.page = Response(200, "OK", Headers({"Content-Length": str(size)}), b"x" * size)
    async with RawClient(port, receive_buffer=4096) as client:
        await client.send(GET)
        await client.head()
        await asyncio.sleep(3 * MOMENT)  # the limit of a close passes

        assert len(await client.rest()) == size
