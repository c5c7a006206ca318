"""Dialed connections over real sockets: the peer's name, messages, and how a connection ends."""

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection

from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.limits import Limits
from transport.peers import FakeLink, Handler, peer, reset

MOST = Limits().peer_message


@pytest.mark.parametrize(
    ("version", "hello"), [(2, Hello(2, "kjåre", "other")), (1, Hello(1))], ids=["v2", "v1"]
)
async def test_only_an_agent_that_selects_the_subprotocol_is_known_by_its_headers(
    link: FakeLink, version: int, hello: Hello
) -> None:
    headers = {"NodNod-Name": "kj%C3%A5re", "NodNod-Instance": "other"}
    async with peer(ServerConnection.wait_closed, version=version, headers=headers) as address:
        assert (await link.dial(address))[2] == hello


def sending(message: str | bytes) -> Handler:
    """A peer that sends one message."""

    async def send(connection: ServerConnection) -> None:
        await connection.send(message)
        await connection.wait_closed()

    return send


@pytest.mark.parametrize("size", [5, 3_000_000])
async def test_a_message_right_behind_the_handshake_is_received_whole(
    link: FakeLink, size: int
) -> None:
    async with peer(sending("x" * size)) as address:
        assert (await link.dial(address))[0] == "opened"
        assert await link.next() == ("received", b"x" * size)


async def test_the_peer_learns_how_large_a_message_may_be(link: FakeLink) -> None:
    requests = []

    async def note(connection: ServerConnection) -> None:
        requests.append(connection.request)
        await connection.wait_closed()

    async with peer(note, headers={"NodNod-Limit": "65536"}) as address:
        _, _, hello = await link.dial(address)

    assert hello.limit == 65536
    assert [request.headers["NodNod-Limit"] for request in requests if request] == [str(MOST)]


async def test_a_message_is_sent_to_the_peer(link: FakeLink) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(f"got {message!r}")

    async with peer(echo) as address:
        _, wire, _ = await link.dial(address)
        wire.send("kåre".encode())

        assert await link.next() == ("received", "got 'kåre'".encode())


# How connections end.


async def close_transport(connection: ServerConnection) -> None:
    connection.transport.close()


async def reset_transport(connection: ServerConnection) -> None:
    await (await connection.ping())  # a reset drops the response, if that waits in the fair queue
    reset(connection.transport)


async def send_masked(connection: ServerConnection) -> None:
    connection.transport.write(b"\x81\x82\0\0\0\0{}")
    await connection.wait_closed()


ENDS: dict[str, tuple[Handler, str]] = {
    "close frame": (
        lambda connection: connection.close(1001, "shutting down"),
        "closed by the other side (1001 shutting down)",
    ),
    "close frame without a reason": (
        lambda connection: connection.close(1000),
        "closed by the other side (1000)",
    ),
    "no close frame": (close_transport, "connection closed"),
    "reset": (reset_transport, "connection reset by peer"),
    "masked": (send_masked, "broke the protocol: incorrect masking"),
    "too long": (
        sending("x" * (MOST + 1)),
        f"broke the protocol: frame with {MOST + 1} bytes exceeds limit of {MOST} bytes",
    ),
    "binary": (sending(b"{}"), "text messages only"),
}


@pytest.mark.parametrize(("handler", "reason"), ENDS.values(), ids=ENDS)
async def test_the_reason_for_the_end_is_reported(
    link: FakeLink, handler: Handler, reason: str
) -> None:
    async with peer(handler) as address:
        assert (await link.dial(address))[0] == "opened"

        assert await link.next() == ("ended", reason)


@pytest.mark.parametrize(("call", "code"), [("close", 1000), ("abort", 1006)])
async def test_an_end_from_this_side_is_not_reported(link: FakeLink, call: str, code: int) -> None:
    codes: asyncio.Queue[int | None] = asyncio.Queue()

    async def note(connection: ServerConnection) -> None:
        await connection.wait_closed()
        codes.put_nowait(connection.close_code)

    async with peer(note) as address:
        _, wire, _ = await link.dial(address)
        wire.close(1000) if call == "close" else wire.abort()
        assert await asyncio.wait_for(codes.get(), 10) == code
        await link.drained()

    assert link.reports.empty()
