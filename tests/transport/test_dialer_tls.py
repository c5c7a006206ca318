"""Dialing over TLS: which certificates are trusted, and the reasons that are reported."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from doubles.certificates import Authority
from nodnod_agent.auth.tokens import Tokens
from nodnod_agent.transport.server import Server
from nodnod_client.address import Address
from nodnod_client.tls import CLOSED_AFTER_TLS
from transport.access import contexts, token_policy
from transport.peers import HELLO, FakeLink, listening
from transport.sessions import FakeService


@pytest.mark.parametrize("client", [False, True])
async def test_agents_of_one_authority_trust_each_other(
    server: Server,
    service: FakeService,
    link: FakeLink,
    address: Address,
    authority: Authority,
    client: bool,
) -> None:
    found = contexts(authority, client=client)
    server.context.tls, link.context.tls = found.server, found.client

    report, wire, _ = await link.dial(address)

    assert report == "opened"
    assert service.sessions[0].hello == replace(HELLO, operator="")
    wire.send(b"hello")
    assert await link.next() == ("received", b"hello")


async def test_a_host_is_verified_by_the_name_that_was_dialed(
    server: Server, link: FakeLink, port: int, authority: Authority
) -> None:
    found = contexts(authority, "kyle")
    server.context.tls, link.context.tls = found.server, found.client

    assert (await link.dial(Address("kyle", port)))[0] == "opened"

    report, reason = await link.dial(Address("127.0.0.1", port))
    assert report == "refused"
    assert reason.startswith("its certificate is not accepted: IP address mismatch")


@pytest.mark.parametrize("tls", [True, False])
async def test_a_token_is_valid_for_the_name_only_if_a_certificate_proves_the_name(
    server: Server, link: FakeLink, tokens: Tokens, port: int, authority: Authority, tls: bool
) -> None:
    if tls:
        found = contexts(authority, "kyle")
        server.context.tls, link.context.tls = found.server, found.client
    # The server does not know the address that was dialed, as behind network address translation.
    policy = token_policy(tokens, Address("KYLE", port))
    server.context.policy = lambda request, local, *, tls: policy(  # type: ignore[assignment]
        request, None, tls=tls
    )
    link.context.tokens = tokens

    report, *reason = await link.dial(Address("kyle", port))

    assert report == ("opened" if tls else "refused")
    assert tls or reason == ["it refuses us: the token is for another agent (HTTP 401)"]


async def test_a_server_certificate_of_another_authority_is_refused(
    server: Server, link: FakeLink, address: Address, authority: Authority, directory: Path
) -> None:
    server.context.tls = contexts(Authority(directory, "other-ca")).server
    link.context.tls = contexts(authority).client

    report, reason = await link.dial(address)

    assert report == "refused"
    assert reason.startswith("its certificate is not accepted: ")
    assert "_ssl.c" not in reason


async def test_a_client_certificate_that_is_not_trusted_is_refused(
    server: Server,
    service: FakeService,
    link: FakeLink,
    address: Address,
    authority: Authority,
    directory: Path,
) -> None:
    server.context.tls = contexts(authority, client=True).server
    link.context.tls = contexts(Authority(directory, "other-ca"), ca=authority.ca).client

    assert await link.dial(address) == (
        "refused",
        "the other side does not trust our certificate's authority",
    )
    assert service.sessions == []


async def test_a_peer_that_closes_right_after_the_tls_handshake_may_require_a_certificate(
    link: FakeLink, authority: Authority
) -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    found = contexts(authority)
    link.context.tls = found.client
    async with listening(close, tls=found.server) as address:
        assert await link.dial(address) == ("refused", CLOSED_AFTER_TLS)


@pytest.mark.parametrize(
    ("tls", "reason"),
    [
        (False, "it refuses us: this port speaks TLS: dial it with wss:// or https (HTTP 400)"),
        (True, "it does not speak TLS"),
    ],
)
async def test_a_dial_with_tls_on_one_side_only_is_refused(
    server: Server, link: FakeLink, address: Address, authority: Authority, tls: bool, reason: str
) -> None:
    found = contexts(authority)
    if tls:
        link.context.tls = found.client
    else:
        server.context.tls = found.server

    assert await link.dial(address) == ("refused", reason)


async def test_a_peer_that_closes_during_the_tls_handshake_is_refused(
    link: FakeLink, authority: Authority
) -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.close()

    link.context.tls = contexts(authority).client
    async with listening(close) as address:
        report, reason = await link.dial(address)

    assert report == "refused"
    assert reason in {"closed during the handshake", "closed during the TLS handshake"}


async def test_a_dial_over_tls_can_be_cancelled(link: FakeLink, authority: Authority) -> None:
    connected, cancelled, gone = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def send_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await cancelled.wait()
        writer.close()  # uvloop closes the other end only at the limit
        with suppress(OSError):
            await reader.read()
        gone.set()

    link.context.tls = contexts(authority).client
    async with listening(send_nothing) as address:
        attempt = link.start(address)
        await asyncio.wait_for(connected.wait(), 10)

        attempt.cancel()

        await link.drained()
        cancelled.set()
        await asyncio.wait_for(gone.wait(), 10)
        assert link.reports.empty()
