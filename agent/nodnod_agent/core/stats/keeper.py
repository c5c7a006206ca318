"""Keeps the last hour of some other nodes, so that it can still be seen when they are dead.

All nodes stand on a circle, in the order of a hash of their names, and each is kept by the three that
follow it. So every agent keeps three, and finds out by itself which. It asks them for what is new,
one after the other, each every 10 s. What it keeps of a node that is down stays until the node is
back, or is listed no more.
"""

from heapq import nlargest, nsmallest
from zlib import crc32

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from nodnod_agent.core.interfaces import Clock, Random, Timer
from nodnod_agent.core.membership.member import Member
from nodnod_agent.core.membership.roster import Roster
from nodnod_agent.core.stats.kept import EVERY, SPAN, KeptHour, Past, decode_past
from nodnod_client.codec import decode, encode
from nodnod_client.errors import WireError
from nodnod_client.messages import PeerAnswer, Request, StatType

KEEP = -2
"""The id of the requests for what is to be kept."""

KEEPERS = 3
"""Agents that keep a node."""

ASKED = 2 * KEEPERS
"""Agents that are asked for what they keep of a node: since it died, some may have come up between
it and its keepers, or died."""

MAX_KEPT = 64
"""Nodes that are kept, of which nearly all are dead then."""

_CIRCLE = 2**32

_SPANS = (2 * EVERY, 6 * EVERY, 30 * EVERY, SPAN)
"""Seconds of the past that are asked for: the fewest that leave no hole."""

_REQUESTS = {
    span: encode(Request(type=0, stat_type=StatType.CPU, history=span, id=KEEP)) for span in _SPANS
}


class _Node(Struct):
    name: str
    history: Raw | UnsetType = UNSET


_node = msgspec.json.Decoder(_Node)


class _Kept:
    """What is kept of a node, and what it was asked."""

    def __init__(self) -> None:
        self.hour = KeptHour()
        self.asked_at = self.heard_at = float("-inf")
        self.linked_at = 0.0
        """Since when the link was up on which it was heard last."""
        self.awaited = False


class Keeper:
    """The hours of other nodes, by the names under which they are listed."""

    def __init__(self, roster: Roster, clock: Clock, rng: Random) -> None:
        self._roster = roster
        self._clock = clock
        self._rng = rng
        self._kept: dict[str, _Kept] = {}
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to ask."""
        self._plan(KEEPERS)

    def stop(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()

    def received(self, member: Member, answer: PeerAnswer) -> None:
        """Take the answer of a node to what it was asked; what is no history changes nothing."""
        kept = self._kept.get(member.listed)
        if kept is None or not kept.awaited or member.link is None:
            return
        kept.awaited = False
        past = _own_past(member, answer)
        if past is not None:
            since = member.link.since
            kept.hour.take(past, self._clock.time(), linked=since == kept.linked_at)
            kept.heard_at, kept.linked_at = self._clock.time(), since

    def hour(self, name: str, seconds: float, ago: float | None = None) -> Past | None:
        """The last ``seconds`` of a node that are kept here; None if there are none.

        ``ago`` asks for those that end so many seconds ago, or were the last then.
        """
        kept = self._kept.get(name)
        if kept is None or not self._roster.unique(name):
            return None
        return kept.hour.last(seconds, None if ago is None else self._clock.time() - ago)

    def keepers(self, name: str) -> list[Member]:
        """The agents that may keep a node, the likeliest first."""
        start = _place(name)
        return nsmallest(ASKED, self._nodes(), lambda one: (_place(one.name) - start) % _CIRCLE)

    def _nodes(self) -> list[Member]:
        """The other nodes that can be asked for their past."""
        near = filter(self._roster.is_near, self._roster.listing())
        return [one for one in near if one.up and one.version >= 2 and one.name == one.listed]

    def _charges(self) -> list[Member]:
        """The nodes that this agent is to keep."""
        end = _place(self._roster.name)
        nodes = nsmallest(KEEPERS, self._nodes(), lambda one: (end - _place(one.name)) % _CIRCLE)
        return [one for one in nodes if self._roster.unique(one.name)]

    def _plan(self, count: int) -> None:
        # At random moments: agents that started together would all ask at once else.
        wait = self._rng.uniform(0.9, 1.1) * EVERY / count
        self._timer = self._clock.call_at(self._clock.time() + wait, self._ask_next)

    def _ask_next(self) -> None:
        charges = {member.listed: member for member in self._charges()}
        self._plan(len(charges) or KEEPERS)
        for name in charges:
            self._kept.setdefault(name, _Kept())
        self._forget(charges)
        if charges:
            name = min(charges, key=lambda name: self._kept[name].asked_at)
            self._ask(charges[name], self._kept[name])

    def _ask(self, member: Member, kept: _Kept) -> None:
        now = self._clock.time()
        kept.asked_at, kept.awaited = now, True
        unheard = now - kept.heard_at + EVERY / 2
        span = next((span for span in _SPANS if unheard <= span), SPAN)
        if member.link is not None:
            member.link.send(_REQUESTS[span])

    def _forget(self, charges: dict[str, Member]) -> None:
        """Drop what others keep, what has gone, and of too many what was heard longest ago."""
        nodes = self._roster.nodes
        for name in tuple(self._kept):
            if name not in nodes or (nodes[name].up and name not in charges):
                del self._kept[name]
        if len(self._kept) > MAX_KEPT:
            newest = nlargest(
                MAX_KEPT, self._kept.items(), lambda item: (item[0] in charges, item[1].heard_at)
            )
            self._kept = dict(newest)


def _place(name: str) -> int:
    """The place of a node on the circle: not by its name, since db-1 and db-2 may share a rack."""
    return crc32(name.encode())


def _own_past(member: Member, answer: PeerAnswer) -> Past | None:
    """What a node tells of its own past."""
    if len(answer.nodes) != 1:
        return None
    (raw,) = answer.nodes.values()
    try:
        node = decode(_node, bytes(raw))
        if node.name == member.name and node.history is not UNSET:
            return decode_past(bytes(node.history))
    except WireError:
        return None
    return None
