"""Dialing over real sockets: attempts that fail, and the reason that is reported."""

import asyncio
import socket

import pytest
from websockets.asyncio.server import ServerConnection

from bench.harness.processes import free_ports
from doubles.canned import canned
from eventually import eventually
from nodnod_agent.net.sockets import bind, dialing_socket
from nodnod_agent.transport import dialer as dialer_module
from nodnod_agent.transport.peer_connection import describe
from nodnod_client.address import Address, parse_address
from transport.peers import FakeLink, listening, peer, reset


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


def free_address(host: str) -> Address:
    """An address at which nothing listens."""
    try:
        (listener,) = bind(Address(host, 0))
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with listener:
        return Address(*listener.getsockname()[:2])


def dial_from(monkeypatch: pytest.MonkeyPatch, address: Address) -> None:
    """Let the kernel choose this address for the dialing end."""

    def make(dialed: Address) -> socket.socket:
        sock = dialing_socket(dialed)
        sock.bind(address)
        return sock

    monkeypatch.setattr(dialer_module, "dialing_socket", make)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_connection_to_itself_is_refused_and_its_port_can_be_bound_at_once(
    link: FakeLink, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    address = free_address(host)
    dial_from(monkeypatch, address)

    assert await link.dial(address) == ("refused", "connected to itself: nothing listens there")

    with bind(address)[0] as listener:
        listener.listen()


async def test_an_agent_can_listen_at_the_port_from_which_another_has_dialed(
    link: FakeLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = free_address("127.0.0.1")
    dial_from(monkeypatch, address)
    async with peer(ServerConnection.wait_closed) as other:
        assert (await link.dial(other))[0] == "opened"

        with bind(address)[0] as listener:
            listener.listen()


def response(status: int, body: str = "", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", body]
    return "\r\n".join(lines).encode()


PLAIN = "Content-Type: text/plain"
UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
NO_RESPONSE = "not a NodNod agent: did not receive a valid HTTP response"
REPLIES = {
    "a web server": (response(200, "hi"), "not a NodNod agent: HTTP 200"),
    "a redirect": (
        response(301, "", "Location: ws://127.0.0.1:1/"),
        "not a NodNod agent: HTTP 301",
    ),
    "no such page": (response(404), "not a NodNod agent: HTTP 404"),
    "a proxy that wants a name": (response(407), "not a NodNod agent: HTTP 407"),
    "a page of no length": (b"HTTP/1.1 200 OK\r\n\r\nhi", "not a NodNod agent: HTTP 200"),
    "TLS": (bytes.fromhex("15030300020246") + b"\r\n", NO_RESPONSE),
    "SSH": (b"SSH-2.0-OpenSSH_9.6\r\n", NO_RESPONSE),
    "garbage": (bytes(range(256)), NO_RESPONSE),
    "a line without end": (
        b"x" * 10_000,
        "not a NodNod agent: read 10000 bytes, expected no more than 8192 bytes",
    ),
    "the wrong key": (
        UPGRADE + b"Sec-WebSocket-Accept: x\r\n\r\n",
        "not a NodNod agent: invalid Sec-WebSocket-Accept header: x",
    ),
    "no key": (UPGRADE + b"\r\n", "not a NodNod agent: missing Sec-WebSocket-Accept header"),
    "a part of a response": (b"HTTP/1.1 101 Switching", "closed during the handshake"),
    "text": (response(421, "wrong one", PLAIN), "it refuses us: wrong one (HTTP 421)"),
    "terminal escapes": (
        response(403, "a\x1b[2J\nb", PLAIN),
        "it refuses us: a[2J (HTTP 403)",
    ),
    "long text": (
        response(400, "no " * 333, PLAIN),
        f"it refuses us: {('no ' * 333)[:200]} (HTTP 400)",
    ),
    "HTML": (response(403, "<b>", "Content-Type: text/html"), "not a NodNod agent: HTTP 403"),
    "no text": (response(403, "", PLAIN), "not a NodNod agent: HTTP 403"),
    "two content types": (
        response(403, "x", PLAIN, "Content-Type: text/html"),
        "not a NodNod agent: HTTP 403",
    ),
}


@pytest.mark.parametrize(("reply", "reason"), REPLIES.values(), ids=REPLIES)
async def test_the_reason_for_a_refusal_is_reported(
    link: FakeLink, reply: bytes, reason: str
) -> None:
    async with canned(reply) as address:
        assert await link.dial(parse_address(address)) == ("refused", reason)


async def test_a_peer_that_resets_during_the_handshake_is_refused(link: FakeLink) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        reset(writer.transport)

    async with listening(accept) as address:
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
    async with peer(ServerConnection.wait_closed) as address:
        link.start(address).cancel()
        _, wire, _ = await other.dial(address)
        wire.abort()

    assert link.reports.empty()
    await other.drained()


@pytest.mark.parametrize("host", ["kyle", "kenny"], ids=["the last", "the first"])
async def test_any_address_of_a_host_may_be_the_one_that_answers(link: FakeLink, host: str) -> None:
    async with peer(ServerConnection.wait_closed) as address:
        assert (await link.dial(Address(host, address.port)))[0] == "opened"


async def test_proxies_of_the_environment_are_not_used(
    link: FakeLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with peer(ServerConnection.wait_closed) as address:
        assert (await link.dial(address))[0] == "opened"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionResetError(104, "Connection reset by peer"), "connection reset by peer"),
        (socket.gaierror(-3, "Temporary failure in name resolution"), "temporary failure in name"),
        (ConnectionResetError(), "closed during the handshake"),
        (OSError("something else"), "something else"),
    ],
)
def test_an_error_is_described_without_numbers(error: OSError, words: str) -> None:
    assert describe(error).startswith(words)
