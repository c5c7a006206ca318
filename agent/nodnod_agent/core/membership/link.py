"""One peer's address: dialled, kept, redialled for ever, and what it is asked meanwhile."""

from enum import Enum
from typing import Protocol

from nodnod_agent.core.interfaces import Clock, Dial, Hello, Random, Timer, Wire
from nodnod_agent.core.membership.backoff import Backoff
from nodnod_agent.core.membership.v1_pipeline import V1Pipeline
from nodnod_agent.core.question import V1_QUESTION
from nodnod_client.address import Address
from nodnod_client.codec import decode_peer_answer
from nodnod_client.errors import WireError
from nodnod_client.messages import PeerAnswer

SETTLED = 5.0
"""Seconds that a link must hold before the next redial starts again from the shortest wait."""


class LinkState(Enum):
    """``IDLE`` and ``RETIRED`` dial nobody; the others go round: dial, up, wait, dial."""

    IDLE = "idle"
    DIALLING = "dialling"
    UP = "up"
    WAITING = "waiting"
    RETIRED = "retired"


class LinkOwner(Protocol):
    """Whom a link tells what happens to it."""

    def link_up(self, link: "Link") -> None:
        """The peer can be asked from now on."""

    def link_down(self, link: "Link", reason: str) -> None:
        """The peer cannot be asked any more, or the attempt to reach it failed."""

    def link_answer(self, link: "Link", query: int | None, answer: PeerAnswer) -> None:
        """An answer came; ``query`` is ``None`` for the first answer, which tells a name."""

    def link_spoiled(self, link: "Link", query: int | None, reason: str) -> None:
        """What came is no answer; ``query`` is ``None`` where it cannot be told to which."""


class Link:
    """State, redials, and the matching of answers to queries, for one address.

    A version-2 peer echoes the query's id. A version-1 peer answers in order, so what it owes is
    counted off: an answer that comes late finds its own query, not the next.
    """

    __slots__ = (
        "_backoff",
        "_clock",
        "_owed",
        "_owner",
        "_pending",
        "address",
        "dialler",
        "heard",
        "hello",
        "next_ping",
        "since",
        "state",
        "wire",
    )

    def __init__(
        self, address: Address, owner: LinkOwner, *, clock: Clock, rng: Random, dial: Dial
    ) -> None:
        self.address = address
        self.state = LinkState.IDLE
        self.wire: Wire | None = None
        self.hello: Hello | None = None
        self.since = clock.time()
        self.heard = 0.0
        """When the peer was last heard, on a connection that is over."""
        self.next_ping = 0.0
        self._owner = owner
        self._clock = clock
        self.dialler = dial
        self._backoff = Backoff(rng)
        self._pending: Timer | None = None
        self._owed = V1Pipeline()

    @property
    def up(self) -> bool:
        """Whether the peer can be asked."""
        return self.state is LinkState.UP

    @property
    def owing(self) -> int:
        """How many answers a version-1 peer owes."""
        return len(self._owed)

    def dial(self) -> None:
        """Dial now, unless a connection is there or under way."""
        if self.state in (LinkState.IDLE, LinkState.WAITING):
            self._forget_pending()
            self.state = LinkState.DIALLING
            self._pending = self.dialler(self.address, self)

    def hurry(self, dialler: Dial) -> None:
        """Dial by ``dialler``, and wait no longer if we do: the peer has shown that it is there."""
        if self.state is LinkState.DIALLING and self.dialler is not dialler:
            self._forget_pending()
            self.state = LinkState.WAITING
        self.dialler = dialler
        if self.state is LinkState.WAITING:
            self.dial()

    def retire(self) -> None:
        """Give the address up for good."""
        self.rest()
        self.state = LinkState.RETIRED

    def rest(self) -> None:
        """Hang up and dial nobody until told to: another link reaches the same node."""
        wire, self.wire = self.wire, None
        self._forget_pending()
        self.state = LinkState.IDLE
        if wire is not None:
            wire.close(1000)

    def redial_later(self) -> None:
        """Redial after the longest wait; for one that is not expected back soon."""
        if self.state is LinkState.IDLE:
            self.state = LinkState.WAITING
            when = self._clock.time() + self._backoff.longest()
            self._pending = self._clock.call_at(when, self.dial)

    def drop(self, reason: str) -> None:
        """Cut the connection at once and redial."""
        wire = self.wire
        if wire is not None:
            self._down(reason)
            wire.abort()

    def ask(self, query: int, request: bytes) -> bool:
        """Send a query; false where this peer owes so many answers that it is not asked."""
        if self.wire is None or self.hello is None:
            return False
        if self.hello.version >= 2:
            self.wire.send(request)
            return True
        if self._owed.overdue(self._clock.time()):
            self.drop("an answer that it owed never came")
            return False
        if not self._owed.add(query):
            return False
        self._send_owed()
        return True

    def tell(self, request: bytes) -> None:
        """Send a request of another kind than a query, if the peer is there to take it."""
        if self.wire is not None:
            self.wire.send(request)

    # What the dialled connection reports.

    def opened(self, wire: Wire, hello: Hello) -> None:
        """See LinkEnd."""
        self._pending = None
        self.wire, self.hello = wire, hello
        self.state = LinkState.UP
        self.since = self._clock.time()
        self._owed.clear()
        if hello.version < 2:  # only an answer tells its name
            self._owed.add(None)
            self._send_owed()
        self._owner.link_up(self)

    def refused(self, reason: str) -> None:
        """See LinkEnd."""
        self._pending = None
        self._down(reason)

    def received(self, text: bytes) -> None:
        """See LinkEnd."""
        if self.hello is None or self.state is not LinkState.UP:
            return
        old = self.hello.version < 2
        # A version-1 peer has nothing to say unasked.
        queries = self._owed.answered() if old else ()
        try:
            answer = decode_peer_answer(text)
        except WireError as error:
            for query in queries or (None,):
                self._owner.link_spoiled(self, query, f"bad answer: {error}")
        else:
            if not old and isinstance(answer.id, int):
                queries = (answer.id,)
            for query in queries:
                if (
                    self.state is LinkState.UP
                ):  # the one before may have told who it is, and ended it
                    self._owner.link_answer(self, query, answer)
        if old:
            self._send_owed()

    def ended(self, reason: str) -> None:
        """See LinkEnd."""
        if self.wire is not None:
            self._down(reason)

    def _down(self, reason: str) -> None:
        if self.state is LinkState.RETIRED:
            return
        now = self._clock.time()
        if self.state is LinkState.UP:
            if now - self.since >= SETTLED:
                self._backoff.reset()
            self.since = now
        if self.wire is not None:
            self.heard = self.wire.heard
        self.wire = None
        self._owed.clear()
        self.state = LinkState.WAITING
        self._pending = self._clock.call_at(now + self._backoff.wait(), self.dial)
        self._owner.link_down(self, reason)

    def _send_owed(self) -> None:
        """Ask a version-1 peer, if somebody waits for that."""
        while self.wire is not None and self._owed.next(self._clock.time()):
            self.wire.send(V1_QUESTION)

    def _forget_pending(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
