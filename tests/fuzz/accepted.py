"""A connection that somebody made to the agent: a client, a browser, another agent, or nobody."""

from collections.abc import Callable
from typing import Any, cast

from fuzz.endpoint import HERE, LIMITS, LONGEST, OFFER, OWN, Side
from live.raw import upgrade
from nodnod_agent.auth.hosts import HostPolicy
from nodnod_agent.auth.policy import AuthPolicy
from nodnod_agent.auth.tokens import Tokens
from nodnod_agent.core.interfaces import Hello, Wire
from nodnod_agent.core.membership.gossip import JOIN
from nodnod_agent.core.requests.session import MAX_BAD_IN_A_ROW, Session
from nodnod_agent.http.pages import Pages
from nodnod_agent.transport.connection import Connection
from nodnod_agent.transport.server import Server
from nodnod_agent.transport.server_connection import ServerConnection
from nodnod_client.address import Address
from simulation.ledger import Ledger

AGENT = (OFFER, "NodNod-Name: kenny", "NodNod-Instance: i9", "NodNod-Address: 10.0.0.9")


class Accepted(Side):
    """It is the session's visitor too, and takes down what that one is asked."""

    masks = True

    def __init__(self, first: bytes = b"", *, guarded: bool = False, **options: Any) -> None:
        self.ledger = Ledger()
        self.session: Session | None = None
        self._agent = False
        self._refused = 0
        self._guarded = guarded
        super().__init__(**options)
        if first:
            self.transport.arrives(first)
            self.loop.turn()

    def _pump(self) -> Connection:
        cluster = self.stage.cluster
        self.pages = Pages(cluster, dict, self._later)
        gate = AuthPolicy(advertised=Address(*HERE), is_public=self.pages.is_public)
        gate.hosts = HostPolicy(("own",), lambda address: False)
        gate.tokens = Tokens((b"x" * 32,)) if self._guarded else None
        self.server = Server(
            cast(Any, self.loop),
            self,
            hello=OWN,
            page=self.pages,
            max_clients=1,
            counters=cluster.counters,
            limits=LIMITS,
            gate=gate,
        )
        self.server._look_again()
        return ServerConnection(self.server)

    def _later(self, work: Callable[[], None]) -> None:
        self.server.turns.later(work)

    def accepted(self, wire: Wire, hello: Hello) -> "Accepted":
        """See Service."""
        assert self.session is None
        assert self.pump not in self.server.pending
        self.session = self.stage.cluster.accepted(wire, hello)
        self._agent = bool(hello.instance)
        return self

    # Between the pump and the session, whose visitor it is.

    @property
    def full(self) -> bool:
        assert self.session is not None
        return self.session.full

    @property
    def stall_limit(self) -> float:
        assert self.session is not None
        return self.session.stall_limit

    @property
    def known(self) -> bool:
        return self.session is not None and self.session.known

    def received(self, text: bytes) -> None:
        assert self.session is not None
        text.decode()
        assert not self.pump.cut, "what comes after a fault is not read"
        assert len(text) <= (self.pump.ws.max_message_size or 0)
        if self.session._open:
            assert self._refused < MAX_BAD_IN_A_ROW
            self.ledger.ask(text)
        before = sum(self.stage.cluster.counters.refusals.values())
        self.session.received(text)
        refused = sum(self.stage.cluster.counters.refusals.values()) > before
        self._refused = self._refused + 1 if refused else 0
        assert len(self.session.in_flight) <= LIMITS.in_flight
        assert len(self.session._streams or ()) <= LIMITS.streams

    def ended(self) -> None:
        assert self.session is not None
        self.session.ended()

    def upgrade(self, how: bytes) -> bytes:
        """As a client, one that knows version 2 (``2``) or an agent (``A``), and any headers."""
        kind, rest = how[:1], how[1:].decode("latin-1")
        headers = {b"2": (OFFER,), b"A": AGENT}.get(kind, ())
        return upgrade("/", *headers, *filter(None, rest.split("\t")))

    def stop(self) -> None:
        if not self.stopped and self._agent and self.live:
            self.ledger.due(JOIN)  # the goodbye
        super().stop()
        self.server.close()
        self.pages.stop()
        self.loop.turn()

    @property
    def _owed(self) -> bool:
        waiting = self.session is not None and self.session.in_flight
        unread = self.pump._events or self.pump._backlog or self.transport.unread
        return self.live and bool(waiting or unread)

    @property
    def _progress(self) -> tuple[int, int]:
        return len(self.ledger.asked), len(self.session.in_flight) if self.session else 0

    def _settle(self) -> None:
        while self._owed:
            before = self._progress
            self.loop.wait_for(
                lambda before=before: self._progress != before or not self._owed, LONGEST
            )
            self.stan_answers()
        self.loop.wait_for(lambda: not self.pages.waiting, LONGEST)
        self.loop.turn()

    def _look(self) -> None:
        for text in self.written.texts:
            self.ledger.answer(text)
        self.ledger.check(settled=self.live, ticked=False)
        assert self.written.status in (0, 101, 200, *range(400, 500), 503)
        if self.session is None and self.written.status:
            assert self.over

    def finish(self) -> None:
        super().finish()
        assert not self.server.clients
        assert not self.server.pending
        assert not self.stage.cluster.sessions
        assert not self.stage.cluster.responder.streams._feeds
        self.server.close()
