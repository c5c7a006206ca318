"""Requests and answers over one connection to an agent."""

import ssl
from collections.abc import Callable
from typing import TypeVar

import msgspec

from nodnod_client.alerts import Alerts, Silences
from nodnod_client.codec import (
    decode_alerts,
    decode_answer,
    decode_events,
    decode_members,
    decode_silences,
    encode,
)
from nodnod_client.errors import (
    ConnectError,
    RequestTimeoutError,
    StatFailedError,
    WireError,
)
from nodnod_client.mailbox import Mailbox
from nodnod_client.matching import IdMatcher, OrderMatcher
from nodnod_client.messages import Answer, Events, Members, Request, RequestType
from nodnod_client.requests import for_version_1
from nodnod_client.websocket import WebSocket

T = TypeVar("T")


class AgentConnection:
    """Made by ``open``; usable until ``ended``.

    A request is registered and written in one step, without awaiting. So against version 1 the
    order of the receivers is the order on the wire, whichever request is cancelled meanwhile.
    """

    def __init__(self, url: str, token: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.url = url
        self._websocket = WebSocket(url, self._on_message, self._on_end, token=token, tls=tls)
        self._matcher: IdMatcher[Mailbox] = IdMatcher()

    @classmethod
    async def open(
        cls, url: str, within: float, *, token: str = "", tls: ssl.SSLContext | None = None
    ) -> "AgentConnection":
        """Connect within ``within`` seconds. Raises ConnectError with the reason."""
        connection = cls(url, token, tls)
        await connection._websocket.open(within)
        if connection.version == 1:
            connection._matcher = OrderMatcher()
        return connection

    @property
    def version(self) -> int:
        """2, or 1 if the agent selected no subprotocol."""
        return self._websocket.version

    @property
    def ended(self) -> bool:
        """Whether no more requests can be sent."""
        return self._websocket.end_reason is not None

    async def request(self, request: Request, within: float) -> Answer:
        """Send one request and wait for its answer, at most ``within`` seconds.

        Raises ConnectError, RequestTimeoutError, StatFailedError (see for_version_1).
        """
        answer, _ = await self._exchange(request, within)
        return answer

    async def members(self, request: Request, within: float) -> Members:
        """Send one request of type 3; otherwise as ``request``."""
        _, message = await self._exchange(request, within)
        return self.decoded(decode_members, message)

    async def events(self, request: Request, within: float) -> Events:
        """Send one request of type 7; otherwise as ``request``."""
        _, message = await self._exchange(request, within)
        return self.decoded(decode_events, message)

    async def alerts(self, request: Request, within: float) -> Alerts:
        """Send one request of type 5; otherwise as ``request``."""
        _, message = await self._exchange(request, within)
        return self.decoded(decode_alerts, message)

    async def silences(self, request: Request, within: float) -> Silences:
        """Send one request of type 6; otherwise as ``request``."""
        _, message = await self._exchange(request, within)
        return self.decoded(decode_silences, message)

    def decoded(self, decode: Callable[[bytes], T], message: bytes) -> T:
        """Decode a message. Ends the connection and raises ConnectError if it is no such answer."""
        try:
            return decode(message)
        except WireError as error:
            raise ConnectError(self._reject(error)) from None

    async def _exchange(self, request: Request, within: float) -> tuple[Answer, bytes]:
        mailbox = Mailbox()
        request_id = self._send(request, mailbox, stream=False)
        try:
            return await mailbox.take(within)
        except TimeoutError:
            raise RequestTimeoutError(f"no answer from {self.url} within {within:g} s") from None
        finally:
            self._matcher.remove(request_id)

    def subscribe(self, request: Request, mailbox: Mailbox) -> int:
        """Open a stream whose answers go to ``mailbox``; its id. Raises as ``request`` does."""
        return self._send(request, mailbox, stream=True)

    def unsubscribe(self, request_id: int) -> None:
        """Stop a stream, unless the agent has refused or ended it."""
        if self._matcher.remove(request_id) and not self.ended:
            self._websocket.send(encode(Request(type=int(RequestType.STOP), id=request_id)))

    async def close(self) -> None:
        """Close the connection; pending requests raise ConnectError at once."""
        await self._websocket.close()

    def abort(self, reason: str) -> None:
        """End the connection without a close handshake."""
        self._websocket.abort(reason)

    def _send(self, request: Request, mailbox: Mailbox, *, stream: bool) -> int:
        if self._websocket.end_reason is not None:
            raise ConnectError(self._websocket.end_reason)
        if self.version == 1:
            request = for_version_1(request, self.url)
        request_id = self._matcher.add(mailbox, stream=stream)
        if self.version == 2:
            request = msgspec.structs.replace(request, id=request_id)
        text = encode(request)
        if 0 < self._websocket.limit < len(text):
            self._matcher.remove(request_id)
            raise StatFailedError(
                f"the request has {len(text)} bytes, and {self.url} accepts "
                f"{self._websocket.limit}: name fewer nodes, or use patterns"
            )
        self._websocket.send(text)
        return request_id

    def _on_message(self, message: bytes) -> None:
        try:
            answer = decode_answer(message)
            mailbox = self._matcher.match(answer)
        except WireError as error:
            # Against version 1 the message may have been due to any request: the order is lost.
            self._reject(error)
        else:
            if mailbox is not None:
                mailbox.put(answer, message)

    def _on_end(self, reason: str) -> None:
        for mailbox in self._matcher.drain():
            mailbox.close(reason)

    def _reject(self, error: WireError) -> str:
        """End the connection over a message that is no valid answer; the reason."""
        reason = f"{self.url} sent an invalid answer: {error}"
        self.abort(reason)
        return reason
