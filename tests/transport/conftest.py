"""Pumps, servers and dialled links to test, and which event loops that is done on."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest

from live.raw import RawClient
from loops import LOOPS
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.transport import server as server_module
from nodnod_agent.transport.connection import Connection
from nodnod_agent.transport.dialer import Dialer
from nodnod_agent.transport.server import Server
from transport.connections import Echo, ServerPump
from transport.fakes import FakeLoop, FakeTransport
from transport.peers import HELLO, FakeEnd, by_name
from transport.sessions import MOMENT, FakeService

REAL_SOCKETS = ("test_server", "test_links", "test_lookup")


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run what uses real sockets on every loop that an agent may run on."""
    if item.path.name.startswith(REAL_SOCKETS):
        return LOOPS
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
def loop() -> FakeLoop:
    return FakeLoop()


@pytest.fixture
def pump(loop: FakeLoop) -> Connection:
    pump = ServerPump(loop)
    pump.connection_made(FakeTransport(pump))
    return pump


@pytest.fixture
def transport(pump: Connection) -> FakeTransport:
    return cast(FakeTransport, pump.transport)


@pytest.fixture
def user(pump: Connection) -> Echo:
    echo = Echo(pump)
    pump.user = echo
    return echo


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
async def server(
    service: FakeService, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Server]:
    monkeypatch.setattr(server_module, "SWEEP", MOMENT / 5)
    server = Server(
        asyncio.get_running_loop(),
        service,
        hello=Hello(2, "kåre", "instance-of-kåre"),
        page=service.answer,
        max_clients=3,
    )
    server.listen([listener])
    yield server
    server.close()
    await server.drained(0.0)


@pytest.fixture
async def client(server: Server, port: int) -> AsyncIterator[RawClient]:
    async with RawClient(port) as client:
        yield client


@pytest.fixture
def end() -> FakeEnd:
    return FakeEnd()


@pytest.fixture
async def dialler() -> AsyncIterator[Dialer]:
    dialler = Dialer(asyncio.get_running_loop(), HELLO, by_name)
    yield dialler
    for pump in tuple(dialler.open):
        pump.abort()
    await dialler.drained(5.0)
