"""One agent without its world: its members, links, queries and sessions, put together."""

import logging
from collections.abc import Iterable

from nodnod.address import Address
from nodnod.messages import PeerAnswer
from nodnod_agent.core.answers import Answers
from nodnod_agent.core.board import Board
from nodnod_agent.core.keepalive import Keepalive
from nodnod_agent.core.link import Link, LinkState
from nodnod_agent.core.local import LocalNode, Want
from nodnod_agent.core.members import Member, Roster, Standing
from nodnod_agent.core.push import NEWS, Push
from nodnod_agent.core.query import Queries, Waiter
from nodnod_agent.core.question import Question
from nodnod_agent.core.sample import Sample
from nodnod_agent.core.session import Session
from nodnod_agent.core.streams import Streams
from nodnod_agent.core.world import Clock, Dial, Hello, Random, Wire

__all__ = ["Cluster"]

GOING_AWAY = 1001

log = logging.getLogger("nodnod")


class Cluster:
    """What the daemon runs over real sockets, and the simulated cluster over none."""

    def __init__(
        self,
        *,
        name: str,
        instance: str,
        clock: Clock,
        rng: Random,
        dial: Dial,
        want: Want = lambda sections, seconds: None,
        mode: str = "pull",
        interval: float = 1.0,
    ) -> None:
        self.clock = clock
        self.answers = Answers(name)
        self.local = LocalNode(name, clock=clock, interval=interval, want=want)
        self.roster = Roster(name, instance)
        self.queries = Queries(self.roster, self.local, self.answers, clock)
        self.streams = Streams(self, clock)
        self.sessions: set[Session] = set()
        self.push: Push | None = None
        if mode == "push":
            board = Board(self.roster, self.local, self.answers, clock, interval)
            self.push = Push(board, clock, interval)
        self._rng = rng
        self._dial = dial
        self._links: dict[Link, Member] = {}
        self._told_down: set[Member] = set()
        self._keepalive = Keepalive(clock, rng, lambda: self._links)

    def start(self, nodes: Iterable[Address]) -> None:
        """Dial the configured nodes, and keep them for good."""
        log.info("Starting discovery service")
        self._keepalive.start()
        if self.push is not None:
            self.push.start(lambda: [member for member in self._links.values() if member.up])
        for address in nodes:
            self.add(address, configured=True)

    def add(self, address: Address, *, configured: bool) -> None:
        """Take an address into the cluster and dial it."""
        member = self.roster.add(address, configured=configured)
        if member.link is None:
            link = Link(address, self, clock=self.clock, rng=self._rng, dial=self._dial)
            member.link = link
            self._links[link] = member
            link.dial()

    def sampled(self, sample: Sample) -> None:
        """Take this node's newest sample."""
        self.local.update(sample)
        self.queries.sampled()
        if self.push is not None:
            self.push.board.changed()

    def ask(self, question: Question, waiter: Waiter) -> None:
        """Settle ``waiter``: in push mode from memory, where memory holds what is asked."""
        if self.push is not None and question.plain and not question.here:
            waiter.settle(self.push.board.body(question))
        else:
            self.queries.ask(question, waiter)

    def accepted(self, wire: Wire, hello: Hello) -> Session:
        """A client, or a peer that dialled, has connected."""
        session = Session(self, wire)
        self.sessions.add(session)
        if hello.instance:
            self._met(hello)
        return session

    def stop(self) -> None:
        """Say goodbye to everybody; nothing is asked or dialled any more."""
        self._keepalive.stop()
        self.streams.stop()
        self.queries.stop()
        if self.push is not None:
            self.push.stop()
        for session in tuple(self.sessions):
            session.shut(GOING_AWAY, "shutting down")
        for link in self._links:
            link.retire()

    # What links report.

    def link_up(self, link: Link) -> None:
        """See LinkOwner."""
        member = self._links[link]
        hello = link.hello
        assert hello is not None
        member.error = ""
        if hello.version < 2:  # who it is, its first answer tells
            log.info("Established connection with node: %s", member.address)
            self._told_down.discard(member)
            return
        self._identified(member, hello.name, hello.instance, hello.version)

    def link_down(self, link: Link, reason: str) -> None:
        """See LinkOwner."""
        member = self._links[link]
        was_up = not member.error
        member.error = f"down: {reason}"
        for alias in self.roster.aliases(member):
            if alias.link is not None:
                alias.link.dial()
        if member not in self._told_down:
            self._told_down.add(member)
            if was_up:
                log.warning("Lost connection with node: %s. Reason: %s", member, reason)
            else:
                log.warning("Could not connect to node: %s. Error: %s", member.address, reason)
        if was_up:
            self.queries.failed(member, None, member.error)
            if self.push is not None:
                self.push.board.changed()

    def link_answer(self, link: Link, query: int | None, answer: PeerAnswer) -> None:
        """See LinkOwner."""
        member = self._links[link]
        if query == NEWS:
            if self.push is not None:
                self.push.news(member, answer)
        elif query is not None:
            self.queries.answered(member, query, answer)
        elif len(answer.nodes) == 1:
            (name,) = answer.nodes
            self._identified(member, name, "", 1)

    def link_spoiled(self, link: Link, query: int | None, reason: str) -> None:
        """See LinkOwner."""
        member = self._links[link]
        log.warning("%s sent a %s", member, reason)
        self.queries.failed(member, query, reason)
        if self.push is not None:
            self.push.board.spoil(member, reason)

    def _identified(self, member: Member, name: str, instance: str, version: int) -> None:
        standing = self.roster.identify(member, name, instance, version)
        if standing is Standing.SELF:
            log.info("Address %s is this node itself", member.address)
            self._forget(member)
            return
        if standing is Standing.ALIAS:
            assert member.link is not None
            log.debug("Address %s is node %s too", member.address, member.alias_of)
            member.link.rest()
            return
        if version >= 2:
            log.info("Established connection with node: %s", member.address)
        log.info("Connected to node: %s", member)
        if self.push is not None:
            self.push.subscribe(member)
        self._told_down.discard(member)
        if member.listed != member.name:
            log.warning(
                "Two nodes have the name %s: the one at %s is listed as %s",
                member.name,
                member.address,
                member.listed,
            )

    def _met(self, hello: Hello) -> None:
        """A peer has dialled us: if we wait to redial it, the wait is over."""
        for member in self.roster.members.values():
            link = member.link
            if link is None or link.state is not LinkState.WAITING or member.alias_of is not None:
                continue
            if hello.address == str(member.address) or (hello.name and hello.name == member.name):
                link.dial()

    def _forget(self, member: Member) -> None:
        self.roster.remove(member)
        if self.push is not None:
            self.push.board.forget(member)
        if member.link is not None:
            del self._links[member.link]
            member.link.retire()
            member.link = None
