"""One agent without its world: peers, queries, streams and sessions, put together."""

from collections.abc import Callable

from nodnod_agent.core.counters import Counters
from nodnod_agent.core.encoding import AnswerEncoder, with_id
from nodnod_agent.core.interfaces import Clock, Dial, Hello, Random, Timer, Wire
from nodnod_agent.core.limits import Limits
from nodnod_agent.core.membership.gossip import JOIN
from nodnod_agent.core.membership.member import Member
from nodnod_agent.core.membership.peers import Peers
from nodnod_agent.core.requests.responder import Responder
from nodnod_agent.core.requests.session import Session
from nodnod_agent.core.stats.cache import StatsCache
from nodnod_agent.core.stats.local import LocalNode, Want
from nodnod_agent.core.stats.push import NEWS, Push
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.messages import MemberEntry, PeerAnswer

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
        encoder = AnswerEncoder(name)
        self.local = LocalNode(name, interval=interval, want=want)
        self._interval = interval
        self._sample_time, self._sampled_at = 0.0, clock.time()
        self._missed = 0
        self._samples_watch: Timer | None = None
        self.peers = Peers(own, self, clock=clock, wall=wall, rng=rng, dial=dial)
        roster = self.peers.roster
        self.sessions: dict[Session, None] = {}
        self.push: Push | None = None
        cache: StatsCache | None = None
        if mode == "push":
            cache = StatsCache(roster, self.local, encoder, clock, interval)
            self.push = Push(cache, clock, interval)
        self.responder = Responder(
            self.peers,
            self.local,
            encoder,
            cache,
            clock=clock,
            counters=self.counters,
            limits=limits,
        )

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
        encoder = self.responder.encoder
        told = with_id(encoder.fields(member=view.own, digest=view.digest), JOIN)
        for session in tuple(self.sessions):
            if session.from_agent:
                session.wire.send(told)

    def stop(self) -> None:
        """Say goodbye to everybody; nothing is asked or dialled any more."""
        if self._samples_watch is not None:
            self._samples_watch.cancel()
        self.responder.stop()
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
        self.responder.queries.sampled()
        if self.push is not None:
            self.push.cache.changed()

    def _watch_samples(self) -> None:
        # Looks are counted, and not seconds: after we stood still ourselves a sample is on its way.
        now = self.clock.time()
        self._samples_watch = self.clock.call_at(now + self._interval, self._watch_samples)
        self._missed += 1
        if self._missed > STALE_AFTER:
            self.local.stale(now - self._sampled_at)
            if self.push is not None:
                self.push.cache.changed()

    def accepted(self, wire: Wire, hello: Hello) -> Session:
        """A client, or a peer that dialled, has connected."""
        session = Session(self.responder, wire, hello, self._session_ended)
        self.sessions[session] = None
        if hello.instance:
            self.peers.met(hello, wire)
        return session

    def _session_ended(self, session: Session) -> None:
        if session in self.sessions:
            del self.sessions[session]
            self.peers.parted(session.hello, session.wire)

    # What peers do.

    def peer_up(self, member: Member) -> None:
        """See PeerOwner."""
        if self.push is not None:
            self.push.subscribe(member)

    def peer_down(self, member: Member) -> None:
        """See PeerOwner."""
        self.responder.queries.failed(member, None, member.error)
        if self.push is not None:
            self.push.cache.changed()

    def peer_gone(self, member: Member) -> None:
        """See PeerOwner."""
        if self.push is not None:
            self.push.cache.forget(member)

    def peer_answer(self, member: Member, query: int, answer: PeerAnswer) -> None:
        """See PeerOwner."""
        if query != NEWS:
            self.responder.queries.answered(member, query, answer)
        elif self.push is not None:
            self.push.news(member, answer)

    def peer_spoiled(self, member: Member, query: int | None, reason: str) -> None:
        """See PeerOwner."""
        self.responder.queries.failed(member, query, reason)
        if self.push is not None:
            self.push.cache.spoil(member, reason)
