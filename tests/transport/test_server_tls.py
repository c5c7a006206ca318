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
from nodnod_agent.auth.policy import AuthPolicy
from nodnod_agent.core.limits import Limits
from nodnod_agent.transport.server import Server
from nodnod_client.tls import client_context
from transport.access import contexts
from transport.sessions import MOMENT, OFFER


class TlsServer:
    """A server that speaks TLS, and what its clients need."""

    def __init__(self, server: Server, port: int, authority: Authority) -> None:
        self.context = server.context
        self.context.tls = contexts(authority).server
        self.table = server.context.table
        self.server = server
        self.port = port
        self.authority = authority
        self.trust = client_context(authority.ca)

    @asynccontextmanager
    async def connected(
        self, trust: ssl.SSLContext | None = None
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A client's end of a TLS connection."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=trust or self.trust, server_hostname="127.0.0.1"
        )
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def shake(self, trust: ssl.SSLContext | None = None) -> bytes:
        """The response to an upgrade, and the echo of one message behind it."""
        async with self.connected(trust) as (reader, writer):
            writer.write(upgrade("/", OFFER) + frame("hello"))
            return await reader.readuntil(b"hello")

    async def empty(self) -> None:
        """Wait until no connection is open."""
        await eventually(lambda: not self.table)


@pytest.fixture
def tls(server: Server, port: int, authority: Authority) -> TlsServer:
    return TlsServer(server, port, authority)


@pytest.mark.parametrize(
    ("writes", "last"),
    [
        ([b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"], b"\r\n\r\npage"),
        ([upgrade(), frame(b"\x03\xe8", CLOSE)], b"\x88\x02\x03\xe8"),
    ],
    ids=["page", "close frame"],
)
async def test_a_tls_connection_ends_behind_its_last_output(
    tls: TlsServer, writes: list[bytes], last: bytes
) -> None:
    async with tls.connected() as (reader, writer):
        writer.write(writes[0])
        for data in writes[1:]:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(data)

        assert (await reader.read()).endswith(last)
        writer.close()
        await writer.wait_closed()
    await tls.empty()


async def test_plain_http_at_a_tls_port_is_answered_in_plain_text(
    tls: TlsServer, client: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    await client.send(upgrade())

    assert await client.status() == 400
    assert await client.rest() == b"this port speaks TLS: dial it with wss:// or https\n"
    assert "did not use TLS" in caplog.text
    client.socket.close()
    await tls.empty()


async def test_tls_older_than_1_2_is_refused(tls: TlsServer) -> None:
    with pytest.warns(DeprecationWarning, match="TLS"):
        tls.trust.minimum_version = tls.trust.maximum_version = ssl.TLSVersion.TLSv1_1
    tls.trust.set_ciphers("ALL:@SECLEVEL=0")

    with pytest.raises(OSError):
        await tls.shake()


@pytest.mark.parametrize(
    ("other", "reason"),
    [(False, "the other side has no certificate"), (True, "its certificate is not accepted")],
    ids=["no certificate", "a certificate of another authority"],
)
async def test_a_client_needs_a_certificate_of_the_authority_where_one_is_required(
    tls: TlsServer, directory: Path, caplog: pytest.LogCaptureFixture, other: bool, reason: str
) -> None:
    found = contexts(tls.authority, client=True)
    tls.context.tls = found.server
    if other:
        tls.trust.load_cert_chain(*Authority(directory, "other-ca").issue("other"))

    with pytest.raises((OSError, EOFError)):
        await tls.shake()
    await eventually(lambda: reason in caplog.text)

    assert (await tls.shake(found.client)).startswith(b"HTTP/1.1 101 ")


async def test_new_certificates_hold_for_new_connections_and_open_ones_stay(
    tls: TlsServer, directory: Path
) -> None:
    new = Authority(directory, "new-ca")
    async with tls.connected() as (reader, writer):
        writer.write(upgrade("/", OFFER))
        await reader.readuntil(b"\r\n\r\n")

        tls.context.tls = contexts(new).server

        with pytest.raises(ssl.SSLCertVerificationError):
            await tls.shake()
        assert (await tls.shake(client_context(new.ca))).startswith(b"HTTP/1.1 101 ")
        writer.write(frame("still here"))
        assert (await reader.readexactly(12)).endswith(b"still here")


async def test_tls_can_be_turned_off_for_new_connections(tls: TlsServer, client: RawClient) -> None:
    tls.context.tls = None

    async with RawClient(tls.port) as plain:
        assert "101" in await plain.shake()


@pytest.mark.parametrize(("scheme", "status"), [("http", b"403"), ("https", b"101")])
async def test_over_tls_only_pages_of_tls_are_of_the_same_origin(
    tls: TlsServer, policy: AuthPolicy, scheme: str, status: bytes
) -> None:
    policy.tokens = None
    own = f"127.0.0.1:{tls.port}"
    async with tls.connected() as (reader, writer):
        writer.write(upgrade("/", f"Host: {own}", f"Origin: {scheme}://{own}"))

        assert (await reader.readline()).startswith(b"HTTP/1.1 " + status)


# Incomplete handshakes.


@pytest.mark.parametrize("begin", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
async def test_an_incomplete_tls_handshake_is_cut_at_the_limit(
    tls: TlsServer, begin: bytes
) -> None:
    tls.context.limits = Limits(handshake=MOMENT)
    async with RawClient(tls.port) as client:
        await client.send(begin)

        assert await client.rest() == b""
    await eventually(lambda: not tls.table.handshaking)


async def test_a_tls_connection_without_a_request_is_cut_at_the_limit(tls: TlsServer) -> None:
    tls.context.limits = Limits(handshake=10 * MOMENT)
    with pytest.raises((OSError, EOFError)):
        async with tls.connected() as (reader, _):
            await reader.readexactly(1)


@pytest.mark.parametrize("begin", [b"", b"\x16\x03\x01"])
async def test_one_tls_handshake_too_many_cuts_the_oldest(tls: TlsServer, begin: bytes) -> None:
    tls.table.max_handshaking = 1
    async with RawClient(tls.port) as old:
        await old.send(begin)
        await eventually(lambda: tls.table.handshaking)

        assert (await tls.shake()).startswith(b"HTTP/1.1 101 ")
        assert await old.rest() == b""


async def test_tls_handshakes_count_as_open_connections(tls: TlsServer) -> None:
    async with RawClient(tls.port), RawClient(tls.port):
        await eventually(lambda: len(tls.table.handshaking) == 2)
        assert (await tls.shake()).startswith(b"HTTP/1.1 101 ")
        await eventually(lambda: len(tls.table) == 2)
        async with RawClient(tls.port) as third:
            await eventually(lambda: len(tls.table.handshaking) == 3)
            async with RawClient(tls.port) as fourth:
                assert await fourth.rest() == b""
            third.socket.close()


async def test_clients_that_come_and_go_leave_no_open_files(
    tls: TlsServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tls.table.max_open = 1000
    await tls.shake()  # the first connection makes the loop keep one file for itself
    await eventually(lambda: not tls.table)
    before = len(os.listdir("/proc/self/fd"))
    for begin in (b"", b"\x16", b"\x16\x03\x01\x02", b"GET / HTTP/1.1\r\n", b"\x00") * 10:
        with socket.create_connection(("127.0.0.1", tls.port)) as sock:
            sock.sendall(begin)
    for _ in range(10):
        await tls.shake()

    await eventually(lambda: not tls.table)
    await eventually(lambda: len(os.listdir("/proc/self/fd")) <= before)


async def test_a_closed_server_ends_tls_handshakes(tls: TlsServer, client: RawClient) -> None:
    async with RawClient(tls.port) as waiting:
        await waiting.send(b"\x16\x03\x01")
        await eventually(lambda: len(tls.table.handshaking) == 2)

        tls.server.close()

        assert await waiting.rest() == b""
