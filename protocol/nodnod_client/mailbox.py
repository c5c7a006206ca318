"""The mailbox in which the answers to one request arrive."""

import asyncio

from nodnod_client.errors import ConnectError
from nodnod_client.messages import Answer


class Mailbox:
    """Holds the newest answer: it replaces one that the reader has not taken."""

    def __init__(self) -> None:
        self._newest: tuple[Answer, bytes] | None = None
        self._closed: str | None = None
        self._changed = asyncio.Event()

    def put(self, answer: Answer, message: bytes = b"") -> None:
        """Deliver an answer, with the message that it was decoded from."""
        self._newest = answer, message
        self._changed.set()

    def close(self, reason: str) -> None:
        """Deliver nothing more: the connection has ended."""
        self._closed = reason
        self._changed.set()

    async def take(self, within: float) -> tuple[Answer, bytes]:
        """Wait for the next answer and its message.

        Raises TimeoutError after ``within`` seconds, and ConnectError once the connection has
        ended and the last answer is taken.
        """
        async with asyncio.timeout(within):
            await self._changed.wait()
        newest, self._newest = self._newest, None
        if newest is None:
            raise ConnectError(self._closed or "")
        if self._closed is None:
            self._changed.clear()
        return newest
