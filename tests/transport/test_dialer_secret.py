"""Dialling with a secret: what a dial shows, and what it wants to be shown."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from nodnod_agent.auth.hosts import HostPolicy
from nodnod_agent.auth.policy import AuthPolicy
from nodnod_agent.auth.tokens import Tokens
from nodnod_agent.transport.dialer import Dialer
from nodnod_agent.transport.handshake import SUBPROTOCOL
from nodnod_agent.transport.server import Server
from nodnod_client.address import Address
from transport.peers import HELLO, FakeEnd
from transport.sessions import FakeService

SECRET = b"a secret of this cluster, and no other"
OTHER = b"a secret of some other cluster, not ours"
UNPROVED = ("refused", "it does not prove that it knows the cluster's secret")


@pytest.fixture
def knowing(dialler: Dialer) -> Dialer:
    """A dialler that knows the secret."""
    dialler.tokens = Tokens([SECRET])
    return dialler


class Impostor:
    """Somebody who listens where an agent is expected, and keeps what it hears."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.heard: list[str | bytes] = []
        self.headers: dict[str, str] = {}
        self.address = Address("", 0)

    async def serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.requests.append(connection.request)
        async for message in connection:
            self.heard.append(message)

    def answer(self, _: ServerConnection, __: Request, response: Response) -> None:
        response.headers.update(self.headers)

    @property
    def token(self) -> str:
        return self.requests[0].headers["Authorization"].removeprefix("Bearer ")


@asynccontextmanager
async def impostor() -> AsyncIterator[Impostor]:
    someone = Impostor()
    async with serve(
        someone.serve,
        "127.0.0.1",
        0,
        subprotocols=[SUBPROTOCOL],
        process_response=someone.answer,
        compression=None,
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        someone.address = Address("127.0.0.1", port)
        yield someone


@pytest.fixture
def gate(server: Server) -> AuthPolicy:
    gate = AuthPolicy(advertised=Address("10.0.0.5", 7070), is_public=lambda path: False)
    gate.hosts = HostPolicy()
    gate.tokens = Tokens([SECRET])
    server.gate = gate
    return gate


@pytest.fixture
def address(port: int) -> Address:
    return Address("127.0.0.1", port)


@pytest.mark.usefixtures("gate")
async def test_agents_with_one_secret_know_each_other(
    knowing: Dialer, end: FakeEnd, address: Address, service: FakeService
) -> None:
    knowing(address, end)

    report, _, hello = await end.next()
    assert (report, hello.name) == ("opened", "kåre")
    assert service.visitors[0].hello == HELLO


@pytest.mark.usefixtures("gate")
async def test_a_name_is_dialled_under_the_address_that_it_leads_to(
    knowing: Dialer, end: FakeEnd, port: int
) -> None:
    knowing(Address("kyle", port), end)

    assert (await end.next())[0] == "opened"


@pytest.mark.parametrize(("mine", "theirs"), [([OTHER, SECRET], [SECRET, OTHER])])
async def test_secrets_rotate_without_an_outage(
    knowing: Dialer,
    gate: AuthPolicy,
    end: FakeEnd,
    address: Address,
    mine: list[bytes],
    theirs: list[bytes],
) -> None:
    knowing.tokens, gate.tokens = Tokens(mine), Tokens(theirs)

    knowing(address, end)

    assert (await end.next())[0] == "opened"


@pytest.mark.usefixtures("gate")
async def test_an_agent_with_another_secret_is_told_so(
    knowing: Dialer, end: FakeEnd, address: Address, service: FakeService
) -> None:
    knowing.tokens = Tokens([OTHER])

    knowing(address, end)

    assert await end.next() == (
        "refused",
        "it refuses us: not a token of this cluster (HTTP 401)",
    )
    assert service.visitors == []


@pytest.mark.usefixtures("gate")
async def test_an_agent_without_a_secret_is_told_what_to_set(
    dialler: Dialer, end: FakeEnd, address: Address
) -> None:
    dialler(address, end)

    assert await end.next() == (
        "refused",
        "it wants to know who we are: set auth.secrets (HTTP 401)",
    )


async def test_an_agent_without_a_secret_is_no_peer_of_one_with(
    server: Server, knowing: Dialer, end: FakeEnd, address: Address
) -> None:
    knowing(address, end)

    assert await end.next() == UNPROVED


async def test_an_impostor_without_a_proof_hears_nothing(knowing: Dialer, end: FakeEnd) -> None:
    async with impostor() as someone:
        knowing(someone.address, end)

        assert await end.next() == UNPROVED
        await knowing.drained(5.0)
    assert someone.heard == []


@pytest.mark.parametrize("proof", ["", "0" * 64, "é".encode().decode("latin-1")])
async def test_a_proof_that_is_made_up_is_none(knowing: Dialer, end: FakeEnd, proof: str) -> None:
    async with impostor() as someone:
        someone.headers = {"NodNod-Proof": proof}
        knowing(someone.address, end)

        assert await end.next() == UNPROVED


async def test_a_proof_that_was_given_to_another_dial_is_none(
    knowing: Dialer, end: FakeEnd
) -> None:
    tokens = Tokens([SECRET])
    async with impostor() as someone:
        _, proof = tokens.for_dial("kåre", [str(someone.address)])
        someone.headers = {"NodNod-Proof": proof}
        knowing(someone.address, end)

        assert await end.next() == UNPROVED


async def test_what_an_impostor_is_shown_lets_him_in_nowhere(
    knowing: Dialer, end: FakeEnd, gate: AuthPolicy, address: Address, service: FakeService
) -> None:
    async with impostor() as someone:
        knowing(someone.address, end)
        await end.next()

        status, headers = await relay(address, someone.token)

    assert status == 401
    assert "NodNod-Proof" not in headers
    assert service.visitors == []


async def test_an_impostor_cannot_pass_a_dial_on_to_a_real_agent(
    knowing: Dialer, end: FakeEnd, gate: AuthPolicy, address: Address, service: FakeService
) -> None:
    """It relays every byte; but the token names where we have dialled, which is not there."""
    reports = asyncio.get_running_loop().create_future()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(*address)
        inner_writer.write(await reader.readuntil(b"\r\n\r\n"))
        reports.set_result(await inner_reader.readuntil(b"\r\n\r\n"))
        writer.write(reports.result())
        for one in (writer, inner_writer):
            one.close()

    async with await asyncio.start_server(pass_on, "127.0.0.1", 0) as relay_server:
        port = relay_server.sockets[0].getsockname()[1]
        knowing(Address("127.0.0.1", port), end)

        assert (await end.next())[0] == "refused"
    assert (await reports).startswith(b"HTTP/1.1 401 ")
    assert service.visitors == []


async def relay(address: Address, token: str) -> tuple[int, str]:
    """Show a token as its owner would; the status and head of the answer."""
    reader, writer = await asyncio.open_connection(*address)
    lines = [
        "GET / HTTP/1.1",
        f"Host: {address}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: nodnod.2",
        f"Authorization: Bearer {token}",
        "",
        "",
    ]
    writer.write("\r\n".join(lines).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    writer.close()
    return int(head.split()[1]), head


async def test_a_dial_without_a_secret_shows_no_token(dialler: Dialer, end: FakeEnd) -> None:
    async with impostor() as someone:
        dialler(someone.address, end)

        assert (await end.next())[0] == "opened"
        assert "Authorization" not in someone.requests[0].headers


async def test_a_dial_asks_for_the_address_and_not_for_the_name_that_leads_there(
    dialler: Dialer, end: FakeEnd
) -> None:
    async with impostor() as someone:
        dialler(Address("kyle", someone.address.port), end)

        await end.next()
        assert someone.requests[0].headers.get_all("Host") == [str(someone.address)]


REFUSALS = {
    "in words": (
        "HTTP/1.1 421 X\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nwrong one",
        "it refuses us: wrong one (HTTP 421)",
    ),
    "in words that would command a terminal": (
        "HTTP/1.1 403 X\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\na\x1b[2J\nb",
        "it refuses us: a[2J (HTTP 403)",
    ),
    "in too many words": (
        f"HTTP/1.1 400 X\r\nContent-Type: text/plain\r\nContent-Length: 999\r\n\r\n{'no ' * 333}",
        f"it refuses us: {('no ' * 333)[:200]} (HTTP 400)",
    ),
    "in a page": (
        "HTTP/1.1 403 X\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\n<b>",
        "not a NodNod agent: HTTP 403",
    ),
    "without a word": (
        "HTTP/1.1 403 X\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n",
        "not a NodNod agent: HTTP 403",
    ),
    "of two kinds": (
        "HTTP/1.1 403 X\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n"
        "Content-Length: 1\r\n\r\nx",
        "not a NodNod agent: HTTP 403",
    ),
}


@pytest.mark.parametrize(("answer", "reason"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_a_refusal_is_told_as_far_as_it_is_words(
    dialler: Dialer, end: FakeEnd, answer: str, reason: str
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer.encode())
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        dialler(Address("127.0.0.1", server.sockets[0].getsockname()[1]), end)

        assert await end.next() == ("refused", reason)
