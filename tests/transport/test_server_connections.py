"""Clients that fall silent, stop reading or leave."""

import pytest

from eventually import eventually
from live.raw import CLOSE, PING, PONG, TEXT, RawClient, frame, upgrade
from nodnod_agent.transport.server import Server
from nodnod_agent.transport.server_connection import PING_AFTER
from transport.sessions import MOMENT, FakeService, FakeVisitor


async def test_a_client_that_leaves_is_reported_once(
    client: RawClient, service: FakeService, server: Server
) -> None:
    await client.shake()
    await client.send(frame(b"\x03\xe8", CLOSE))
    assert await client.frame() == (CLOSE, b"\x03\xe8")

    client.socket.close()

    await eventually(lambda: not server.clients)
    assert service.visitors[0].ends == 1


async def test_a_client_that_vanishes_is_reported_once(
    client: RawClient, service: FakeService, server: Server
) -> None:
    await client.shake()

    client.socket.close()

    await eventually(lambda: not server.clients)
    assert service.visitors[0].ends == 1


async def test_who_never_finished_the_handshake_is_not_reported(
    client: RawClient, service: FakeService, server: Server
) -> None:
    await client.send(upgrade()[:-1])
    await eventually(lambda: server.clients)

    client.socket.close()

    await eventually(lambda: not server.clients)
    assert service.visitors == []


async def test_a_silent_client_is_pinged(client: RawClient, server: Server) -> None:
    await client.shake()
    (accepted,) = server.clients

    accepted.tend(accepted.heard + PING_AFTER)

    assert await client.frame() == (PING, b"")


async def test_a_client_that_answers_no_ping_is_cut(
    client: RawClient, service: FakeService, server: Server
) -> None:
    await client.shake()
    (accepted,) = server.clients

    accepted.tend(accepted.heard + PING_AFTER)
    accepted.tend(accepted.heard + 2 * PING_AFTER + 1)

    assert await client.close_code() == 1006
    assert service.visitors[0].ends == 1


async def test_a_client_that_answers_its_pings_stays(
    client: RawClient, service: FakeService, server: Server
) -> None:
    await client.shake()
    (accepted,) = server.clients

    for _ in range(6):
        accepted.tend(accepted.heard + 2 * PING_AFTER - 1)
        assert await client.frame() == (PING, b"")
        await client.send(frame(b"", PONG))
        await eventually(lambda: not accepted._pinged)

    assert service.visitors[0].ends == 0


async def test_a_client_that_stops_reading_is_cut(
    client: RawClient, service: FakeService, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeVisitor, "stall_limit", MOMENT)
    await client.shake()
    for _ in range(100):
        service.visitors[0].wire.send(b"x" * 1_000_000)

    await eventually(lambda: not server.clients)

    assert service.visitors[0].ends == 1


async def test_a_client_that_reads_again_gets_it_all(
    client: RawClient, service: FakeService
) -> None:
    await client.shake()
    await client.send_until_stuck(frame("x" * 10_000), most=20_000_000)
    heard = len(service.visitors[0].heard)

    for _ in range(heard):
        assert (await client.frame())[0] == TEXT
