"""The link to one peer: its dialing, its connection, and which answer belongs to which query."""

from enum import Enum

from nodnod_agent.core.encoding import split_id
from nodnod_agent.core.interfaces import Clock, Dial, DialHandler, Hello, Random, Timer, Wire
from nodnod_agent.core.membership.backoff import Backoff
from nodnod_agent.core.membership.v1_pipeline import V1Pipeline
from nodnod_agent.core.question import V1_REQUEST
from nodnod_client.address import Address
from nodnod_client.codec import decode_peer_answer
from nodnod_client.errors import WireError
from nodnod_client.messages import PeerAnswer

MAX_REMEMBERED = 16 * 1024
"""Bytes of an answer that a link remembers, to know it again."""

STABLE_AFTER = 5.0
"""Seconds that a connection must hold before the next redial starts from the shortest wait."""


class LinkState(Enum):
    """The states of a link, and what leads from one to the next.

    ========== ================================= ==========
    state      event                             next state
    ========== ================================= ==========
    IDLE       ``dial``                          DIALING
    IDLE       ``redial_later``                  WAITING
    WAITING    the wait ends, ``dial``           DIALING
    DIALING    ``opened``                        UP
    DIALING    ``refused``                       WAITING
    UP         ``ended``, ``drop``               WAITING
    any        ``rest``                          IDLE
    any        ``retire``                        RETIRED
    ========== ================================= ==========
    """

    IDLE = "idle"
    DIALING = "dialling"
    UP = "up"
    WAITING = "waiting"
    RETIRED = "retired"


Reply = tuple[int | None, PeerAnswer | WireError]
"""A peer's answer, or the error that comes instead, and the query that it belongs to.

The query is ``None`` for the first answer of a version-1 peer, which tells its name, and for an error
that belongs to no query in particular.
"""


class Link:
    """State, redials, and the matching of answers to queries, for one address.

    On its own it only dials. Everything else is reported to it, and it returns what follows.

    A version-2 peer echoes the query's id. A version-1 peer answers in order, so its missing answers
    are counted: an answer that comes late finds its own query, not the next.
    """

    __slots__ = (
        "_backoff",
        "_clock",
        "_content",
        "_handler",
        "_pending",
        "_pipeline",
        "address",
        "dialer",
        "hello",
        "last_answer",
        "last_heard",
        "next_ping",
        "short_history",
        "since",
        "state",
        "up",
        "wire",
    )

    def __init__(
        self, address: Address, handler: DialHandler, *, clock: Clock, rng: Random, dial: Dial
    ) -> None:
        """``handler`` gets the reports of the connections that are dialed for this link."""
        self.address = address
        self.state = LinkState.IDLE
        self.up = False
        """Whether the peer can be asked: the state is UP."""
        self.wire: Wire | None = None
        self.hello: Hello | None = None
        self.since = clock.time()
        self.last_heard = 0.0
        """When the peer was last heard on the previous connection."""
        self.next_ping = 0.0
        self.short_history = False
        """Whether the peer refuses to answer more than an hour of history."""
        self.dialer = dial
        self._handler = handler
        self._clock = clock
        self._backoff = Backoff(rng)
        self._pending: Timer | None = None
        """The attempt under way, or the wait before the next one."""
        self._pipeline = V1Pipeline()
        self._content = b""
        self.last_answer: PeerAnswer | None = None
        """The last short answer. Until the peer has a new sample, it repeats but for its id."""

    @property
    def unanswered(self) -> int:
        """How many answers a version-1 peer has still to give."""
        return len(self._pipeline)

    def overdue(self, awake_since: float) -> bool:
        """Whether a version-1 peer has skipped a question, so that its answers no longer match.

        Seconds before ``awake_since`` do not count: this process could not have read the answer.
        """
        return self._pipeline.overdue(self._clock.time(), awake_since)

    def dial(self) -> None:
        """Dial now, unless a connection is there or under way."""
        if self.state in (LinkState.IDLE, LinkState.WAITING):
            self._cancel_pending()
            self._change(LinkState.DIALING)
            self._pending = self.dialer(self.address, self._handler)

    def hurry(self, dialer: Dial) -> None:
        """Use ``dialer`` from now on, also for an attempt under way, and wait no longer."""
        if self.state is LinkState.DIALING and self.dialer != dialer:
            self._cancel_pending()
            self._change(LinkState.WAITING)
        self.dialer = dialer
        if self.state is LinkState.WAITING:
            self.dial()

    def retire(self) -> None:
        """Give the address up for good."""
        self.rest()
        self._change(LinkState.RETIRED)

    def rest(self) -> None:
        """Close the connection, and do not dial until ``dial`` is called."""
        wire, self.wire = self.wire, None
        self._cancel_pending()
        self._change(LinkState.IDLE)
        if wire is not None:
            wire.close(1000)

    def redial_later(self) -> None:
        """Redial after the longest wait: the peer is not expected back soon."""
        if self.state is LinkState.IDLE:
            self._change(LinkState.WAITING)
            when = self._clock.time() + self._backoff.longest()
            self._pending = self._clock.call_at(when, self.dial)

    def drop(self) -> None:
        """Cut the connection at once, and redial."""
        wire = self.wire
        if wire is not None:
            self._redial()
            wire.abort()

    def ask(self, query: int, request: bytes) -> bool:
        """Send a query; false where the peer owes too many answers already."""
        if self.wire is None or self.hello is None:
            return False
        if self.hello.version >= 2:
            self.wire.send_now(request)
            return True
        if not self._pipeline.add(query):
            return False
        self._send_next()
        return True

    def send(self, request: bytes) -> None:
        """Send a request that is no query, if the link is up."""
        if self.wire is not None:
            self.wire.send(request)

    def opened(self, wire: Wire, hello: Hello) -> None:
        """Take the connection that was dialed."""
        self._pending = None
        self.wire, self.hello = wire, hello
        self.short_history = False
        self._change(LinkState.UP)
        self.since = self._clock.time()
        self._pipeline.clear()
        if hello.version < 2:  # only an answer tells its name
            self._pipeline.add(None)
            self._send_next()

    def refused(self) -> None:
        """Note that the attempt has failed."""
        self._pending = None
        self._redial()

    def ended(self) -> bool:
        """Note that the connection has ended; false where it was given up before."""
        if self.wire is None:
            return False
        self._redial()
        return True

    def received(self, text: bytes) -> list[Reply]:
        """Match what the peer sends to its queries; a version-1 answer may belong to several."""
        if self.hello is None or not self.up:
            return []
        v1 = self.hello.version < 2
        queries = self._pipeline.answered() if v1 else ()
        if v1:
            self._send_next()
        content, query = (text, None) if v1 else split_id(text)
        answer = self.last_answer if content == self._content else None
        try:
            if answer is None:
                answer = self._decode(text, content)
        except WireError as error:
            return [(one, error) for one in queries or (None,)]
        if v1:
            return [(one, answer) for one in queries]
        if query is None:
            return [(answer.id, answer)] if isinstance(answer.id, int) else []
        return [(query, answer)]

    def _decode(self, text: bytes, content: bytes) -> PeerAnswer:
        """Decode an answer, and remember it if it is short; ``content`` is all but its id."""
        answer = decode_peer_answer(text)
        if len(text) <= MAX_REMEMBERED:
            self._content, self.last_answer = content, answer
        return answer

    def _change(self, state: LinkState) -> None:
        self.state = state
        self.up = state is LinkState.UP

    def _redial(self) -> None:
        now = self._clock.time()
        if self.state is LinkState.UP:
            if now - self.since >= STABLE_AFTER:
                self._backoff.reset()
            self.since = now
        if self.wire is not None:
            self.last_heard = self.wire.heard
        self.wire = None
        self._pipeline.clear()
        self._change(LinkState.WAITING)
        self._pending = self._clock.call_at(now + self._backoff.wait(), self.dial)

    def _send_next(self) -> None:
        while self.wire is not None and self._pipeline.next(self._clock.time()):
            self.wire.send(V1_REQUEST)

    def _cancel_pending(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
