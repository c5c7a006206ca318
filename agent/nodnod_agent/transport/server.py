"""Accepts connections, and knows all that came in."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Protocol as Interface

from websockets.http11 import Request, Response

from nodnod_agent.auth.policy import Admission, Refusal, admit_all
from nodnod_agent.core.counters import Counters
from nodnod_agent.core.interfaces import Hello, Wire
from nodnod_agent.core.limits import Limits
from nodnod_agent.transport.acceptor import Acceptor
from nodnod_agent.transport.fair_queue import FairQueue
from nodnod_agent.transport.framer import Framer
from nodnod_agent.transport.server_connection import ServerConnection, Visitor
from nodnod_agent.transport.tls_handshake import TlsHandshake
from nodnod_client.address import Address

SWEEP = 1.0

log = logging.getLogger("nodnod.server")

Page = Callable[[Request, Callable[[Response], None]], None]
"""Answers a plain HTTP request, through the function it is given, now or later."""


class Service(Interface):
    """Who serves the clients."""

    def accepted(self, wire: Wire, hello: Hello) -> Visitor:
        """A client has connected; what it sends goes to the result."""


class Gate(Interface):
    """Who says who may in."""

    def __call__(
        self, request: Request, local: Address | None, *, tls: bool
    ) -> Admission | Refusal:
        """Judge a request that came to our address ``local``, over TLS or plain."""


class Server:
    """The listening socket and all that came in through it.

    Without a ``gate`` everybody may in. ``tls`` may be replaced; who is in stays in. ``digest`` tells
    that of our view of the cluster.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        service: Service,
        *,
        hello: Hello,
        digest: Callable[[], str] = lambda: "",
        page: Page,
        max_clients: int,
        counters: Counters | None = None,
        limits: Limits = Limits(),  # noqa: B008  # frozen
        gate: Gate = admit_all,
        tls: ssl.SSLContext | None = None,
        turns: FairQueue | None = None,
    ) -> None:
        self.loop = loop
        self.counters = counters or Counters()
        self.service = service
        self.hello = hello
        self.digest = digest
        self.page = page
        self.max_clients = max_clients
        self.limits = limits
        self.gate = gate
        self.tls = tls
        self.turns = turns or FairQueue(loop)
        self.clients: set[ServerConnection] = set()
        self.pending: dict[ServerConnection | TlsHandshake, None] = {}
        """Those that have not shown yet who they are, the oldest first."""
        self._doorsteps: set[TlsHandshake] = set()
        self.framer = Framer(mask=False)
        self._empty: asyncio.Future[None] | None = None
        self._acceptors: list[Acceptor] = []
        self._opening: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    def listen(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections on sockets that are bound."""
        for sock in sockets:
            acceptor = Acceptor(self.loop, sock, self._greet)
            acceptor.open()
            self._acceptors.append(acceptor)
        self._look_again()

    def close(self) -> None:
        """Accept nobody any more; open connections stay."""
        for acceptor in self._acceptors:
            acceptor.close()
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

    def gone(self, client: ServerConnection) -> None:
        """Forget a client whose connection is gone."""
        self.pending.pop(client, None)
        if client in self.clients:
            self.clients.remove(client)
            self.counters.connections_ended += 1
        if not self.clients and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    def waits(self, guest: ServerConnection | TlsHandshake) -> bool:
        """Somebody has come; false if there is no room, and he is to go."""
        if len(self.clients) + len(self._doorsteps) >= self.max_clients:
            self.counters.connections_refused += 1
            open_ = self.max_clients
            log.warning("Turned away client %s: %d connections are open", guest.name, open_)
            return False
        if isinstance(guest, TlsHandshake):
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

    def waits_no_more(self, guest: TlsHandshake) -> None:
        """See Host."""
        self.pending.pop(guest, None)
        self._doorsteps.discard(guest)

    def _greet(self, sock: socket.socket) -> None:
        if self.tls is None:
            task = self.loop.create_task(self._open(sock))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
            return
        born = self.loop.time()
        guest = TlsHandshake(
            self,
            self.tls,
            sock,
            self.limits.handshake,
            lambda guest: ServerConnection(self, born, guest),
        )
        guest.greet()

    async def _open(self, sock: socket.socket) -> None:
        try:
            await self.loop.connect_accepted_socket(lambda: ServerConnection(self), sock)
        except OSError:  # it has gone again
            sock.close()

    def _sweep(self, due: float) -> None:
        now = self.loop.time()
        self.counters.loop_lag.add(max(0.0, round(now - due, 6)))
        for client in tuple(self.clients):
            client.tend(now)
        self._look_again()

    def _look_again(self) -> None:
        due = self.loop.time() + SWEEP
        self._sweeper = self.loop.call_at(due, self._sweep, due)
