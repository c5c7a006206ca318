"""The server with an access policy: clients that are admitted, refused, or never send a request."""

import logging
from typing import cast

import pytest

from eventually import eventually
from live.raw import TEXT, RawClient, frame, upgrade
from nodnod_agent.auth.tokens import Tokens
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.limits import Limits
from nodnod_agent.transport.server import Server
from nodnod_agent.transport.server_connection import ServerConnection
from transport.sessions import OFFER, FakeService

PEER = (OFFER, "NodNod-Name: stan", "NodNod-Instance: 1", "NodNod-Address: 10.0.0.6:7070")
TLS_HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(500)


@pytest.fixture
def read_token(tokens: Tokens) -> str:
    return tokens.mint("read", 60, "x")


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"


def max_message(server: Server) -> int | None:
    """The limit for messages of the only client."""
    (accepted,) = cast(set[ServerConnection], server.context.table)
    return accepted.ws.max_message_size


@pytest.mark.usefixtures("policy")
async def test_a_client_without_a_token_is_refused_and_closed(
    client: RawClient, server: Server, service: FakeService
) -> None:
    await client.send(upgrade("/", OFFER) + frame("hello") * 100)  # the frames are not read
    head = await client.head()

    assert "401 Unauthorized" in head
    assert 'WWW-Authenticate: Bearer realm="nodnod"\r\n' in head
    assert b"one token is needed" in await client.rest()
    assert service.sessions == []
    client.socket.close()
    await eventually(lambda: not server.context.table)


@pytest.mark.usefixtures("policy")
async def test_a_browser_is_admitted_by_a_subprotocol_that_is_not_selected(
    client: RawClient, read_token: str
) -> None:
    head = await client.shake(f"Sec-WebSocket-Protocol: nodnod.2, nodnod.bearer.{read_token}")

    assert "Sec-WebSocket-Protocol: nodnod.2\r\n" in head + "\r\n"
    assert read_token not in head


@pytest.mark.usefixtures("policy")
async def test_a_reader_that_claims_to_be_an_agent_is_a_client(
    client: RawClient, read_token: str, service: FakeService, server: Server
) -> None:
    await client.shake(*PEER, bearer(read_token))

    assert service.sessions[0].hello == Hello(2)
    assert max_message(server) == Limits().client_message


@pytest.mark.usefixtures("policy")
async def test_a_page_needs_a_token_unless_it_is_public(
    port: int, read_token: str, service: FakeService
) -> None:
    async def status(path: str, *headers: str) -> int:
        async with RawClient(port) as client:
            lines = [f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
            await client.send("\r\n".join(lines).encode())
            return await client.status()

    assert await status("/stat") == 401
    assert await status("/healthz") == 200
    assert await status("/stat", bearer(read_token)) == 200
    assert len(service.replies) == 2


@pytest.mark.usefixtures("policy")
async def test_a_refused_head_request_gets_no_body(client: RawClient) -> None:
    await client.send(b"HEAD /stat HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert "401" in await client.head()
    assert await client.rest() == b""


# The log.


@pytest.mark.usefixtures("policy")
async def test_the_log_limits_each_kind_of_wrong_token_by_itself(
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


@pytest.mark.usefixtures("policy")
async def test_the_log_names_refused_clients_and_no_token_or_query(
    port: int,
    read_token: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    # As the log handler of the agent does.
    monkeypatch.setattr(logging.getLogger("websockets"), "level", logging.CRITICAL)
    for path, header in (
        (f"/?token={read_token}", "X-Nothing: x"),
        ("/stat?private=1", bearer(read_token + "x")),
        ("/stat?private=1", f"Sec-WebSocket-Protocol: nodnod.bearer.{read_token}x"),
        ("/", bearer(read_token)),
    ):
        async with RawClient(port) as client:
            await client.send(upgrade(path, header))
            await client.head()

    lines = [record.getMessage() for record in caplog.records if record.name == "nodnod.server"]
    assert [line.partition(":")[0] for line in lines[:3]] == ["Refused client 127.0.0.1"] * 3
    assert "Accepted" in lines[3]
    assert read_token[-20:] not in caplog.text
    assert "private" not in caplog.text


# Incomplete handshakes.


async def test_one_incomplete_handshake_too_many_cuts_the_oldest(
    server: Server, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    server.context.table.max_handshaking = 1
    async with RawClient(port) as complete:
        await complete.shake()
        async with RawClient(port) as old, RawClient(port) as new:
            await eventually(lambda: "Cut 127.0.0.1" in caplog.text)

            assert await old.rest() == b""
            assert "101" in await new.shake()
        await complete.send(frame("still here"))
        assert await complete.frame() == (TEXT, b"still here")


@pytest.mark.parametrize("hello", [TLS_HELLO, TLS_HELLO + b"\n"])
async def test_tls_at_a_plain_port_is_answered_in_plain_text(
    client: RawClient, hello: bytes
) -> None:
    await client.send(hello)

    assert await client.status() == 400  # not cut at the limit, which gives no status
    assert b"HTTP/1.1 400" not in await client.rest()  # once is enough
