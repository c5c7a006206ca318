"""Run a coroutine until a signal ends it."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def until_signal(work: Coroutine[Any, Any, T]) -> T | None:
    """Run ``work``. SIGINT, SIGTERM and SIGHUP cancel it; the result is then None."""
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
        # Outside the main thread handlers are refused; there the starter handles signals.
        with contextlib.suppress(RuntimeError, ValueError):
            loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if not stopped:
            raise
        return None
