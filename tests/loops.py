"""The event loops that a program can run on."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
try:
    import uvloop
except ImportError:  # the agent works without it too
    pass
else:

    def end_by_timeout(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Stop where pytest-timeout fails a test: uvloop takes that for one more error, and waits on."""
        loop.default_exception_handler(context)
        if isinstance(context.get("exception"), pytest.fail.Exception):
            loop.stop()

    def new_uvloop() -> asyncio.AbstractEventLoop:
        """Make a loop on which tests have a timeout."""
        loop = uvloop.new_event_loop()
        loop.set_exception_handler(end_by_timeout)
        return loop

    LOOPS["uvloop"] = new_uvloop
