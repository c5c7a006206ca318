"""One agent without its world: its members, links, queries and sessions, put together."""

import logging
from collections.abc import Iterable

from nodnod.address import Address
from nodnod.messages import PeerAnswer
from nodnod_agent.core.keepalive import Keepalive
from nodnod_agent.core.link import Link, LinkState
from nodnod_agent.core.local import LocalNode
from nodnod_agent.core.members import Member, Roster, Standing
from nodnod_agent.core.query import Queries
from nodnod_agent.core.sample import Sample
from nodnod_agent.core.session import Session
from nodnod_agent.core.world import Clock, Dial, Hello, Random, Wire

__all__ = ["Cluster"]

GOING_AWAY = 1001

log = logging.getLogger("nodnod")


class Cluster:
    """What the daemon runs over real sockets, and the simulated cluster over none."""

    def __init__(
        self, *, name: str, instance: str, clock: Clock, rng: Random, dial: Dial
    ) -> None:
        self.name = name
        self.instance = instance
        self.clock = clock
        self.local = LocalNode(name)
        self.roster = Roster(name, instance)
        self.queries = Queries(self.roster, self.local, clock)
        self.sessions: set[Session] = set()
        self._rng = rng
        self._dial = dial
        self._links: dict[Link, Member] = {}
        self._told_down: set[Member] = set()
        self._keepalive = Keepalive(clock, rng, lambda: self._links)

    def start(self, nodes: Iterable[Address]) -> None:
        """Dial the configured nodes, and keep them for good."""
        log.info("Starting discovery service")
        self._keepalive.start()
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

    def accepted(self, wire: Wire, hello: Hello) -> Session:
        """A client, or a peer that dialled, has connected."""
        session = Session(self, wire)
        self.sessions.add(session)
        if hello.instance:
            self._met(hello)
        return session

    def left(self, session: Session) -> None:
        """A client's connection is gone."""
        session.ended()
        self.sessions.discard(session)

    def stop(self) -> None:
        """Say goodbye to everybody; nothing is asked or dialled any more."""
        self._keepalive.stop()
        self.queries.stop()
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

    def link_answer(self, link: Link, query: int | None, answer: PeerAnswer) -> None:
        """See LinkOwner."""
        member = self._links[link]
        if query is not None:
            self.queries.answered(member, query, answer)
        elif len(answer.nodes) == 1:
            (name,) = answer.nodes
            self._identified(member, name, "", 1)

    def link_spoiled(self, link: Link, query: int | None, reason: str) -> None:
        """See LinkOwner."""
        member = self._links[link]
        log.warning("%s sent a %s", member, reason)
        self.queries.failed(member, query, reason)

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
        if member.link is not None:
            del self._links[member.link]
            member.link.retire()
            member.link = None
