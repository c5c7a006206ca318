"""Real NATS servers, backplanes that are always stopped, and the loops on which to test them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from backplane.recorder import Recorder, backplane
from backplane.servers import NatsServer
from loops import LOOPS
from nodnod_agent.backplane import client as client_module
from nodnod_agent.backplane import nats as nats_module
from nodnod_agent.backplane.nats import NatsBackplane


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run tests with real servers on every loop that an agent may run on."""
    return LOOPS


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again, ping and give up sooner than an agent does."""
    monkeypatch.setattr(nats_module, "RETRY", 0.1)
    monkeypatch.setattr(client_module, "PING_EVERY", 0.2)
    monkeypatch.setattr(client_module, "SILENCE", 1.0)


class StartServer(Protocol):
    """Starts a server with a configuration."""

    def __call__(self, config: str = "", /) -> NatsServer: ...


class Connect(Protocol):
    """Starts a backplane with these settings, and what it reports to."""

    def __call__(
        self, environment: Mapping[str, str] | None = None, /, **settings: Any
    ) -> tuple[NatsBackplane, Recorder]: ...


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    started: list[NatsServer] = []

    def start(config: str = "", /) -> NatsServer:
        server = NatsServer(tmp_path, f"nats{len(started)}", config)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.close()


@pytest.fixture
def server(start_server: StartServer) -> NatsServer:
    return start_server()


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Start backplanes; afterwards they stop, and leave no task behind."""
    others = asyncio.all_tasks()
    started: list[NatsBackplane] = []

    def start(
        environment: Mapping[str, str] | None = None, /, **settings: Any
    ) -> tuple[NatsBackplane, Recorder]:
        handler = Recorder()
        one = backplane(environment, **settings)
        started.append(one)
        one.start(handler)
        return one, handler

    yield start
    for one in started:
        await one.stop()
    await asyncio.sleep(0)
    left = {repr(task) for task in asyncio.all_tasks() - others - {asyncio.current_task()}}
    assert left == set()
