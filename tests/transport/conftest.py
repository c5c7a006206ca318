"""Connections, servers and dialers to test, and the event loops on which to test them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from doubles.certificates import Authority
from live.raw import RawClient
from live.raw_tls import Connect, TlsRawClient
from loops import LOOPS
from nodnod_agent.auth.policy import AuthPolicy
from nodnod_agent.auth.tls import TlsContexts
from nodnod_agent.auth.tokens import Tokens
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.transport import server as server_module
from nodnod_agent.transport.fair_queue import FairQueue
from nodnod_agent.transport.server import Server
from nodnod_agent.transport.server_connection import ServerContext
from nodnod_client.address import Address
from transport.access import SECRET, contexts, token_policy
from transport.harness import Harness, MakeHarness
from transport.peers import FakeLink
from transport.sessions import MOMENT, FakeService

REAL_SOCKETS = ("test_server", "test_dialer")


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run tests with real sockets on every loop that an agent may run on."""
    if item.path.name.startswith(REAL_SOCKETS):
        return LOOPS
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture(params=["tcp", "tls"])
def make_harness(request: pytest.FixtureRequest) -> MakeHarness:
    """Make a connection, over TLS or not."""
    if request.param == "tcp":
        return Harness
    return partial(Harness, tls=request.getfixturevalue("tls_contexts"))


@pytest.fixture
def harness(make_harness: MakeHarness) -> Harness:
    return make_harness()


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def listener() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


@pytest.fixture
def port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


@pytest.fixture
def address(port: int) -> Address:
    return Address("127.0.0.1", port)


@pytest.fixture
async def server(
    service: FakeService, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Server]:
    monkeypatch.setattr(server_module, "CHECK_EVERY", MOMENT / 5)
    loop = asyncio.get_running_loop()
    context = ServerContext(
        loop=loop,
        queue=FairQueue(loop),
        accept=service.accept,
        page=service.answer,
        hello=Hello(2, "kåre", "instance-of-kåre"),
        max_clients=3,
    )
    server = Server(context)
    server.listen([listener])
    yield server
    server.close()
    await server.drained(0.0)


@pytest.fixture
async def client(server: Server, port: int) -> AsyncIterator[RawClient]:
    async with RawClient(port) as client:
        yield client


@pytest.fixture(params=["tcp", "tls"])
def connect(request: pytest.FixtureRequest, server: Server, port: int) -> Connect:
    """Make a client of the server, which speaks TLS or not."""
    if request.param == "tcp":
        return partial(RawClient, port)
    found: TlsContexts = request.getfixturevalue("tls_contexts")
    server.context.tls = found.server
    return partial(TlsRawClient, port, found.client)


@pytest.fixture
def tokens() -> Tokens:
    return Tokens([SECRET])


@pytest.fixture
def policy(server: Server, tokens: Tokens) -> AuthPolicy:
    """The server requires a token."""
    server.context.policy = token_policy(tokens, Address("10.0.0.5", 7070))
    return server.context.policy


@pytest.fixture
async def link() -> AsyncIterator[FakeLink]:
    link = FakeLink()
    yield link
    for connection in link.context.table:
        connection.abort()
    await link.drained()


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="session")
def authority(directory: Path) -> Authority:
    return Authority(directory)


@pytest.fixture(scope="session")
def tls_contexts(authority: Authority) -> TlsContexts:
    return contexts(authority)
