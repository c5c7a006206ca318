"""How event logs spread: what goes into the requests of gossip, and into its answers.

Each request and answer has the digest of its sender's log. News goes along with requests while it
spreads. Where digests differ all the same, the asker says which events it has, and each side sends what
the other lacks, a piece at a time. Versions that know no events send no digest, and are sent none.
"""

import logging
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, TypeVar

from msgspec import Raw

from nodnod_agent.core.events.log import EventLog, EventRefused, Record, within
from nodnod_agent.core.interfaces import Clock
from nodnod_agent.core.rate_limit import RateLimit
from nodnod_client.messages import Join, PeerAnswer

REQUEST_PIECE = 8 * 1024
"""Bytes of events in a request: longer requests are limited among all agents."""

ANSWER_PIECE = 32 * 1024
"""Bytes of events in an answer; every agent accepts 64 KiB."""

LISTS_PER_SECOND = 4
"""Answers with what another agent lacks; each costs a millisecond."""

EXAMINED_PER_SECOND = 512
"""Events that are examined of all requests together, and of the answers of each peer; some 25 us each.

The rest comes again. Whoever floods us with requests cannot keep out what peers answer us.
"""

COMPARED_FOR = 60.0
"""Seconds until logs are compared again after that brought neither side anything."""

COMPLAIN_EVERY = 60.0
"""Seconds between two log lines about refused events."""

PROBE, COMPARISON, TELLING = "probe", "comparison", "telling"
"""What the last request to a peer was: a probe may be followed by a comparison, both by a telling."""

log = logging.getLogger("nodnod")

Peer = TypeVar("Peer", bound=Hashable)

Fields = dict[str, Any]


class EventExchange(Generic[Peer]):
    """One agent's part in the exchange of events. Gossip sends what this returns."""

    def __init__(self, events: EventLog, clock: Clock) -> None:
        self.log = events
        self.heard: Callable[[str], None] = lambda before: None
        """Told of each answer of a peer that knows events, with the name in its ``before``."""
        self._clock = clock
        self._digests: dict[Peer, str] = {}
        """The digest that each peer told last."""
        self._deaf: set[Peer] = set()
        """The peers that know no events."""
        self._sent: dict[Peer, str] = {}
        """What the last request to a peer was, until it is answered."""
        self._compared: dict[Peer, tuple[str, str, float]] = {}
        """Both digests after a comparison that changed neither, and until when not to repeat it."""
        self._comparisons = RateLimit(1)
        self._lists = RateLimit(LISTS_PER_SECOND)
        self._of_requests = RateLimit(EXAMINED_PER_SECOND)
        self._of_answers: dict[Peer, RateLimit] = {}
        self._complaints = RateLimit(1, per=COMPLAIN_EVERY)

    def knows(self, peer: Peer) -> bool:
        """Whether a peer knows events, as far as it has not shown the contrary."""
        return peer not in self._deaf

    def forget(self, peer: Peer) -> None:
        """Forget a peer whose link is down."""
        for by_peer in (self._digests, self._sent, self._compared, self._of_answers):
            by_peer.pop(peer, None)
        self._deaf.discard(peer)

    def probe(self, peer: Peer, *, spreading: bool) -> Fields:
        """The fields of a request; while news is ``spreading``, with what the peer lacks of it."""
        self._sent[peer] = PROBE
        news = self.log.since(self._digests.get(peer, "")) if spreading else None
        return self.telling(news or ())

    def telling(self, records: Iterable[Record]) -> Fields:
        """The fields of a message that tells these, as far as there is room."""
        fields: Fields = {"eventsDigest": self.log.digest}
        if piece := within(records, REQUEST_PIECE):
            fields["events"] = _raw(piece)
        return fields

    def asked(self, join: Join, teller: str) -> tuple[Fields, bool]:
        """Take the fields of a request; returns those of its answer, and whether there was news."""
        news = self._take(join.events, teller, self._of_requests)
        if not join.events_digest:
            return {}, news
        fields: Fields = {"eventsDigest": self.log.digest}
        if join.events_have is not None and self._lists.take(self._clock.time()):
            missing = self._beyond(join.events_have, teller)
            fields["events"] = _raw(within(missing, ANSWER_PIECE))
            fields["eventsHave"] = self.log.have()
        return fields, news

    def answered(self, peer: Peer, answer: PeerAnswer, teller: str) -> tuple[Fields | None, bool]:
        """Take the fields of an answer; returns those of a request to follow, if any, and whether
        there was news."""
        was = self._sent.pop(peer, "")
        before = self.log.digest, self._digests.get(peer)
        news = self.told(peer, answer, teller)
        theirs = answer.events_digest
        if not theirs:
            if was and not answer.error and answer.members is None:
                self._deaf.add(peer)
            return None, news
        self._digests[peer] = theirs
        self._deaf.discard(peer)
        self.heard(answer.before)
        if was == COMPARISON:
            missing = self._beyond(answer.events_have or "", teller)
            if answer.events_have is not None and missing:
                self._sent[peer] = TELLING
                return self.telling(missing), news
        if was == TELLING or (was == COMPARISON and answer.events_have is not None):
            if before == (self.log.digest, theirs):
                self._compared[peer] = (*before, self._clock.time() + COMPARED_FOR)
        elif was == PROBE and self.differs(peer):
            if lacking := self.log.since(theirs):
                self._sent[peer] = TELLING
                return self.telling(lacking), news
            if self._comparisons.take(self._clock.time()):
                self._sent[peer] = COMPARISON
                return {"eventsDigest": self.log.digest, "eventsHave": self.log.have()}, news
        return None, news

    def differs(self, peer: Peer) -> bool:
        """Whether the peer's log differs from ours for a reason that a comparison can resolve."""
        ours, theirs = self.log.digest, self._digests.get(peer, "")
        *digests, until = self._compared.get(peer, ("", "", 0.0))
        known = digests == [ours, theirs] and self._clock.time() < until
        return theirs not in ("", ours) and not known

    def told(self, peer: Peer, answer: PeerAnswer, teller: str) -> bool:
        """Take the events in an answer, if only to no request; whether there was news."""
        limit = self._of_answers.setdefault(peer, RateLimit(EXAMINED_PER_SECOND))
        return self._take(answer.events, teller, limit)

    def _take(self, told: list[Raw] | None, teller: str, limit: RateLimit) -> bool:
        now, news = self._clock.time(), False
        examined = (told or [])[: limit.left(now)]
        limit.take(now, len(examined))
        for raw in examined:
            try:
                news |= self.log.merge(bytes(raw))
            except EventRefused as error:
                self._complain(teller, str(error))
        return news

    def _beyond(self, have: str, teller: str) -> list[Record]:
        try:
            return self.log.beyond(have)
        except ValueError as error:
            self._complain(teller, f"`eventsHave`: {error}")
            return []

    def _complain(self, teller: str, reason: str) -> None:
        if self._complaints.take(self._clock.time()):
            log.warning("Refused an event that %s told of: %s", teller, reason)


def _raw(records: Iterable[Record]) -> list[Raw]:
    return [Raw(record.text) for record in records]
