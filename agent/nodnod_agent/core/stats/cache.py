"""The newest stats of every node, and how stale: what push mode answers from."""

from nodnod_agent.core.encoding import AnswerEncoder, from_peer, relabelled
from nodnod_agent.core.interfaces import Clock
from nodnod_agent.core.membership.member import Member
from nodnod_agent.core.membership.roster import Roster
from nodnod_agent.core.question import Question
from nodnod_agent.core.stats.local import LocalNode
from nodnod_client.messages import PeerAnswer

STALE_AFTER = 3
"""Intervals of silence after which a node's numbers are called stale."""

AGE_STEP = 0.1
"""Seconds between two wordings of how old stale numbers are."""

MAX_BODIES = 64


class _News:
    """What one node told last, and when."""

    __slots__ = ("at", "entries", "error", "name", "raw")

    def __init__(self, name: str, raw: bytes, at: float) -> None:
        self.name = name
        self.raw = raw
        self.error = ""
        self.at = at
        self.entries: dict[int, bytes] = {}


class StatsCache:
    """Kept up to date by the members' streams; encodes an answer once until something changes."""

    def __init__(
        self,
        roster: Roster,
        local: LocalNode,
        encoder: AnswerEncoder,
        clock: Clock,
        interval: float,
    ) -> None:
        self._roster = roster
        self._local = local
        self._encoder = encoder
        self._clock = clock
        self._patience = STALE_AFTER * interval
        self._news: dict[Member, _News] = {}
        self._bodies: dict[Question, tuple[int, float, bytes]] = {}
        self._changes = 0

    def update(self, member: Member, answer: PeerAnswer) -> None:
        """Take what a member said of itself. Raises WireError if that is no such thing."""
        raw = from_peer(answer, Question(), name=member.name, listed=member.name, version=2)
        self._news[member] = _News(member.name, raw, self._clock.time())
        self._changes += 1

    def spoil(self, member: Member, error: str) -> None:
        """Note that what a member said last was no stats; the numbers before stand, with this."""
        news = self._told(member)
        if news is None:
            news = self._news[member] = _News(member.name, b"", self._clock.time())
        news.error = error
        news.entries.clear()
        self._changes += 1

    def changed(self) -> None:
        """Note that something else changed: our own sample, or a link."""
        self._changes += 1

    def forget(self, member: Member) -> None:
        """A member is no more."""
        self._news.pop(member, None)
        self._changes += 1

    def body(self, question: Question) -> bytes:
        """The answer from memory to a question without detail or history."""
        now = self._clock.time()
        changes = self._changes + self._roster.version
        known = self._bodies.get(question)
        if known is not None and known[0] == changes and now < known[1]:
            return known[2]
        if len(self._bodies) > MAX_BODIES:  # clients choose what they ask
            self._bodies.clear()
        body, good_until = self._encode(question, now)
        self._bodies[question] = (changes, good_until, body)
        return body

    def _encode(self, question: Question, now: float) -> tuple[bytes, float]:
        members, own, unknown = self._roster.select(question)
        good_until = now + self._patience
        nodes = []
        for member in members:
            entry, until = self._entry(member, question.stat_type, now)
            good_until = min(good_until, until)
            nodes.append(member.key + entry)
        own_entry = self._local.entry(question) if own else None
        place = self._roster.own_place(members)
        body = self._encoder.nodes(nodes, own_entry, place, unknown, question.stat_type)
        return body, good_until

    def _entry(self, member: Member, stat_type: int, now: float) -> tuple[bytes, float]:
        news = self._told(member)
        if news is None:
            error = member.error or "no stats from it yet"
            return member.failure(error, stat_type), now + self._patience
        stale_at = news.at + self._patience
        if now < stale_at and member.up:
            entry = news.entries.get(stat_type)
            if entry is None:
                entry = news.entries[stat_type] = self._say(member, news, news.error, stat_type)
            return entry, stale_at
        error = f"stale: last heard {now - news.at:.1f} s ago"
        because = member.error or news.error
        if because:
            error = f"{error}; {because}"
        return self._say(member, news, error, stat_type), now + AGE_STEP

    def _told(self, member: Member) -> _News | None:
        """What it told last; what another node told at its address before is not its word."""
        news = self._news.get(member)
        return news if news is not None and news.name == member.name else None

    def _say(self, member: Member, news: _News, error: str, stat_type: int) -> bytes:
        if not news.raw:
            return member.failure(error, stat_type)
        if error or stat_type or member.listed != member.name:
            return relabelled(news.raw, member.listed, error, stat_type)
        return news.raw
