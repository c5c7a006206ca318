"""The question for the past of nodes that are down, to the agents that may have kept it."""

from collections.abc import Iterable, Iterator
from heapq import nlargest

from nodnod_agent.core.membership.member import Member
from nodnod_agent.core.membership.roster import Roster
from nodnod_agent.core.stats.keeper import Keeper
from nodnod_agent.core.stats.kept import EVERY, SPAN, Past, decode_past
from nodnod_client.codec import encode
from nodnod_client.errors import WireError
from nodnod_client.messages import MAX_KEPT, PeerAnswer, Request, StatType

SHORTEST = EVERY
"""Seconds of history from which on keepers are asked: what they have is one point for that time."""

Found = Iterator[tuple[Member, bytes]]
"""Members that are down, and the best history object of each so far."""


class KeptQuery:
    """One such question, beside a broadcast, and the best that came back for each node."""

    def __init__(
        self,
        query: int,
        down: Iterable[Member],
        seconds: float,
        ago: float | None,
        roster: Roster,
    ) -> None:
        """Of the members ``down``, those that went down last are asked for, ``MAX_KEPT`` at most.

        ``ago``: how many seconds ago their pasts are to end; None for the newest.
        """
        self.id = query
        self._seconds = min(seconds, SPAN)
        self._ago = ago
        known = (one for one in down if one.version != 1 and roster.unique(one.listed))
        newest = nlargest(MAX_KEPT, known, lambda one: one.changed_at)
        self._down = {member.listed: member for member in newest}
        self._best: dict[str, Past] = {}
        self.pending: dict[Member, list[str]] = {}
        """The keepers whose answers are missing, and the nodes that each is asked for."""

    def begin(self, keeper: Keeper, own_name: str) -> Found:
        """Look at what is kept here, and find out whom to ask."""
        for name in self._down:
            for one in keeper.keepers(name):
                self.pending.setdefault(one, []).append(name)
            past = keeper.hour(name, self._seconds, self._ago)
            if past is not None:
                yield from self._offer(name, past, own_name)

    def request(self, keeper: Member) -> bytes:
        """The request to one of those in ``pending``, which also brings as little else as possible."""
        kept = dict.fromkeys(self.pending[keeper], self._seconds)
        return encode(Request(type=0, stat_type=StatType.CPU, id=self.id, kept=kept, ago=self._ago))

    def answered(self, keeper: Member, answer: PeerAnswer) -> Found:
        """Take the answer of a keeper. What it was not asked for, or is malformed, is passed over."""
        for name in self.pending.pop(keeper, ()):
            if name in answer.kept:
                try:
                    past = decode_past(bytes(answer.kept[name]))
                except WireError:
                    continue
                if self._ago is not None and past.until is None:  # of an agent that ignores `ago`
                    continue
                yield from self._offer(name, past.last(self._seconds), keeper.listed)

    def _offer(self, name: str, past: Past, keeper: str) -> Found:
        best = self._best.get(name)
        if past.points and (best is None or self._better(past, best)):
            self._best[name] = past
            yield self._down[name], encode(past.fields(keptBy=keeper))

    def _better(self, past: Past, best: Past) -> bool:
        """Whether it tells more of the time before the node was last heard by anyone."""
        since = max(past.end, best.end) - self._seconds
        known, before = past.known_since(since), best.known_since(since)
        return (known, past.end) > (before, best.end)
