"""One attempt to connect, shared by all who want it."""

import asyncio
from collections.abc import Coroutine
from copy import copy

from nodnod_client.errors import ConnectError


class ConnectAttempt:
    """Starts at once; ``outcome`` is for all who call connect() meanwhile.

    Cancelled when the last of them is.
    """

    def __init__(self, opening: Coroutine[None, None, None]) -> None:
        self._task = asyncio.create_task(opening)
        self._waiting = 0
        self.cancel = self._task.cancel

    @property
    def done(self) -> bool:
        """It has an outcome."""
        return self._task.done()

    async def outcome(self) -> None:
        """Wait for it. Raises what it raised, and ConnectError where it was cancelled."""
        self._waiting += 1
        try:
            await asyncio.wait([self._task])
        finally:
            self._waiting -= 1
            if not self._waiting:
                self.cancel()
        if self._task.cancelled():
            raise ConnectError("disconnect() was called while connecting")
        error = self._task.exception()
        if error is not None:
            # Each gets an error of its own: one object would gather everybody's traceback.
            raise copy(error) from None
