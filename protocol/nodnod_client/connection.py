"""Questions and answers over one connection to an agent."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import msgspec

from nodnod_client.codec import decode_answer, decode_members, encode
from nodnod_client.errors import ConnectError, RequestTimeoutError, WireError
from nodnod_client.matching import ById, ByOrder, Matcher
from nodnod_client.messages import Answer, Members, Request, RequestType
from nodnod_client.requests import for_version_1
from nodnod_client.websocket import WebSocket

T = TypeVar("T")


class Waiter(Protocol):
    """Somebody who asked."""

    def answered(self, answer: Answer, message: bytes, /) -> None:
        """Take the answer, or one of them; ``message`` is the whole of it, as it came."""

    def lost(self, why: str) -> None:
        """Nothing will come any more."""


class AgentConnection:
    """Made by ``open``; good until ``ended``.

    A question is noted and written in one step, without awaiting: so against version 1 the order
    of those who wait is the order on the wire, whoever is cancelled when.
    """

    def __init__(self, url: str, token: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.url = url
        self._line = WebSocket(url, self._on_message, self._on_end, token=token, tls=tls)
        self._matcher: Matcher[Waiter] = ById()

    @classmethod
    async def open(
        cls, url: str, patience: float, *, token: str = "", tls: ssl.SSLContext | None = None
    ) -> "AgentConnection":
        """Connect within ``patience`` seconds. Raises ConnectError, whose text says why."""
        connection = cls(url, token, tls)
        await connection._line.open(patience)
        if connection.version == 1:
            connection._matcher = ByOrder()
        return connection

    @property
    def version(self) -> int:
        """2, or 1 where the agent selected no subprotocol."""
        return self._line.version

    @property
    def ended(self) -> bool:
        """No more questions can be asked here."""
        return self._line.end is not None

    async def ask(self, request: Request, patience: float) -> Answer:
        """Send one question and wait for its answer, at most ``patience`` seconds.

        Raises ConnectError, RequestTimeoutError, StatFailedError (see for_version_1).
        """
        return await self._ask(request, patience, _as_it_is)

    async def members(self, request: Request, patience: float) -> Members:
        """Send one question of type 3; the rest as in ``ask``."""
        return await self._ask(request, patience, _as_members)

    async def _ask(
        self, request: Request, patience: float, read: Callable[[Answer, bytes], T]
    ) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        waiter = _Single(future, read)
        ticket = self._send(request, waiter, lasting=False)
        try:
            async with asyncio.timeout(patience):
                return await waiter.answer
        except TimeoutError:
            raise RequestTimeoutError(f"no answer from {self.url} within {patience:g} s") from None
        finally:
            self._matcher.forget(ticket)

    def subscribe(self, request: Request, waiter: Waiter) -> int:
        """Open a stream whose answers all go to ``waiter``; raises as ``ask`` does."""
        return self._send(request, waiter, lasting=True)

    def unsubscribe(self, ticket: int) -> None:
        """Stop a stream; one that the agent has refused or ended needs no stopping."""
        if self._matcher.forget(ticket) and not self.ended:
            self._line.send(encode(Request(type=int(RequestType.STOP), id=ticket)))

    async def close(self) -> None:
        """Say goodbye; whoever still waits gets ConnectError at once."""
        await self._line.close()

    def abort(self, why: str) -> None:
        """End at once."""
        self._line.abort(why)

    def _send(self, request: Request, waiter: Waiter, *, lasting: bool) -> int:
        if self._line.end is not None:
            raise ConnectError(self._line.end)
        if self.version == 1:
            request = for_version_1(request, self.url)
        ticket = self._matcher.expect(waiter, lasting=lasting)
        if self.version == 2:
            request = msgspec.structs.replace(request, id=ticket)
        self._line.send(encode(request))
        return ticket

    def _on_message(self, message: bytes) -> None:
        waiter: Waiter | None = None
        try:
            answer = decode_answer(message)
            waiter = self._matcher.match(answer)
            if waiter is not None:
                waiter.answered(answer, message)
        except WireError as error:
            # Against version 1 a message that is no answer leaves the order of the rest in doubt.
            why = f"{self.url} sent what is no answer: {error}"
            if waiter is not None:  # taken out already: the end does not reach it
                waiter.lost(why)
            self.abort(why)

    def _on_end(self, why: str) -> None:
        for waiter in self._matcher.drain():
            waiter.lost(why)


def _as_it_is(answer: Answer, _message: bytes) -> Answer:
    return answer


def _as_members(_answer: Answer, message: bytes) -> Members:
    return decode_members(message)


class _Single(Generic[T]):
    """One coroutine that waits for one answer."""

    __slots__ = ("_read", "answer")

    def __init__(self, answer: asyncio.Future[T], read: Callable[[Answer, bytes], T]) -> None:
        self.answer = answer
        self._read = read

    def answered(self, answer: Answer, message: bytes, /) -> None:
        if not self.answer.done():
            self.answer.set_result(self._read(answer, message))

    def lost(self, why: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(ConnectError(why))
