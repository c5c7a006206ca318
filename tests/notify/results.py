"""The result of a send, as a test waits for it."""

import asyncio
from collections.abc import Callable

PATIENCE = 30.0


class Results:
    """Each call is a result; none may come during the call that asks for it."""

    def __init__(self) -> None:
        self._results: asyncio.Queue[tuple[bool, str]] = asyncio.Queue()

    def __call__(self, ok: bool, why: str) -> None:
        self._results.put_nowait((ok, why))

    async def next(self) -> tuple[bool, str]:
        """The next result. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            return await self._results.get()

    @property
    def is_empty(self) -> bool:
        """Whether all results that came have been taken."""
        return self._results.empty()


async def sent(send: Callable[[Results], None]) -> tuple[bool, str]:
    """Send, and wait for the result."""
    results = Results()
    send(results)
    assert results.is_empty, "told during the call"
    return await results.next()
