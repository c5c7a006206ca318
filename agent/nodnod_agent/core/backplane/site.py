"""The site of this agent: who speaks for it, and for whom."""

from collections.abc import Callable, Iterable, Iterator

from nodnod_agent.core.backplane.election import Election
from nodnod_agent.core.backplane.subjects import SITE, Sender
from nodnod_agent.core.backplane.word import Spoken
from nodnod_agent.core.interfaces import Clock
from nodnod_agent.core.membership.peers import Peers
from nodnod_client.messages import MemberEntry

SETTLED = 30.0
"""Seconds from the start of an agent after which it knows its mesh."""

TOLD_FOR = 60.0
"""Seconds for which is told of a node that it has left."""


class Site:
    """The nodes of the mesh that have the tag of the site, and this agent's part in the election."""

    def __init__(
        self,
        name: str,
        own: Sender,
        peers: Peers,
        beat: Callable[[bytes], None],
        changed: Callable[[], None],
        clock: Clock,
    ) -> None:
        """``beat`` tells the other agents of the site; ``changed`` is called when another speaks."""
        self.name = name
        self.election = Election(name, own, beat, self._is_fit, changed, clock)
        self._peers = peers
        self._clock = clock
        self._settled = clock.time() + SETTLED
        self._left: dict[str, float] = {}
        """When processes left, by their instances, on the clock of this agent: theirs may differ."""
        self._sees_most: bool | None = None
        """Whether this agent sees at least half of the site; None if that is to be counted again."""

    def changed(self, left: Iterable[str]) -> None:
        """Note that nodes are up or down, and that processes of these instances have left."""
        self._sees_most = None
        self._left.update(dict.fromkeys(left, self._clock.time()))

    def spoken(self) -> list[Spoken]:
        """What is to be told of all its nodes but this one."""
        return [*self._listed(), *map(Spoken, self._goodbyes())]

    def _listed(self) -> Iterator[Spoken]:
        roster, entries = self._peers.roster, self._peers.gossip.table.entries
        by_instance = {entry.instance: entry for entry in entries.values()}
        by_instance |= {one.instance: one for one in entries.values() if one.state == "up"}
        for member in filter(roster.is_near, roster.listing()):
            # It may advertise another address than the configured one.
            entry = by_instance.get(member.instance)
            # An agent that has just started says nothing of those that it has not met.
            if entry is not None and (member.up or member.since) and self._has(entry):
                listed = member.listed if member.listed != entry.name else ""
                error = "" if member.up else member.error.removeprefix("down: ")
                yield Spoken(entry, listed, error)

    def _goodbyes(self) -> Iterator[MemberEntry]:
        since = self._clock.time() - TOLD_FOR
        self._left = {instance: at for instance, at in self._left.items() if at > since}
        if self._left:  # else a look at thousands of entries would be in vain
            for entry in self._peers.gossip.table.entries.values():
                if entry.state == "left" and entry.instance in self._left and self._has(entry):
                    yield entry

    def _has(self, entry: MemberEntry) -> bool:
        return entry.tags.get(SITE) == self.name

    def _is_fit(self) -> bool:
        """Whether this agent knows its site: it has been there for a while, and sees at least half."""
        if self._clock.time() < self._settled:
            return False
        if self._sees_most is None:  # asked once a second, and a cluster may have thousands
            roster = self._peers.roster
            known = [one.up for one in filter(roster.is_near, roster.listing()) if one.version]
            self._sees_most = 2 * (1 + sum(known)) >= 1 + len(known)
        return self._sees_most
