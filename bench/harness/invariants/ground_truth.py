"""The ground truth of a cluster: its nodes, and the faults that were caused in them, with times.

A *pair* is an agent that is asked and a node that it answers about. A fault touches some pairs. It
excuses errors in them while it lasts, and after its end until an answer has listed the node with
numbers once, but for RECOVERY seconds at most. From then on nothing is excused. All times are seconds
of one clock, which the caller chooses.
"""

from collections import deque
from collections.abc import Iterator
from math import inf

from msgspec import Struct, field

GRACE = 0.1
"""Seconds after its deadline by which an answer must be there."""

BUSY = 0.5
"""Seconds that a busy machine may add to that."""

RECOVERY = 20.0
"""Seconds after the end of a fault by which everything must be well again."""

REMEMBERED = 3 * RECOVERY


class KnownNode(Struct, eq=False, kw_only=True):
    """One agent, or a double in its place, as answers may and must list it."""

    name: str
    addresses: list[str] = field(default_factory=list)
    """All addresses that it has ever had."""
    every: float | None = None
    """Seconds between its samples, by which its history is known as its own; ``None`` if unknown."""
    push: bool = False
    """It answers from memory: older numbers of other nodes are allowed, also beside an error."""
    timely: bool = True
    """It answers by the deadline, which an agent of version 1 does not."""
    unique: bool = False
    """No other node has its name, so it is never listed as ``name@address``."""
    extra_fields: bool = False
    """Its object may hold more than was asked for."""
    stats: dict[str, float] = field(default_factory=dict)
    """What it, and no other node, always reports of itself."""
    stamps: tuple[str, ...] = ()
    """Fields that hold when it took its numbers, in milliseconds."""
    max_age: float = 0.0
    """Seconds that its numbers may be old when it answers."""
    life: str = ""
    """The field that holds which of its lives, counted from 1, took the numbers."""
    deaths: list[float] = field(default_factory=list)
    """When each of its lives ended."""

    @property
    def names(self) -> set[str]:
        """Every name under which it may be listed: by its address while its name is unknown."""
        names = {self.name, *self.addresses}
        return names if self.unique else names | {f"{self.name}@{one}" for one in self.addresses}


class Effect(Struct, frozen=True, kw_only=True):
    """What a fault does to its victim."""

    disconnects: bool = False
    """The connections of its clients end."""
    forgets: bool = False
    """A new process takes its place, which knows no other node at first."""
    leaves: bool = False
    """It may be missing from answers."""
    moves: bool = False
    """It may be listed twice for a moment, under an old and a new address."""
    freezes: bool = False
    """It is paused, so its answers come late."""
    harmless: bool = False
    """No error is excused by it."""
    by_others: bool = False
    """It touches the answers of others about the victim, not its answers about itself."""
    answers_first: bool = False
    """It answers earlier requests before it ends."""
    crowds: bool = False
    """So many requests for the history come in that some are queued or refused."""


EFFECTS = {
    "start": Effect(disconnects=True, forgets=True, leaves=True, moves=True),
    "kill": Effect(disconnects=True, forgets=True),
    "stop": Effect(disconnects=True, forgets=True, leaves=True, moves=True, answers_first=True),
    "move": Effect(disconnects=True, forgets=True, leaves=True, moves=True),
    "leave": Effect(disconnects=True, leaves=True, by_others=True, answers_first=True),
    "readdress": Effect(forgets=True),
    "freeze": Effect(freezes=True),
    "pause": Effect(freezes=True, harmless=True),
    "link": Effect(by_others=True),
    "history": Effect(crowds=True, harmless=True),
}
"""Each kind of fault. A ``pause`` without a victim is one of the clients themselves.

``readdress``: its file has another address for a node. If it is down, the old one is gone at once, also
from answers under way, and nobody knows yet that it is the node that is at the new one.
"""


class Fault(Struct, eq=False):
    """One fault in one node; ``away``: when the node certainly sent nothing."""

    kind: str
    victim: KnownNode | None
    since: float
    until: float = inf
    away: tuple[float, float] = (inf, inf)

    @property
    def effect(self) -> Effect:
        """What it does."""
        return EFFECTS[self.kind]

    def touches(self, asked: KnownNode, about: KnownNode) -> bool:
        """Whether it concerns the answers of one node about the other."""
        effect = self.effect
        if effect.harmless:
            return False
        if self.victim is about and (asked is not about or not effect.by_others):
            return True
        return self.victim is asked and (effect.forgets or effect.freezes)


class GroundTruth(Struct, eq=False):
    """The nodes of a cluster, and their recent faults."""

    nodes: list[KnownNode] = field(default_factory=list)
    slack: float = BUSY
    """Seconds that may be added to GRACE."""
    transit: float = BUSY
    """Seconds that a message between agents in push mode may take."""
    short: float = 1.0
    """A deadline of less may pass a healthy node by."""
    prompt: bool = False
    """A request that involves no faulty node is answered at once."""
    strangers: bool = False
    """Other nodes may be listed."""
    _owners: dict[str, list[KnownNode]] = field(default_factory=dict)
    _faults: dict[KnownNode | None, list[Fault]] = field(default_factory=dict)
    _well: dict[tuple[KnownNode, KnownNode], float] = field(default_factory=dict)
    _delays: dict[KnownNode | None, deque[tuple[float, float]]] = field(default_factory=dict)
    """Moments, and the seconds that were lost just before each."""

    def __post_init__(self) -> None:
        for node in self.nodes:
            self._index(node)

    def add(self, node: KnownNode) -> None:
        """Add a node."""
        self.nodes.append(node)
        self._index(node)

    def add_address(self, node: KnownNode, address: str) -> None:
        """A node is at another address from now on."""
        node.addresses.append(address)
        self._index(node)

    def owners(self, key: str) -> list[KnownNode]:
        """The nodes that may be listed so: several only where two have one name."""
        return self._owners.get(key, [])

    def begin(self, kind: str, victim: KnownNode | None, now: float) -> Fault:
        """A fault is about to be caused in a node. Faults that ended long ago are forgotten."""
        fault = Fault(kind, victim, now)
        recent = [one for one in self.faults(victim) if one.until > now - REMEMBERED]
        self._faults[victim] = [*recent, fault]
        return fault

    def delay(self, victim: KnownNode | None, moment: float, seconds: float) -> None:
        """A node, or (``None``) the clients, stood still, in all for so long since the last look."""
        delays = self._delays.setdefault(victim, deque())
        while delays and delays[0][0] < moment - REMEMBERED:
            delays.popleft()
        delays.append((moment, seconds))

    def delayed(self, node: KnownNode, since: float, until: float = inf) -> float:
        """Seconds that a node, or the clients, lost in this time, whichever is more."""
        return max(self._lost(one, since, until) for one in (None, node))

    def faults(self, victim: KnownNode | None) -> list[Fault]:
        """The recent faults of a node."""
        return self._faults.get(victim, [])

    def excuses(
        self, asked: KnownNode, about: KnownNode, since: float, until: float
    ) -> list[Fault]:
        """The faults that may explain a wrong answer of ``asked`` about ``about`` in this time."""
        well = self._well.get((asked, about), -inf)
        return [
            one
            for one in self._touching(asked, about)
            if one.since <= until
            and since <= one.until + RECOVERY
            and not one.until < well <= since
        ]

    def is_well(self, asked: KnownNode, about: KnownNode, since: float, until: float) -> None:
        """An answer to a request sent at ``since`` listed a node with numbers."""
        touching = self._touching(asked, about)
        ended = max((one.until for one in touching if one.since <= until), default=-inf)
        if ended < since and self._well.get((asked, about), -inf) <= ended:
            self._well[asked, about] = until

    def silent(self, about: KnownNode, since: float, until: float) -> bool:
        """Whether a node certainly sent nothing in this time."""
        return any(one.away[0] <= since and until <= one.away[1] for one in self.faults(about))

    def crowded(self, asked: KnownNode, since: float, until: float) -> bool:
        """Whether too many requests for the history came to an agent in this time."""
        return any(
            one.effect.crowds and one.since <= until and since <= one.until
            for one in self.faults(asked)
        )

    def disconnects(self, node: KnownNode, now: float) -> Fault | None:
        """The fault that ends the connections of a node's clients now."""
        for one in self.faults(node):
            if one.effect.disconnects and one.since <= now <= one.until + self.slack:
                return one
        return None

    def paused(self, asked: KnownNode, since: float, until: float) -> bool:
        """Whether the agent, or the clients, were paused in this time."""
        return any(begin < until and since < end for begin, end in self._pauses(asked))

    def resumed(self, node: KnownNode, since: float, until: float) -> bool:
        """Whether a node went on in this time after a pause."""
        return any(since <= end <= until for _, end in self._pauses(node))

    def due(self, asked: KnownNode, moment: float, seconds: float, *, again: float = 0.0) -> float:
        """When an answer to a request of this moment must be there, if it may take so many seconds.

        An agent that is paused may read a request only after that, and then has all its time. What
        was due meanwhile is due ``again`` seconds after it. What else was lost since this moment is added.
        """
        if not asked.timely:
            return inf
        allowed = GRACE + self.slack
        due = moment + seconds + allowed
        for since, until in sorted(self._pauses(asked)):
            if since - self.slack <= moment < until:
                due = max(due, until + seconds + allowed)
            elif moment < since < due:
                due = max(due, until + again + allowed)
        return due + self.delayed(asked, moment)

    def asked_since(self, asked: KnownNode, moment: float, seconds: float) -> float:
        """The earliest time of what an agent sends at this moment, if that may be so old."""
        since = moment - seconds
        for begin, end in sorted(self._pauses(asked), reverse=True):
            if begin < moment and since < end:
                since = min(since, begin - seconds)
        return since

    def _touching(self, asked: KnownNode, about: KnownNode) -> list[Fault]:
        faults = self.faults(about)
        if asked is not about:
            faults = [*faults, *self.faults(asked)]
        return [one for one in faults if one.touches(asked, about)]

    def _lost(self, victim: KnownNode | None, since: float, until: float) -> float:
        lost = 0.0
        for moment, seconds in reversed(self._delays.get(victim, ())):
            if moment <= since:
                break
            if moment <= until:
                lost += seconds
        return lost

    def _pauses(self, node: KnownNode) -> Iterator[tuple[float, float]]:
        for victim in (None, node):
            for one in self.faults(victim):
                if one.effect.freezes:
                    yield one.since, one.until

    def _index(self, node: KnownNode) -> None:
        for name in node.names:
            owners = self._owners.setdefault(name, [])
            if node not in owners:
                owners.append(node)
