"""Waiting for what can be seen, never for time to pass."""

import asyncio
import inspect
from collections.abc import Callable
from time import monotonic

SLACK = 1.4
"""Seconds that a busy machine may add to what is promised: 0.5 s are told from the default of 2."""

LOOK_EVERY = 0.01


async def eventually(
    condition: Callable[[], object],
    *,
    within: float = 30.0,
    why: Callable[[], object] | None = None,
) -> None:
    """Look until ``condition``, which may be a coroutine function, tells something true.

    Raises AssertionError after ``within`` seconds, with what ``why`` or the last look told.
    """
    deadline = monotonic() + within
    while True:
        seen = condition()
        if inspect.isawaitable(seen):
            seen = await seen
        if seen:
            return
        if monotonic() > deadline:
            told = seen if why is None else why()
            raise AssertionError(f"not within {within:g} s: {told!r}")
        await asyncio.sleep(LOOK_EVERY)
