"""Bytes that are no request: answered with an error or closed with a code, and never a crash."""

from collections.abc import AsyncIterator

import pytest

from bench.harness.agents import Agent, Agents
from doubles.v1_client import V1Client
from live.raw import BINARY, PING, RawClient, frame, upgrade
from live.web import parse, request

MESSAGE_LIMIT = 16 * 1024


@pytest.fixture(scope="module")
def cartman(shared_agents: Agents) -> Agent:
    return shared_agents.start("cartman")


@pytest.fixture
async def client(cartman: Agent) -> AsyncIterator[RawClient]:
    """A connection that may send anything: another client is served all the same."""
    async with V1Client(cartman.address) as other, RawClient(cartman.port) as client:
        yield client
        assert [answer["error"] for answer in await other.ask(0, 1)] == ["", ""]


@pytest.fixture
async def websocket(client: RawClient) -> RawClient:
    await client.shake()
    return client


# HTTP.


STATUS = {
    "an unknown path": (request("/nowhere"), 404),
    "an unknown path, HEAD": (request("/nowhere", "HEAD"), 404),
    "POST": (request("/stat", "POST"), 405),
    "DELETE": (request("/metrics", "DELETE"), 405),
    "OPTIONS of all": (request("*", "OPTIONS"), 405),
    "CONNECT": (request("example.org:443", "CONNECT"), 405),
    "a body": (request("/stat", "POST", "Content-Length: 2", body=b"{}"), 405),
    "a body of GET": (request("/metrics", "GET", "Content-Length: 2", body=b"{}"), 405),
    "a body in chunks": (request("/", "PUT", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 405),
    "a bad parameter": (request("/stat?timeout=x"), 400),
    "a bad parameter for metrics": (request("/metrics/cluster?timeout=0"), 400),
    "a bad section": (request("/metrics?detail=colour"), 400),
    "a path too long": (request("/" + "x" * 9000), 414),
    "a query too long": (request("/stat/all?nodes=" + "x" * 9000), 414),
    "a header too long": (request("/stat", "GET", "X-Long: " + "x" * 9000), 431),
    "too many headers": (request("/stat", "GET", *(f"X-{n}: x" for n in range(200))), 431),
    "a header without a name": (request("/stat", "GET", ": x"), 400),
    "a header with a space": (request("/stat", "GET", "X y: x"), 400),
    "a folded header": (request("/stat", "GET", "X: a", " b"), 400),
    "a path that is not ASCII": (request("/é"), 400),
    "no protocol": (b"GET /stat\r\n\r\n", 400),
    "another protocol": (b"GET /stat HTTP/3.0\r\n\r\n", 400),
    "no words": (b"\r\n\r\n", 400),
    "no upgrade": (request("/healthz"), 200),
    "a health check in HTTP/1.0": (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
    "a page in HTTP/1.0": (b"GET /stat HTTP/1.0\r\n\r\n", 400),
    "HTTP/1.0": (upgrade("/", protocol="HTTP/1.0"), 505),
    "an upgrade to another protocol": (upgrade("/", "Upgrade: h2c"), 200),
    "no Connection header": (upgrade("/", "Connection:"), 426),
    "no key": (upgrade("/", "Sec-WebSocket-Key:"), 400),
    "a short key": (upgrade("/", "Sec-WebSocket-Key: eHg="), 400),
    "a key that is not base64": (upgrade("/", "Sec-WebSocket-Key: !"), 400),
    "no version": (upgrade("/", "Sec-WebSocket-Version:"), 400),
    "an old version": (upgrade("/", "Sec-WebSocket-Version: 8"), 400),
    "a broken Connection header": (upgrade("/", "Connection: @@"), 400),
    "a broken list of subprotocols": (upgrade("/", "Sec-WebSocket-Protocol: @@"), 400),
}


@pytest.mark.parametrize(("data", "status"), STATUS.values(), ids=STATUS.keys())
async def test_an_http_request_that_cannot_be_served_gets_a_status(
    client: RawClient, data: bytes, status: int
) -> None:
    await client.send(data)
    page = parse(await client.rest())

    assert page.status == status
    if status == 405:
        assert page.headers["Allow"] == "GET, HEAD"


CLOSED = {
    "garbage": b"garbage\r\n\r\n",
    "null bytes": bytes(9000),
    "every byte": bytes(range(256)) * 10,
    "a line without its end": b"x" * 9000,
    "TLS": bytes.fromhex("1603010200010001fc0303") + bytes(500) + b"\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a frame": frame("{}") * 10 + b"\n",
}


@pytest.mark.parametrize("data", CLOSED.values(), ids=CLOSED.keys())
async def test_bytes_that_are_not_http_close_the_connection(client: RawClient, data: bytes) -> None:
    await client.send(data)

    rest = await client.rest()

    assert rest == b"" or rest.startswith(b"HTTP/1.1 4")


async def test_the_answer_to_a_large_body_is_not_lost(client: RawClient) -> None:
    await client.send(request("/", "POST", "Content-Length: 300000"), *[b"x" * 1000] * 300)

    assert (await client.rest()).count(b"HTTP/1.1 405") == 1


# Handshakes.


@pytest.mark.parametrize(
    "offer", ["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: permessage-deflate"]
)
async def test_unknown_subprotocols_and_compression_are_declined(
    client: RawClient, offer: str
) -> None:
    head = await client.shake(offer)

    assert offer.partition(":")[0].lower() not in head.lower()


@pytest.mark.parametrize("size", [1, 1000])
async def test_handshake_and_request_may_come_in_one_piece_or_byte_by_byte(
    client: RawClient, size: int
) -> None:
    data = upgrade() + frame('{"id": "early"}')
    await client.send(*(data[start : start + size] for start in range(0, len(data), size)))
    await client.head()

    assert (await client.answer())["id"] == "early"


# Messages. tests/core/requests/test_session_refusals.py has all texts that are refused.


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("hello", "bad_json", "not JSON"),
        ('{"id": "\\ud800"}', "bad_json", "not JSON"),
        ("[" * MESSAGE_LIMIT, "bad_json", ""),
        ('{"a":' + "[" * 8000 + "]" * 8000 + "}", "bad_json", "too deeply"),
        ('{"type": []}', "bad_request", "`type` must be an integer, got []"),
        ('{"type": 99}', "unknown_type", "99"),
    ],
    ids=["no JSON", "half a surrogate", "deep and open", "deep", "type as list", "unknown type"],
)
async def test_a_bad_request_is_answered_and_the_connection_goes_on(
    websocket: RawClient, text: str, code: str, part: str
) -> None:
    await websocket.send(frame(text), frame('{"id": "next", "colour": "green", "": {}}'))

    answer, following = await websocket.answer(), await websocket.answer()

    assert (answer["code"], answer["nodes"]) == (code, {})
    assert part in answer["error"]
    assert (following["error"], following["id"]) == ("", "next")


async def test_ten_bad_requests_in_a_row_close_the_connection(websocket: RawClient) -> None:
    await websocket.send(frame("[]") * 10)

    assert [(await websocket.answer())["code"] for _ in range(10)] == ["bad_request"] * 10
    assert await websocket.close_code() == 1008


# tests/transport/test_connection.py has more of them.
BROKEN = {
    "one byte too long": (frame(" " * (MESSAGE_LIMIT + 1)), 1009),
    "claims to be huge": (frame(b"x", length=2**62), 1009),
    "binary": (frame(b"{}", BINARY), 1003),
    "not UTF-8": (frame(b'"\xff"'), 1007),
    "half a character": (frame(b'"\xc3'), 1007),
    "a surrogate as bytes": (frame(b'"\xed\xa0\x80"'), 1007),
    "unmasked": (frame("{}", masked=False), 1002),
    "bad control opcode": (frame("", 11), 1002),
    "a fragmented ping": (frame("", PING, fin=False), 1002),
    "a bad close code": (frame(b"\x00\x01", 8), 1002),
    "half a close code": (frame(b"\x03", 8), 1002),
}


@pytest.mark.parametrize(("data", "code"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_message_closes_the_connection_with_its_code(
    websocket: RawClient, data: bytes, code: int
) -> None:
    await websocket.send(data)

    assert await websocket.close_code() == code
