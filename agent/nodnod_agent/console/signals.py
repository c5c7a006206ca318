"""Run a coroutine until a signal ends it."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def until_signal(work: Coroutine[Any, Any, T]) -> T | None:
    """Run ``work`` in the main thread. A signal cancels it; the result is then None."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    stopped = False

    def stop() -> None:
        # Only once: a second Ctrl-C must not interrupt the cleanup.
        nonlocal stopped
        if not stopped:
            stopped = True
            task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if not stopped:
            raise
        return None
