"""A connection that the agent accepted: from a client, a browser, another agent, or none of them."""

from typing import Any, cast

from fuzz.endpoint import LIMITS, LOCAL, LONGEST, OFFER, OWN, Endpoint
from live.raw import upgrade
from nodnod_agent.auth.hosts import HostPolicy
from nodnod_agent.auth.policy import AuthPolicy
from nodnod_agent.auth.tokens import Tokens
from nodnod_agent.core.interfaces import Hello, Wire
from nodnod_agent.core.membership.gossip import JOIN
from nodnod_agent.core.requests.session import MAX_BAD_IN_A_ROW, Session
from nodnod_agent.http.pages import Pages
from nodnod_agent.transport.connection import Connection
from nodnod_agent.transport.fair_queue import FairQueue
from nodnod_agent.transport.server import Server
from nodnod_agent.transport.server_connection import ServerConnection, ServerContext
from nodnod_client.address import Address
from simulation.ledger import Ledger

AGENT = (OFFER, "NodNod-Name: kenny", "NodNod-Instance: i9", "NodNod-Address: 10.0.0.9")


class AcceptedEndpoint(Endpoint):
    """Stands between the connection and its session, as the receiver, and notes the requests."""

    masks = True

    def __init__(self, first: bytes = b"", *, guarded: bool = False, **options: Any) -> None:
        self.ledger = Ledger()
        self.session: Session | None = None
        self._agent = False
        self._refused = 0
        self._guarded = guarded
        super().__init__(**options)
        if first:
            self.arrive(first)

    def _make_connection(self) -> Connection:
        node = self.core.node
        loop = cast(Any, self.loop)
        queue = FairQueue(loop)
        self.pages = Pages(node, dict, queue.enqueue_call)
        policy = AuthPolicy(advertised=Address(*LOCAL), is_public=self.pages.is_public)
        policy.hosts = HostPolicy(("own",))
        policy.tokens = Tokens((b"x" * 32,)) if self._guarded else None
        context = ServerContext(
            loop=loop,
            queue=queue,
            accept=cast(Any, self._accept),
            page=self.pages,
            hello=OWN,
            max_clients=1,
            limits=LIMITS,
            counters=node.counters,
            policy=policy,
        )
        self.table = context.table
        self.server = Server(context)
        self.server._schedule_check()
        return ServerConnection(context)

    def _accept(self, wire: Wire, hello: Hello) -> "AcceptedEndpoint":
        assert self.session is None
        assert self.connection not in self.table.handshaking
        self.session = self.core.node.accepted(wire, hello)
        self._agent = bool(hello.instance)
        return self

    # What the connection expects of a session.

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
        assert not self.connection.cut, "input after an error is read"
        assert len(text) <= (self.connection.ws.max_message_size or 0)
        if self.session._open:
            assert self._refused < MAX_BAD_IN_A_ROW
            self.ledger.ask(text)
        refusals = self.core.node.counters.refusals
        before = sum(refusals.values())
        self.session.received(text)
        self._refused = self._refused + 1 if sum(refusals.values()) > before else 0
        assert len(self.session.in_flight) <= LIMITS.in_flight
        assert len(self.session._streams or ()) <= LIMITS.streams

    def input_ended(self) -> bool:
        assert self.session is not None
        return self.session.input_ended()

    def ended(self) -> None:
        assert self.session is not None
        self.session.ended()

    def upgrade(self, kind_and_headers: bytes) -> bytes:
        """As a client, one of version 2 (``2``) or an agent (``A``), with any headers."""
        kind, headers = kind_and_headers[:1], kind_and_headers[1:].decode("latin-1")
        first = {b"2": (OFFER,), b"A": AGENT}.get(kind, ())
        return upgrade("/", *first, *filter(None, headers.split("\t")))

    def stop(self) -> None:
        if not self.stopped and self._agent and self.live:
            self.ledger.due(JOIN)  # the announcement that the agent leaves
        super().stop()
        self.server.close()
        self.pages.stop()
        self.loop.turn()

    @property
    def _answer_due(self) -> bool:
        in_flight = self.session is not None and self.session.in_flight
        waiting = self.connection._unread or self.transport.unread
        return self.live and bool(in_flight or waiting)

    @property
    def _progress(self) -> tuple[int, int]:
        return len(self.ledger.asked), len(self.session.in_flight) if self.session else 0

    def _wait_for_answers(self) -> None:
        while self._answer_due:
            before = self._progress
            self.loop.wait_for(
                lambda before=before: self._progress != before or not self._answer_due, LONGEST
            )
            self.answer_as_stan()
        self.loop.wait_for(lambda: not self.pages.waiting, LONGEST)
        self.loop.turn()

    def _check_output(self) -> None:
        for text in self.output.texts:
            self.ledger.answer(text)
        self.ledger.check(complete=self.live, ticked=False)
        assert self.output.status in (0, 101, 200, *range(400, 500), 503)
        if self.session is None and self.output.status:
            assert self.ended_by_agent

    def finish(self) -> None:
        super().finish()
        assert not self.table
        assert not self.table.handshaking
        assert not self.core.node.sessions
        assert not self.core.node.responder.streams._feeds
        self.server.close()
