"""The other nodes of the cluster: dialed, identified, listed and forgotten."""

import logging
from collections.abc import Callable, Mapping

from nodnod_agent.core.events.log import EventLog
from nodnod_agent.core.events.replica import EventReplica
from nodnod_agent.core.exchange import Exchange
from nodnod_agent.core.interfaces import Clock, Dial, Hello, Random, Timer, Wire
from nodnod_agent.core.membership import departures
from nodnod_agent.core.membership.events import PeerDown, PeerEvent, PeerRemoved, PeerUp
from nodnod_agent.core.membership.gossip import JOIN, Gossip
from nodnod_agent.core.membership.link import Link
from nodnod_agent.core.membership.links import Links
from nodnod_agent.core.membership.member import NOT_CONNECTED, Member
from nodnod_agent.core.membership.roster import Roster
from nodnod_agent.core.membership.table import DAY, MAX_MEMBERS, REMEMBERED, MembershipTable
from nodnod_client.address import Address, parse_address
from nodnod_client.errors import WireError
from nodnod_client.messages import Join, MemberEntry, MemberInfo, PeerAnswer

HOUSEKEEPING = 30.0
FORGOTTEN_AFTER = DAY
"""Seconds for which a learned member that is down stays listed."""

log = logging.getLogger("nodnod")


class _LinkReports:
    """What the connections of one member's link report to; after the member is removed, to nothing."""

    __slots__ = ("member", "peers")

    def __init__(self, peers: "Peers", member: Member) -> None:
        self.peers = peers
        self.member = member

    def opened(self, wire: Wire, hello: Hello) -> None:
        if self.member.link is not None:
            self.peers.opened(self.member, self.member.link, wire, hello)

    def refused(self, reason: str) -> None:
        if self.member.link is not None:
            self.peers.refused(self.member, self.member.link, reason)

    def received(self, text: bytes) -> None:
        if self.member.link is not None:
            self.peers.received(self.member, self.member.link, text)

    def ended(self, reason: str) -> None:
        if self.member.link is not None:
            self.peers.ended(self.member, self.member.link, reason)


class Peers:
    """All that this agent knows of the others, and its links to them.

    What happens to a peer is noted as an event. Each call from outside (by a connection, a timer, a
    session or the configuration) ends by handing the noted events to ``act``. An answer to a query,
    or the error that comes instead, goes straight to ``replied``.
    """

    def __init__(
        self,
        own: MemberEntry,
        act: Callable[[list[PeerEvent]], None],
        replied: Callable[[Member, int | None, PeerAnswer | WireError], None],
        events: EventLog,
        *,
        clock: Clock,
        wall: Callable[[], float],
        rng: Random,
        dial: Dial,
        is_free: Callable[[Address], bool] = lambda _: False,
        most: int = MAX_MEMBERS,
    ) -> None:
        """``is_free`` tells whether to dial an address makes no connection, so that its rate is not limited."""
        table = MembershipTable(own, wall, most)
        self.roster = Roster(table)
        exchange: Exchange[Link] = Exchange(EventReplica(events), clock)
        self.gossip = Gossip(table, self._make_room, self._vouches, exchange, clock=clock, rng=rng)
        self._met: int | None = None
        """How many nodes were connected without a log line for each, while that would be too much."""
        self.believing = False
        """Whether all that can tell of members know the cluster's secret."""
        self.links = Links(clock, rng, dial, self._drop, is_free)
        self._act = act
        self._replied = replied
        self._clock = clock
        self._wall = wall
        self._events: list[PeerEvent] = []
        self._leaving: set[str] = set()
        """Instances that have said goodbye, and whose link is still up."""
        self._started = wall()
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to ping, to gossip and to forget."""
        self.links.start()
        self.gossip.start()
        self._timer = self._clock.call_at(self._clock.time() + HOUSEKEEPING, self._keep_house)

    def stop(self) -> None:
        """Close every link, and stop dialing."""
        self.gossip.stop()
        if self._timer is not None:
            self._timer.cancel()
        self.links.stop()

    def members(self) -> list[MemberInfo]:
        """The answer to type 3: this node, the listed members, and the nodes that left."""
        own = self.gossip.table.own
        rows = [
            MemberInfo(
                own.name, own.address, own.instance, "up", self._started, 0.0, 2, "", own.tags
            )
        ]
        rows += [member.info(self.roster.tags(member)) for member in self.roster.listing()]
        listed = {row.address for row in rows}
        back = {own.name, *(member.name for member in self.roster.members.values() if member.up)}
        gone = self.gossip.table.gone()
        return rows + [one for one in gone if one.address not in listed and one.name not in back]

    def retag(self, tags: Mapping[str, str]) -> None:
        """Take other tags for this node, and tell the others."""
        if tags != self.gossip.table.own.tags:
            self.gossip.revise(tags=tags)
            self.roster.tags_changed()

    def rename_pages(self, origins: list[str]) -> None:
        """Take other names under which pages of this agent are opened, and tell the others."""
        if origins != self.gossip.table.own.origins:
            self.gossip.revise(origins=origins)

    def meet_many(self) -> None:
        """Log no lines for each node that is met from now on."""
        self._met = self._met or 0

    def meet_one_by_one(self) -> None:
        """Log how many were met since ``meet_many``, and lines for each of the following."""
        met, self._met = self._met, None
        if met:
            log.info("Connected to %d nodes over the backplane", met)

    def link(self, member: Member) -> Link:
        """A member's link; a new one is idle."""
        return member.link or self.links.create(member, _LinkReports(self, member))

    def forget(self, member: Member) -> None:
        """Close the link of a member, and list it no more."""
        if member.link is not None:
            self._hang_up(member, member.link)
            self.links.retire(member.link)
        aliases = self.roster.aliases(member)
        self.gossip.doubts.settle(str(member.address))
        self.roster.remove(member)
        for alias in aliases:
            if alias.link is not None and not alias.left:
                alias.link.dial()
        self._events.append(PeerRemoved(member))

    def finish(self) -> None:
        """Hand on the events since the last call."""
        events, self._events = self._events, []
        if events:
            self._act(events)

    # What connections report.

    def opened(self, member: Member, link: Link, wire: Wire, hello: Hello) -> None:
        """The connection to a member is open."""
        link.opened(wire, hello)
        self.links.opened(link, hello.instance)
        member.error = ""
        member.since, member.changed_at = self._wall(), self._clock.time()
        log.log(self._level(member), "Established connection with node: %s", member.address)
        if hello.version >= 2:  # a version-1 peer tells its name with its first answer
            self._identified(member, link, hello.name, hello.instance, hello.version)
        self.finish()

    def refused(self, member: Member, link: Link, reason: str) -> None:
        """A member could not be dialed."""
        link.refused()
        self._went_down(member, link, reason, was_up=False)
        self.finish()

    def received(self, member: Member, link: Link, text: bytes) -> None:
        """A member has sent a message."""
        for query, answer in link.received(text):
            if isinstance(answer, WireError):
                log.warning("%s sent a bad answer: %s", member, answer, extra=member.log_key)
            elif query == JOIN:
                self.gossip.answered(link, answer)
                self._learn_news()
                continue
            # If the first answer of a version-1 peer told no name, the next one does.
            elif (query is None or member.version == 0) and len(answer.nodes) == 1:
                (name,) = answer.nodes
                self._identified(member, link, name, "", 1)
                self.finish()
            self._replied(member, query, answer)

    def ended(self, member: Member, link: Link, reason: str) -> None:
        """The connection to a member has ended."""
        if link.ended():
            self._went_down(member, link, reason, was_up=True)
        self.finish()

    def inbound_opened(self, hello: Hello, wire: Wire) -> None:
        """A peer has dialed us: it is there, so we need not wait to dial it."""
        self.links.inbound_opened(hello, wire)
        try:
            member = self.roster.members.get(parse_address(hello.address))
        except ValueError:
            return
        if member is not None and member.link is not None and member.alias_of is None:
            member.link.hurry(self.links.dials.verified)

    def heard(self, entry: MemberEntry) -> None:
        """Take a member's own word of itself, which tells that it can be dialed or has left."""
        self.gossip.heard(entry)
        self._learn_news()
        try:
            member = self.roster.members.get(parse_address(entry.address))
        except ValueError:
            return
        if member is not None and member.link is not None and not member.left:
            member.link.dial()

    def gossip_with(self, address: Address, gossips: bool) -> None:
        """Exchange news with a member that is up, or do so no more."""
        member = self.roster.members.get(address)
        if member is None or member.link is None or not member.up or member.alias_of is not None:
            return
        if gossips and not self.gossip.has(member.link):
            self.gossip.link_up(member.link)
        elif not gossips:
            self.gossip.link_down(member.link)

    def joined(self, join: Join, teller: str, limit: int) -> dict[str, object]:
        """Take a join request from the agent at ``teller``; returns the fields of its answer.

        ``limit`` is the size in bytes of the largest message that the agent accepts.
        """
        answer = self.gossip.asked(join, teller, limit)
        self._learn_news()
        return answer

    def _identified(
        self, member: Member, link: Link, name: str, instance: str, version: int
    ) -> None:
        if instance and instance == self.roster.instance:
            log.info("Address %s is this node itself", member.address)
            self.forget(member)
            return
        self.roster.identify(member, name, instance, version)
        self.gossip.doubts.settle(str(member.address))
        member.loss_logged = False
        if member.alias_of is not None:
            log.debug("Address %s is node %s too", member.address, member.alias_of)
            member.error = NOT_CONNECTED
            self._hang_up(member, link)
            return
        log.log(self._level(member), "Connected to node: %s", member)
        if self._met is not None and not member.is_cut_off:
            self._met += 1
        member.is_cut_off = False
        self._moved(member)
        link.dialer = self.links.dials.verified
        member.log_namesake()
        if version >= 2 and link.hello is not None and link.hello.gossips:
            self.gossip.link_up(link)
        self._events.append(PeerUp(member))

    def _went_down(self, member: Member, link: Link, reason: str, *, was_up: bool) -> None:
        if was_up or not member.since:
            member.since, member.changed_at = self._wall(), self._clock.time()
        if was_up:
            self._unregister(link)
            if member.instance in self._leaving:
                self._leaving.remove(member.instance)
                self._left(member)
                return
        if member.version == 0 and self.links.has_inbound(member.instance):
            reason += "; it is connected to us: is the address that it advertises right?"
        if not member.trusted:
            link.dialer = self.links.dials.failed
        member.error = f"down: {reason}"
        for alias in self.roster.aliases(member):
            if alias.link is not None:
                alias.link.dial()
        member.log_loss(reason, was_up=was_up)
        if not was_up:
            return
        self._events.append(PeerDown(member))
        silent_since = self.links.silent_since(link)
        node = self.roster.moved_to(member, silent_since) if silent_since is not None else None
        if node is not None:
            self._moved(node)

    # What gossip has learned.

    def _learn_news(self) -> None:
        learned = self.gossip.learned()
        for entry in learned:
            self._learn(entry)
        if learned:
            self.roster.tags_changed()
        self.finish()

    def _learn(self, entry: MemberEntry) -> None:
        address = parse_address(entry.address)
        if entry.state == "left":
            self._goodbye(address, entry)
            return
        self._leaving.discard(entry.instance)
        known = address in self.roster.members
        member = self.roster.add(address, configured=False)
        link = self.link(member)
        if member.up:
            return
        if not known:
            level = logging.DEBUG if self._met is not None else logging.INFO
            log.log(level, "Discovered node: [%s : %s]", entry.name, address)
            if not self.believing:
                self.gossip.doubts.add(entry.address)
        if member.version == 0 or member.left or member.name != entry.name:
            self.roster.note_claim(member, entry.name, entry.instance)
            node = member.alias_of
            if node is not None and node.instance == entry.instance:
                return
        if self.links.has_inbound(entry.instance):
            link.hurry(self.links.dials.verified)
        link.dial()

    def _level(self, member: Member) -> int:
        """At which level it is logged that a member is there."""
        return logging.DEBUG if member.is_cut_off or self._met is not None else logging.INFO

    def _vouches(self, address: str) -> bool:
        try:
            member = self.roster.members.get(parse_address(address))
        except ValueError:
            return False
        return member is not None and not member.left and (member.trusted or self.believing)

    def _make_room(self) -> bool:
        for member in self.roster.members.values():
            if not member.trusted:
                self.gossip.table.forget(str(member.address))
                self.forget(member)
                return True
        return False

    # Nodes that go.

    def _goodbye(self, address: Address, entry: MemberEntry) -> None:
        """Take the goodbye of a process, for all its addresses.

        A process whose link is up goes when its connection ends, a moment later: another agent's
        word that it has left is not enough.
        """
        for member in self.roster.addresses_of(address, entry.name, entry.instance):
            if not member.reachable:
                self._left(member)
            elif member.up and member.instance == entry.instance:
                self._leaving.add(entry.instance)

    def _left(self, member: Member) -> None:
        """Take a node that said goodbye out of the answers."""
        if member.alias_of is None:
            log.info("Node left: %s", member)
        self.roster.detach(departures.successors(self.roster, self.gossip.table, member))
        going = [*self.roster.aliases(member), member]
        for one in going:
            self.roster.leave(one)
            one.error, one.loss_logged = "left", False
        self._events.append(PeerDown(member))
        for one in going:
            if one.configured and one.link is not None:
                # It may come back without telling us: go on dialing, at the slowest rate.
                self._hang_up(one, one.link)
                one.link.redial_later()
            self._abandon(one)

    def _moved(self, member: Member) -> None:
        """Give up, and tell others of, the addresses from which a node has come to this one.

        Agents that join later would otherwise learn of each as of a node, and miss it.
        """
        if member.version < 2:  # gossip is only about version-2 nodes
            return
        for one in departures.left_behind(self.roster, member):
            log.info("Node %s was at %s before", member, one.address)
            self.gossip.moved(str(one.address), one.instance)
            self.roster.leave(one)
            self._abandon(one)

    def _abandon(self, member: Member) -> None:
        """Forget an address unless it is configured, and take the process that is there now."""
        if not member.configured:
            self.forget(member)
        entry = departures.replacement(self.gossip.table, member)
        if entry is not None:
            self._learn(entry)

    def _keep_house(self) -> None:
        self._timer = self._clock.call_at(self._clock.time() + HOUSEKEEPING, self._keep_house)
        now = self._clock.time()
        for member in tuple(self.roster.members.values()):
            if member.configured or member.reachable or not member.since:
                continue
            if now - member.changed_at > FORGOTTEN_AFTER:
                log.info("Forgot node: %s, down for a day", member)
                address = str(member.address)
                hidden = self.gossip.table.lose(address, REMEMBERED - FORGOTTEN_AFTER)
                self.forget(member)
                if hidden:  # each agent counts a day of its own
                    self.gossip.doubts.add(address)
        if self.links.up():  # else there was nobody to ask
            for address in self.gossip.doubts.overdue():
                self._give_up(address)
        self.finish()

    def _give_up(self, address: str) -> None:
        """Forget a member that nobody has reached, or a hidden one that nobody lists."""
        table, doubts = self.gossip.table, self.gossip.doubts
        member = self.roster.members.get(parse_address(address))
        if member is None or member.trusted or self.believing:
            table.drop_hidden(address)
            doubts.settle(address)
        elif self.links.has_inbound(member.instance):
            doubts.vouched([address])
        elif member.since and not member.reachable:
            log.info("Forgot node: %s, which no agent has reached", member)
            table.forget(address)
            self.forget(member)

    def _drop(self, link: Link, reason: str) -> None:
        link.drop()
        self._went_down(self.links.members[link], link, reason, was_up=True)
        self.finish()

    def _hang_up(self, member: Member, link: Link) -> None:
        """Close a link; it stays idle until it is dialed."""
        self._leaving.discard(member.instance)
        if link.up:
            self._unregister(link)
        link.rest()

    def _unregister(self, link: Link) -> None:
        self.gossip.link_down(link)
        self.links.ended(link)
