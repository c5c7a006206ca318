"""Dialling over real sockets: attempts that come to nothing, and in which words that is told."""

import asyncio
import socket
import struct

import pytest

from bench.harness.processes import free_ports
from doubles.canned import canned
from eventually import eventually
from nodnod_agent.transport import dialer as dialer_module
from nodnod_agent.transport.dialer import Dialer, describe
from nodnod_client.address import Address, parse_address
from transport.peers import FakeEnd, peer, wait_closed


async def test_a_port_where_nobody_listens_is_refused(dialler: Dialer, end: FakeEnd) -> None:
    dialler(Address("127.0.0.1", free_ports(1)[0]), end)

    assert await end.next() == ("refused", "connection refused")


async def test_a_host_without_network_is_told_in_words(dialler: Dialer, end: FakeEnd) -> None:
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
    "a line without end": (b"x" * 10_000, "read 8704 bytes, expected no more than 8192 bytes"),
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
    dialler: Dialer, end: FakeEnd, reply: bytes, what: str
) -> None:
    async with canned(reply) as address:
        dialler(parse_address(address), end)

        assert await end.next() == ("refused", f"not a NodNod agent: {what}")


async def test_who_hangs_up_in_the_handshake_is_told_as_such(dialler: Dialer, end: FakeEnd) -> None:
    async with canned(b"HTTP/1.1 101 Switching") as address:
        dialler(parse_address(address), end)

        assert await end.next() == ("refused", "closed during the handshake")


async def test_who_cuts_in_the_handshake_is_told_as_such(dialler: Dialer, end: FakeEnd) -> None:
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
    dialler: Dialer, end: FakeEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialer_module, "DIAL_LIMIT", 0.1)
    async with canned(None) as address:
        dialler(parse_address(address), end)

        assert await end.next() == ("refused", "no handshake within 0.1 s")

    await eventually(lambda: not dialler.open)


async def test_an_attempt_that_is_cancelled_leaves_no_connection(
    dialler: Dialer, end: FakeEnd
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
    dialler: Dialer, end: FakeEnd
) -> None:
    async with peer(wait_closed) as address:
        dialler(address, end).cancel()
        dialler(address, other := FakeEnd())
        await other.next()

    assert end.reports.empty()


async def test_each_address_of_a_name_is_tried(dialler: Dialer, end: FakeEnd) -> None:
    async with peer(wait_closed) as address:
        dialler(Address("kyle", address.port), end)

        assert (await end.next())[0] == "opened"


async def test_of_the_addresses_of_a_name_the_last_says_why_none_will_do(
    dialler: Dialer, end: FakeEnd
) -> None:
    dialler(Address("kyle", free_ports(1)[0]), end)

    assert await end.next() == ("refused", "connection refused")


async def test_a_name_that_nobody_has_is_told_as_such(dialler: Dialer, end: FakeEnd) -> None:
    dialler(Address("nowhere", 7070), end)

    assert await end.next() == ("refused", "name or service not known")


async def test_proxies_of_the_environment_are_not_used(
    dialler: Dialer, end: FakeEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with peer(wait_closed) as address:
        dialler(address, end)

        assert (await end.next())[0] == "opened"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), "connection refused"),
        (ConnectionResetError(104, "Connection reset by peer"), "connection reset by peer"),
        (socket.gaierror(-2, "Name or service not known"), "name or service not known"),
        (socket.gaierror(-3, "Temporary failure in name resolution"), "temporary failure in name"),
        (ConnectionResetError(), "closed during the handshake"),
        (OSError("something else"), "something else"),
    ],
)
def test_an_error_is_described_without_numbers(error: OSError, words: str) -> None:
    assert describe(error).startswith(words)
