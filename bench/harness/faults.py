"""What was done to whom, from when to when, and what it excuses.

A *pair* is an agent that is asked and a node that it answers about. A trouble touches some pairs; it
excuses errors in them while it lasts, and after its end until the node has stood in an answer as
numbers once, but for RECOVERY seconds at most. From then on nothing is excused. All moments are those
of time.monotonic().
"""

from collections.abc import Iterable, Iterator
from math import inf

from msgspec import Struct, field

GRACE = 0.1
"""Seconds after its deadline by which an answer must be there."""

BUSY = 0.5
"""Seconds that a busy machine may add to that."""

RECOVERY = 20.0
"""Seconds after the end of a trouble by which all must be well again."""

REMEMBERED = 3 * RECOVERY


class Kind(Struct, frozen=True, kw_only=True):
    """What a trouble does to its victim.

    ``renews``: another process takes its place, which knows nobody at first; its clients'
    connections end. ``leaves``: it is not missed meanwhile, and may be known under an old and a new
    address for a moment. ``stills``: it does nothing, so what it says of others suffers too. ``crowds``: it is
    asked so much about the past that some who ask for that must wait, or go without.
    """

    renews: bool = False
    leaves: bool = False
    stills: bool = False
    crowds: bool = False


KINDS = {
    "begin": Kind(renews=True, leaves=True),
    "kill": Kind(renews=True),
    "stop": Kind(renews=True, leaves=True),
    "move": Kind(renews=True, leaves=True),
    "freeze": Kind(stills=True),
    "line": Kind(),
    "past": Kind(crowds=True),
}


class Trouble(Struct, eq=False):
    """One thing that is done to one agent; ``away`` is when it certainly said nothing."""

    kind: str
    victim: str
    since: float
    until: float = inf
    away: tuple[float, float] = (inf, inf)

    @property
    def does(self) -> Kind:
        """What it does."""
        return KINDS[self.kind]

    def touches(self, asked: str, about: str) -> bool:
        """Whether it concerns what one says of the other."""
        if self.does.crowds:
            return False
        if self.victim == about and (asked != about or self.kind != "line"):
            return True
        return self.victim == asked and (self.does.renews or self.does.stills)


class Node(Struct):
    """One agent as it may stand in an answer; ``every`` is its interval, which nobody else has."""

    name: str
    every: float
    addresses: list[str] = field(default_factory=list)
    """All that it has ever had."""

    @property
    def names(self) -> set[str]:
        """All that it may be called while it is not known well."""
        return {self.name, *self.addresses, *(f"{self.name}@{one}" for one in self.addresses)}


class World:
    """The nodes, and all that has been done to them lately."""

    def __init__(self, nodes: Iterable[Node], *, push: bool = False) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.push = push
        self.troubles: list[Trouble] = []
        self.stalls: list[tuple[float, float]] = []
        """When we, the clients, stood still ourselves."""
        self._well: dict[tuple[str, str], float] = {}

    def begin(self, kind: str, victim: str, now: float) -> Trouble:
        """Something is about to be done to an agent; what is long past is forgotten."""
        self.troubles = [one for one in self.troubles if one.until > now - REMEMBERED]
        self.stalls = [one for one in self.stalls if one[1] > now - REMEMBERED]
        trouble = Trouble(kind, victim, now)
        self.troubles.append(trouble)
        return trouble

    def excuses(self, asked: str, about: str, since: float, until: float) -> list[Trouble]:
        """What may be wrong in an answer of ``asked`` in this time, as far as ``about`` goes."""
        well = self._well.get((asked, about), -inf)
        return [
            one
            for one in self.troubles
            if one.touches(asked, about)
            and one.since <= until
            and since <= one.until + RECOVERY
            and not one.until < well <= since
        ]

    def is_well(self, asked: str, about: str, since: float, until: float) -> None:
        """A node stood as numbers in an answer to what was asked at ``since``."""
        touching = [one for one in self.troubles if one.touches(asked, about)]
        ended = max((one.until for one in touching if one.since <= until), default=-inf)
        if ended < since and self._well.get((asked, about), -inf) <= ended:
            self._well[asked, about] = until

    def silent(self, about: str, since: float, until: float) -> bool:
        """Whether a node certainly said nothing in this time."""
        return any(
            one.victim == about and one.away[0] <= since and until <= one.away[1]
            for one in self.troubles
        )

    def crowded(self, asked: str, since: float, until: float) -> bool:
        """Whether an agent was asked too much about the past in this time."""
        return any(
            one.victim == asked and one.does.crowds and one.since <= until and since <= one.until
            for one in self.troubles
        )

    def gone(self, name: str, now: float) -> Trouble | None:
        """What ends the connections of an agent's clients now."""
        for one in self.troubles:
            if one.victim == name and one.does.renews and one.since <= now <= one.until + BUSY:
                return one
        return None

    def stood(self, asked: str, since: float, until: float) -> bool:
        """Whether the asked agent, or we, stood still in this time."""
        return any(one < until and since < end for one, end in self._still(asked))

    def due(self, asked: str, moment: float, seconds: float) -> float:
        """When an answer to what was asked then must be there, so many seconds being allowed it.

        An agent that stands still may read a question only behind that, and then has all its time;
        what was due meanwhile is due behind it.
        """
        allowed = GRACE + BUSY
        due = moment + seconds + allowed
        for since, until in sorted(self._still(asked)):
            if since - allowed <= moment < until:
                due = max(due, until + seconds + allowed)
            elif moment < since < due:
                due = max(due, until + allowed)
        return due

    def _still(self, asked: str) -> Iterator[tuple[float, float]]:
        yield from self.stalls
        for one in self.troubles:
            if one.victim == asked and one.does.stills:
                yield one.since, one.until
