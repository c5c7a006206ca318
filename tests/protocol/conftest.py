"""Servers of both versions, and the event loops on which the tests of the client run."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from doubles.v1_server import V1Server, node_object
from doubles.v2_server import V2Server
from loops import LOOPS

CLIENT_TESTS = ("test_client", "test_connecting", "test_secure_client", "test_stream")


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the tests of the client on every loop that a program may use."""
    if item.path.name.startswith(CLIENT_TESTS):
        return LOOPS
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
async def v1() -> AsyncIterator[V1Server]:
    async with V1Server() as server:
        yield server


@pytest.fixture
async def v2() -> AsyncIterator[V2Server]:
    async with V2Server() as server:
        yield server


@pytest.fixture(params=[V1Server, V2Server])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[V1Server]:
    """An agent of each version, with two nodes."""
    async with request.param(nodes=[node_object("kyle"), node_object("kenny")]) as server:
        yield server
