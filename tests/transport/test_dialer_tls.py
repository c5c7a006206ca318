"""Dialling over TLS: who is trusted, and which words are found for what fails."""

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from doubles.certificates import Authority
from nodnod_agent.auth.hosts import HostPolicy
from nodnod_agent.auth.policy import AuthPolicy
from nodnod_agent.auth.tls import Contexts, read_contexts
from nodnod_agent.auth.tokens import Tokens
from nodnod_agent.transport.dialer import Dialer
from nodnod_agent.transport.server import Server
from nodnod_client.address import Address
from nodnod_client.tls import CLOSED_AFTER_TLS
from transport.peers import HELLO, FakeEnd
from transport.sessions import FakeService

SECRET = b"a secret of this cluster, and no other"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(directory: Path) -> Authority:
    return Authority(directory)


@pytest.fixture(scope="module")
def stranger(directory: Path) -> Authority:
    """Another authority, whom nobody trusts who trusts ours."""
    return Authority(directory, "stranger-ca")


def contexts(authority: Authority, *hosts: str, ca: str = "", client: bool = False) -> Contexts:
    cert, key = authority.issue("agent", *hosts)
    found = read_contexts(cert, key, ca or authority.ca, require_client_cert=client)
    assert found is not None
    return found


@pytest.fixture
def address(port: int) -> Address:
    return Address("127.0.0.1", port)


@pytest.mark.parametrize("client", [False, True])
async def test_agents_of_one_authority_trust_each_other(
    server: Server,
    service: FakeService,
    dialler: Dialer,
    end: FakeEnd,
    address: Address,
    authority: Authority,
    client: bool,
) -> None:
    found = contexts(authority, client=client)
    server.tls, dialler.tls = found.server, found.client

    dialler(address, end)

    report, wire, _ = await end.next()
    assert report == "opened"
    assert service.visitors[0].hello == HELLO
    wire.send(b"hello")
    assert await end.next() == ("received", b"hello")


async def test_a_name_is_verified_by_that_name_and_not_by_its_address(
    server: Server, dialler: Dialer, end: FakeEnd, port: int, authority: Authority
) -> None:
    found = contexts(authority, "kyle")
    server.tls, dialler.tls = found.server, found.client

    dialler(Address("kyle", port), end)
    assert (await end.next())[0] == "opened"

    dialler(Address("127.0.0.1", port), end)
    report, reason = await end.next()
    assert report == "refused"
    assert reason.startswith("its certificate is not accepted: IP address mismatch")


async def test_over_tls_a_token_is_for_the_name_too_which_the_certificate_has_shown(
    server: Server, dialler: Dialer, end: FakeEnd, port: int, authority: Authority
) -> None:
    found = contexts(authority, "kyle")
    server.tls, dialler.tls = found.server, found.client
    # Behind an address that it does not know of, as one behind a translation of addresses.
    gate = AuthPolicy(advertised=Address("KYLE", port), is_public=lambda path: False)
    gate.hosts = HostPolicy()
    gate.tokens = dialler.tokens = Tokens([SECRET])
    server.gate = lambda request, local, *, tls: gate(request, None, tls=tls)

    dialler(Address("kyle", port), end)

    assert (await end.next())[0] == "opened"


async def test_without_tls_a_token_is_not_for_a_name(
    server: Server, dialler: Dialer, end: FakeEnd, port: int
) -> None:
    gate = AuthPolicy(advertised=Address("kyle", port), is_public=lambda path: False)
    gate.hosts = HostPolicy()
    gate.tokens = dialler.tokens = Tokens([SECRET])
    server.gate = lambda request, local, *, tls: gate(request, None, tls=tls)

    dialler(Address("kyle", port), end)

    assert await end.next() == (
        "refused",
        "it refuses us: the token is for another agent (HTTP 401)",
    )


async def test_a_certificate_of_a_stranger_is_refused(
    server: Server,
    dialler: Dialer,
    end: FakeEnd,
    address: Address,
    authority: Authority,
    stranger: Authority,
) -> None:
    server.tls = contexts(stranger).server
    dialler.tls = contexts(authority).client

    dialler(address, end)

    report, reason = await end.next()
    assert report == "refused"
    assert reason.startswith("its certificate is not accepted: ")
    assert "_ssl.c" not in reason


async def test_a_certificate_of_ours_that_is_not_trusted_is_refused_in_words(
    server: Server,
    service: FakeService,
    dialler: Dialer,
    end: FakeEnd,
    address: Address,
    authority: Authority,
    stranger: Authority,
) -> None:
    server.tls = contexts(authority, client=True).server
    dialler.tls = contexts(stranger, ca=authority.ca).client

    dialler(address, end)

    assert await end.next() == ("refused", CLOSED_AFTER_TLS)
    assert service.visitors == []


async def test_a_plain_dial_to_tls_is_told_so(
    server: Server, dialler: Dialer, end: FakeEnd, address: Address, authority: Authority
) -> None:
    server.tls = contexts(authority).server

    dialler(address, end)

    assert await end.next() == (
        "refused",
        "it refuses us: this port speaks TLS: dial it with wss:// or https (HTTP 400)",
    )


async def test_a_tls_dial_to_a_plain_agent_is_told_so(
    server: Server, dialler: Dialer, end: FakeEnd, address: Address, authority: Authority
) -> None:
    dialler.tls = contexts(authority).client

    dialler(address, end)

    assert await end.next() == ("refused", "it does not speak TLS")


async def test_one_who_hangs_up_on_tls_is_told_so(
    dialler: Dialer, end: FakeEnd, authority: Authority
) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.close()

    dialler.tls = contexts(authority).client
    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        dialler(Address("127.0.0.1", server.sockets[0].getsockname()[1]), end)

        report, reason = await end.next()
    assert report == "refused"
    assert reason in {"closed during the handshake", "closed during the TLS handshake"}


async def test_no_older_tls_than_1_2_is_spoken(
    server: Server, dialler: Dialer, end: FakeEnd, address: Address, authority: Authority
) -> None:
    found = contexts(authority)
    old = found.server
    with pytest.warns(DeprecationWarning, match="TLS"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    server.tls, dialler.tls = old, found.client

    dialler(address, end)

    report, reason = await end.next()
    assert report == "refused"
    assert reason


async def test_a_dial_over_tls_can_be_given_up(
    dialler: Dialer, end: FakeEnd, authority: Authority
) -> None:
    connected, given_up, gone = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await given_up.wait()
        writer.close()  # uvloop itself would do so no sooner than at the limit
        with suppress(OSError):
            await reader.read()
        gone.set()

    dialler.tls = contexts(authority).client
    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        attempt = dialler(Address("127.0.0.1", server.sockets[0].getsockname()[1]), end)
        await asyncio.wait_for(connected.wait(), 10)

        attempt.cancel()

        await dialler.drained(5.0)
        given_up.set()
        await asyncio.wait_for(gone.wait(), 10)
        assert end.reports.empty()
