"""Who has gone from where: said goodbye, or moved to another address, where it is now."""

import logging
from typing import Protocol

from nodnod_agent.core.membership.gossip import Gossip
from nodnod_agent.core.membership.link import Link
from nodnod_agent.core.membership.losses import Losses
from nodnod_agent.core.membership.member import Member
from nodnod_agent.core.membership.roster import PeerOwner, Roster
from nodnod_agent.core.membership.table import MembershipTable
from nodnod_client.address import Address
from nodnod_client.messages import MemberEntry

log = logging.getLogger("nodnod")


class Keeper(Protocol):
    """Who keeps the members, and the links to them."""

    def forget(self, member: Member) -> None:
        """Give up an address."""

    def hang_up(self, link: Link) -> None:
        """Have no connection over a link, and dial nobody until told to."""

    def learnt(self, entry: MemberEntry) -> None:
        """Take in who is said to be at an address."""


class Departures:
    """Takes those who have gone out of the answers, and what they leave behind."""

    def __init__(
        self, roster: Roster, gossip: Gossip, losses: Losses, keeper: Keeper, owner: PeerOwner
    ) -> None:
        self._roster = roster
        self._gossip = gossip
        self._losses = losses
        self._keeper = keeper
        self._owner = owner
        self._leaving: dict[str, Link] = {}
        """By instance, the links that are up still of those that have said goodbye."""

    def said(self, address: Address, entry: MemberEntry) -> None:
        """A process has said goodbye, by whatever addresses we know it.

        One that answers us still goes when its connection ends, a moment later: nobody is believed
        who says it of another.
        """
        for member in self._roster.behind(address, entry.name, entry.instance):
            if not member.present:
                self._go(member)
            elif member.up and member.instance == entry.instance:
                assert member.link is not None
                self._leaving[entry.instance] = member.link

    def taken_back(self, instance: str) -> None:
        """A process is here after all, or its link was given up for another reason."""
        self._leaving.pop(instance, None)

    def ended(self, member: Member, link: Link) -> bool:
        """A connection has ended; tells whether that was to be expected, and it has gone."""
        if self._leaving.pop(member.instance, None) is not link:
            return False
        self._go(member)
        return True

    def moved(self, member: Member) -> None:
        """Tell of the addresses from which a node has come to this one: it is there no more.

        Who joins later would else hear of each of them as of a node, and miss it.
        """
        if member.version < 2:  # of an older one we cannot tell others
            return
        for one in _left_behind(self._roster, member):
            log.info("Node %s was at %s before", member, one.address)
            self._gossip.moved(str(one.address), one.instance)
            self._roster.leave(one)
            self._abandon(one)

    def _go(self, member: Member) -> None:
        if member.alias_of is None:
            log.info("Node left: %s", member)
        self._roster.part(*_successors(self._roster, self._gossip.view, member))
        going = [*self._roster.aliases(member), member]
        for one in going:
            self._losses.over(one)
            self._roster.leave(one)
            one.error = "left"
        self._owner.peer_down(member)
        for one in going:
            if one.configured and one.link is not None:
                # It may come back without a word to us: go on knocking, at the slowest pace.
                self._keeper.hang_up(one.link)
                one.link.redial_later()
            self._abandon(one)

    def _abandon(self, member: Member) -> None:
        """Forget an address where a node is no more, unless it is configured, or another is there.

        The other may have come, and we have heard of it, before the end of the first reached us.
        """
        if not member.configured:
            self._keeper.forget(member)
        entry = _replacing(self._gossip.view, member)
        if entry is not None:
            self._keeper.learnt(entry)


def whole_node(roster: Roster, member: Member) -> list[Member]:
    """An address, and the others of its node if that is nowhere to be seen, and not configured."""
    node = member.alias_of or member
    known = [node, *roster.aliases(node)]
    return [member] if any(one.up or one.configured for one in known) else known


def _left_behind(roster: Roster, member: Member) -> list[Member]:
    """The addresses of processes that we have met, and that ``member`` is instead of.

    That somebody of its name is said to be elsewhere, where we have met nobody, proves nothing: it
    may be another node, which was up beside this one and is down now.
    """
    aliases = roster.aliases(member)
    before = {one.instance for one in aliases if not (one.up or one.hearsay)} - {member.instance}
    return [one for one in aliases if one.instance in before]


def _successors(roster: Roster, view: MembershipTable, member: Member) -> list[Member]:
    """Its other addresses where a later process is said to be: it may go, and that one stay."""
    aliases, entries = roster.aliases(member), view.entries
    told = (entries.get(str(one.address)) for one in (member, *aliases))
    own = (one.incarnation for one in told if one is not None and one.instance == member.instance)
    last = max(own, default=None)
    return [
        one
        for one in aliases
        if one.instance != member.instance
        and last is not None
        and (entry := entries.get(str(one.address))) is not None
        and entry.state == "up"
        and entry.incarnation > last
    ]


def _replacing(view: MembershipTable, member: Member) -> MemberEntry | None:
    """Who is said to be at the address of one that has gone, if that is another process."""
    entry = view.entries.get(str(member.address))
    if entry is None or entry.state == "left" or entry.instance == member.instance:
        return None
    return entry
