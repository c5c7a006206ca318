"""Links over real sockets: who is on the other end, what comes, and how it ends."""

import asyncio
import socket
import struct

import pytest
from websockets.asyncio.server import ServerConnection

from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.limits import Limits
from nodnod_agent.transport.dialer import Dialer
from transport.peers import FakeEnd, Handler, peer, wait_closed

MOST = Limits().peer_message


async def say_hello(connection: ServerConnection) -> None:
    await connection.send("hello")
    await connection.wait_closed()


async def test_an_agent_of_version_2_is_known_by_its_headers(dialler: Dialer, end: FakeEnd) -> None:
    headers = {"NodNod-Name": "kj%C3%A5re", "NodNod-Instance": "other"}
    async with peer(wait_closed, headers=headers) as address:
        dialler(address, end)

        assert (await end.next())[2] == Hello(2, "kjåre", "other")


async def test_an_agent_that_selects_no_subprotocol_is_of_version_1(
    dialler: Dialer, end: FakeEnd
) -> None:
    async with peer(wait_closed, version=1, headers={"NodNod-Name": "kyle"}) as address:
        dialler(address, end)

        assert (await end.next())[2] == Hello(1)


async def test_the_dialler_names_itself(dialler: Dialer, end: FakeEnd) -> None:
    told: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def note(connection: ServerConnection) -> None:
        assert connection.request is not None
        told.set_result(dict(connection.request.headers.raw_items()))

    async with peer(note) as address:
        dialler(address, end)
        headers = await asyncio.wait_for(told, 10)

    assert headers["NodNod-Name"] == "k%C3%A5re"
    assert headers["NodNod-Instance"] == "instance-1"
    assert headers["NodNod-Address"] == "127.0.0.1:7070"


async def test_what_comes_right_behind_the_handshake_is_heard(
    dialler: Dialer, end: FakeEnd
) -> None:
    async with peer(say_hello) as address:
        dialler(address, end)

        assert [(await end.next())[0], await end.next()] == ["opened", ("received", b"hello")]


async def test_what_is_sent_arrives(dialler: Dialer, end: FakeEnd) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(f"got {message!r}")

    async with peer(echo) as address:
        dialler(address, end)
        _, wire, _ = await end.next()
        wire.send("kåre".encode())

        assert await end.next() == ("received", "got 'kåre'".encode())


async def test_a_long_answer_arrives_whole(dialler: Dialer, end: FakeEnd) -> None:
    async def tell(connection: ServerConnection) -> None:
        await connection.send("x" * 3_000_000)
        await connection.wait_closed()

    async with peer(tell) as address:
        dialler(address, end)
        await end.next()

        assert await end.next() == ("received", b"x" * 3_000_000)


# How connections end.


async def going_away(connection: ServerConnection) -> None:
    await connection.close(1001, "shutting down")


async def without_reason(connection: ServerConnection) -> None:
    await connection.close(1000)


async def vanish(connection: ServerConnection) -> None:
    connection.transport.abort()


async def hang_up(connection: ServerConnection) -> None:
    connection.transport.close()


async def reset(connection: ServerConnection) -> None:
    sock = connection.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.transport.abort()


async def mask(connection: ServerConnection) -> None:
    connection.transport.write(b"\x81\x82\0\0\0\0{}")
    await connection.wait_closed()


async def say_too_much(connection: ServerConnection) -> None:
    await connection.send("x" * (MOST + 1))
    await connection.wait_closed()


async def say_binary(connection: ServerConnection) -> None:
    await connection.send(b"{}")
    await connection.wait_closed()


ENDS = {
    "goodbye": (going_away, "closed by the other side (1001 shutting down)"),
    "goodbye without a reason": (without_reason, "closed by the other side (1000)"),
    "no goodbye": (hang_up, "connection closed"),
    "reset": (reset, "connection reset by peer"),
    "masked": (mask, "broke the protocol: incorrect masking"),
    "too long": (
        say_too_much,
        f"broke the protocol: frame with {MOST + 1} bytes exceeds limit of {MOST} bytes",
    ),
    "binary": (say_binary, "text messages only"),
}


@pytest.mark.parametrize(("handler", "reason"), ENDS.values(), ids=ENDS.keys())
async def test_the_end_of_a_connection_is_told_in_words(
    dialler: Dialer, end: FakeEnd, handler: Handler, reason: str
) -> None:
    async with peer(handler) as address:
        dialler(address, end)
        assert (await end.next())[0] == "opened"

        assert await end.next() == ("ended", reason)


async def test_a_close_of_our_own_is_a_goodbye_and_not_reported(
    dialler: Dialer, end: FakeEnd
) -> None:
    codes: asyncio.Queue[int | None] = asyncio.Queue()

    async def note(connection: ServerConnection) -> None:
        await connection.wait_closed()
        codes.put_nowait(connection.close_code)

    async with peer(note) as address:
        dialler(address, end)
        _, wire, _ = await end.next()
        wire.close(1000)
        code = await asyncio.wait_for(codes.get(), 10)
        await dialler.drained(10)

    assert code == 1000
    assert end.reports.empty()
    assert not dialler.open


async def test_an_abort_of_our_own_is_not_reported(dialler: Dialer, end: FakeEnd) -> None:
    async with peer(wait_closed) as address:
        dialler(address, end)
        _, wire, _ = await end.next()
        wire.abort()
        await dialler.drained(10)

    assert end.reports.empty()
