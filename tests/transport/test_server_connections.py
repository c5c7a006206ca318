"""Accepted connections over real sockets: clients that are silent, stop reading or leave; pages."""

import asyncio
from typing import cast

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Response

from eventually import eventually
from live.raw import CLOSE, PING, PONG, TEXT, RawClient, frame, upgrade
from live.raw_tls import Connect
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


async def test_a_client_that_reads_slowly_is_pinged_once_it_has_read(
    client: RawClient, accepted: ServerConnection, service: FakeService
) -> None:
    service.sessions[0].wire.send(b"x" * 20_000_000)
    await eventually(lambda: accepted._writing_paused)
    for silence in (1, 2, 3):
        accepted.check(accepted.heard + silence * PING_AFTER)
    assert accepted.cut == ""

    assert len((await client.frame())[1]) == 20_000_000
    await eventually(lambda: not accepted._writing_paused)
    for silence in (4, 5):
        accepted.check(accepted.heard + silence * PING_AFTER)
    assert await client.frame() == (PING, b"")
    assert accepted.cut == ""


# Flow control.


async def test_a_client_that_stops_reading_is_cut_and_named(
    connect: Connect,
    service: FakeService,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(FakeSession, "stall_limit", MOMENT)
    async with connect() as client:
        host, port = client.socket.getsockname()
        await client.shake()
        for _ in range(10):
            service.sessions[0].wire.send(b"x" * 1_000_000)

        await eventually(lambda: not server.context.table)

    assert service.sessions[0].ends == 1
    assert caplog.messages == [
        f"Cut the connection of client {host}:{port}: has read nothing for {MOMENT:g} s"
    ]


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


@pytest.mark.parametrize("resets", [False, True])
async def test_a_page_whose_client_has_gone_is_dropped(
    client: RawClient, service: FakeService, server: Server, resets: bool
) -> None:
    service.prompt = False
    await client.send(GET)
    await eventually(lambda: service.replies)
    if resets:
        client.reset()
        await eventually(lambda: not server.context.table)
    else:
        client.socket.close()  # as one that has ended its direction only

    service.replies[0](service.page)

    await eventually(lambda: not server.context.table)


async def test_a_slow_client_gets_the_whole_of_a_large_page(
    connect: Connect, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "CLOSE_LIMIT", MOMENT)
    size = 8_000_000
    service.page = Response(200, "OK", Headers({"Content-Length": str(size)}), b"x" * size)
    async with connect(receive_buffer=4096) as client:
        await client.send(GET)
        await client.head()
        await asyncio.sleep(3 * MOMENT)  # the limit of a close passes

        assert len(await client.rest()) == size


async def test_a_client_that_does_not_read_its_page_is_cut_and_named(
    connect: Connect,
    server: Server,
    service: FakeService,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(writer_module, "CLOSE_LIMIT", MOMENT)
    server.context.limits = Limits(unread_for=MOMENT)
    size = 8_000_000
    service.page = Response(200, "OK", Headers({"Content-Length": str(size)}), b"x" * size)
    async with connect(receive_buffer=4096) as client:
        host, port = client.socket.getsockname()
        await client.send(GET)

        await eventually(lambda: server.context.counters.connections_cut)

    assert caplog.messages == [
        f"Cut the connection of client {host}:{port}: has read nothing for {MOMENT:g} s"
    ]


# Clients that end their direction after the request.


@pytest.mark.parametrize("prompt", [True, False])
async def test_a_page_goes_to_a_client_that_has_ended_its_direction(
    connect: Connect, service: FakeService, server: Server, prompt: bool
) -> None:
    service.prompt = prompt
    async with connect() as client:
        await client.send(GET)
        await client.end()
        await eventually(lambda: service.replies)
        if not prompt:
            asyncio.get_running_loop().call_later(MOMENT, service.replies[0], service.page)

        assert (await client.rest()).endswith(b"\r\n\r\npage")
        await eventually(lambda: not server.context.table)


async def test_an_answer_goes_to_a_client_that_has_ended_its_direction(
    connect: Connect, service: FakeService, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeSession, "input_ended", lambda session: len(session.texts) < 3)
    async with connect() as client:
        await client.send(upgrade() + frame("one") + frame("two"))
        await client.end()
        await client.head()
        for text in (b"one", b"two"):
            assert await client.frame() == (TEXT, text)
        assert server.context.table

        service.sessions[0].received(b"late")

        assert await client.rest() == frame("late", masked=False)
        await eventually(lambda: not server.context.table)


async def test_a_client_that_ends_its_direction_and_waits_for_nothing_is_left(
    connect: Connect, server: Server, service: FakeService
) -> None:
    async with connect() as client:
        await client.shake()

        await client.end()

        assert await client.rest() == b""
        await eventually(lambda: not server.context.table)
    assert service.sessions[0].ends == 1
