"""One agent without its world: peers, queries, streams and sessions, put together."""

from collections.abc import Callable

from nodnod_agent.core.counters import Counters
from nodnod_agent.core.encoding import AnswerEncoder, with_id
from nodnod_agent.core.interfaces import Clock, Dial, Hello, Random, Timer, Wire
from nodnod_agent.core.limits import Limits
from nodnod_agent.core.membership.gossip import JOIN
from nodnod_agent.core.membership.member import Member
from nodnod_agent.core.membership.peers import Peers
from nodnod_agent.core.question import Question
from nodnod_agent.core.rate_limit import RateLimit
from nodnod_agent.core.requests.pacing import Pacing
from nodnod_agent.core.requests.query import Queries, Waiter
from nodnod_agent.core.requests.session import MAX_LONG_JOINS, Session
from nodnod_agent.core.requests.streams import Streams
from nodnod_agent.core.stats.cache import StatsCache
from nodnod_agent.core.stats.local import LocalNode, Want
from nodnod_agent.core.stats.push import NEWS, Push
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.codec import encode
from nodnod_client.messages import Join, MemberEntry, PeerAnswer

GOING_AWAY = 1001

STALE_AFTER = 3
"""Intervals without a sample after which our own numbers are called stale."""


class Node:
    """What the daemon runs over real sockets, and the simulated cluster over none."""

    def __init__(
        self,
        *,
        name: str,
        address: str,
        instance: str,
        clock: Clock,
        wall: Callable[[], float],
        rng: Random,
        dial: Dial,
        want: Want = lambda sections, seconds: None,
        mode: str = "pull",
        interval: float = 1.0,
        limits: Limits = Limits(),  # noqa: B008  # frozen
    ) -> None:
        """``address`` is where others can dial us; ``instance`` is random for each process."""
        own = MemberEntry(name, address, instance, incarnation=int(wall() * 1000))
        self.clock = clock
        self.counters = Counters()
        self.limits = limits
        self.long_joins = RateLimit(MAX_LONG_JOINS)
        self.answers = AnswerEncoder(name)
        self.local = LocalNode(name, interval=interval, want=want)
        self._interval = interval
        self._sample_time, self._sampled_at = 0.0, clock.time()
        self._missed = 0
        self._samples_watch: Timer | None = None
        self.peers = Peers(own, self, clock=clock, wall=wall, rng=rng, dial=dial)
        roster = self.peers.roster
        self.queries = Queries(roster, self.local, self.answers, clock)
        self.pacing = Pacing(self.queries, clock)
        self.streams = Streams(self, clock)
        self.sessions: dict[Session, tuple[Hello, Wire]] = {}
        self.push: Push | None = None
        if mode == "push":
            board = StatsCache(roster, self.local, self.answers, clock, interval)
            self.push = Push(board, clock, interval)

    def start(self) -> None:
        """Begin to keep the cluster; nodes to dial are added to ``peers``."""
        self.peers.start()
        self._watch_samples()
        if self.push is not None:
            self.push.start(self.peers.up)

    def leave(self) -> None:
        """Tell the peers that we leave on purpose, a moment before ``stop`` hangs up on them.

        Those that have dialled us are told on their own connections too: as an answer that they did
        not ask for, which so comes before the end of it, and to those that we had not dialled yet.
        """
        self.peers.gossip.leave()
        view = self.peers.gossip.view
        word = {"host": self.answers.host, "member": view.own, "digest": view.digest, "error": ""}
        told = with_id(encode(word), JOIN)
        for hello, wire in tuple(self.sessions.values()):
            if hello.instance:
                wire.send(told)

    def stop(self) -> None:
        """Say goodbye to everybody; nothing is asked or dialled any more."""
        if self._samples_watch is not None:
            self._samples_watch.cancel()
        self.streams.stop()
        self.pacing.stop()
        self.queries.stop()
        if self.push is not None:
            self.push.stop()
        for session in tuple(self.sessions):
            session.shut(GOING_AWAY, "shutting down")
        self.peers.stop()

    def sampled(self, sample: Sample) -> None:
        """Take this node's newest sample."""
        if sample.time != self._sample_time:  # else the same, with costly sections added
            self._sample_time, self._sampled_at, self._missed = sample.time, self.clock.time(), 0
        self.local.update(sample)
        self.queries.sampled()
        if self.push is not None:
            self.push.board.changed()

    def _watch_samples(self) -> None:
        # Looks are counted, and not seconds: after we stood still ourselves a sample is on its way.
        now = self.clock.time()
        self._samples_watch = self.clock.call_at(now + self._interval, self._watch_samples)
        self._missed += 1
        if self._missed > STALE_AFTER:
            self.local.stale(now - self._sampled_at)
            if self.push is not None:
                self.push.board.changed()

    def accepted(self, wire: Wire, hello: Hello) -> Session:
        """A client, or a peer that dialled, has connected."""
        teller = hello.address or "?" if hello.instance else None
        session = Session(self, wire, teller, hello.instance)
        self.sessions[session] = hello, wire
        if hello.instance:
            self.peers.met(hello, wire)
        return session

    # What sessions ask for.

    def left(self, session: Session) -> None:
        """Forget a client whose connection is gone."""
        gone = self.sessions.pop(session, None)
        if gone is not None:
            self.peers.parted(*gone)

    def reaches(self, instance: str) -> bool:
        """See Services."""
        return self.peers.reaches(instance)

    def ask(self, question: Question, waiter: Waiter) -> None:
        """Settle ``waiter``: in push mode from memory, where memory holds what is asked."""
        if self.push is not None and question.plain and not question.here:
            self.counters.known_at_once += 1
            waiter.settle(self.push.board.body(question))
        elif question.costly and not question.here:
            self.pacing.ask(question, waiter)
        else:
            self.queries.ask(question, waiter)

    def members_body(self) -> bytes:
        """The answer to type 3."""
        members = self.peers.members()
        return encode({"host": self.answers.host, "members": members, "error": ""})

    def join_body(self, join: Join, teller: str) -> bytes:
        """The answer to type 4."""
        answer = self.peers.gossip.asked(join, teller)
        return encode({"host": self.answers.host, **answer, "error": ""})

    # What peers do.

    def peer_up(self, member: Member) -> None:
        """See PeerOwner."""
        if self.push is not None:
            self.push.subscribe(member)

    def peer_down(self, member: Member) -> None:
        """See PeerOwner."""
        self.queries.failed(member, None, member.error)
        if self.push is not None:
            self.push.board.changed()

    def peer_gone(self, member: Member) -> None:
        """See PeerOwner."""
        if self.push is not None:
            self.push.board.forget(member)

    def peer_answer(self, member: Member, query: int, answer: PeerAnswer) -> None:
        """See PeerOwner."""
        if query != NEWS:
            self.queries.answered(member, query, answer)
        elif self.push is not None:
            self.push.news(member, answer)

    def peer_spoiled(self, member: Member, query: int | None, reason: str) -> None:
        """See PeerOwner."""
        self.queries.failed(member, query, reason)
        if self.push is not None:
            self.push.board.spoil(member, reason)
