"""Dialling over real sockets: what becomes of an attempt, and in which words it is told."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from doubles.canned import canned
from eventually import eventually
from live.agents import free_ports
from nodnod.address import Address, parse_address
from nodnod_agent.core.world import Hello, Wire
from nodnod_agent.edge import links
from nodnod_agent.edge.hello import SUBPROTOCOL
from nodnod_agent.edge.links import Dialler, describe

HELLO = Hello(2, "kåre", "instance-1", "127.0.0.1:7070")
Handler = Callable[[ServerConnection], Awaitable[None]]


class FakeEnd:
    """Notes what is reported."""

    def __init__(self) -> None:
        self.reports: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()

    def opened(self, wire: Wire, hello: Hello) -> None:
        self.reports.put_nowait(("opened", wire, hello))

    def refused(self, reason: str) -> None:
        self.reports.put_nowait(("refused", reason))

    def received(self, text: bytes) -> None:
        self.reports.put_nowait(("received", text))

    def ended(self, reason: str) -> None:
        self.reports.put_nowait(("ended", reason))

    async def next(self) -> tuple[Any, ...]:
        return await asyncio.wait_for(self.reports.get(), 10)


NAMES: dict[str, list[str]] = {"kyle": ["127.0.0.9", "127.0.0.1"], "nowhere": []}


async def by_name(address: Address) -> list[Address]:
    """Look a name up, without a name server."""
    hosts = NAMES.get(address.host, [address.host])
    if not hosts:
        raise socket.gaierror(-2, "Name or service not known")
    return [Address(host, address.port) for host in hosts]


@pytest.fixture
def end() -> FakeEnd:
    return FakeEnd()


@pytest.fixture
async def dialler() -> AsyncIterator[Dialler]:
    dialler = Dialler(asyncio.get_running_loop(), HELLO, by_name)
    yield dialler
    for pump in tuple(dialler.open):
        pump.abort()
    await dialler.drained(5.0)


@asynccontextmanager
async def peer(
    handler: Handler, *, version: int = 2, headers: dict[str, str] | None = None
) -> AsyncIterator[Address]:
    """An agent that does what ``handler`` does with each connection."""

    def name_itself(_: Any, __: Any, response: Any) -> None:
        response.headers.update(headers or {})

    async with serve(
        handler,
        "127.0.0.1",
        0,
        subprotocols=[SUBPROTOCOL] if version == 2 else None,
        process_response=name_itself,
        compression=None,
    ) as server:
        yield Address("127.0.0.1", next(iter(server.sockets)).getsockname()[1])


async def wait_closed(connection: ServerConnection) -> None:
    await connection.wait_closed()


async def say_hello(connection: ServerConnection) -> None:
    await connection.send("hello")
    await connection.wait_closed()


# Attempts that come to nothing.


async def test_a_port_where_nobody_listens_is_refused(dialler: Dialler, end: FakeEnd) -> None:
    dialler(Address("127.0.0.1", free_ports(1)[0]), end)

    assert await end.next() == ("refused", "connection refused")


async def test_a_host_without_network_is_told_in_words(dialler: Dialler, end: FakeEnd) -> None:
    dialler(Address("255.255.255.255", 7070), end)

    report, reason = await end.next()

    assert report == "refused"
    assert reason in {"network is unreachable", "permission denied"}


REPLIES = {
    "a web server": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "HTTP 200"),
    "a redirect": (
        b"HTTP/1.1 301 Moved\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        "HTTP 301",
    ),
    "no such page": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP 404"),
    "a proxy that wants a name": (
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        "HTTP 407",
    ),
    "TLS": (bytes.fromhex("15030300020246") + b"\r\n", "did not receive a valid HTTP response"),
    "SSH": (b"SSH-2.0-OpenSSH_9.6\r\n", "did not receive a valid HTTP response"),
    "garbage": (bytes(range(256)), "did not receive a valid HTTP response"),
    "a line without end": (b"x" * 10_000, "read 10000 bytes, expected no more than 8192 bytes"),
    "a page of no length": (b"HTTP/1.1 200 OK\r\n\r\nhi", "HTTP 200"),
    "the wrong key": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: x\r\n\r\n",
        "invalid Sec-WebSocket-Accept header: x",
    ),
    "no key": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "missing Sec-WebSocket-Accept header",
    ),
}


@pytest.mark.parametrize(("reply", "what"), REPLIES.values(), ids=REPLIES.keys())
async def test_what_is_no_agent_is_told_as_such(
    dialler: Dialler, end: FakeEnd, reply: bytes, what: str
) -> None:
    async with canned(reply) as address:
        dialler(parse_address(address), end)

        assert await end.next() == ("refused", f"not a NodNod agent: {what}")


async def test_who_hangs_up_in_the_handshake_is_told_as_such(
    dialler: Dialler, end: FakeEnd
) -> None:
    async with canned(b"HTTP/1.1 101 Switching") as address:
        dialler(parse_address(address), end)

        assert await end.next() == ("refused", "closed during the handshake")


async def test_who_cuts_in_the_handshake_is_told_as_such(dialler: Dialler, end: FakeEnd) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with await asyncio.start_server(cut, "127.0.0.1", 0) as server:
        dialler(Address(*server.sockets[0].getsockname()), end)

        report, reason = await end.next()

    assert report == "refused"
    assert reason in {"connection reset by peer", "closed during the handshake"}


async def test_who_never_answers_is_given_up(
    dialler: Dialler, end: FakeEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "DIAL_LIMIT", 0.1)
    async with canned(None) as address:
        dialler(parse_address(address), end)

        assert await end.next() == ("refused", "no handshake within 0.1 s")

    await eventually(lambda: not dialler.open)


async def test_an_attempt_that_is_cancelled_leaves_no_connection(
    dialler: Dialler, end: FakeEnd
) -> None:
    gone = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        attempt.cancel()
        await reader.read()
        gone.set()
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        attempt = dialler(Address(*server.sockets[0].getsockname()), end)
        await asyncio.wait_for(gone.wait(), 10)

    assert end.reports.empty()


async def test_an_attempt_that_is_cancelled_at_once_reports_nothing(
    dialler: Dialler, end: FakeEnd
) -> None:
    async with peer(wait_closed) as address:
        dialler(address, end).cancel()
        dialler(address, other := FakeEnd())
        await other.next()

    assert end.reports.empty()


async def test_each_address_of_a_name_is_tried(dialler: Dialler, end: FakeEnd) -> None:
    async with peer(wait_closed) as address:
        dialler(Address("kyle", address.port), end)

        assert (await end.next())[0] == "opened"


async def test_of_the_addresses_of_a_name_the_last_says_why_none_will_do(
    dialler: Dialler, end: FakeEnd
) -> None:
    dialler(Address("kyle", free_ports(1)[0]), end)

    assert await end.next() == ("refused", "connection refused")


async def test_a_name_that_nobody_has_is_told_as_such(dialler: Dialler, end: FakeEnd) -> None:
    dialler(Address("nowhere", 7070), end)

    assert await end.next() == ("refused", "name or service not known")


async def test_proxies_of_the_environment_are_not_used(
    dialler: Dialler, end: FakeEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with peer(wait_closed) as address:
        dialler(address, end)

        assert (await end.next())[0] == "opened"


# Connections.


async def test_an_agent_of_version_2_is_known_by_its_headers(
    dialler: Dialler, end: FakeEnd
) -> None:
    headers = {"NodNod-Name": "kj%C3%A5re", "NodNod-Instance": "other"}
    async with peer(wait_closed, headers=headers) as address:
        dialler(address, end)

        assert (await end.next())[2] == Hello(2, "kjåre", "other")


async def test_an_agent_that_selects_no_subprotocol_is_of_version_1(
    dialler: Dialler, end: FakeEnd
) -> None:
    async with peer(wait_closed, version=1, headers={"NodNod-Name": "kyle"}) as address:
        dialler(address, end)

        assert (await end.next())[2] == Hello(1)


async def test_the_dialler_names_itself(dialler: Dialler, end: FakeEnd) -> None:
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
    dialler: Dialler, end: FakeEnd
) -> None:
    async with peer(say_hello) as address:
        dialler(address, end)

        assert [(await end.next())[0], await end.next()] == ["opened", ("received", b"hello")]


async def test_what_is_sent_arrives(dialler: Dialler, end: FakeEnd) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(f"got {message!r}")

    async with peer(echo) as address:
        dialler(address, end)
        _, wire, _ = await end.next()
        wire.send("kåre".encode())

        assert await end.next() == ("received", "got 'kåre'".encode())


async def test_a_long_answer_arrives_whole(dialler: Dialler, end: FakeEnd) -> None:
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
    await connection.send("x" * (links.MAX_ANSWER + 1))
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
        f"broke the protocol: frame with {links.MAX_ANSWER + 1} bytes exceeds limit"
        f" of {links.MAX_ANSWER} bytes",
    ),
    "binary": (say_binary, "text messages only"),
}


@pytest.mark.parametrize(("handler", "reason"), ENDS.values(), ids=ENDS.keys())
async def test_the_end_of_a_connection_is_told_in_words(
    dialler: Dialler, end: FakeEnd, handler: Handler, reason: str
) -> None:
    async with peer(handler) as address:
        dialler(address, end)
        assert (await end.next())[0] == "opened"

        assert await end.next() == ("ended", reason)


async def test_a_close_of_our_own_is_a_goodbye_and_not_reported(
    dialler: Dialler, end: FakeEnd
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


async def test_an_abort_of_our_own_is_not_reported(dialler: Dialler, end: FakeEnd) -> None:
    async with peer(wait_closed) as address:
        dialler(address, end)
        _, wire, _ = await end.next()
        wire.abort()
        await dialler.drained(10)

    assert end.reports.empty()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), "connection refused"),
        (ConnectionResetError(104, "Connection reset by peer"), "connection reset by peer"),
        (socket.gaierror(-2, "Name or service not known"), "name or service not known"),
        (socket.gaierror(-3, "Temporary failure in name resolution"), "temporary failure in name"),
        (ConnectionResetError(), "ConnectionResetError"),
        (OSError("something else"), "something else"),
    ],
)
def test_an_error_is_described_without_numbers(error: OSError, words: str) -> None:
    assert describe(error).startswith(words)
