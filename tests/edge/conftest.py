"""Which event loops the tests of real sockets run on."""

import asyncio
from collections.abc import Callable

import pytest

BOTH = {"test_server.py", "test_links.py", "test_lookup.py"}

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
try:
    import uvloop
except ImportError:  # the agent does without as well
    pass
else:
    LOOPS["uvloop"] = uvloop.new_event_loop


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return LOOPS if item.path.name in BOTH else {"asyncio": asyncio.new_event_loop}
