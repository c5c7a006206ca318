"""One agent without its world: peers, queries, streams and sessions, put together."""

from collections.abc import Callable

from nodnod.codec import encode
from nodnod.messages import Join, MemberEntry, PeerAnswer
from nodnod_agent.core.answers import Answers
from nodnod_agent.core.board import Board
from nodnod_agent.core.counters import Counters
from nodnod_agent.core.limits import Limits
from nodnod_agent.core.local import LocalNode, Want
from nodnod_agent.core.members import Member
from nodnod_agent.core.peers import Peers
from nodnod_agent.core.push import NEWS, Push
from nodnod_agent.core.query import Queries, Waiter
from nodnod_agent.core.question import Question
from nodnod_agent.core.sample import Sample
from nodnod_agent.core.session import Session
from nodnod_agent.core.streams import Streams
from nodnod_agent.core.world import Clock, Dial, Hello, Random, Wire

__all__ = ["Cluster"]

GOING_AWAY = 1001


class Cluster:
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
        self.answers = Answers(name)
        self.local = LocalNode(name, interval=interval, want=want)
        self.peers = Peers(own, self, clock=clock, wall=wall, rng=rng, dial=dial)
        roster = self.peers.roster
        self.queries = Queries(roster, self.local, self.answers, clock)
        self.streams = Streams(self, clock)
        self.sessions: dict[Session, tuple[Hello, Wire]] = {}
        self.push: Push | None = None
        if mode == "push":
            board = Board(roster, self.local, self.answers, clock, interval)
            self.push = Push(board, clock, interval)

    def start(self) -> None:
        """Begin to keep the cluster; nodes to dial are added to ``peers``."""
        self.peers.start()
        if self.push is not None:
            self.push.start(self.peers.up)

    def leave(self) -> None:
        """Tell the peers that we leave on purpose, a moment before ``stop`` hangs up on them."""
        self.peers.gossip.leave()

    def stop(self) -> None:
        """Say goodbye to everybody; nothing is asked or dialled any more."""
        self.streams.stop()
        self.queries.stop()
        if self.push is not None:
            self.push.stop()
        for session in tuple(self.sessions):
            session.shut(GOING_AWAY, "shutting down")
        self.peers.stop()

    def sampled(self, sample: Sample) -> None:
        """Take this node's newest sample."""
        self.local.update(sample)
        self.queries.sampled()
        if self.push is not None:
            self.push.board.changed()

    def accepted(self, wire: Wire, hello: Hello) -> Session:
        """A client, or a peer that dialled, has connected."""
        session = Session(self, wire, hello.address or "?" if hello.instance else None)
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

    def ask(self, question: Question, waiter: Waiter) -> None:
        """Settle ``waiter``: in push mode from memory, where memory holds what is asked."""
        if self.push is not None and question.plain and not question.here:
            self.counters.known_at_once += 1
            waiter.settle(self.push.board.body(question))
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
