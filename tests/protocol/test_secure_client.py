"""The client with a token, and over TLS."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from doubles.certificates import Authority
from nodnod_client import Client, SyncClient
from nodnod_client.errors import AddressError, ConnectError
from nodnod_client.tls import CLOSED_AFTER_TLS, client_context
from nodnod_client.websocket import CLOSED_DURING_HANDSHAKE

TOKEN = "eyJhbGciOiJIUzI1NiJ9.e30.abc-_123"


class Agent(NamedTuple):
    """An agent up to the handshake, and the handshakes that it has received."""

    address: str
    requests: list[Request]


@asynccontextmanager
async def agent(tls: ssl.SSLContext | None = None, *, refusal: str = "") -> AsyncIterator[Agent]:
    """``refusal`` is the text with which it refuses every handshake (401)."""
    requests = []

    def process(connection: ServerConnection, request: Request) -> Response | None:
        requests.append(request)
        return connection.respond(401, refusal) if refusal else None

    options: dict[str, Any] = {"process_request": process, "ssl": tls, "compression": None}
    async with serve(ServerConnection.wait_closed, "127.0.0.1", 0, **options) as server:
        yield Agent(f"127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}", requests)


def serving(authority: Authority, *hosts: str, client: bool = False) -> ssl.SSLContext:
    """A context with a certificate for ``hosts``; it may require one of the client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("agent", *hosts))
    if client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.ca)
    return context


async def failure(client: Client) -> str:
    with pytest.raises(ConnectError) as caught:
        await client.connect()
    return str(caught.value)


# Tokens


async def test_a_token_is_sent_in_a_header() -> None:
    async with agent() as found, Client(found.address, token=TOKEN):
        assert found.requests[0].headers.get_all("Authorization") == [f"Bearer {TOKEN}"]
        assert TOKEN not in found.requests[0].path


async def test_without_a_token_there_is_no_authorization_header() -> None:
    async with agent() as found, Client(found.address):
        assert "Authorization" not in found.requests[0].headers


async def test_a_token_overrides_the_user_of_a_url() -> None:
    async with agent() as found, Client(f"ws://user:word@{found.address}/", token=TOKEN):
        assert found.requests[0].headers.get_all("Authorization") == [f"Bearer {TOKEN}"]


def test_the_blocking_client_accepts_a_token_and_an_authority(authority: Authority) -> None:
    client = SyncClient("127.0.0.1", token=TOKEN, ca=authority.ca)
    assert client.url == "wss://127.0.0.1:7070/"


@pytest.mark.parametrize("token", ["a b", "a\r\nX: y", "é", "a,b", 'a"b', "a\0"])
def test_an_invalid_token_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ValueError) as caught:
        Client(token=token)
    assert token not in str(caught.value)


@pytest.mark.parametrize("query", ["token=x", "a=1&token=x", "access_token=x"])
def test_a_token_in_a_url_is_refused(query: str) -> None:
    with pytest.raises(AddressError, match="no token in a URL"):
        Client(f"ws://127.0.0.1/?{query}")


async def test_the_token_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    for logger in ("", "websockets", "websockets.client"):
        caplog.set_level(logging.DEBUG, logger)
    async with agent() as found, Client(found.address, token=TOKEN):
        pass
    ours = [record for record in caplog.records if record.name != "websockets.server"]
    assert not any(TOKEN in record.getMessage() for record in ours)


async def test_the_reason_of_a_refusal_is_shown() -> None:
    async with agent(refusal="the token has expired\n") as found:
        assert await failure(Client(found.address, token=TOKEN)) == (
            f"cannot connect to ws://{found.address}/: "
            "it refuses us: the token has expired (HTTP 401)"
        )


@pytest.mark.parametrize("repeated", ["{}", "no {}!", "{:.60}", "what is {}x and {}"])
async def test_a_token_repeated_by_the_server_is_not_shown(repeated: str) -> None:
    token = jwt.encode({"role": "read", "exp": 2**31}, "x" * 32, "HS256")
    async with agent(refusal=repeated.format(token, token)) as found:
        text = await failure(Client(found.address, token=token))

    assert "it refuses us: " in text
    assert not any(part in text for part in (token[:30], *token.split(".")))


async def test_concurrent_connects_share_a_failure_with_its_status() -> None:
    async with agent(refusal="one token is needed\n") as found:
        client = Client(found.address)

        errors = await asyncio.gather(client.connect(), client.connect(), return_exceptions=True)

    assert [type(error) for error in errors] == [ConnectError] * 2
    assert [getattr(error, "status", None) for error in errors] == [401, 401]
    assert errors[0] is not errors[1]


# TLS


async def test_with_an_authority_an_address_uses_tls(authority: Authority) -> None:
    async with agent(serving(authority)) as found:
        for ca in (authority.ca, Path(authority.ca), client_context(authority.ca)):
            async with Client(found.address, ca=ca) as client:
                assert client.url == f"wss://{found.address}/"
                assert client.connected
            assert not client.connected


async def test_a_certificate_of_an_unknown_authority_is_refused(authority: Authority) -> None:
    async with agent(serving(authority)) as found:
        text = await failure(Client(f"wss://{found.address}/"))
    assert "its certificate is not accepted: " in text
    assert "_ssl.c" not in text


async def test_a_certificate_for_another_host_is_refused(authority: Authority) -> None:
    async with agent(serving(authority, "kyle.example")) as found:
        text = await failure(Client(found.address, ca=authority.ca))
    assert "its certificate is not accepted: IP address mismatch" in text
    assert text.endswith(": make one that names it: `nodnod tls node NAME 127.0.0.1`")


@pytest.mark.parametrize(
    ("answer", "endings"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", (": it does not speak TLS",)),
        (b"", (f": {CLOSED_DURING_HANDSHAKE}", ": closed during the TLS handshake")),
    ],
)
async def test_a_failed_tls_handshake_is_explained(
    authority: Authority, answer: bytes, endings: tuple[str, ...]
) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(reply, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        text = await failure(Client(f"127.0.0.1:{port}", ca=authority.ca))
    assert text.endswith(endings)


async def test_a_missing_client_certificate_is_explained(authority: Authority) -> None:
    async with agent(serving(authority, client=True)) as found:
        text = await failure(Client(found.address, ca=authority.ca))
    assert text.endswith((CLOSED_AFTER_TLS, "it requires a certificate"))


async def test_a_client_certificate_is_given_in_a_context(authority: Authority) -> None:
    context = client_context(authority.ca)
    context.load_cert_chain(*authority.issue("client"))
    async with (
        agent(serving(authority, client=True)) as found,
        Client(found.address, ca=context) as client,
    ):
        assert client.connected


def test_an_unreadable_authority_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(FileNotFoundError):
        Client(ca=tmp_path / "gone")
    with pytest.raises(ssl.SSLError):
        Client(ca=tmp_path / "empty")
