"""Answers that come again and again, shown until a signal."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from nodnod_agent.console.output import Output
from nodnod_agent.console.signals import until_signal
from nodnod_client.client import Client
from nodnod_client.errors import ConnectError, RequestTimeoutError

RETRY_INTERVAL = 1.0
"""Seconds between attempts to connect again."""

A = TypeVar("A")

Lost = ConnectError | RequestTimeoutError
"""Why there is no answer for now."""


async def repeated(
    client: Client, every: float, ask: Callable[[], AsyncIterator[A]]
) -> AsyncIterator[A | Lost]:
    """Yield the answers of ``ask`` without end, or the error that prevented one; then ask again."""
    while True:
        try:
            await client.connect()
            async for answer in ask():
                yield answer
        except (ConnectError, RequestTimeoutError) as error:
            yield error
        await asyncio.sleep(min(every, RETRY_INTERVAL))


async def watch(
    client: Client,
    answers: AsyncIterator[A | Lost],
    open_output: Callable[[], Output[A]],
    status: Callable[[A], int],
    none: int,
) -> int:
    """Show answers until a signal; return the status of the last one, ``none`` without one.

    Only the first failure to connect ends it: raises ConnectError.
    """
    await client.connect()
    last = none
    output = open_output()

    async def show() -> None:
        nonlocal last
        async for answer in answers:
            if isinstance(answer, (ConnectError, RequestTimeoutError)):
                output.error(str(answer))
            else:
                output.show(answer)
                last = status(answer)

    try:
        await until_signal(show())
    finally:
        output.close()
        await client.disconnect()
    return last
