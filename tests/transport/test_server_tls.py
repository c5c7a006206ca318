"""The server over TLS: which clients are accepted, and how handshakes end that fail."""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from doubles.certificates import Authority
from eventually import eventually
from live.raw import CLOSE, RawClient, frame, upgrade
from nodnod_agent.core.limits import Limits
from nodnod_agent.transport.server import Server
from nodnod_client.tls import client_context
from transport.access import contexts
from transport.sessions import MOMENT, OFFER


@pytest.fixture
def tls(server: Server, authority: Authority) -> None:
    """The server speaks TLS."""
    server.context.tls = contexts(authority).server


@pytest.fixture
def trust(authority: Authority) -> ssl.SSLContext:
    """What a client needs to trust the server."""
    return client_context(authority.ca)


@asynccontextmanager
async def connected(
    port: int, context: ssl.SSLContext
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client's end of a TLS connection."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="127.0.0.1"
    )
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def shake(port: int, context: ssl.SSLContext) -> bytes:
    """The response to an upgrade, and the echo of one message behind it."""
    async with connected(port, context) as (reader, writer):
        writer.write(upgrade("/", OFFER) + frame("hello"))
        return await reader.readuntil(b"hello")


@pytest.mark.parametrize(
    ("writes", "last"),
    [
        ([b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"], b"\r\n\r\npage"),
        ([upgrade(), frame(b"\x03\xe8", CLOSE)], b"\x88\x02\x03\xe8"),
    ],
    ids=["page", "close frame"],
)
@pytest.mark.usefixtures("tls")
async def test_a_tls_connection_ends_behind_its_last_output(
    server: Server, port: int, trust: ssl.SSLContext, writes: list[bytes], last: bytes
) -> None:
    async with connected(port, trust) as (reader, writer):
        writer.write(writes[0])
        for data in writes[1:]:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(data)

        assert (await reader.read()).endswith(last)
        writer.close()
        await writer.wait_closed()
    await eventually(lambda: not server.context.table)


@pytest.mark.usefixtures("tls")
async def test_plain_http_at_a_tls_port_is_answered_in_plain_text(
    server: Server, client: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    await client.send(upgrade())

    assert await client.status() == 400
    assert await client.rest() == b"this port speaks TLS: dial it with wss:// or https\n"
    assert "did not use TLS" in caplog.text
    assert not server.context.table.handshaking


@pytest.mark.usefixtures("tls")
async def test_tls_older_than_1_2_is_refused(port: int, trust: ssl.SSLContext) -> None:
    with pytest.warns(DeprecationWarning, match="TLS"):
        trust.minimum_version = trust.maximum_version = ssl.TLSVersion.TLSv1_1
    trust.set_ciphers("ALL:@SECLEVEL=0")

    with pytest.raises(OSError):
        await shake(port, trust)


@pytest.mark.parametrize(
    ("other", "reason"),
    [(False, "the other side has no certificate"), (True, "its certificate is not accepted")],
    ids=["no certificate", "a certificate of another authority"],
)
async def test_a_client_needs_a_certificate_of_the_authority_where_one_is_required(
    server: Server,
    port: int,
    authority: Authority,
    directory: Path,
    trust: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
    other: bool,
    reason: str,
) -> None:
    found = contexts(authority, client=True)
    server.context.tls = found.server
    if other:
        trust.load_cert_chain(*Authority(directory, "other-ca").issue("other"))

    with pytest.raises((OSError, EOFError)):
        await shake(port, trust)
    await eventually(lambda: reason in caplog.text)

    assert (await shake(port, found.client)).startswith(b"HTTP/1.1 101 ")


@pytest.mark.usefixtures("tls")
async def test_new_certificates_hold_for_new_connections_and_open_ones_stay(
    server: Server, port: int, trust: ssl.SSLContext, directory: Path
) -> None:
    new = Authority(directory, "new-ca")
    async with connected(port, trust) as (reader, writer):
        writer.write(upgrade("/", OFFER))
        await reader.readuntil(b"\r\n\r\n")

        server.context.tls = contexts(new).server

        with pytest.raises(ssl.SSLCertVerificationError):
            await shake(port, trust)
        assert (await shake(port, client_context(new.ca))).startswith(b"HTTP/1.1 101 ")
        writer.write(frame("still here"))
        assert (await reader.readexactly(12)).endswith(b"still here")


@pytest.mark.usefixtures("tls")
async def test_tls_can_be_turned_off_for_new_connections(
    server: Server, client: RawClient, port: int
) -> None:
    server.context.tls = None

    async with RawClient(port) as plain:
        assert "101" in await plain.shake()


# Incomplete handshakes.


@pytest.mark.parametrize("begin", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
@pytest.mark.usefixtures("tls")
async def test_an_incomplete_tls_handshake_is_cut_at_the_limit(
    server: Server, port: int, begin: bytes
) -> None:
    server.context.limits = Limits(handshake=MOMENT)
    async with RawClient(port) as client:
        await client.send(begin)

        assert await client.rest() == b""
    await eventually(lambda: not server.context.table.handshaking)


@pytest.mark.usefixtures("tls")
async def test_a_tls_connection_without_a_request_is_cut_at_the_limit(
    server: Server, port: int, trust: ssl.SSLContext
) -> None:
    server.context.limits = Limits(handshake=10 * MOMENT)
    with pytest.raises((OSError, EOFError)):
        async with connected(port, trust) as (reader, _):
            await reader.readexactly(1)


@pytest.mark.parametrize("begin", [b"", b"\x16\x03\x01"])
@pytest.mark.usefixtures("tls")
async def test_one_tls_handshake_too_many_cuts_the_oldest(
    server: Server, port: int, trust: ssl.SSLContext, begin: bytes
) -> None:
    server.context.table.max_handshaking = 1
    async with RawClient(port) as old:
        await old.send(begin)
        await eventually(lambda: server.context.table.handshaking)

        assert (await shake(port, trust)).startswith(b"HTTP/1.1 101 ")
        assert await old.rest() == b""


@pytest.mark.usefixtures("tls")
async def test_tls_handshakes_count_as_open_connections(
    server: Server, port: int, trust: ssl.SSLContext
) -> None:
    table = server.context.table
    async with RawClient(port), RawClient(port):
        await eventually(lambda: len(table.handshaking) == 2)
        assert (await shake(port, trust)).startswith(b"HTTP/1.1 101 ")
        await eventually(lambda: len(table) == 2)
        async with RawClient(port) as third:
            await eventually(lambda: len(table.handshaking) == 3)
            async with RawClient(port) as fourth:
                assert await fourth.rest() == b""
            third.socket.close()


@pytest.mark.usefixtures("tls")
async def test_clients_that_come_and_go_leave_no_open_files(
    server: Server, port: int, trust: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    table = server.context.table
    table.max_open = 1000
    await shake(port, trust)  # the first connection makes the loop keep one file for itself
    await eventually(lambda: not table)
    before = len(os.listdir("/proc/self/fd"))
    for begin in (b"", b"\x16", b"\x16\x03\x01\x02", b"GET / HTTP/1.1\r\n", b"\x00") * 10:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(begin)
    for _ in range(10):
        await shake(port, trust)

    await eventually(lambda: not table.handshaking and not table)
    await eventually(lambda: len(os.listdir("/proc/self/fd")) <= before)


@pytest.mark.usefixtures("tls")
async def test_a_closed_server_ends_tls_handshakes(
    server: Server, client: RawClient, port: int
) -> None:
    async with RawClient(port) as waiting:
        await waiting.send(b"\x16\x03\x01")
        await eventually(lambda: len(server.context.table.handshaking) == 2)

        server.close()

        assert await waiting.rest() == b""
