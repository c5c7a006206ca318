"""How replicated logs spread: what goes into the requests of gossip, and into its answers.

Each request and answer has the digest of its sender's log. News goes along with requests while it
spreads. Where digests differ all the same, the asker says which entries it has, and each side sends
what the other lacks, a piece at a time. Versions that do not know a log send no digest, and are sent
none.
"""

import logging
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from nodnod_agent.core.interfaces import Clock
from nodnod_agent.core.rate_limit import RateLimit
from nodnod_client.messages import Join, PeerAnswer

COMPARED_FOR = 60.0
"""Seconds until logs are compared again after that brought neither side anything."""

COMPLAIN_EVERY = 60.0
"""Seconds between two log lines about refused entries."""

PROBE, COMPARISON, TELLING = "probe", "comparison", "telling"
"""What the last request to a peer was: a probe may be followed by a comparison, both by a telling."""

log = logging.getLogger("nodnod")

Peer = TypeVar("Peer", bound=Hashable)

Fields = dict[str, Any]


class Taken(Struct, frozen=True):
    """What came of the entries in a message: if there was news, how many were examined, and a fault."""

    news: bool = False
    examined: int = 0
    fault: str = ""


class Sizes(Struct, frozen=True):
    """How much of a log is exchanged: bytes of entries in a message, and entries in a second."""

    request: int = 8 * 1024
    """Longer requests are limited among all agents."""
    answer: int = 32 * 1024
    """Every agent accepts 64 KiB."""
    lists: int = 4
    """Answers in a second with what another agent lacks."""
    examined: int = 512
    """Of all requests together, and of the answers of each peer: whoever floods us with requests cannot
    keep out what peers answer us."""


class Replica(Protocol):
    """A log that all agents hold. Entries are known by names, of whatever type."""

    field: str
    """The field of messages with its entries; ``…Digest`` and ``…Have`` go with it."""
    sizes: Sizes

    @property
    def digest(self) -> str:
        """Equal for equal logs."""

    def since(self, digest: str) -> list[Any] | None:
        """What an agent lacks whose log equals ours at an earlier digest, else ``None``."""

    def have(self) -> str:
        """Which entries this log has, for ``beyond`` of another log."""

    def beyond(self, have: str, address: str) -> list[Any]:
        """What the agent at an address lacks that has these, the most important first. Raises ValueError."""

    def packed(self, names: Iterable[Any], size: int) -> tuple[Fields, list[Any]]:
        """The fields of a message with the first of these entries, in at most so many bytes, and the
        entries that did not fit; fields without entries are left out."""

    def take(self, message: Join | PeerAnswer, most: int) -> Taken:
        """Take the entries in a message, and examine at most so many."""


class Exchange(Generic[Peer]):
    """One agent's part in the exchange of one log. Gossip sends what this returns."""

    def __init__(self, replica: Replica, clock: Clock) -> None:
        self.replica = replica
        self.heard: Callable[[PeerAnswer], None] = lambda answer: None
        """Takes each answer of a peer that knows this log, after what it tells was taken."""
        self.extra: Fields = {}
        """Fields that go with each digest."""
        self._clock = clock
        self._digests: dict[Peer, str] = {}
        """The digest that each peer told last."""
        self._deaf: set[Peer] = set()
        """The peers that do not know this log."""
        self._sent: dict[Peer, str] = {}
        """What the last request to a peer was, until it is answered."""
        self._compared: dict[Peer, tuple[str, str, float]] = {}
        """Both digests after a comparison that changed neither, and until when not to repeat it."""
        self._comparisons = RateLimit(1)
        self._lists = RateLimit(replica.sizes.lists)
        self._of_requests = RateLimit(replica.sizes.examined)
        self._of_answers: dict[Peer, RateLimit] = {}
        self._complaints = RateLimit(1, per=COMPLAIN_EVERY)

    def knows(self, peer: Peer) -> bool:
        """Whether a peer knows this log, as far as it has not shown the contrary."""
        return peer not in self._deaf

    def forget(self, peer: Peer) -> None:
        """Forget a peer whose link is down."""
        for by_peer in (self._digests, self._sent, self._compared, self._of_answers):
            by_peer.pop(peer, None)
        self._deaf.discard(peer)

    def probe(self, peer: Peer, *, spreading: bool, room: int) -> Fields:
        """The fields of a request; while news is ``spreading``, with what the peer lacks of it, in at
        most ``room`` bytes."""
        self._sent[peer] = PROBE
        news = self.replica.since(self._digests.get(peer, "")) if spreading else None
        return self.telling(news or (), room)

    def telling(self, names: Iterable[Any], room: int | None = None) -> Fields:
        """The fields of a request that tells these entries, as far as there is room."""
        size = self.replica.sizes.request if room is None else min(self.replica.sizes.request, room)
        return self._digest_field() | self.replica.packed(names, size)[0]

    def pieces(self, names: Iterable[Any]) -> Iterator[Fields]:
        """The fields of as many requests as it takes to tell all these entries."""
        left = list(names)
        while left:
            fields, rest = self.replica.packed(left, self.replica.sizes.request)
            left = rest if fields else left[1:]
            yield self._digest_field() | fields

    def asked(self, join: Join, teller: str, room: int) -> tuple[Fields, bool]:
        """Take the fields of a request; returns those of its answer, in some ``room`` bytes, and
        whether there was news."""
        news = self._take(join, teller, self._of_requests)
        if not getattr(join, f"{self.replica.field}_digest"):
            return {}, news
        fields = self._digest_field()
        have = getattr(join, f"{self.replica.field}_have")
        if have is not None and room > 0 and self._lists.take(self._clock.time()):
            own = self.replica.have()
            missing = self._beyond(have, teller)
            size = min(self.replica.sizes.answer, room - len(own))
            fields |= self.replica.packed(missing, size)[0]
            fields[f"{self.replica.field}Have"] = own
        return fields, news

    def answered(self, peer: Peer, answer: PeerAnswer, teller: str) -> tuple[Fields | None, bool]:
        """Take the fields of an answer; returns those of a request to follow, if any, and whether
        there was news."""
        was = self._sent.pop(peer, "")
        before = self.replica.digest, self._digests.get(peer, "")
        news = self.told(peer, answer, teller)
        theirs = getattr(answer, f"{self.replica.field}_digest")
        if not theirs:
            if was and not answer.error and answer.members is None:
                self._deaf.add(peer)
            return None, news
        self._digests[peer] = theirs
        self._deaf.discard(peer)
        self.heard(answer)
        have = getattr(answer, f"{self.replica.field}_have")
        missing = self._beyond(have or "", teller) if was == COMPARISON else []
        if have is not None and missing:
            self._sent[peer] = TELLING
            return self.telling(missing), news
        if was == TELLING or (was == COMPARISON and have is not None):
            if before == (self.replica.digest, theirs):
                self._compared[peer] = (*before, self._clock.time() + COMPARED_FOR)
        elif was == PROBE and self.differs(peer):
            if lacking := self.replica.since(theirs):
                self._sent[peer] = TELLING
                return self.telling(lacking), news
            if self._comparisons.take(self._clock.time()):
                self._sent[peer] = COMPARISON
                return self._digest_field() | {
                    f"{self.replica.field}Have": self.replica.have()
                }, news
        return None, news

    def differs(self, peer: Peer) -> bool:
        """Whether the peer's log differs from ours for a reason that a comparison can resolve."""
        ours, theirs = self.replica.digest, self._digests.get(peer, "")
        *digests, until = self._compared.get(peer, ("", "", 0.0))
        known = digests == [ours, theirs] and self._clock.time() < until
        return theirs not in ("", ours) and not known

    def told(self, peer: Peer, answer: PeerAnswer, teller: str) -> bool:
        """Take the entries in an answer, if only to no request; whether there was news."""
        limit = self._of_answers.setdefault(peer, RateLimit(self.replica.sizes.examined))
        return self._take(answer, teller, limit)

    def _take(self, message: Join | PeerAnswer, teller: str, limit: RateLimit) -> bool:
        now = self._clock.time()
        taken = self.replica.take(message, limit.left(now))
        if taken.examined:
            limit.take(now, taken.examined)
        if taken.fault:
            self._complain(teller, taken.fault)
        return taken.news

    def _digest_field(self) -> Fields:
        return {f"{self.replica.field}Digest": self.replica.digest, **self.extra}

    def _beyond(self, have: str, teller: str) -> list[Any]:
        try:
            return self.replica.beyond(have, teller)
        except ValueError as error:
            self._complain(teller, f"`{self.replica.field}Have`: {error}")
            return []

    def _complain(self, teller: str, reason: str) -> None:
        if self._complaints.take(self._clock.time()):
            log.warning(
                "Refused one of the %s that %s told of: %s", self.replica.field, teller, reason
            )
