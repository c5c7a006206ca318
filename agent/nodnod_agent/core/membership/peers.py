"""The other nodes: who they are, the links to them, and what they and we tell each other."""

import logging
from collections.abc import Callable

from nodnod_agent.core.interfaces import Clock, Dial, Hello, Random, Timer, Wire
from nodnod_agent.core.membership.callers import Callers
from nodnod_agent.core.membership.departures import Departures, whole_node
from nodnod_agent.core.membership.dial_queue import DialQueue
from nodnod_agent.core.membership.gossip import JOIN, Gossip
from nodnod_agent.core.membership.keepalive import STALL, Keepalive, pace
from nodnod_agent.core.membership.link import Link
from nodnod_agent.core.membership.losses import Losses
from nodnod_agent.core.membership.member import NOT_CONNECTED, Member
from nodnod_agent.core.membership.roster import PeerOwner, Roster, Standing
from nodnod_agent.core.membership.seeds import Seeds
from nodnod_agent.core.membership.table import DAY, MembershipTable
from nodnod_agent.core.membership.uplinks import Uplinks
from nodnod_client.address import Address, parse_address
from nodnod_client.messages import MemberEntry, MemberInfo, PeerAnswer

HOUSEKEEPING = 30.0
FORGOTTEN_AFTER = DAY
"""Seconds that a member that we learnt of, and that is gone without a word, stays listed."""

log = logging.getLogger("nodnod")


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
        self._up = Uplinks()
        self.gossip = Gossip(
            MembershipTable(own, wall), self, self._up.speaking, clock=clock, rng=rng
        )
        self._owner = owner
        self._clock = clock
        self._wall = wall
        self._rng = rng
        self._dialling = DialQueue(dial, clock, rng)
        self._keepalive = Keepalive(clock, rng, lambda: self._links, self._heard_elsewhere)
        self._links: dict[Link, Member] = {}
        self._losses = Losses()
        self._departures = Departures(self.roster, self.gossip, self._losses, self, owner)
        self._callers = Callers()
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
        return [self._links[link] for link in self._up.all()]

    def reaches(self, instance: str) -> bool:
        """Whether a link leads to this process."""
        return self._up.reach(instance)

    def met(self, hello: Hello, wire: Wire) -> None:
        """A peer has dialled us: if we wait to dial it, the wait is over."""
        self._callers.came(hello, wire)
        try:
            member = self.roster.members.get(parse_address(hello.address))
        except ValueError:
            return
        if member is None or member.link is None or member.alias_of is not None:
            return
        member.link.hurry(self._dialling)

    def parted(self, hello: Hello, wire: Wire) -> None:
        """The connection over which a peer has dialled us is gone."""
        self._callers.went(hello, wire)

    def members(self) -> list[MemberInfo]:
        """Every member, this node first, as type 3 lists them."""
        view = self.gossip.view
        rows = self.roster.rows(view.own.address, self._started)
        listed = {row.address for row in rows}
        members = self.roster.members.values()
        back = {self.roster.name, *(member.name for member in members if member.up)}
        gone = view.gone()
        return rows + [one for one in gone if one.address not in listed and one.name not in back]

    # What links report.

    def link_up(self, link: Link) -> None:
        """See LinkOwner."""
        member = self._links[link]
        hello = link.hello
        assert hello is not None
        member.error = ""
        member.changed(self._wall(), self._clock.time())
        self._up.add(link, hello.instance)
        log.info("Established connection with node: %s", member.address)
        if hello.version >= 2:  # who an older one is, its first answer tells
            self._identified(member, hello.name, hello.instance, hello.version)

    def link_down(self, link: Link, reason: str) -> None:
        """See LinkOwner."""
        member = self._links[link]
        was_up = link in self._up
        if was_up or not member.since:
            member.changed(self._wall(), self._clock.time())
        self._mark_down(link)
        if self._departures.ended(member, link):
            return
        if member.version == 0 and member.instance in self._callers:
            reason += "; it is connected to us: is the address that it advertises right?"
        if not member.proved:
            link.dialler = self._dialling.doubtful
        member.error = f"down: {reason}"
        for alias in self.roster.aliases(member):
            if alias.link is not None:
                alias.link.dial()
        self._losses.tell(member, reason, was_up=was_up)
        if was_up:
            self._owner.peer_down(member)
            heard = max(link.heard, self._callers.heard(member.instance))
            if self._clock.time() > heard + pace(len(self._links)).ping + STALL:  # it missed a ping
                instead = self.roster.replaced(member, heard)
                if instead is not None:
                    self._departures.moved(instead)

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
            self._departures.said(address, entry)
            return
        self._departures.taken_back(entry.instance)
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
        if entry.instance in self._callers:
            link.hurry(self._dialling)
        link.dial()

    def room(self) -> bool:
        """See Listener."""
        for member in self.roster.members.values():
            if not member.proved:
                self.gossip.view.forget(str(member.address))
                self.forget(member)
                return True
        return False

    # What those that go leave behind.

    def forget(self, member: Member) -> None:
        """See Keeper."""
        link, member.link = member.link, None
        if link is not None:
            self.hang_up(link)
            del self._links[link]
            link.retire()
        self._losses.over(member)
        aliases = self.roster.aliases(member)
        self.roster.remove(member)
        for alias in aliases:  # they stand for themselves now
            if alias.link is not None and not alias.left:
                alias.link.dial()
        self._owner.peer_gone(member)

    def hang_up(self, link: Link) -> None:
        """See Keeper."""
        self._departures.taken_back(self._links[link].instance)
        self._mark_down(link)
        link.rest()

    # How it works.

    def _heard_elsewhere(self, link: Link) -> float:
        return self._callers.heard(link.hello.instance) if link.hello is not None else 0.0

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
            self.forget(member)
            return
        if standing is Standing.ALIAS:
            log.debug("Address %s is node %s too", member.address, member.alias_of)
            member.error = NOT_CONNECTED
            self._losses.over(member)
            self.hang_up(link)
            return
        log.info("Connected to node: %s", member)
        self._departures.moved(member)
        link.dialler = self._dialling
        self._losses.over(member)
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
        going = whole_node(self.roster, member) if for_good else [member]
        for one in going:
            if not one.left:  # that it has left, all know and remember
                self.gossip.view.forget(str(one.address))
            self.forget(one)
        if was_up:
            self._owner.peer_down(member)

    def _mark_down(self, link: Link) -> None:
        self._up.discard(link)
        self.gossip.link_down(link)

    def _keep_house(self) -> None:
        self._timer = self._clock.call_at(self._clock.time() + HOUSEKEEPING, self._keep_house)
        now = self._clock.time()
        for member in tuple(self.roster.members.values()):
            if member.configured or member.present or not member.since:
                continue
            if now - member.moment > FORGOTTEN_AFTER:
                log.info("Forgot node: %s, down for a day", member)
                self.gossip.view.forget(str(member.address))
                self.forget(member)
