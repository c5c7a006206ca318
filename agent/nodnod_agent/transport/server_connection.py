"""One accepted connection: an upgrade becomes a session, a plain GET a page."""

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Protocol as Interface

from msgspec import structs
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from nodnod_agent.auth.authorization import PROOF
from nodnod_agent.auth.policy import Admission, Refusal, wants_websocket
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.transport.connection import Connection
from nodnod_agent.transport.fair_queue import AGENT_WEIGHT
from nodnod_agent.transport.handshake import SUBPROTOCOL, read_hello, write_hello
from nodnod_agent.transport.tls_handshake import TlsHandshake
from nodnod_agent.transport.user import User
from nodnod_client.address import Address

if TYPE_CHECKING:
    from nodnod_agent.transport.server import Server

PING_AFTER = 20.0
"""Seconds of silence after which a client is pinged; after as many again it is cut."""

ABNORMAL_CLOSURE = 1006
UNAUTHORIZED = 401
TLS_HANDSHAKE = b"\x16\x03"

log = logging.getLogger("nodnod.server")
wire_log = logging.getLogger("websockets.nodnod")


class Visitor(User, Interface):
    """Whom a client's pump serves: the core's session."""

    @property
    def known(self) -> bool:
        """Whether it is another agent, and one that we have met where we dialled it ourselves."""

    def ended(self) -> None:
        """The connection is gone."""


class _Protocol(ServerProtocol):
    """Selects our subprotocol where it is offered; a function for that would stand in a circle."""

    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        """See ServerProtocol."""
        return SUBPROTOCOL if SUBPROTOCOL in subprotocols else None


class ServerConnection(Connection):
    """One accepted connection."""

    __slots__ = ("born", "doorstep", "paging", "pinged", "server", "session")

    ws: ServerProtocol

    def __init__(
        self, server: "Server", born: float | None = None, doorstep: TlsHandshake | None = None
    ) -> None:
        ws = _Protocol(
            max_size=server.limits.client_message,
            logger=wire_log,
        )
        super().__init__(server.loop, ws, server.turns)
        self.server = server
        self.session: Visitor | None = None
        self.born = self.heard if born is None else born
        self.doorstep = doorstep
        """Over which it comes in."""
        self.paging = False
        """It waits for a page, which is given in time."""
        self.pinged = False

    def frame(self, text: bytes) -> bytes:
        """See Pump."""
        return self.server.framer(text)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        doorstep, self.doorstep = self.doorstep, None
        if doorstep is not None:
            self.server.waits_no_more(doorstep)
        if not self.server.waits(self):
            self.abort()
            return
        self.server.clients.add(self)
        self.server.counters.connections_accepted += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        self.server.gone(self)
        if self.cut:
            self.server.counters.connections_cut += 1
        session, self.session = self.session, None
        if session is not None:
            if self.cut:
                log.warning("Cut the connection of client %s: %s", self.name, self.cut)
            session.ended()
        self._let_go()

    @property
    def name(self) -> str:
        """Its address, for the log."""
        peer = self.transport.get_extra_info("peername")
        return str(Address(peer[0], peer[1])) if peer else "unknown"

    @property
    def unsent_limit(self) -> int:
        """See Pump."""
        return self.server.limits.unread

    @property
    def patience(self) -> float:
        """See Pump."""
        return self.server.limits.unread_for

    @property
    def control_frames(self) -> int:
        """See Pump."""
        return self.server.limits.control_frames

    @property
    def weight(self) -> float:
        """See Pump."""
        known = self.session is not None and self.session.known
        return AGENT_WEIGHT if known else 1.0

    def handshake(self, event: Request | Response) -> None:
        """See Pump."""
        assert isinstance(event, Request)
        ws, server = self.ws, self.server
        server.pending.pop(self, None)
        entry = self._judge(event)
        if isinstance(entry, Refusal) or not wants_websocket(event.headers):
            self.paging = True
            # What comes behind it is no frames, and not read; the end goes out with the page.
            ws.fail(ABNORMAL_CLOSURE)
            ws.data_to_send()
            head = event.method == "HEAD"
            if isinstance(entry, Refusal):
                refused = entry.response
                # What is wrong with a token is said in few ways; the rest, in the visitor's words.
                said = refused.body if refused.status_code == UNAUTHORIZED else b""
                kind = {"key": (refused.status_code, said)}
                log.warning("Refused client %s: %s", self.name, entry.reason, extra=kind)
                self._respond(refused, head=head)
            else:
                server.page(event, lambda response: self._respond(response, head=head))
            return
        early = ws.data_to_send()  # pongs to pings that came with it: the answer goes first
        if ws.eof_sent:  # what else came with it was no frame, and has ended the connection already
            self.transport.close()
            return
        response = ws.accept(event)
        if response.status_code != 101:
            ws.send_response(response)
            return
        hello = read_hello(event.headers, ws.subprotocol)
        if not entry.agent:  # whatever it says
            hello = Hello(hello.version)
        if ws.subprotocol is not None:
            digest = server.digest() if hello.instance else ""  # only agents compare views
            write_hello(response.headers, structs.replace(server.hello, digest=digest))
        if entry.proof:
            response.headers[PROOF] = entry.proof
        if hello.instance:
            ws.max_message_size = server.limits.peer_message
        ws.send_response(response)
        self._collect()
        self.out += early
        self.session = self.user = server.service.accepted(self, hello)
        log.info("Accepted connection from client: %s", self.name, extra={"key": "accepted"})

    def _judge(self, request: Request) -> Admission | Refusal:
        where = self.transport.get_extra_info("sockname")
        local = Address(where[0], where[1]) if where else None
        tls = self.transport.get_extra_info("sslcontext") is not None
        return self.server.gate(request, local, tls=tls)

    def bad_handshake(self, error: Exception) -> None:
        """See Pump: a request with a body or no request at all; the library says nothing to it."""
        if not self.out or self.out[0]:  # said before; or by the library itself: 414 or 431
            return
        cause = error.__cause__
        if isinstance(cause, NotImplementedError) or "request body" in str(cause):
            response = self.ws.reject(405, "GET and HEAD only\n")
            response.headers["Allow"] = "GET, HEAD"
        else:
            response = self.ws.reject(400, "not a request of HTTP/1.1\n")
        self.out[:0] = [response.serialize()]

    def tend(self, now: float) -> None:
        """Ping it after a silence, cut it after a longer one."""
        silent = now - self.heard
        if self.ws.state is not OPEN:
            if self.paging or self.session is not None:
                return
            if now - self.born > self.server.limits.handshake:
                self.abort()
            elif self.ws.reader.buffer.startswith(TLS_HANDSHAKE):  # it may wait for ever for a line
                self.paging = True
                response = self.ws.reject(400, "this port does not speak TLS\n")
                self.out += [response.serialize(), b""]
                self.mark()
        elif silent < PING_AFTER:
            self.pinged = False
        elif not self.pinged:
            self.pinged = True
            self.ping()
        elif silent > 2 * PING_AFTER:
            self.cut = f"no sign of life for {2 * PING_AFTER:.3g} s"
            self.abort()

    def _respond(self, response: Response, *, head: bool) -> None:
        if self.transport.is_closing():  # it did not wait for its page
            return
        if head:
            response.body = b""
        self.out += [response.serialize(), b""]
        self.mark()
