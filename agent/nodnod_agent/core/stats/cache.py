"""The stats cache of push mode: the newest stats of every node, and how old they are."""

from nodnod_agent.core.encoding import AnswerEncoder, peer_node, relabeled_node
from nodnod_agent.core.interfaces import Clock
from nodnod_agent.core.membership.member import Member
from nodnod_agent.core.membership.roster import Roster
from nodnod_agent.core.question import Question
from nodnod_agent.core.stats.local import LocalNode
from nodnod_client.messages import PeerAnswer

SILENT_INTERVALS = 3
"""Intervals of silence after which the numbers of a node are called stale."""

AGE_STEP = 0.1
"""Seconds for which an answer with the age of stale numbers is kept."""

MAX_BODIES = 64


class _Report:
    """What one node sent last, and when."""

    __slots__ = ("at", "entries", "error", "name", "raw")

    def __init__(self, name: str, raw: bytes, at: float) -> None:
        self.name = name
        self.raw = raw
        """Its node object for stat type 0; empty if it has never sent a valid one."""
        self.error = ""
        self.at = at
        self.entries: dict[int, bytes] = {}
        """Its node objects by stat type, while it is up and not stale."""


class StatsCache:
    """Filled by the peers' streams; an answer is encoded once until something changes."""

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
        self._stale_after = SILENT_INTERVALS * interval
        self._reports: dict[Member, _Report] = {}
        self._bodies: dict[Question, tuple[int, float, bytes]] = {}
        """Answers with the number of changes when they were encoded, and how long they are good."""
        self._changes = 0

    def update(self, member: Member, answer: PeerAnswer) -> None:
        """Take the stats of a member. Raises WireError if the answer has none."""
        raw = peer_node(answer, Question(), name=member.name, listed=member.name, version=2)
        self._reports[member] = _Report(member.name, raw, self._clock.time())
        self._changes += 1

    def fail(self, member: Member, error: str) -> None:
        """Note that a member sent something else; its last numbers stay, with this error."""
        report = self._report(member)
        if report is None:
            report = self._reports[member] = _Report(member.name, b"", self._clock.time())
        report.error = error
        report.entries.clear()
        self._changes += 1

    def changed(self) -> None:
        """Note that a member has gone down."""
        self._changes += 1

    def forget(self, member: Member) -> None:
        """Drop a member that is not listed any more."""
        self._reports.pop(member, None)
        self._changes += 1

    def body(self, question: Question) -> bytes:
        """The answer to a question without detail or history."""
        now = self._clock.time()
        changes = self._changes + self._roster.version + self._local.version
        cached = self._bodies.get(question)
        if cached is not None and cached[0] == changes and now < cached[1]:
            return cached[2]
        if len(self._bodies) > MAX_BODIES:  # clients choose what they ask
            self._bodies.clear()
        body, good_until = self._encode(question, now)
        self._bodies[question] = (changes, good_until, body)
        return body

    def _encode(self, question: Question, now: float) -> tuple[bytes, float]:
        members, own, unknown = self._roster.select(question)
        good_until = now + self._stale_after
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
        """The node object of a member, and how long it is good."""
        report = self._report(member)
        if report is None:
            error = member.error or "no stats from it yet"
            return member.failure(error, stat_type), now + self._stale_after
        stale_at = report.at + self._stale_after
        if now < stale_at and member.up:
            entry = report.entries.get(stat_type)
            if entry is None:
                entry = _encoded(member, report, report.error, stat_type)
                report.entries[stat_type] = entry
            return entry, stale_at
        error = f"stale: last heard {now - report.at:.1f} s ago"
        if reason := member.error or report.error:
            error = f"{error}; {reason}"
        return _encoded(member, report, error, stat_type), now + AGE_STEP

    def _report(self, member: Member) -> _Report | None:
        """The last report of a member; one under another name was of another node."""
        report = self._reports.get(member)
        return report if report is not None and report.name == member.name else None


def _encoded(member: Member, report: _Report, error: str, stat_type: int) -> bytes:
    if not report.raw:
        return member.failure(error, stat_type)
    if error or stat_type or member.listed != member.name:
        return relabeled_node(report.raw, member.listed, error, stat_type)
    return report.raw
