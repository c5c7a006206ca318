"""The event loops that a program may run on."""

import asyncio
from collections.abc import Callable

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
try:
    import uvloop
except ImportError:  # the agent does without as well
    pass
else:
    LOOPS["uvloop"] = uvloop.new_event_loop
