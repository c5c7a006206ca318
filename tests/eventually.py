"""Waiting for what can be seen, never for time to pass."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

__all__ = ["eventually"]

T = TypeVar("T")

LOOK_EVERY = 0.01


async def eventually(
    condition: Callable[[], Awaitable[T]] | Callable[[], T],
    *,
    within: float = 10.0,
    why: Callable[[], object] | None = None,
) -> T:
    """Look until ``condition`` tells something true, and give that.

    Raises AssertionError after ``within`` seconds, with what ``why`` or the last look told.
    """
    deadline = monotonic() + within
    while True:
        seen = condition()
        if inspect.isawaitable(seen):
            seen = await seen
        if seen:
            return seen
        if monotonic() > deadline:
            told = seen if why is None else why()
            raise AssertionError(f"not within {within:g} s: {told!r}")
        await asyncio.sleep(LOOK_EVERY)
