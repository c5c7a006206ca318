"""The server over TLS: who gets through, who does not, and what both are told."""

import asyncio
import logging
import os
import socket
import ssl
from pathlib import Path

import pytest

from doubles.certificates import Authority
from eventually import eventually
from live.raw import CLOSE, RawClient, frame, upgrade
from nodnod_agent.auth.tls import Contexts, read_contexts
from nodnod_agent.core.limits import Limits
from nodnod_agent.transport.server import Server
from nodnod_client.tls import client_context
from transport.sessions import MOMENT, OFFER


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(directory: Path) -> Authority:
    return Authority(directory)


def contexts(authority: Authority, name: str = "agent", *, client: bool = False) -> Contexts:
    found = read_contexts(*authority.issue(name), authority.ca, require_client_cert=client)
    assert found is not None
    return found


@pytest.fixture
def tls(server: Server, authority: Authority) -> Contexts:
    found = contexts(authority)
    server.tls = found.server
    return found


async def shake(port: int, context: ssl.SSLContext) -> bytes:
    """The head of what comes back from a handshake with one message behind it, and that message."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="127.0.0.1"
    )
    try:
        writer.write(upgrade("/", OFFER) + frame("hello"))
        return await reader.readuntil(b"hello")
    finally:
        writer.transport.abort()


async def test_a_websocket_goes_over_tls(
    server: Server, port: int, tls: Contexts, authority: Authority
) -> None:
    assert (await shake(port, client_context(authority.ca))).startswith(b"HTTP/1.1 101 ")
    await eventually(lambda: not server.clients)
    assert not server.pending


async def test_a_page_goes_over_tls_to_its_end(
    server: Server, port: int, tls: Contexts, authority: Authority
) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=client_context(authority.ca), server_hostname="127.0.0.1"
    )
    writer.write(b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n")

    assert (await reader.read()).endswith(b"\r\n\r\npage")
    writer.close()
    await writer.wait_closed()
    await eventually(lambda: not server.clients)


async def test_a_goodbye_over_tls_ends_the_connection(
    server: Server, port: int, tls: Contexts, authority: Authority
) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=client_context(authority.ca), server_hostname="127.0.0.1"
    )
    writer.write(upgrade("/"))
    await reader.readuntil(b"\r\n\r\n")
    writer.write(frame(b"\x03\xe8", CLOSE))

    assert await reader.read() == b"\x88\x02\x03\xe8"
    writer.transport.abort()
    await eventually(lambda: not server.clients)


async def test_plain_http_at_a_port_of_tls_is_answered_in_plain_words(
    server: Server, tls: Contexts, client: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    await client.send(upgrade())

    assert await client.status() == 400
    assert await client.rest() == b"this port speaks TLS: dial it with wss:// or https\n"
    assert "it speaks none" in caplog.text
    assert not server.pending


async def test_old_tls_is_refused(
    server: Server, port: int, tls: Contexts, authority: Authority
) -> None:
    old = client_context(authority.ca)
    with pytest.warns(DeprecationWarning, match="TLS"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")

    with pytest.raises(OSError):
        await shake(port, old)


async def test_who_has_no_certificate_is_refused_where_one_is_required(
    server: Server, port: int, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    server.tls = contexts(authority, client=True).server

    with pytest.raises((OSError, EOFError)):
        await shake(port, client_context(authority.ca))
    await eventually(lambda: "the other side has no certificate" in caplog.text)


async def test_who_has_a_certificate_of_ours_is_let_in_where_one_is_required(
    server: Server, port: int, authority: Authority
) -> None:
    found = contexts(authority, client=True)
    server.tls = found.server

    assert (await shake(port, found.client)).startswith(b"HTTP/1.1 101 ")


async def test_who_has_a_certificate_of_another_authority_is_refused(
    server: Server,
    port: int,
    authority: Authority,
    directory: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.tls = contexts(authority, client=True).server
    context = client_context(authority.ca)
    context.load_cert_chain(*Authority(directory, "other-ca").issue("other"))

    with pytest.raises((OSError, EOFError)):
        await shake(port, context)
    await eventually(lambda: "its certificate is not accepted" in caplog.text)


async def test_new_certificates_hold_for_those_who_come_and_old_ones_for_those_who_are_there(
    server: Server, port: int, tls: Contexts, authority: Authority, directory: Path
) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=client_context(authority.ca), server_hostname="127.0.0.1"
    )
    writer.write(upgrade("/", OFFER))
    await reader.readuntil(b"\r\n\r\n")
    new = Authority(directory, "new-ca")

    server.tls = contexts(new, "new").server

    with pytest.raises(ssl.SSLCertVerificationError):
        await shake(port, client_context(authority.ca))
    assert (await shake(port, client_context(new.ca))).startswith(b"HTTP/1.1 101 ")
    writer.write(frame("still here"))
    assert (await reader.readexactly(12)).endswith(b"still here")
    writer.transport.abort()


async def test_tls_can_be_turned_off_for_those_who_come(
    server: Server, client: RawClient, tls: Contexts, port: int
) -> None:
    server.tls = None

    async with RawClient(port) as plain:
        assert "101" in await plain.shake()


# Those who never finish their handshake.


@pytest.mark.parametrize("said", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
async def test_half_a_tls_handshake_is_cut_at_the_limit(
    server: Server, tls: Contexts, port: int, said: bytes
) -> None:
    server.limits = Limits(handshake=MOMENT)
    async with RawClient(port) as client:
        await client.send(said)

        assert await client.rest() == b""
    await eventually(lambda: not server.pending)


async def test_a_tls_handshake_without_a_request_is_cut_at_the_limit(
    server: Server, tls: Contexts, port: int, authority: Authority
) -> None:
    server.limits = Limits(handshake=10 * MOMENT)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=client_context(authority.ca), server_hostname="127.0.0.1"
    )
    with pytest.raises((OSError, EOFError)):
        await reader.readexactly(1)
    writer.close()


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01"])
async def test_one_too_many_before_the_tls_handshake_ends_the_oldest(
    server: Server, tls: Contexts, port: int, authority: Authority, said: bytes
) -> None:
    server.limits = Limits(unauthenticated=1)
    async with RawClient(port) as old:
        await old.send(said)
        await eventually(lambda: server.pending)

        assert (await shake(port, client_context(authority.ca))).startswith(b"HTTP/1.1 101 ")
        assert await old.rest() == b""


async def test_handshakes_count_among_the_connections(
    server: Server, tls: Contexts, port: int, authority: Authority
) -> None:
    context = client_context(authority.ca)
    async with RawClient(port), RawClient(port):
        await eventually(lambda: len(server.pending) == 2)
        assert (await shake(port, context)).startswith(b"HTTP/1.1 101 ")
        await eventually(lambda: not server.clients)
        async with RawClient(port) as third:
            await eventually(lambda: len(server.pending) == 3)
            async with RawClient(port) as fourth:
                assert await fourth.rest() == b""
            third.socket.close()


async def test_who_comes_and_goes_leaves_nothing_behind(
    server: Server, tls: Contexts, port: int, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.max_clients = 1000
    context = client_context(authority.ca)
    await shake(port, context)  # a loop keeps one file for itself from the first connection on
    await eventually(lambda: not server.pending and not server.clients)
    before = len(os.listdir("/proc/self/fd"))
    for said in (b"", b"\x16", b"\x16\x03\x01\x02", b"GET / HTTP/1.1\r\n", b"\x00") * 10:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(said)
    for _ in range(10):
        await shake(port, context)

    await eventually(lambda: not server.pending and not server.clients)
    await eventually(lambda: len(os.listdir("/proc/self/fd")) <= before)


async def test_a_closed_server_ends_handshakes_that_are_under_way(
    server: Server, client: RawClient, tls: Contexts, port: int
) -> None:
    async with RawClient(port) as waiting:
        await waiting.send(b"\x16\x03\x01")
        await eventually(lambda: len(server.pending) == 2)

        server.close()

        assert await waiting.rest() == b""
