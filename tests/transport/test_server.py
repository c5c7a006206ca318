"""The server over real sockets: the handshake, limits, shutting down."""

import asyncio
import gc
import socket
import weakref
from contextlib import suppress
from typing import cast

import pytest

from eventually import eventually
from live.raw import BINARY, PING, PONG, TEXT, RawClient, frame, upgrade
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.limits import Limits
from nodnod_agent.transport.server import Server
from nodnod_agent.transport.server_connection import ServerConnection
from transport.sessions import MOMENT, OFFER, FakeService

# The handshake.


async def test_a_version_2_client_gets_the_subprotocol_name_and_instance(client: RawClient) -> None:
    head = (await client.shake("Sec-WebSocket-Protocol: chat, nodnod.2")).splitlines()

    assert {OFFER, "NodNod-Name: k%C3%A5re", "NodNod-Instance: instance-of-k%C3%A5re"} <= set(head)


@pytest.mark.parametrize(
    ("headers", "limit"),
    [((), Limits().client_message), (("NodNod-Instance: 1",), Limits().peer_message)],
    ids=["a client", "an agent"],
)
async def test_the_other_side_learns_how_large_a_message_may_be(
    client: RawClient, headers: tuple[str, ...], limit: int
) -> None:
    assert f"NodNod-Limit: {limit}" in (await client.shake(OFFER, *headers)).splitlines()


async def test_no_subprotocol_is_selected_if_none_is_offered(client: RawClient) -> None:
    assert "nodnod" not in (await client.shake()).lower()


@pytest.mark.parametrize(
    ("headers", "hello"),
    [
        (
            (OFFER, "NodNod-Name: k%79le", "NodNod-Instance: 1", "NodNod-Address: h:1"),
            Hello(2, "kyle", "1", "h:1", operator=""),
        ),
        ((), Hello(1, operator="")),
    ],
    ids=["a peer", "a client"],
)
async def test_a_peer_is_known_by_its_headers(
    client: RawClient, service: FakeService, headers: tuple[str, ...], hello: Hello
) -> None:
    await client.shake(*headers)

    assert service.sessions[0].hello == hello


async def test_a_ping_that_comes_with_the_request_is_answered_after_it(client: RawClient) -> None:
    await client.send(upgrade() + frame(b"x", PING))

    assert await client.status() == 101
    assert await client.frame() == (PONG, b"x")


async def test_a_ping_behind_a_bad_request_is_not_answered(client: RawClient) -> None:
    await client.send(upgrade("/", "Sec-WebSocket-Version: 8") + frame(b"x", PING))

    assert await client.status() == 400
    assert frame(b"x", PONG, masked=False) not in await client.rest()


async def test_frames_that_come_with_the_request_are_taken_as_if_they_came_later(
    client: RawClient,
) -> None:
    await client.send(upgrade() + frame(b"x", PING) + upgrade())

    assert await client.status() == 101
    assert await client.frame() == (PONG, b"x")
    assert await client.close_code() == 1002


@pytest.mark.parametrize("begin", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", upgrade()[:-1]])
async def test_an_incomplete_handshake_is_cut_at_the_limit(
    client: RawClient, server: Server, begin: bytes
) -> None:
    server.context.limits = Limits(handshake=MOMENT)
    await client.send(begin)

    assert await client.rest() == b""


async def test_a_handshake_that_trickles_in_is_cut_at_the_limit(
    client: RawClient, server: Server
) -> None:
    server.context.limits = Limits(handshake=MOMENT)

    async def cut() -> bool:
        try:
            await client.send(b"x")
        except ConnectionError:
            return True
        return False

    await eventually(cut)


async def test_a_complete_handshake_is_not_cut_at_the_limit(
    client: RawClient, server: Server
) -> None:
    await client.shake()
    server.context.limits = Limits(handshake=0.0)
    (accepted,) = cast(set[ServerConnection], server.context.table)

    accepted.check(accepted._accepted_at + 1)
    await client.send(frame("still here"))

    assert await client.frame() == (TEXT, b"still here")


# Messages.


async def test_a_message_to_many_clients_is_framed_once(server: Server, port: int) -> None:
    async with RawClient(port) as one, RawClient(port) as two:
        await one.shake()
        await two.shake()
        text = b"to all"
        first, second = cast(set[ServerConnection], server.context.table)

        assert first.framer(text) is second.framer(text)


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


# The limit on open connections.


async def test_one_client_too_many_is_refused_until_there_is_room(
    server: Server, port: int
) -> None:
    async with RawClient(port) as one, RawClient(port) as two:
        async with RawClient(port) as three, RawClient(port) as four:
            for client in (one, two, three):
                await client.shake()

            with pytest.raises((EOFError, ConnectionError)):
                await four.shake()

            await one.send(frame("served"))
            assert await one.frame() == (TEXT, b"served")
        await eventually(lambda: len(server.context.table) == 2)

        async with RawClient(port) as five:
            assert "101" in await five.shake()


# Shutting down.


async def test_a_closed_server_refuses_connections_at_once(server: Server, port: int) -> None:
    server.close()

    with pytest.raises(ConnectionError):
        await RawClient(port).__aenter__()


async def test_a_closed_server_keeps_its_clients(server: Server, client: RawClient) -> None:
    await client.shake()

    server.close()
    await client.send(frame("still here"))

    assert await client.frame() == (TEXT, b"still here")


async def test_a_closed_server_ends_incomplete_handshakes(
    server: Server, client: RawClient
) -> None:
    await client.send(upgrade()[:-1])
    await eventually(lambda: len(server.context.table))

    server.close()

    assert await client.rest() == b""


async def test_a_closed_server_ends_connections_that_it_has_just_accepted(
    server: Server, service: FakeService
) -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    ours.sendall(upgrade() + frame("one more question"))
    server._connect(theirs)  # as the acceptor does; its transport comes in a later step

    server.close()

    with ours:
        reader, writer = await asyncio.open_connection(sock=ours)
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 10.0) == b""
        writer.close()
    assert service.sessions == []


async def test_a_server_without_clients_is_drained_at_once(server: Server) -> None:
    await asyncio.wait_for(server.drained(60.0), 10.0)


async def test_a_server_is_drained_as_soon_as_the_last_client_is_gone(
    server: Server, client: RawClient
) -> None:
    await client.shake()
    draining = asyncio.ensure_future(server.drained(60.0))

    client.socket.close()

    await asyncio.wait_for(draining, 10.0)


async def test_a_client_that_stays_too_long_is_cut(server: Server, client: RawClient) -> None:
    await client.shake()

    await server.drained(MOMENT)

    assert await client.rest() == b""


# Memory.


@pytest.mark.parametrize(
    "data",
    [
        upgrade(),
        upgrade()[:20],
        b"no HTTP\r\n\r\n",
        upgrade() + frame(b"x", BINARY),
    ],
)
async def test_a_lost_connection_leaves_nothing_to_the_garbage_collector(
    server: Server, service: FakeService, port: int, data: bytes
) -> None:
    gc.disable()
    try:
        async with RawClient(port) as client:
            await eventually(lambda: len(server.context.table))
            (accepted,) = cast(set[ServerConnection], server.context.table)
            left = weakref.ref(accepted.ws)
            del accepted
            await client.send(data)
            if data.startswith(upgrade()):
                await client.head()
        await eventually(lambda: not server.context.table)
        service.sessions.clear()
        await eventually(lambda: left() is None)
    finally:
        gc.enable()
