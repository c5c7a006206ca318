"""The event loops that a program can run on."""

import asyncio
from collections.abc import Callable

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
try:
    import uvloop
except ImportError:  # the agent works without it too
    pass
else:
    LOOPS["uvloop"] = uvloop.new_event_loop
