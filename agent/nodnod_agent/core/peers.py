"""The other nodes: who they are, the links to them, and what they and we tell each other."""

import logging
from collections.abc import Callable
from typing import Protocol

from nodnod.address import Address, parse_address
from nodnod.messages import MemberEntry, MemberInfo, PeerAnswer
from nodnod_agent.core.dialling import Dialling
from nodnod_agent.core.gossip import JOIN, Gossip
from nodnod_agent.core.keepalive import Keepalive
from nodnod_agent.core.link import Link, LinkState
from nodnod_agent.core.members import NOT_CONNECTED, Member, Roster, Standing
from nodnod_agent.core.seeds import Seeds
from nodnod_agent.core.view import DAY, View
from nodnod_agent.core.world import Clock, Dial, Hello, Random, Timer, Wire

__all__ = ["PeerOwner", "Peers"]

HOUSEKEEPING = 30.0
FORGOTTEN_AFTER = DAY
"""Seconds that a member that we learnt of, and that is gone without a word, stays listed."""

log = logging.getLogger("nodnod")


class PeerOwner(Protocol):
    """Who acts on what peers do."""

    def peer_up(self, member: Member) -> None:
        """A member can be asked, and we know its name."""

    def peer_down(self, member: Member) -> None:
        """It cannot be asked any more; ``member.error`` says why."""

    def peer_gone(self, member: Member) -> None:
        """It is not listed any more."""

    def peer_answer(self, member: Member, query: int, answer: PeerAnswer) -> None:
        """It answered."""

    def peer_spoiled(self, member: Member, query: int | None, reason: str) -> None:
        """It sent what is no answer, to this query or to who knows which."""


class Peers:
    """Dials them, keeps them, names them, and forgets them."""

    def __init__(
        self,
        own: MemberEntry,
        owner: PeerOwner,
        *,
        clock: Clock,
        wall: Callable[[], float],
        rng: Random,
        dial: Dial,
    ) -> None:
        self.roster = Roster(own.name, own.instance)
        self.gossip = Gossip(View(own, wall), self, self._speaking, clock=clock, rng=rng)
        self._owner = owner
        self._clock = clock
        self._wall = wall
        self._rng = rng
        self._dialling = Dialling(dial, clock, rng)
        self._keepalive = Keepalive(clock, rng, lambda: self._links, self._heard_elsewhere)
        self._links: dict[Link, Member] = {}
        self._up: dict[Link, None] = {}
        self._speakers: list[Link] | None = None
        self._told_down: set[Member] = set()
        self._inbound: dict[str, Wire] = {}
        self._seeds = Seeds()
        self._started = wall()
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to ping, gossip and forget."""
        self._keepalive.start()
        self.gossip.start()
        self._timer = self._clock.call_at(self._clock.time() + HOUSEKEEPING, self._keep_house)

    def stop(self) -> None:
        """Hang up on everybody, and dial nobody."""
        self.gossip.stop()
        self._keepalive.stop()
        self._dialling.stop()
        if self._timer is not None:
            self._timer.cancel()
        for link in tuple(self._links):
            link.retire()

    def add(self, address: Address) -> None:
        """Dial a configured address, and never forget it."""
        self._seeds.add(address)
        self._seat(address)

    def expect(self, seed: Address) -> None:
        """List a configured host name; it is dialled once ``resolved`` tells what it stands for."""
        self._seeds.add(seed)
        member = self.roster.add(seed, configured=True)
        if member.link is None:
            member.error = "looking up the name"

    def resolved(self, seed: Address, addresses: list[Address]) -> None:
        """Take what a configured host name stands for: the one node, or each of several.

        An empty list says that the name could not be looked up: what was known of it stands.
        """
        added, dropped = self._seeds.resolved(seed, addresses)
        for address in sorted(added):
            self._seat(address)
        for address in dropped:
            self._unseat(address)

    def remove(self, seed: Address) -> None:
        """A node is configured no more: one that is up, and can be learnt of, stays as learnt of."""
        for address in self._seeds.remove(seed):
            self._unseat(address, for_good=True)

    def up(self) -> list[Member]:
        """Those that can be asked."""
        return [self._links[link] for link in self._up]

    def met(self, hello: Hello, wire: Wire) -> None:
        """A peer has dialled us: if we wait to redial it, the wait is over."""
        self._inbound[hello.instance] = wire
        try:
            member = self.roster.members.get(parse_address(hello.address))
        except ValueError:
            return
        if member is None or member.link is None or member.alias_of is not None:
            return
        if member.link.state is LinkState.WAITING:
            member.link.dial()

    def parted(self, hello: Hello, wire: Wire) -> None:
        """The connection over which a peer has dialled us is gone."""
        if self._inbound.get(hello.instance) is wire:
            del self._inbound[hello.instance]

    def members(self) -> list[MemberInfo]:
        """Every member, this node first, as type 3 lists them."""
        view = self.gossip.view
        rows = self.roster.rows(view.own.address, self._started)
        listed = {row.address for row in rows}
        return rows + [row for row in view.gone() if row.address not in listed]

    # What links report.

    def link_up(self, link: Link) -> None:
        """See LinkOwner."""
        member = self._links[link]
        hello = link.hello
        assert hello is not None
        member.error = ""
        member.since = self._wall()
        self._up[link] = None
        self._speakers = None
        log.info("Established connection with node: %s", member.address)
        if hello.version >= 2:  # who an older one is, its first answer tells
            self._identified(member, hello.name, hello.instance, hello.version)

    def link_down(self, link: Link, reason: str) -> None:
        """See LinkOwner."""
        member = self._links[link]
        was_up = link in self._up
        if was_up or not member.since:
            member.since = self._wall()
        self._up.pop(link, None)
        self._speakers = None
        self.gossip.link_down(link)
        member.error = f"down: {reason}"
        for alias in self.roster.aliases(member):
            if alias.link is not None:
                alias.link.dial()
        if member not in self._told_down and not member.left and member.alias_of is None:
            self._told_down.add(member)
            where, key = member.address, member.log_key
            if was_up:
                log.warning("Lost connection with node: %s. Reason: %s", member, reason, extra=key)
            else:
                log.warning("Could not connect to node: %s. Error: %s", where, reason, extra=key)
        if was_up:
            self._owner.peer_down(member)

    def link_answer(self, link: Link, query: int | None, answer: PeerAnswer) -> None:
        """See LinkOwner."""
        member = self._links[link]
        if query == JOIN:
            self.gossip.answered(link, answer)
            return
        # The first answer of an old peer tells its name; if that was none, the next one does.
        if (query is None or member.version == 0) and len(answer.nodes) == 1:
            (name,) = answer.nodes
            self._identified(member, name, "", 1)
        if query is not None:
            self._owner.peer_answer(member, query, answer)

    def link_spoiled(self, link: Link, query: int | None, reason: str) -> None:
        """See LinkOwner."""
        member = self._links[link]
        log.warning("%s sent a %s", member, reason, extra=member.log_key)
        self._owner.peer_spoiled(member, query, reason)

    # What gossip tells.

    def learnt(self, entry: MemberEntry) -> None:
        """See Listener."""
        address = parse_address(entry.address)
        if entry.state == "left":
            self._left(address, entry)
            return
        known = address in self.roster.members
        member = self.roster.add(address, configured=False)
        link = self._link(member)
        if member.up:
            return
        if not known:
            log.info("Discovered node: [%s : %s]", entry.name, address)
        unmet = member.version == 0 or member.left or member.name != entry.name
        if unmet and self.roster.hear_of(member, entry.name, entry.instance) is Standing.ALIAS:
            return
        link.dial()

    # How it works.

    def _speaking(self) -> list[Link]:
        """The links over which gossip can go."""
        if self._speakers is None:
            self._speakers = [
                link for link in self._up if link.hello is not None and link.hello.version >= 2
            ]
        return self._speakers

    def _heard_elsewhere(self, link: Link) -> float:
        wire = self._inbound.get(link.hello.instance) if link.hello is not None else None
        return wire.heard if wire is not None else 0.0

    def _link(self, member: Member) -> Link:
        if member.link is None:
            dial = self._dialling if member.proved else self._dialling.hearsay
            link = Link(member.address, self, clock=self._clock, rng=self._rng, dial=dial)
            member.link = link
            self._links[link] = member
        return member.link

    def _identified(self, member: Member, name: str, instance: str, version: int) -> None:
        link = member.link
        assert link is not None
        standing = self.roster.identify(member, name, instance, version)
        if standing is Standing.SELF:
            log.info("Address %s is this node itself", member.address)
            self._forget(member)
            return
        if standing is Standing.ALIAS:
            log.debug("Address %s is node %s too", member.address, member.alias_of)
            member.error = NOT_CONNECTED
            self._told_down.discard(member)
            self._hang_up(link)
            return
        log.info("Connected to node: %s", member)
        link.dialler = self._dialling
        self._told_down.discard(member)
        if member.name and member.listed != member.name:
            log.warning(
                "Two nodes have the name %s: the one at %s is listed as %s",
                member.name,
                member.address,
                member.listed,
                extra=member.log_key,
            )
        if version >= 2:
            self.gossip.link_up(link)
        self._owner.peer_up(member)

    def _left(self, address: Address, entry: MemberEntry) -> None:
        member = self.roster.members.get(address)
        if member is None:
            return
        if member.instance != entry.instance and member.up:
            return  # another process answers there by now
        log.info("Node left: [%s : %s]", entry.name, address)
        self.roster.leave(member)
        self._told_down.discard(member)
        if member.link is not None:
            was_up = member.up
            self._hang_up(member.link)
            member.error = "left"
            if was_up:
                self._owner.peer_down(member)
        if member.configured:
            # It may come back without a word to us: go on knocking, at the slowest pace.
            assert member.link is not None
            member.link.redial_later()
        else:
            self._forget(member)

    def _seat(self, address: Address) -> None:
        member = self.roster.add(address, configured=True)
        if member.link is None:
            member.error = NOT_CONNECTED
        self._link(member).dial()

    def _unseat(self, address: Address, *, for_good: bool = False) -> None:
        member = self.roster.members.get(address)
        if member is None:
            return
        member.configured = False
        # What a name server leaves out may be just what is to be seen as down.
        learnt = not for_good and str(address) in self.gossip.view.entries
        if learnt or (member.present and (member.version != 1 or not for_good)):
            return
        was_up = member.up
        self.gossip.view.forget(str(address))
        self._forget(member)
        if was_up:
            self._owner.peer_down(member)

    def _hang_up(self, link: Link) -> None:
        self._up.pop(link, None)
        self._speakers = None
        self.gossip.link_down(link)
        link.rest()

    def _forget(self, member: Member) -> None:
        link, member.link = member.link, None
        if link is not None:
            self._hang_up(link)
            del self._links[link]
            link.retire()
        self._told_down.discard(member)
        aliases = self.roster.aliases(member)
        self.roster.remove(member)
        for alias in aliases:  # they stand for themselves now
            if alias.link is not None:
                alias.link.dial()
        self._owner.peer_gone(member)

    def _keep_house(self) -> None:
        self._timer = self._clock.call_at(self._clock.time() + HOUSEKEEPING, self._keep_house)
        now = self._wall()
        for member in tuple(self.roster.members.values()):
            if member.configured or member.present or not member.since:
                continue
            if now - member.since > FORGOTTEN_AFTER:
                log.info("Forgot node: %s, down for a day", member)
                self.gossip.view.forget(str(member.address))
                self._forget(member)
