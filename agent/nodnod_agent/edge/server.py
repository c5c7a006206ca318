"""Accepts connections: an upgrade becomes a session, a plain GET a page."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol as Interface

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from nodnod.address import Address
from nodnod_agent.core.counters import Counters
from nodnod_agent.core.limits import Limits
from nodnod_agent.core.world import Hello, Wire
from nodnod_agent.edge.bearer import PROOF
from nodnod_agent.edge.doorstep import Doorstep
from nodnod_agent.edge.gate import Entry, Refusal, everybody
from nodnod_agent.edge.hello import SUBPROTOCOL, read_hello, write_hello
from nodnod_agent.edge.pump import Pump
from nodnod_agent.edge.user import User

__all__ = ["Page", "Server", "Service"]

PING_AFTER = 20.0
"""Seconds of silence after which a client is pinged; after as many again it is cut."""

ABNORMAL_CLOSURE = 1006
TLS_HANDSHAKE = b"\x16\x03"
SWEEP = 1.0
BACKLOG = 1024

log = logging.getLogger("nodnod.server")
wire_log = logging.getLogger("websockets.nodnod")

Page = Callable[[Request, Callable[[Response], None]], None]
"""Answers a plain HTTP request, through the function it is given, now or later."""


class Visitor(User, Interface):
    """Whom a client's pump serves: the core's session."""

    def ended(self) -> None:
        """The connection is gone."""


class Service(Interface):
    """Who serves the clients."""

    def accepted(self, wire: Wire, hello: Hello) -> Visitor:
        """A client has connected; what it sends goes to the result."""


class Gate(Interface):
    """Who says who may in."""

    def __call__(self, request: Request, local: Address | None, *, tls: bool) -> Entry | Refusal:
        """Judge a request that came to our address ``local``, over TLS or plain."""


class Client(Pump):
    """One accepted connection."""

    __slots__ = ("born", "doorstep", "paging", "pinged", "server", "session")

    ws: ServerProtocol

    def __init__(
        self, server: "Server", born: float | None = None, doorstep: Doorstep | None = None
    ) -> None:
        ws = ServerProtocol(
            select_subprotocol=_select_subprotocol,
            max_size=server.limits.client_message,
            logger=wire_log,
        )
        super().__init__(server.loop, ws)
        self.server = server
        self.session: Visitor | None = None
        self.born = self.heard if born is None else born
        self.doorstep = doorstep
        """Over which it comes in."""
        self.paging = False
        """It waits for a page, which is given in time."""
        self.pinged = False

    def frame(self, text: bytes) -> bytes:
        """See Pump: what goes to many is framed once."""
        server = self.server
        if text is not server.last_text:
            server.last_text = text
            server.last_frame = Frame(Opcode.TEXT, text).serialize(mask=False)
        return server.last_frame

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

    def handshake(self, event: Request | Response) -> None:
        """See Pump."""
        assert isinstance(event, Request)
        ws, server = self.ws, self.server
        server.pending.pop(self, None)
        entry = self._judge(event)
        if isinstance(entry, Refusal) or "Upgrade" not in event.headers:
            self.paging = True
            # What comes behind it is no frames, and not read; the end goes out with the page.
            ws.fail(ABNORMAL_CLOSURE)
            ws.data_to_send()
            head = event.method == "HEAD"
            if isinstance(entry, Refusal):
                kind = {"key": entry.response.status_code}
                log.warning("Refused client %s: %s", self.name, entry.reason, extra=kind)
                self._respond(entry.response, head=head)
            else:
                server.page(event, lambda response: self._respond(response, head=head))
            return
        if ws.eof_sent:  # what came with it was no frame, and has ended the connection already
            return
        response = ws.accept(event)
        if response.status_code != 101:
            ws.send_response(response)
            return
        hello = read_hello(event.headers, ws.subprotocol)
        if not entry.agent:  # whatever it says
            hello = Hello(hello.version)
        if ws.subprotocol is not None:
            write_hello(response.headers, server.hello)
        if entry.proof:
            response.headers[PROOF] = entry.proof
        if hello.instance:
            ws.max_message_size = server.limits.peer_message
        ws.send_response(response)
        self.session = self.user = server.service.accepted(self, hello)
        log.info("Accepted connection from client: %s", self.name, extra={"key": "accepted"})

    def _judge(self, request: Request) -> Entry | Refusal:
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


class Server:
    """The listening socket and all that came in through it.

    Without a ``gate`` everybody may in. ``tls`` may be replaced; who is in stays in.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        service: Service,
        *,
        hello: Hello,
        page: Page,
        max_clients: int,
        counters: Counters | None = None,
        limits: Limits = Limits(),  # noqa: B008  # frozen
        gate: Gate = everybody,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.loop = loop
        self.counters = counters or Counters()
        self.service = service
        self.hello = hello
        self.page = page
        self.max_clients = max_clients
        self.limits = limits
        self.gate = gate
        self.tls = tls
        self.clients: set[Client] = set()
        self.pending: dict[Client | Doorstep, None] = {}
        """Those that have not shown yet who they are, the oldest first."""
        self._doorsteps: set[Doorstep] = set()
        self.last_text = b""
        self.last_frame = b""
        self._empty: asyncio.Future[None] | None = None
        self._listeners: list[asyncio.Server] = []
        self._sweeper: asyncio.TimerHandle | None = None

    async def listen(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections on sockets that are bound."""
        for sock in sockets:
            self._listeners.append(
                await self.loop.create_server(self._greet, sock=sock, backlog=BACKLOG)
            )
        self._look_again()

    def close(self) -> None:
        """Accept nobody any more; open connections stay."""
        for listener in self._listeners:
            listener.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for client in tuple(self.clients):
            if client.session is None and not client.paging:  # nobody whom a goodbye would reach
                client.abort()
        for guest in tuple(self._doorsteps):
            guest.abort()

    async def drained(self, seconds: float) -> None:
        """Wait until every client is gone; those that stay longer are cut off."""
        self._empty = self.loop.create_future()
        if self.clients:
            await asyncio.wait([self._empty], timeout=seconds)
        for client in tuple(self.clients):
            client.abort()
        shaking = [guest.task for guest in self._doorsteps if guest.task is not None]
        if shaking:
            await asyncio.wait(shaking, timeout=1.0)  # close() has told them to end
        await asyncio.sleep(0)

    def gone(self, client: "Client") -> None:
        """Forget a client whose connection is gone."""
        self.pending.pop(client, None)
        if client in self.clients:
            self.clients.remove(client)
            self.counters.connections_ended += 1
        if not self.clients and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    def waits(self, guest: Client | Doorstep) -> bool:
        """Somebody has come; false if there is no room, and he is to go."""
        if len(self.clients) + len(self._doorsteps) >= self.max_clients:
            self.counters.connections_refused += 1
            open_ = self.max_clients
            log.warning("Turned away client %s: %d connections are open", guest.name, open_)
            return False
        if isinstance(guest, Doorstep):
            self._doorsteps.add(guest)
        self.pending[guest] = None
        if len(self.pending) > self.limits.unauthenticated:
            # The oldest, and not the newest: who means well is through within milliseconds, so
            # those that never get through cannot keep him out.
            oldest = next(iter(self.pending))
            del self.pending[oldest]
            self.counters.connections_refused += 1
            most = self.limits.unauthenticated
            log.warning("Cut %s: more than %d have not shaken hands", oldest.name, most)
            oldest.abort()
        return True

    def waits_no_more(self, guest: Doorstep) -> None:
        """See Host."""
        self.pending.pop(guest, None)
        self._doorsteps.discard(guest)

    def _greet(self) -> asyncio.Protocol:
        if self.tls is None:
            return Client(self)
        born = self.loop.time()
        limit = self.limits.handshake
        return Doorstep(self, self.tls, limit, lambda doorstep: Client(self, born, doorstep))

    def _sweep(self, due: float) -> None:
        now = self.loop.time()
        self.counters.loop_lag.add(max(0.0, round(now - due, 6)))
        for client in tuple(self.clients):
            client.tend(now)
        self._look_again()

    def _look_again(self) -> None:
        due = self.loop.time() + SWEEP
        self._sweeper = self.loop.call_at(due, self._sweep, due)


def _select_subprotocol(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return SUBPROTOCOL if SUBPROTOCOL in offered else None
