"""The server with real sockets, and a service that only notes who comes."""

import asyncio
import gc
import weakref

import pytest

from eventually import eventually
from live.raw import BINARY, PING, PONG, TEXT, RawClient, frame, upgrade
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.limits import Limits
from nodnod_agent.transport.server import Server
from transport.sessions import MOMENT, OFFER, FakeService

# The handshake.


async def test_the_subprotocol_is_selected_for_who_offers_it(client: RawClient) -> None:
    head = await client.shake("Sec-WebSocket-Protocol: chat, nodnod.2")

    assert "Sec-WebSocket-Protocol: nodnod.2\r\n" in head + "\r\n"


async def test_no_subprotocol_is_selected_for_who_offers_none(client: RawClient) -> None:
    assert "nodnod" not in (await client.shake()).lower()


async def test_the_name_and_instance_are_told_to_who_speaks_version_2(client: RawClient) -> None:
    head = (await client.shake(OFFER)).splitlines()

    assert {"NodNod-Name: k%C3%A5re", "NodNod-Instance: instance-of-k%C3%A5re"} <= set(head)


async def test_a_peer_that_dials_is_known_by_its_headers(
    client: RawClient, service: FakeService
) -> None:
    await client.shake(OFFER, "NodNod-Name: k%79le", "NodNod-Instance: 1", "NodNod-Address: h:1")

    assert service.visitors[0].hello == Hello(2, "kyle", "1", "h:1")


async def test_a_client_tells_nothing_of_itself(client: RawClient, service: FakeService) -> None:
    await client.shake()

    assert service.visitors[0].hello == Hello(1)


async def test_a_ping_that_comes_with_the_request_is_answered_after_it(client: RawClient) -> None:
    await client.send(upgrade() + frame(b"x", PING))

    assert await client.status() == 101
    assert await client.frame() == (PONG, b"x")


async def test_a_ping_behind_a_bad_request_is_not_answered(client: RawClient) -> None:
    await client.send(upgrade("/", "Sec-WebSocket-Version: 8") + frame(b"x", PING))

    assert await client.status() == 400
    assert frame(b"x", PONG, masked=False) not in await client.rest()


async def test_who_sends_a_ping_and_nonsense_with_the_request_is_answered_nothing(
    client: RawClient,
) -> None:
    await client.send(upgrade() + frame(b"x", PING) + upgrade())

    assert await client.rest() == b""


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", upgrade()[:-1]])
async def test_half_a_handshake_is_cut_at_the_limit(
    client: RawClient, server: Server, said: bytes
) -> None:
    server.limits = Limits(handshake=MOMENT)
    await client.send(said)

    assert await client.rest() == b""


async def test_a_handshake_that_drips_is_cut_at_the_limit(
    client: RawClient, server: Server
) -> None:
    server.limits = Limits(handshake=MOMENT)

    async def cut() -> bool:
        try:
            await client.send(b"x")
        except ConnectionError:
            return True
        return False

    await eventually(cut)


async def test_a_finished_handshake_is_not_cut_at_its_limit(
    client: RawClient, server: Server
) -> None:
    server.limits = Limits(handshake=0.0)
    await client.shake()
    (accepted,) = server.clients

    accepted.tend(accepted.born + 1)
    await client.send(frame("still here"))

    assert await client.frame() == (TEXT, b"still here")


# Messages.


async def test_what_goes_to_many_is_framed_once(server: Server, port: int) -> None:
    async with RawClient(port) as one, RawClient(port) as two:
        await one.shake()
        await two.shake()
        text = b"to all"
        first, second = server.clients

        assert first.frame(text) is second.frame(text)


async def test_a_client_may_send_16_kilobytes_and_no_more(client: RawClient) -> None:
    await client.shake(OFFER)

    most = Limits().client_message
    await client.send(frame("x" * most))
    assert (await client.frame())[0] == TEXT

    await client.send(frame("x" * (most + 1)))
    assert await client.close_code() == 1009


async def test_a_peer_may_send_more_than_a_client(client: RawClient) -> None:
    await client.shake(OFFER, "NodNod-Instance: 1")

    await client.send(frame("x" * 1_000_000))

    assert len((await client.frame())[1]) == 1_000_000


# Who is let in.


async def test_one_client_too_many_is_turned_away(server: Server, port: int) -> None:
    async with (
        RawClient(port) as one,
        RawClient(port) as two,
        RawClient(port) as three,
        RawClient(port) as four,
    ):
        for client in (one, two, three):
            await client.shake()

        with pytest.raises((EOFError, ConnectionError)):
            await four.shake()

        await one.send(frame("served"))
        assert await one.frame() == (TEXT, b"served")


async def test_who_was_turned_away_is_let_in_once_there_is_room(server: Server, port: int) -> None:
    async with RawClient(port) as one, RawClient(port) as two:
        await one.shake()
        await two.shake()
        async with RawClient(port) as three:
            await three.shake()
        await eventually(lambda: len(server.clients) == 2)

        async with RawClient(port) as four:
            assert "101" in await four.shake()


# Stopping.


async def test_a_closed_server_refuses_at_once(server: Server, port: int) -> None:
    server.close()

    async def refused() -> bool:
        try:
            async with RawClient(port):
                return False
        except ConnectionError:
            return True

    await eventually(refused)


async def test_a_closed_server_keeps_its_clients(server: Server, client: RawClient) -> None:
    await client.shake()

    server.close()
    await client.send(frame("still here"))

    assert await client.frame() == (TEXT, b"still here")


async def test_a_closed_server_drops_who_has_not_finished_the_handshake(
    server: Server, client: RawClient
) -> None:
    await client.send(upgrade()[:-1])
    await eventually(lambda: server.clients)

    server.close()

    assert await client.rest() == b""


async def test_a_server_without_clients_is_drained_at_once(server: Server) -> None:
    await asyncio.wait_for(server.drained(60.0), 10.0)


async def test_a_server_is_drained_as_soon_as_the_last_client_is_gone(
    server: Server, client: RawClient
) -> None:
    await client.shake()
    draining = asyncio.ensure_future(server.drained(60.0))

    client.socket.close()

    await asyncio.wait_for(draining, 10.0)


async def test_who_stays_too_long_is_cut(server: Server, client: RawClient) -> None:
    await client.shake()

    await server.drained(MOMENT)

    assert await client.rest() == b""


# What is left behind.


@pytest.mark.parametrize(
    "said",
    [
        upgrade(),
        upgrade()[:20],
        b"no HTTP\r\n\r\n",
        upgrade() + frame(b"x", BINARY),
    ],
)
async def test_a_connection_that_is_gone_leaves_nothing_to_the_garbage_collector(
    server: Server, service: FakeService, port: int, said: bytes
) -> None:
    gc.disable()
    try:
        async with RawClient(port) as client:
            await eventually(lambda: bool(server.clients))
            (one,) = server.clients
            left = weakref.ref(one.ws)
            del one
            await client.send(said)
            if said.startswith(upgrade()):
                await client.head()
        await eventually(lambda: not server.clients)
        service.visitors.clear()
        await eventually(lambda: left() is None)
    finally:
        gc.enable()
