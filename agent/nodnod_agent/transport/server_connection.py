"""One accepted connection: an upgrade becomes a session, a plain HTTP request gets a page."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec import structs
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.typing import Subprotocol

from nodnod_agent.auth.authorization import PROOF
from nodnod_agent.auth.policy import Admission, AuthPolicy, Refusal, wants_websocket
from nodnod_agent.core.counters import Counters
from nodnod_agent.core.interfaces import Hello, Wire
from nodnod_agent.core.limits import Limits
from nodnod_agent.core.requests.session import Session
from nodnod_agent.transport.connection import Connection
from nodnod_agent.transport.connection_table import ServerTable
from nodnod_agent.transport.fair_queue import AGENT_WEIGHT, FairQueue
from nodnod_agent.transport.frames import Framer, WholeServerFrames
from nodnod_agent.transport.half_messages import HalfMessages
from nodnod_agent.transport.handshake import SUBPROTOCOL, read_hello, write_hello
from nodnod_client.address import Address

PING_AFTER = 20.0
"""Seconds of silence after which a client is pinged; after as many again it is cut."""

ABNORMAL_CLOSURE = 1006
UNAUTHORIZED = 401
TLS_HANDSHAKE = b"\x16\x03"

log = logging.getLogger("nodnod.server")
wire_log = logging.getLogger("websockets.nodnod")

Page = Callable[[Request, Callable[[Response], None]], None]
"""Answers a plain HTTP request through the function that it is given, now or later."""


@dataclass(kw_only=True)
class ServerContext:
    """What all connections of a server share; ``tls`` and ``policy`` hold for connections to come."""

    loop: asyncio.AbstractEventLoop
    queue: FairQueue
    accept: Callable[[Wire, Hello], Session]
    """Makes the session of a client that has connected."""
    page: Page
    hello: Hello
    digest: Callable[[], str] = lambda: ""
    """The digest of the agent's membership table."""
    max_clients: int
    limits: Limits = Limits()  # noqa: RUF009  # frozen
    counters: Counters = field(default_factory=Counters)
    halves: HalfMessages = field(default_factory=HalfMessages)
    policy: AuthPolicy | None = None
    """Without one, access is not restricted."""
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self.framer = Framer(mask=False)
        most = self.limits.unauthenticated
        self.table = ServerTable(self.counters, max_open=self.max_clients, max_handshaking=most)


class _Protocol(WholeServerFrames):
    """Selects the subprotocol where it is offered.

    A function passed to the library would be part of a reference cycle.
    """

    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        """The subprotocol of version 2, or none."""
        return SUBPROTOCOL if SUBPROTOCOL in subprotocols else None


class ServerConnection(Connection):
    """One accepted connection."""

    __slots__ = (
        "_accepted_at",
        "_context",
        "_pinged_at",
        "_serves_page",
        "session",
    )

    ws: WholeServerFrames

    def __init__(self, context: ServerContext) -> None:
        limits = context.limits
        ws = _Protocol(max_size=limits.client_message, logger=wire_log)
        control_frames, halves = limits.control_frames, context.halves
        super().__init__(context.loop, ws, context.framer, context.queue, halves, control_frames)
        self._unsent_limit = limits.unread
        self._stall_limit = limits.unread_for
        self.session: Session | None = None
        self._context = context
        self._accepted_at = self.heard
        self._serves_page = False
        """An HTTP response is sent or due; the limit for the handshake no longer applies."""
        self._pinged_at: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Enter the table, if there is room."""
        super().connection_made(transport)
        context = self._context
        if context.table.add(self):
            context.counters.connections_accepted += 1
        else:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the table, and end the session."""
        super().connection_lost(exc)
        counters = self._context.counters
        if self._context.table.remove(self):
            counters.connections_ended += 1
        if self.cut:
            counters.connections_cut += 1
            log.warning("Cut the connection of client %s: %s", self.name, self.cut)
        session, self.session = self.session, None
        if session is not None:
            session.ended()
        self._break_cycles()

    def handshake(self, event: Request | Response) -> None:
        """Answer the request: with a refusal, a page, or an upgrade and a session."""
        assert isinstance(event, Request)
        self._context.table.handshake_done(self)
        admission = self._authorize(event)
        if isinstance(admission, Refusal) or not wants_websocket(event.headers):
            self._serve_page(event, admission)
        else:
            self._upgrade(event, admission)
            event.headers.clear()  # the parser keeps the request: 2 KB as long as it is connected

    def bad_handshake(self, error: Exception) -> None:
        """Answer a request with a body, or what is no request: the library sends nothing."""
        if not self.out or self.out[0]:  # it has: 414 or 431
            return
        cause = error.__cause__
        if isinstance(cause, NotImplementedError) or "request body" in str(cause):
            response = self.ws.reject(405, "GET and HEAD only\n")
            response.headers["Allow"] = "GET, HEAD"
        else:
            response = self.ws.reject(400, "not a request of HTTP/1.1\n")
        self.out[:0] = [response.serialize()]

    def refuse(self, text: str) -> None:
        """Answer what is no request, and end."""
        response = self.ws.reject(400, text)
        self._expect_page()
        self._respond(response)

    def check(self, now: float) -> None:
        """Ping a silent client, cut it after a longer silence; end a handshake at its limit."""
        if self.session is not None:
            # An agent counts for many clients, once this agent has a link to it as well.
            self.weight = AGENT_WEIGHT if self.session.known else 1.0
        silence = now - self.heard
        if self.ws.state is not OPEN:
            self._check_handshake(now)
        elif silence < PING_AFTER or self._writing_paused:
            # A ping would wait behind the output; a client that takes none of that is cut earlier.
            self._pinged_at = None
        elif self._pinged_at is None:
            self._pinged_at = now
            self.ping()
        elif now - self._pinged_at > PING_AFTER:
            self.cut = f"no sign of life for {2 * PING_AFTER:.3g} s"
            self.abort()

    def _check_handshake(self, now: float) -> None:
        if self._serves_page or self.session is not None:
            return
        if now - self._accepted_at > self._context.limits.handshake:
            self.abort()
        # The library waits for the end of a line, which TLS may never send.
        elif self.ws.reader.buffer.startswith(TLS_HANDSHAKE):
            self.refuse("this port does not speak TLS\n")

    def _authorize(self, request: Request) -> Admission | Refusal:
        policy = self._context.policy
        if policy is None:
            return Admission(agent=True, operator="")
        sockname = self.transport.get_extra_info("sockname")
        local = Address(sockname[0], sockname[1]) if sockname else None
        tls = self.transport.get_extra_info("sslcontext") is not None
        return policy(request, local, tls=tls)

    def _serve_page(self, request: Request, admission: Admission | Refusal) -> None:
        self._expect_page()
        head = request.method == "HEAD"
        if isinstance(admission, Admission):
            self._context.page(request, lambda response: self._respond(response, head=head))
            return
        response = admission.response
        # A refused token has one of few texts; those of other refusals repeat the client's words.
        text = response.body if response.status_code == UNAUTHORIZED else b""
        key = {"key": (response.status_code, text)}
        log.warning("Refused client %s: %s", self.name, admission.reason, extra=key)
        self._respond(response, head=head)

    def _expect_page(self) -> None:
        """Serve a page: what follows the request is dropped, and the stream ends with the page."""
        self._serves_page = True
        self.ws.fail(ABNORMAL_CLOSURE)
        self.ws.data_to_send()

    def _upgrade(self, request: Request, admission: Admission) -> None:
        ws, context = self.ws, self._context
        response = ws.accept(request)
        if response.status_code != 101:
            ws.send_response(response)
            return
        hello = read_hello(request.headers, ws.subprotocol)
        if not admission.agent:  # whatever its headers say
            hello = Hello(hello.version)
        if admission.operator is not None:
            hello = structs.replace(hello, operator=admission.operator)
        limits = context.limits
        limit = limits.peer_message if hello.instance else limits.client_message
        if ws.subprotocol is not None:
            digest = context.digest() if hello.instance else ""  # only agents compare digests
            own = structs.replace(context.hello, digest=digest, limit=limit)
            write_hello(response.headers, own)
        if admission.proof:
            response.headers[PROOF] = admission.proof
        ws.max_message_size = limit
        ws.send_response(response)
        self._collect()
        self.session = self.receiver = context.accept(self, hello)
        log.debug("Accepted connection from client: %s", self.name, extra={"key": "accepted"})

    def _respond(self, response: Response, *, head: bool = False) -> None:
        if self.transport.is_closing():  # the client did not wait for its page
            return
        if head:
            response.body = b""
        self.out += [response.serialize(), b""]
        self.schedule_flush()
