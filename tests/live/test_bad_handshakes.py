"""Bytes on the port that are no proper WebSocket handshake: answered or closed, never a crash."""

import pytest

from bench.harness.agents import Agent, Agents
from doubles.v1_client import V1Client
from live.raw import RawClient, frame, upgrade


@pytest.fixture(scope="module")
def cartman(shared_agents: Agents) -> Agent:
    return shared_agents.start("cartman")


def http(method: str = "GET", path: str = "/", *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


ANSWERED = {
    "a path too long": (http("GET", "/" + "x" * 9000), 414),
    "a header too long": (http("GET", "/", "X-Long: " + "x" * 9000), 431),
    "too many headers": (http("GET", "/", *(f"X-{n}: x" for n in range(200))), 431),
    "a body": (http("POST", "/", "Content-Length: 3", body=b"abc"), 405),
    "a GET with a body": (http("GET", "/", "Content-Length: 3", body=b"abc"), 405),
    "a body in chunks": (http("POST", "/", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 405),
    "POST": (http("POST"), 405),
    "DELETE": (http("DELETE"), 405),
    "CONNECT": (http("CONNECT", "example.org:443"), 405),
    "no upgrade": (http("GET", "/healthz"), 200),
    "HTTP/1.0": (upgrade("/", protocol="HTTP/1.0"), 505),
    "an upgrade to something else": (upgrade("/", "Upgrade: h2c"), 200),
    "no Connection header": (upgrade("/", "Connection:"), 426),
    "no key": (upgrade("/", "Sec-WebSocket-Key:"), 400),
    "a short key": (upgrade("/", "Sec-WebSocket-Key: eHg="), 400),
    "a key that is none": (upgrade("/", "Sec-WebSocket-Key: !"), 400),
    "no version": (upgrade("/", "Sec-WebSocket-Version:"), 400),
    "an old version": (upgrade("/", "Sec-WebSocket-Version: 8"), 400),
    "a broken Connection header": (upgrade("/", "Connection: @@"), 400),
    "a broken list of subprotocols": (upgrade("/", "Sec-WebSocket-Protocol: @@"), 400),
}


@pytest.mark.parametrize(("data", "status"), ANSWERED.values(), ids=ANSWERED.keys())
async def test_a_request_of_http_is_answered_with_its_status(
    cartman: Agent, data: bytes, status: int
) -> None:
    async with V1Client(cartman.address) as other, RawClient(cartman.port) as client:
        await client.send(data)

        assert await client.status() == status
        await other.ask(0)


CLOSED = {
    "garbage": b"garbage\r\n\r\n",
    "null bytes": bytes(9000),
    "every byte": bytes(range(256)) * 10,
    "line ends": b"\r\n\r\n",
    "a line without its end": b"x" * 9000,
    "TLS": bytes.fromhex("1603010200010001fc0303") + bytes(500) + b"\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a header of no name": b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
    "a path that is not ASCII": "GET /é HTTP/1.1\r\n\r\n".encode(),
    "a frame": frame("{}") * 10 + b"\n",
}


@pytest.mark.parametrize("data", CLOSED.values(), ids=CLOSED.keys())
async def test_what_is_no_http_is_closed(cartman: Agent, data: bytes) -> None:
    async with V1Client(cartman.address) as other, RawClient(cartman.port) as client:
        await client.send(data)

        rest = await client.rest()

        assert rest == b"" or rest.startswith(b"HTTP/1.1 4")
        await other.ask(0)


async def test_the_answer_to_a_large_body_is_not_lost(cartman: Agent) -> None:
    size = 300_000
    async with RawClient(cartman.port) as client:
        await client.send(http("POST", "/", f"Content-Length: {size}"), *[b"x" * 1000] * 300)

        assert (await client.rest()).count(b"HTTP/1.1 405") == 1


async def test_a_body_is_never_part_of_the_answer_to_head(cartman: Agent) -> None:
    async with RawClient(cartman.port) as client:
        await client.send(http("HEAD", "/healthz"))

        head, _, body = (await client.rest()).partition(b"\r\n\r\n")

        assert head
        assert body == b""


async def test_an_unknown_subprotocol_is_not_selected(cartman: Agent) -> None:
    async with RawClient(cartman.port) as client:
        head = await client.shake("Sec-WebSocket-Protocol: chat, superchat")

        assert "sec-websocket-protocol" not in head.lower()


async def test_compression_is_declined(cartman: Agent) -> None:
    async with RawClient(cartman.port) as client:
        head = await client.shake("Sec-WebSocket-Extensions: permessage-deflate")

        assert "sec-websocket-extensions" not in head.lower()


async def test_a_client_that_hangs_up_in_the_handshake_does_no_harm(cartman: Agent) -> None:
    for end in range(0, len(upgrade()), 7):
        async with RawClient(cartman.port) as client:
            await client.send(upgrade()[:end])

    async with V1Client(cartman.address) as other:
        await other.ask(0)
