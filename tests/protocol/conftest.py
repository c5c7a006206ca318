"""The client is run on every loop that a program of its users may have."""

import asyncio
from collections.abc import Callable

import pytest

from loops import LOOPS

CLIENTS = ("test_client", "test_connecting", "test_secure_client", "test_stream.")


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Which loops a test is to be run on."""
    if item.path.name.startswith(CLIENTS):
        return LOOPS
    return {"asyncio": asyncio.new_event_loop}
