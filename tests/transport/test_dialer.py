"""Dialing over real sockets: attempts that fail, and the reason that is reported."""

import asyncio
import socket
import struct

import pytest

from bench.harness.processes import free_ports
from doubles.canned import canned
from eventually import eventually
from nodnod_agent.transport import dialer as dialer_module
from nodnod_agent.transport.peer_connection import describe
from nodnod_client.address import Address, parse_address
from transport.peers import FakeLink, listening, peer, wait_closed


@pytest.mark.parametrize(
    ("host", "reasons"),
    [
        ("127.0.0.1", {"connection refused"}),
        ("255.255.255.255", {"network is unreachable", "permission denied"}),
        ("nowhere", {"name or service not known"}),
        ("kyle", {"connection refused"}),  # two addresses: the last one gives the reason
    ],
)
async def test_an_address_that_cannot_be_reached_is_refused(
    link: FakeLink, host: str, reasons: set[str]
) -> None:
    report, reason = await link.dial(Address(host, free_ports(1)[0]))

    assert report == "refused"
    assert reason in reasons


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
async def test_a_server_that_is_no_agent_is_refused(
    link: FakeLink, reply: bytes, what: str
) -> None:
    async with canned(reply) as address:
        report = await link.dial(parse_address(address))

    assert report == ("refused", f"not a NodNod agent: {what}")


async def test_a_peer_that_closes_during_the_handshake_is_refused(link: FakeLink) -> None:
    async with canned(b"HTTP/1.1 101 Switching") as address:
        report = await link.dial(parse_address(address))

    assert report == ("refused", "closed during the handshake")


async def test_a_peer_that_resets_during_the_handshake_is_refused(link: FakeLink) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with listening(reset) as address:
        report, reason = await link.dial(address)

    assert report == "refused"
    assert reason in {"connection reset by peer", "closed during the handshake"}


async def test_a_peer_that_never_answers_is_refused_at_the_limit(
    link: FakeLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialer_module, "DIAL_LIMIT", 0.1)
    async with canned(None) as address:
        report = await link.dial(parse_address(address))

    assert report == ("refused", "no handshake within 0.1 s")
    await eventually(lambda: not link.context.table)


async def test_a_cancelled_attempt_leaves_no_connection(link: FakeLink) -> None:
    gone = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        attempt.cancel()
        await reader.read()
        gone.set()
        writer.close()

    async with listening(listen) as address:
        attempt = link.start(address)
        await asyncio.wait_for(gone.wait(), 10)

    assert link.reports.empty()


async def test_an_attempt_that_is_cancelled_at_once_reports_nothing(link: FakeLink) -> None:
    other = FakeLink()
    async with peer(wait_closed) as address:
        link.start(address).cancel()
        _, wire, _ = await other.dial(address)
        wire.abort()

    assert link.reports.empty()
    await other.drained()


async def test_each_address_of_a_host_is_tried(link: FakeLink) -> None:
    async with peer(wait_closed) as address:
        assert (await link.dial(Address("kyle", address.port)))[0] == "opened"


async def test_proxies_of_the_environment_are_not_used(
    link: FakeLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with peer(wait_closed) as address:
        assert (await link.dial(address))[0] == "opened"


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
