"""Waiting for a condition, never for time to pass."""

import asyncio
import inspect
from collections.abc import Callable
from time import monotonic

SLACK = 1.4
"""Seconds that a busy machine may add to a promise; still far from the default deadline of 2."""

LOOK_EVERY = 0.01


async def eventually(
    condition: Callable[[], object],
    *,
    within: float = 30.0,
    why: Callable[[], object] | None = None,
) -> None:
    """Poll until ``condition``, which may be a coroutine function, returns something true.

    Raises AssertionError after ``within`` seconds, with the result of ``why`` or of the last poll.
    """
    deadline = monotonic() + within
    while True:
        seen = condition()
        if inspect.isawaitable(seen):
            seen = await seen
        if seen:
            return
        if monotonic() > deadline:
            last = seen if why is None else why()
            raise AssertionError(f"not within {within:g} s: {last!r}")
        await asyncio.sleep(LOOK_EVERY)
