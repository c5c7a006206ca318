"""Work that a signal ends in good order."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def until_signal(work: Coroutine[Any, Any, T]) -> T | None:
    """Run ``work``; at Ctrl-C, SIGTERM or a hang-up of the terminal cancel it and give None."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    asked = False

    def stop() -> None:
        # Once: a second Ctrl-C must not break off the tidying up.
        nonlocal asked
        if not asked:
            asked = True
            task.cancel()

    for number in _SIGNALS:
        # Only the main thread may mind signals; elsewhere whoever started us does.
        with contextlib.suppress(RuntimeError, ValueError):
            loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if not asked:
            raise
        return None
