"""Dialing with a secret: the token that a dialer sends, and the proof that it requires."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request

from nodnod_agent.auth.tokens import Tokens
from nodnod_agent.transport.server import Server
from nodnod_client.address import Address
from transport.access import SECRET, token_policy
from transport.peers import HELLO, FakeLink, listening, peer
from transport.sessions import FakeService

OTHER = b"a secret of some other cluster, not ours"
NO_PROOF = ("refused", "it does not prove that it knows the cluster's secret")


@pytest.fixture
def with_secret(link: FakeLink, tokens: Tokens) -> FakeLink:
    """A link whose dialer knows the secret."""
    link.context.tokens = tokens
    return link


class Impostor:
    """A server at the address of an agent that keeps what it receives."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.received: list[str | bytes] = []
        self.headers: dict[str, str] = {}
        self.address = Address("", 0)

    async def serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.requests.append(connection.request)
        async for message in connection:
            self.received.append(message)


@pytest.fixture
async def impostor() -> AsyncIterator[Impostor]:
    impostor = Impostor()
    async with peer(impostor.serve, headers=impostor.headers) as impostor.address:
        yield impostor


@pytest.mark.usefixtures("policy")
async def test_agents_with_one_secret_connect(
    with_secret: FakeLink, address: Address, service: FakeService
) -> None:
    report, _, hello = await with_secret.dial(address)

    assert (report, hello.name) == ("opened", "kåre")
    assert service.sessions[0].hello == replace(HELLO, operator="kåre")


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [
        (Tokens([OTHER]), "it refuses us: not a token of this cluster (HTTP 401)"),
        (None, "it requires authentication: set auth.secrets (HTTP 401)"),
    ],
    ids=["another secret", "no secret"],
)
async def test_an_agent_without_the_secret_is_refused(
    server: Server,
    link: FakeLink,
    address: Address,
    service: FakeService,
    tokens: Tokens | None,
    reason: str,
) -> None:
    server.context.policy = token_policy(Tokens([SECRET]), Address("10.0.0.5", 7070))
    link.context.tokens = tokens

    assert await link.dial(address) == ("refused", reason)
    assert service.sessions == []


async def test_an_impostor_without_a_proof_receives_nothing(
    with_secret: FakeLink, impostor: Impostor
) -> None:
    assert await with_secret.dial(impostor.address) == NO_PROOF
    await with_secret.drained()
    assert impostor.received == []


@pytest.mark.parametrize("proof", ["", "0" * 64, "é".encode().decode("latin-1"), None])
async def test_an_invented_or_reused_proof_is_rejected(
    with_secret: FakeLink, proof: str | None, tokens: Tokens, impostor: Impostor
) -> None:
    _, of_another_dial = tokens.for_dial("kåre", [str(impostor.address)])
    impostor.headers["NodNod-Proof"] = of_another_dial if proof is None else proof

    assert await with_secret.dial(impostor.address) == NO_PROOF


@pytest.mark.usefixtures("policy")
async def test_an_impostor_cannot_use_the_token_of_a_dial_at_a_real_agent(
    with_secret: FakeLink, address: Address, service: FakeService
) -> None:
    """It relays every byte, but the token names the address that was dialed."""
    response = asyncio.get_running_loop().create_future()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(*address)
        inner_writer.write(await reader.readuntil(b"\r\n\r\n"))
        response.set_result(await inner_reader.readuntil(b"\r\n\r\n"))
        writer.write(response.result())
        for one in (writer, inner_writer):
            one.close()

    async with listening(relay) as relay_address:
        assert (await with_secret.dial(relay_address))[0] == "refused"
    assert (await response).startswith(b"HTTP/1.1 401 ")
    assert b"NodNod-Proof" not in await response
    assert service.sessions == []


async def test_a_dialer_without_a_secret_sends_no_token(link: FakeLink, impostor: Impostor) -> None:
    assert (await link.dial(impostor.address))[0] == "opened"
    assert "Authorization" not in impostor.requests[0].headers


async def test_the_host_header_is_the_dialed_address_not_the_name(
    link: FakeLink, impostor: Impostor
) -> None:
    await link.dial(Address("kyle", impostor.address.port))

    assert impostor.requests[0].headers.get_all("Host") == [str(impostor.address)]
