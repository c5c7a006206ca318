"""One broadcast for all who wait: questions to the whole cluster, their answers, their deadlines.

Requests that ask the same thing gather while a broadcast is under way, and the next one serves
them all. So an answer always comes from queries sent after its request arrived, and the peers pay
for one query however many clients wait.

A broadcast ends when the last of the asked has answered or gone, and the next starts at once. One
that waits for a slow peer does not hold up the next for longer than ``SPACING``: each waiting
request keeps its own deadline, and at that moment gets what is there.
"""

from typing import Protocol

from nodnod_agent.core.counters import Histogram
from nodnod_agent.core.encoding import AnswerEncoder, renamed, unknown_node
from nodnod_agent.core.interfaces import EARLY, Clock, Timer
from nodnod_agent.core.membership.member import Member
from nodnod_agent.core.membership.roster import Roster
from nodnod_agent.core.question import Question
from nodnod_agent.core.requests.delivery import Delivery, Recipient
from nodnod_agent.core.stats.local import LocalNode
from nodnod_client.errors import WireError
from nodnod_client.messages import PeerAnswer

SPACING = 0.010
"""Seconds between broadcasts of one question while an earlier one still waits for a peer."""

NEVER = float("inf")


class Waiter(Recipient, Protocol):
    """One request that waits for an answer from the cluster: the whole JSON object, without an id."""

    deadline: float
    """When it must be answered, on the clock of the core."""
    timeout: float
    """The same as seconds from its arrival, to say in an error."""


def silence(timeout: float) -> str:
    """What is said of a node that has not answered for so many seconds."""
    return f"no answer within {timeout:.3g} s"


class _Gathering:
    """The requests that ask one question: those that gather, and the broadcasts under way."""

    __slots__ = ("due", "question", "rounds", "sent", "waiting")

    def __init__(self, question: Question) -> None:
        self.question = question
        self.waiting: list[Waiter] = []
        self.rounds: set[_Round] = set()
        self.due = NEVER
        self.sent = 0.0


class _Round:
    """One broadcast: whom it asked, who has answered, and who waits for it."""

    __slots__ = (
        "entries",
        "gathering",
        "id",
        "members",
        "own",
        "own_due",
        "pending",
        "unknown",
        "version",
        "waiters",
    )

    def __init__(
        self,
        id: int,  # noqa: A002
        gathering: _Gathering,
        members: tuple[Member, ...],
        own: bool,
        unknown: list[str],
    ) -> None:
        self.id = id
        self.gathering = gathering
        self.members = members
        self.own = own
        self.own_due = False
        self.unknown = unknown
        self.version = 0
        self.waiters = gathering.waiting
        self.pending: set[Member] = set()
        self.entries: dict[Member, bytes] = {}


class Queries:
    """All cluster questions of one agent."""

    def __init__(
        self, roster: Roster, local: LocalNode, answers: AnswerEncoder, clock: Clock
    ) -> None:
        self._roster = roster
        self._local = local
        self._clock = clock
        self._settling = Delivery(clock)
        self._answers = answers
        self._gatherings: dict[Question, _Gathering] = {}
        self._rounds: dict[int, _Round] = {}
        self._last_id = 0
        self._alarm: Timer | None = None
        self._alarm_at = NEVER
        self.broadcasts = 0
        """Questions to the cluster that were sent; those about this node alone are none."""
        self.durations = Histogram()
        """Seconds from question to answer."""

    def ask(self, question: Question, waiter: Waiter) -> None:
        """Ask the cluster; ``waiter`` is settled once, by its deadline, never during this call."""
        gathering = self._gatherings.get(question)
        if gathering is None:
            gathering = self._gatherings[question] = _Gathering(question)
        gathering.waiting.append(waiter)
        self._plan(gathering)
        if waiter.deadline < self._alarm_at:
            self._set_alarm(waiter.deadline)

    def own_body(self, question: Question) -> bytes:
        """The answer that names this node alone."""
        return self._answers.alone(self._local.entry(question))

    def unasked_body(self, question: Question, why: str) -> bytes:
        """The answer to a question that nobody was asked: of this node what is at hand, else why."""
        members, own, unknown = self._roster.select(question)
        round_ = _Round(0, _Gathering(question.bare), members, own, unknown)
        round_.version = self._roster.version
        round_.entries = {
            member: member.failure(why if member.up else member.error, question.stat_type)
            for member in members
        }
        return self._body(round_, "")

    def answered(self, member: Member, query: int, answer: PeerAnswer) -> None:
        """Take a peer's answer; one that comes late or unasked changes nothing."""
        round_ = self._rounds.get(query)
        if round_ is None or member not in round_.pending:
            return
        question = round_.gathering.question
        try:
            entry = member.entry(answer, question)
        except WireError as error:
            entry = member.failure(str(error), question.stat_type)
        self._take(round_, member, entry)

    def failed(self, member: Member, query: int | None, reason: str) -> None:
        """Note that a peer will not answer this query, or (``None``) any that it still owes."""
        rounds = list(self._rounds.values()) if query is None else [self._rounds.get(query)]
        for round_ in rounds:
            if round_ is not None and member in round_.pending:
                stat_type = round_.gathering.question.stat_type
                self._take(round_, member, member.failure(reason, stat_type))

    def sampled(self) -> None:
        """Note that this node has a new sample: what waited for one may be complete."""
        for round_ in list(self._rounds.values()):
            if round_.own_due and self._local.ready(round_.gathering.question):
                round_.own_due = False
                self._finish_if_complete(round_)

    def stop(self) -> None:
        """Forget all that is under way; the waiters are whoever stops us to settle."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._settling.stop()
        self._gatherings.clear()
        self._rounds.clear()

    def _plan(self, gathering: _Gathering) -> None:
        # Now is not at once: all that arrives in this turn of the loop shares the broadcast.
        when = self._clock.time()
        if gathering.rounds:
            when = max(when, gathering.sent + SPACING)
        if when < gathering.due:
            gathering.due = when
            self._clock.call_at(when, self._wake, gathering, when)

    def _wake(self, gathering: _Gathering, when: float) -> None:
        if gathering.due == when:
            gathering.due = NEVER
        if not gathering.waiting:  # the end of a broadcast has sent it already
            self._tidy(gathering)
        elif gathering.rounds and self._clock.time() + EARLY < gathering.sent + SPACING:
            self._plan(gathering)
        else:
            self._broadcast(gathering)

    def _broadcast(self, gathering: _Gathering) -> None:
        question = gathering.question
        members, own, unknown = self._roster.select(question)
        self._last_id += 1
        round_ = _Round(self._last_id, gathering, members, own, unknown)
        gathering.waiting = []
        gathering.sent = now = self._clock.time()
        gathering.rounds.add(round_)
        self._rounds[round_.id] = round_
        self.broadcasts += not question.here
        request = question.to_peer(round_.id, max(w.deadline for w in round_.waiters) - now)
        round_.own_due = own and not self._local.ready(question)
        round_.version = self._roster.version
        asked = []
        for member in members:
            if member.up:
                asked.append(member)
            else:  # noted now: it may be up before the others have answered, and still not asked
                round_.entries[member] = member.failure(member.error, question.stat_type)
        round_.pending.update(asked)
        for member in asked:
            link = member.link
            if link is None or not link.ask(round_.id, request):
                self.failed(member, round_.id, "too many questions that it has not answered")
        self._finish_if_complete(round_)

    def _take(self, round_: _Round, member: Member, entry: bytes) -> None:
        round_.entries[member] = entry
        round_.pending.discard(member)
        self._finish_if_complete(round_)

    def _finish_if_complete(self, round_: _Round) -> None:
        if round_.pending or round_.own_due or round_.id not in self._rounds:
            return
        self._drop(round_)
        body = self._body(round_, "")
        self._count(round_.waiters)
        self._settling.settle(round_.waiters, body)

    def _drop(self, round_: _Round) -> None:
        del self._rounds[round_.id]
        gathering = round_.gathering
        gathering.rounds.discard(round_)
        if gathering.waiting and not gathering.rounds:
            self._broadcast(gathering)
        else:
            self._tidy(gathering)

    def _tidy(self, gathering: _Gathering) -> None:
        if not (gathering.waiting or gathering.rounds or gathering.due < NEVER):
            self._gatherings.pop(gathering.question, None)

    def _set_alarm(self, when: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = when
        self._alarm = self._clock.call_at(when, self._expire)

    def _expire(self) -> None:
        self._alarm = None
        self._alarm_at = NEVER
        now = self._clock.time()
        for round_ in list(self._rounds.values()):
            due = [waiter for waiter in round_.waiters if waiter.deadline <= now]
            if due:
                round_.waiters = [waiter for waiter in round_.waiters if waiter.deadline > now]
                self._settle_late(round_, due)
                if not round_.waiters:
                    self._drop(round_)
        nearest = NEVER
        for round_ in self._rounds.values():  # those too that the end of another has sent just now
            nearest = min([nearest, *(waiter.deadline for waiter in round_.waiters)])
        for gathering in self._gatherings.values():
            nearest = min([nearest, *(waiter.deadline for waiter in gathering.waiting)])
        if nearest < self._alarm_at:
            # One that gathers still is broadcast within SPACING: no use in asking every turn.
            self._set_alarm(max(nearest, now + SPACING))

    def _settle_late(self, round_: _Round, waiters: list[Waiter]) -> None:
        alike: dict[float, list[Waiter]] = {}
        for waiter in waiters:
            alike.setdefault(waiter.timeout, []).append(waiter)
        self._count(waiters)
        for timeout, late in alike.items():
            self._settling.settle(late, self._body(round_, silence(timeout)))

    def _count(self, waiters: list[Waiter]) -> None:
        """Note how long they have waited: alike, those that came in one turn of the loop."""
        now = self._clock.time()
        deadline, timeout, alike = NEVER, 0.0, 0
        for waiter in waiters:
            if waiter.deadline == deadline and waiter.timeout == timeout:
                alike += 1
                continue
            if alike:
                self.durations.add(round(now - deadline + timeout, 6), alike)
            deadline, timeout, alike = waiter.deadline, waiter.timeout, 1
        if alike:
            self.durations.add(round(now - deadline + timeout, 6), alike)

    def _body(self, round_: _Round, silence: str) -> bytes:
        question = round_.gathering.question
        stat_type = question.stat_type
        entries = round_.entries
        if round_.pending:
            silent = {member: member.failure(silence, stat_type) for member in round_.pending}
            entries = entries | silent
        own = self._local.entry(question) if round_.own else None
        if round_.version != self._roster.version:
            return self._answers.nodes(self._named_anew(round_, entries, own))
        nodes = [member.key + entries[member] for member in round_.members]
        if own is not None:
            place = self._roster.own_place(round_.members)
            nodes.insert(place, self._answers.own_key + own)
        nodes += [unknown_node(name, stat_type) for name in round_.unknown]
        return self._answers.nodes(nodes)

    def _named_anew(
        self, round_: _Round, entries: dict[Member, bytes], own: bytes | None
    ) -> list[bytes]:
        """The nodes, where it has turned out since the broadcast who is who.

        A name may have passed from one member to another, and one may be an address of another
        now: still each node stands there once, under the name that it has by now. One that has
        left meanwhile, and was asked for by its name, is unknown.
        """
        nodes: dict[Member, bytes] = {}
        nobody = set(round_.unknown)
        for member, entry in entries.items():
            node = member.alias_of or member
            if node.left:
                nobody.add(member.listed)
            elif node is member or node not in nodes:
                nodes[node] = entry
        named = {node.listed: node.key + renamed(nodes[node], node.listed) for node in nodes}
        if own is not None:
            named[self._roster.name] = self._answers.own_key + own
        question = round_.gathering.question
        unknown = (name for name in question.literals if name in nobody and name not in named)
        return [
            *(named[name] for name in sorted(named)),
            *(unknown_node(name, question.stat_type) for name in unknown),
        ]
