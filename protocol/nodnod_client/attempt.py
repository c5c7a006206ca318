"""One attempt to connect, shared by concurrent calls of connect()."""

import asyncio
from collections.abc import Coroutine
from copy import copy

from nodnod_client.errors import ConnectError


class ConnectAttempt:
    """Starts at once, and is cancelled when the last call that waits for it is cancelled."""

    def __init__(self, opening: Coroutine[None, None, None]) -> None:
        self._task = asyncio.create_task(opening)
        self._waiters = 0
        self.cancel = self._task.cancel

    @property
    def done(self) -> bool:
        """Whether it has an outcome."""
        return self._task.done()

    async def outcome(self) -> None:
        """Wait for it. Raises what it raised, and ConnectError if it was cancelled."""
        self._waiters += 1
        try:
            await asyncio.wait([self._task])
        finally:
            self._waiters -= 1
            if not self._waiters:
                self.cancel()
        if self._task.cancelled():
            raise ConnectError("disconnect() was called while connecting")
        error = self._task.exception()
        if error is not None:
            # A copy for each call: one shared object would collect the traceback of all.
            raise copy(error) from None
