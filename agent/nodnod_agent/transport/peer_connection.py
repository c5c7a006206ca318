"""One connection that this agent opened to a peer."""

import asyncio
import hmac
import logging
import os
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from msgspec import structs
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Request, Response
from websockets.uri import parse_uri

from nodnod_agent.auth.authorization import PROOF, audience, write_token
from nodnod_agent.auth.tokens import Tokens
from nodnod_agent.core.interfaces import DialHandler, Hello
from nodnod_agent.core.limits import Limits
from nodnod_agent.transport.connection import Connection
from nodnod_agent.transport.connection_table import ConnectionTable
from nodnod_agent.transport.fair_queue import AGENT_WEIGHT, FairQueue
from nodnod_agent.transport.frames import Framer, WholeClientFrames
from nodnod_agent.transport.half_messages import HalfMessages
from nodnod_agent.transport.handshake import SUBPROTOCOL, read_hello, write_hello
from nodnod_agent.transport.writer import STALL_LIMIT
from nodnod_client.address import Address
from nodnod_client.refusal import refusal
from nodnod_client.tls import CLOSED_AFTER_TLS, explain

UNAUTHORIZED = 401

_CLOSED = "closed during the handshake"

wire_log = logging.getLogger("websockets.nodnod")

LookUp = Callable[[Address], Awaitable[list[Address]]]
"""The addresses of a host, one or more. Raises OSError."""


@dataclass(kw_only=True)
class DialContext:
    """What all connections of a dialer share; ``tokens`` and ``tls`` hold for dials to come."""

    loop: asyncio.AbstractEventLoop
    queue: FairQueue
    hello: Hello
    look_up: LookUp
    limits: Limits = Limits()  # noqa: RUF009  # frozen
    halves: HalfMessages = field(default_factory=HalfMessages)
    tokens: Tokens | None = None
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self.framer = Framer(mask=True)
        self.table: ConnectionTable[PeerConnection] = ConnectionTable()


class PeerConnection(Connection):
    """One connection to a peer, which reports to ``handler``; it is its own receiver."""

    __slots__ = ("_address", "_context", "_proof", "handler", "opened")

    ws: WholeClientFrames
    full = False  # this agent has asked for what the peer sends

    def __init__(self, context: DialContext, address: Address, handler: DialHandler) -> None:
        ws = WholeClientFrames(
            parse_uri(address.url),
            subprotocols=[SUBPROTOCOL],
            max_size=context.limits.peer_message,
            logger=wire_log,
        )
        control_frames, halves = context.limits.control_frames, context.halves
        super().__init__(context.loop, ws, context.framer, context.queue, halves, control_frames)
        self.weight = AGENT_WEIGHT  # all clients that wait for the cluster wait for what comes here
        self._context = context
        self._address = address
        self._proof = ""
        """What the peer must send to prove that it knows the secret; empty: nothing."""
        self.handler: DialHandler | None = handler
        self.opened: asyncio.Future[Hello] = context.loop.create_future()

    @property
    def stall_limit(self) -> float:
        """Seconds within which the peer must take some output."""
        return STALL_LIMIT

    def received(self, text: bytes) -> None:
        """Pass a message on."""
        if self.handler is not None:
            self.handler.received(text)

    def input_ended(self) -> bool:
        """Return False: a peer asks nothing on this connection."""
        return False

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame and end, without a report."""
        self.handler = None
        super().close(code, reason)

    def abort(self) -> None:
        """End at once, without a report."""
        self.handler = None
        super().abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the upgrade request."""
        super().connection_made(transport)
        self._context.table.add(self)
        request = self.ws.connect()
        context = self._context
        limit = context.limits.peer_message
        write_hello(request.headers, structs.replace(context.hello, limit=limit))
        self._identify(request.headers)
        self.ws.send_request(request)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end."""
        super().connection_lost(exc)
        self._context.table.remove(self)
        self._report(exc)
        self._break_cycles()

    def handshake(self, event: Request | Response) -> None:
        """Check the response; the connection is then open, or refused."""
        assert isinstance(event, Response)
        if self.opened.done():
            return
        proof = self._proof.encode()
        proofs = event.headers.get_all(PROOF)
        if proof and not any(hmac.compare_digest(text.encode(), proof) for text in proofs):
            self._refuse("it does not prove that it knows the cluster's secret")
            return
        hello = read_hello(event.headers, self.ws.subprotocol)
        self.opened.set_result(hello)
        self.receiver = self
        if self.handler is not None:
            self.handler.opened(self, hello)

    def bad_handshake(self, error: Exception) -> None:
        """Refuse a peer that answers with something else than an upgrade."""
        self._refuse(self._why_refused(error))

    def _refuse(self, why: str) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(why))

    def _report(self, exc: Exception | None) -> None:
        """Report that the connection has ended, or why it was not opened."""
        error = self.ws.handshake_exc
        if isinstance(error, InvalidStatus):  # with a body that ends with the connection
            self.bad_handshake(error)
        elif isinstance(exc, ssl.SSLError):
            self._refuse(explain(exc))
        else:
            over_tls = self.transport.get_extra_info("cipher") is not None
            self._refuse(CLOSED_AFTER_TLS if over_tls else _CLOSED)
        if self.opened.cancelled() or self.opened.exception() is not None:
            return  # the dial attempt reports a refusal
        handler, self.handler = self.handler, None
        if handler is not None:
            handler.ended(self._why_ended(exc))

    def _identify(self, headers: Headers) -> None:
        """Name the address that was really dialed, and add the token for it."""
        context = self._context
        peername = self.transport.get_extra_info("peername")
        if not peername:
            return
        dialed = audience(Address(peername[0], peername[1]))
        del headers["Host"]
        headers["Host"] = dialed  # the peer need not know the name that led to its address
        if context.tokens is not None:
            addresses = [dialed]
            if context.tls is not None:  # the peer's certificate has proved its name
                addresses.append(audience(self._address))
            token, self._proof = context.tokens.for_dial(context.hello.name, addresses)
            write_token(headers, token)

    def _why_refused(self, error: Exception) -> str:
        if not isinstance(error, InvalidStatus):
            return f"not a NodNod agent: {error}"
        status = error.response.status_code
        if status == UNAUTHORIZED and self._context.tokens is None:
            return f"it requires authentication: set auth.secrets (HTTP {status})"
        return refusal(error.response) or f"not a NodNod agent: HTTP {status}"

    def _why_ended(self, exc: Exception | None) -> str:
        if self.cut:
            return self.cut
        received = self.ws.close_rcvd
        if received is not None:
            code_and_reason = f"{received.code} {received.reason}".rstrip()
            return f"closed by the other side ({code_and_reason})"
        if self.ws.parser_exc is not None and not isinstance(self.ws.parser_exc, EOFError):
            return f"broke the protocol: {self.ws.parser_exc}"
        return describe(exc) if exc is not None else "connection closed"


def describe(error: BaseException) -> str:
    """A network error in a few words, without numbers and tuples."""
    if isinstance(error, ssl.SSLError):
        return explain(error)
    if isinstance(error, OSError) and error.errno is not None:
        # Negative numbers are those of the resolver, which has texts of its own.
        words = os.strerror(error.errno) if error.errno > 0 else error.strerror
        return str(words).lower()
    if isinstance(error, ConnectionError) and not error.args:  # TLS that ended as it began
        return _CLOSED
    return str(error) or type(error).__name__
