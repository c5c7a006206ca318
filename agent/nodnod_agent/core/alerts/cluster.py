"""What alerts need to know of the other nodes: who is up, who can send, and who is known."""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from nodnod_agent.core.alerts.rendezvous import rendezvous
from nodnod_agent.core.membership.link import Link
from nodnod_agent.core.membership.member import Member
from nodnod_agent.core.membership.peers import Peers
from nodnod_client.address import parse_address
from nodnod_client.errors import AddressError
from nodnod_client.messages import MemberEntry


class Turns(Protocol):
    """Who judges nodes that cannot tell it themselves, and tells people, where not all agents do."""

    def group(self, address: str) -> str:
        """The name of the group of nodes that cares for the one at an address."""

    def members(self, group: str, up: list[str]) -> list[str]:
        """Those of the nodes that are up which are in a group."""

    def sees(self, group: str) -> bool:
        """Whether this node knows who of a group is up."""


class _Everybody:
    def group(self, _: str) -> str:
        return ""

    def members(self, _: str, up: list[str]) -> list[str]:
        return up

    def sees(self, _: str) -> bool:
        return True


class Presence(Struct, frozen=True):
    """How many of the nodes that are known this one sees, itself included."""

    seen: int
    known: int

    @property
    def is_minority(self) -> bool:
        """Whether this node sees fewer than half of the cluster."""
        return 2 * self.seen < self.known


class Cluster:
    """The other nodes by the addresses that they advertise: those are the same for all agents."""

    def __init__(self, peers: Peers) -> None:
        self.knows_alerts: Callable[[Link], bool] = lambda link: True
        """Whether the node at the other end of a link does, as far as it has shown."""
        self.turns: Turns = _Everybody()
        self._peers = peers

    @property
    def own(self) -> MemberEntry:
        """The entry of this node."""
        return self._peers.gossip.table.own

    def member(self, address: str) -> MemberEntry | None:
        """The entry of the node at an address; one is made up for a node of version 1."""
        table = self._peers.gossip.table
        if address == table.own.address:
            return table.own
        if (entry := table.entries.get(address)) is not None:
            return entry
        try:
            member = self._peers.roster.members.get(parse_address(address))
        except AddressError:
            return None
        if member is None or member.version != 1:
            return None
        return MemberEntry(member.name, address, "of version 1", incarnation=0)

    @property
    def others(self) -> int:
        """How many nodes this one dials, those aside that do not know alerts."""
        return sum(1 for link in self._peers.links.members if self.knows_alerts(link))

    def up(self) -> list[str]:
        """The addresses of the nodes that are up and know alerts, this one first.

        Those count too that this agent has not met yet: to it, after a start, most are so, and it must not
        take itself for the first in each order.
        """
        entries = self._by_instance()
        found = [self.own.address]
        for link, member in self._peers.links.members.items():
            entry = entries.get(member.instance) if link.up or not member.since else None
            if entry is not None and self.knows_alerts(link):
                found.append(entry.address)
        return found

    def judges(self, address: str, task: str) -> list[str]:
        """The nodes that are up and judge the one at an address, in the order for a task."""
        return rendezvous(task, self.turns.members(self.turns.group(address), self.up()))

    def sees(self, address: str) -> bool:
        """Whether this node would know it if the one at an address were up."""
        return self.turns.sees(self.turns.group(address))

    def able(self, channel: str) -> list[str]:
        """The nodes that are up and can send over a channel."""
        table = self._peers.gossip.table
        able = [table.own.address] if channel in table.own.sends else []
        return able + [one for one in self.up()[1:] if channel in table.entries[one].sends]

    def senders(self, channel: str, task: str, group: str) -> list[str]:
        """Those of a group that are up and can send over a channel, in the order for a task."""
        return rendezvous(f"{channel} {task}", self.turns.members(group, self.able(channel)))

    def address_of(self, member: Member) -> str:
        """The address that a member advertises."""
        entry = self._peers.gossip.table.entries.get(str(member.address))
        if entry is None and member.version >= 2:
            entry = self._by_instance().get(member.instance)
        return str(member.address) if entry is None else entry.address

    def presence(self) -> Presence:
        """The nodes of its mesh that have ever answered this one, and have not left."""
        roster = self._peers.roster
        known = [one for one in filter(roster.is_near, roster.listing()) if one.version]
        if not self.sees(self.own.address):  # it may not have heard that the others are up
            known = [one for one in known if one.up]
        return Presence(1 + sum(one.up for one in known), 1 + len(known))

    def _by_instance(self) -> dict[str, MemberEntry]:
        entries = self._peers.gossip.table.entries.values()
        return {entry.instance: entry for entry in entries if entry.state == "up"}
