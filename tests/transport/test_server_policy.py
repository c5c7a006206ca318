"""The server and its gate: what becomes of those who may in, who may not, and who never asks."""

import asyncio
import logging
from contextlib import AsyncExitStack

import pytest

from eventually import eventually
from live.raw import TEXT, RawClient, frame, upgrade
from nodnod_agent.auth.hosts import HostPolicy
from nodnod_agent.auth.policy import AuthPolicy
from nodnod_agent.auth.tokens import Tokens
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.limits import Limits
from nodnod_agent.transport.server import Server
from nodnod_client.address import Address
from transport.sessions import MOMENT, OFFER, FakeService

SECRET = b"a secret of this cluster, and no other"
PEER = (OFFER, "NodNod-Name: stan", "NodNod-Instance: 1", "NodNod-Address: 10.0.0.6:7070")
TLS_HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(500)


@pytest.fixture
def tokens() -> Tokens:
    return Tokens([SECRET])


@pytest.fixture
def gate(server: Server, tokens: Tokens) -> AuthPolicy:
    gate = AuthPolicy(advertised=Address("10.0.0.5", 7070), is_public={"/healthz"}.__contains__)
    gate.hosts = HostPolicy()
    gate.tokens = tokens
    server.gate = gate
    return gate


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"


@pytest.mark.usefixtures("gate")
async def test_who_has_no_token_is_told_so_and_gone(
    client: RawClient, server: Server, service: FakeService
) -> None:
    head = await client.shake(OFFER)

    assert "401 Unauthorized" in head
    assert 'WWW-Authenticate: Bearer realm="nodnod"\r\n' in head
    assert b"one token is needed" in await client.rest()
    assert service.visitors == []
    client.socket.close()
    await eventually(lambda: not server.clients)


@pytest.mark.usefixtures("gate")
async def test_frames_sent_along_with_a_refused_handshake_are_not_read(
    client: RawClient, service: FakeService
) -> None:
    await client.send(upgrade("/", OFFER) + frame("hello") * 100)

    assert await client.status() == 401
    await client.rest()
    assert service.visitors == []


@pytest.mark.usefixtures("gate")
async def test_a_reader_is_let_in_by_a_header(client: RawClient, tokens: Tokens) -> None:
    assert "101" in await client.shake(OFFER, bearer(tokens.mint("read", 60, "x")))

    await client.send(frame("hello"))
    assert await client.frame() == (TEXT, b"hello")


@pytest.mark.usefixtures("gate")
async def test_a_browser_is_let_in_by_a_subprotocol_which_is_not_selected(
    client: RawClient, tokens: Tokens
) -> None:
    token = tokens.mint("read", 60, "x")

    head = await client.shake(f"Sec-WebSocket-Protocol: nodnod.2, nodnod.bearer.{token}")

    assert "Sec-WebSocket-Protocol: nodnod.2\r\n" in head + "\r\n"
    assert token not in head


@pytest.mark.usefixtures("gate")
async def test_a_reader_that_says_it_is_an_agent_is_a_client(
    client: RawClient, tokens: Tokens, service: FakeService, server: Server
) -> None:
    await client.shake(*PEER, bearer(tokens.mint("read", 60, "x")))

    assert service.visitors[0].hello == Hello(2)
    (accepted,) = server.clients
    assert accepted.ws.max_message_size == Limits().client_message


@pytest.mark.usefixtures("gate")
async def test_a_peer_is_let_in_as_an_agent_and_shown_the_proof(
    client: RawClient, tokens: Tokens, service: FakeService, server: Server, port: int
) -> None:
    token, proof = tokens.for_dial("stan", [f"127.0.0.1:{port}"])

    head = await client.shake(*PEER, bearer(token))

    assert f"NodNod-Proof: {proof}\r\n" in head + "\r\n"
    assert service.visitors[0].hello == Hello(2, "stan", "1", "10.0.0.6:7070")
    (accepted,) = server.clients
    assert accepted.ws.max_message_size == Limits().peer_message


@pytest.mark.usefixtures("gate")
async def test_a_peer_that_has_dialled_somebody_else_is_refused_without_a_proof(
    client: RawClient, tokens: Tokens, port: int
) -> None:
    token, _ = tokens.for_dial("stan", [f"127.0.0.1:{port + 1}", f"10.0.0.5:{port}"])

    head = await client.shake(*PEER, bearer(token))

    assert "401" in head
    assert "proof" not in head.lower()


@pytest.mark.usefixtures("gate")
async def test_pages_need_a_token_too_but_for_those_that_are_public(
    port: int, tokens: Tokens, service: FakeService
) -> None:
    async def status(path: str, *headers: str) -> int:
        async with RawClient(port) as client:
            lines = [f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
            await client.send("\r\n".join(lines).encode())
            return await client.status()

    assert await status("/stat") == 401
    assert await status("/healthz") == 200
    assert await status("/stat", bearer(tokens.mint("read", 60, "x"))) == 200
    assert len(service.replies) == 2


async def test_who_would_rather_have_http_2_gets_the_page(client: RawClient) -> None:
    lines = ["GET /healthz HTTP/1.1", "Host: localhost", "Connection: Upgrade, HTTP2-Settings"]
    await client.send(
        "\r\n".join([*lines, "Upgrade: h2c", "HTTP2-Settings: AAMAAABk", "", ""]).encode()
    )

    assert await client.status() == 200


@pytest.mark.usefixtures("gate")
async def test_wrong_tokens_of_one_kind_do_not_hide_those_of_another_in_the_log(
    port: int, tokens: Tokens, caplog: pytest.LogCaptureFixture
) -> None:
    other, _ = tokens.for_dial("stan", ["10.0.0.9:1"])
    for token in ("x", "y", other):
        async with RawClient(port) as client:
            await client.send(upgrade("/", bearer(token)))
            await client.head()

    records = [record for record in caplog.records if record.name == "nodnod.server"]
    keys = [record.__dict__["key"] for record in records]
    assert keys[0] == keys[1]
    assert keys[1] != keys[2]


@pytest.mark.usefixtures("gate")
async def test_a_refused_head_has_no_body(client: RawClient) -> None:
    await client.send(b"HEAD /stat HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert "401" in await client.head()
    assert await client.rest() == b""


@pytest.mark.usefixtures("gate")
async def test_the_log_says_who_was_refused_and_shows_no_token_and_no_query(
    port: int,
    tokens: Tokens,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = tokens.mint("read", 60, "x")
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(logging.getLogger("websockets"), "level", logging.CRITICAL)  # as in logs.py
    for path, header in (
        (f"/?token={token}", "X-Nothing: x"),
        ("/stat?private=1", bearer(token + "x")),
        ("/stat?private=1", f"Sec-WebSocket-Protocol: nodnod.bearer.{token}x"),
        ("/", bearer(token)),
    ):
        async with RawClient(port) as client:
            await client.send(upgrade(path, header))
            await client.head()

    lines = [record.getMessage() for record in caplog.records if record.name == "nodnod.server"]
    assert [line.partition(":")[0] for line in lines[:3]] == ["Refused client 127.0.0.1"] * 3
    assert "Accepted" in lines[3]
    assert token[-20:] not in caplog.text
    assert "private" not in caplog.text


# Those who never finish their handshake.


async def test_one_too_many_before_the_handshake_ends_the_oldest_of_them(
    server: Server, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    server.limits = Limits(unauthenticated=1)
    async with RawClient(port) as old, RawClient(port) as new:
        await eventually(lambda: "Cut 127.0.0.1" in caplog.text)

        assert await old.rest() == b""
        assert "101" in await new.shake()


async def test_who_has_shaken_hands_is_not_among_those(server: Server, port: int) -> None:
    server.limits = Limits(unauthenticated=1)
    async with RawClient(port) as first:
        await first.shake()
        async with RawClient(port) as second:
            await second.shake()

            await first.send(frame("still here"))
            assert await first.frame() == (TEXT, b"still here")


async def test_well_behaved_clients_get_through_a_crowd_that_never_speaks(
    server: Server, port: int
) -> None:
    server.max_clients = 1000
    server.limits = Limits(unauthenticated=20)
    async with AsyncExitStack() as crowd:
        for _ in range(100):
            await crowd.enter_async_context(RawClient(port))
        async with RawClient(port) as client:
            assert "101" in await client.shake()
            assert len(server.pending) <= 20
    await eventually(lambda: not server.clients)
    assert not server.pending


@pytest.mark.parametrize("hello", [TLS_HELLO, TLS_HELLO + b"\n"])
async def test_who_speaks_tls_to_a_plain_port_is_answered_in_plain_words(
    client: RawClient, hello: bytes
) -> None:
    await client.send(hello)

    assert await asyncio.wait_for(client.status(), 20 * MOMENT) == 400
    assert b"HTTP/1.1 400" not in await client.rest()  # once is enough
