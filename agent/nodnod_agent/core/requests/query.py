"""Questions to the whole cluster: equal ones share a broadcast, and each keeps its own deadline.

Requests with one question wait while a broadcast of it is under way, and the next broadcast serves
them all. It starts when the last member has answered or failed; a slow peer does not delay it by
more than ``BROADCAST_SPACING``. At its deadline a request gets the answers that are there.
"""

from operator import attrgetter
from typing import Protocol

from nodnod_agent.core.counters import Histogram
from nodnod_agent.core.encoding import AnswerEncoder
from nodnod_agent.core.interfaces import EARLY, Clock, Timer
from nodnod_agent.core.membership.member import Member
from nodnod_agent.core.membership.roster import Roster
from nodnod_agent.core.question import SHORT_HISTORY, Question
from nodnod_agent.core.requests.broadcast import Broadcast
from nodnod_agent.core.requests.delivery import Delivery, Waiter
from nodnod_agent.core.requests.kept_query import SHORTEST, KeptQuery
from nodnod_agent.core.stats.keeper import Keeper
from nodnod_agent.core.stats.local import LocalNode
from nodnod_client.errors import WireError
from nodnod_client.messages import PeerAnswer

BROADCAST_SPACING = 0.010
"""Seconds between broadcasts of one question while an earlier one still waits for a peer."""

GATHERING_TURNS = 4
"""Turns of the event loop for which a broadcast waits while more requests come in each of them. With
20 connections this halves the number of broadcasts; a lone request waits for none."""

NEVER = float("inf")

_deadline = attrgetter("deadline")


class _QuestionGroup:
    """The requests with one question: those that wait for the next broadcast, and those of it."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.waiting: list[Waiter] = []
        self.broadcasts: set[Broadcast] = set()
        self.planned = NEVER
        """When the next broadcast is due, on the core's clock."""
        self.sent = 0.0
        self.lasting = question.plain and question.nodes is None
        """Whether it is kept while nobody asks: clients ask few such questions again and again."""
        self._content: tuple[object, ...] | None = None
        self._body = b""
        """The last complete answer. Until a node has a new sample, it repeats."""

    def body(
        self, broadcast: Broadcast, roster: Roster, encoder: AnswerEncoder, own: bytes | None
    ) -> bytes:
        """The answer, the same object as before if nothing has changed."""
        content = own, broadcast.content(roster)
        if content != self._content:
            self._content, self._body = content, broadcast.body(roster, encoder, own)
        return self._body


class Published(Protocol):
    """Numbers that nodes publish by themselves, so that they need not be asked."""

    def covers(self, member: Member) -> bool:
        """Whether a member publishes its numbers."""

    def want(self) -> None:
        """Have them published for some time."""

    def fresh(self, member: Member, question: Question) -> bytes | None:
        """The node object of a member, if there are numbers that are new enough."""


class Queries:
    """All cluster questions of one agent."""

    def __init__(
        self,
        roster: Roster,
        local: LocalNode,
        encoder: AnswerEncoder,
        keeper: Keeper,
        delivery: Delivery,
        clock: Clock,
        published: Published | None = None,
    ) -> None:
        """With ``published`` nobody is asked for plain numbers: they come by themselves."""
        self._published = published
        self._roster = roster
        self._local = local
        self._encoder = encoder
        self._keeper = keeper
        self._delivery = delivery
        self._clock = clock
        self._groups: dict[Question, _QuestionGroup] = {}
        self._under_way: dict[int, Broadcast] = {}
        self._kept: dict[int, Broadcast] = {}
        """Broadcasts by the ids of their questions to keepers."""
        self._last_id = 0
        self._timer: Timer | None = None
        self._timer_at = NEVER
        """The nearest deadline, at which ``_expire`` is called."""
        self.broadcasts = 0
        """Questions that were sent to the cluster; those about this node alone do not count."""
        self.durations = Histogram()
        """Seconds from question to answer."""

    def ask(self, question: Question, waiter: Waiter) -> None:
        """Answer ``waiter`` once, by its deadline, never during this call."""
        group = self._groups.get(question)
        if group is None:
            group = self._groups[question] = _QuestionGroup(question)
        group.waiting.append(waiter)
        if len(group.waiting) == 1:
            self._plan(group)
        if waiter.deadline < self._timer_at:
            self._set_timer(waiter.deadline)

    def refuse(self, question: Question, waiters: list[Waiter], error: str) -> None:
        """Answer without asking: this node's plain numbers, and ``error`` for all other nodes."""
        broadcast = Broadcast(0, question.reduced, self._roster, waiters)
        self._delivery.answer(waiters, self._body(broadcast, error))

    def answered(self, member: Member, query: int, answer: PeerAnswer) -> None:
        """Take a peer's answer; a late or unexpected one changes nothing."""
        broadcast = self._under_way.get(query)
        if broadcast is None:
            self._kept_answered(member, query, answer)
            return
        if member not in broadcast.pending:
            return
        question = broadcast.question
        if answer.code == "bad_request" and self._ask_for_less(broadcast, member):
            return
        try:
            entry = member.entry(answer, question)
        except WireError as error:
            entry = member.failure(str(error), question.stat_type)
        if broadcast.take(member, entry):
            self._finish_if_complete(broadcast)

    def heard(self, member: Member) -> None:
        """Take the numbers that a member has published."""
        for broadcast in tuple(self._under_way.values()):
            if member in broadcast.pending and broadcast.question.plain:
                self._take_published(broadcast, member)
                self._finish_if_complete(broadcast)

    def failed(self, member: Member, query: int | None, reason: str) -> None:
        """Note that a peer will not answer a query, or (``None``) any that is under way."""
        for id_ in tuple(self._under_way) if query is None else (query,):
            broadcast = self._under_way.get(id_)
            if broadcast is not None and member in broadcast.pending:
                broadcast.take(member, member.failure(reason, broadcast.question.stat_type))
                self._finish_if_complete(broadcast)
        for id_ in tuple(self._kept) if query is None else (query,):
            self._kept_answered(member, id_, PeerAnswer())

    def sampled(self) -> None:
        """Note that this node has a new sample, for which a broadcast may have waited."""
        for broadcast in list(self._under_way.values()):
            if broadcast.awaits_sample and self._local.ready(broadcast.question):
                broadcast.awaits_sample = False
                self._finish_if_complete(broadcast)

    def stop(self) -> None:
        """Forget everything under way; the caller answers the waiters."""
        if self._timer is not None:
            self._timer.cancel()
        for group in self._groups.values():
            group.waiting.clear()  # a broadcast may be planned
        self._groups.clear()
        self._under_way.clear()
        self._kept.clear()

    def _plan(self, group: _QuestionGroup) -> None:
        # Not during this call: all requests of this turn of the event loop share the broadcast.
        when = self._clock.time()
        if group.broadcasts:
            when = max(when, group.sent + BROADCAST_SPACING)
        if when < group.planned:
            group.planned = when
            self._clock.call_at(when, self._wake, group, when, 1, GATHERING_TURNS)

    def _wake(self, group: _QuestionGroup, when: float, gathered: int, turns_left: int) -> None:
        if group.planned != when:  # another one is planned
            return
        waiting = len(group.waiting)
        if waiting > gathered and turns_left:
            self._clock.call_at(when, self._wake, group, when, waiting, turns_left - 1)
            return
        group.planned = NEVER
        if not waiting:  # the end of a broadcast has sent the next one already
            self._drop_if_idle(group)
        elif group.broadcasts and self._clock.time() + EARLY < group.sent + BROADCAST_SPACING:
            self._plan(group)
        else:
            self._broadcast(group)

    def _broadcast(self, group: _QuestionGroup) -> None:
        question = group.question
        self._last_id += 1
        broadcast = Broadcast(self._last_id, question, self._roster, group.waiting)
        group.waiting = []
        group.sent = now = self._clock.time()
        group.broadcasts.add(broadcast)
        self._under_way[broadcast.id] = broadcast
        self.broadcasts += not question.local
        left, ago = max(map(_deadline, broadcast.waiters)) - now, self._local.ago(question)
        request = question.to_peer(broadcast.id, left, ago)
        if broadcast.down and question.history is not None and question.history >= SHORTEST:
            self._ask_keepers(broadcast, question.history, ago)
        if question.detail and broadcast.own:
            broadcast.awaits_sample = not self._local.ready(question)
        asked = list(broadcast.pending)
        if self._published is not None and question.plain:
            asked = self._await_published(self._published, broadcast)
        for member in asked:
            link = member.link
            if link is not None and link.short_history and self._ask_for_less(broadcast, member):
                continue
            if link is None or not link.ask(broadcast.id, request):
                self.failed(member, broadcast.id, "too many questions that it has not answered")
        if not broadcast.pending:
            self._finish_if_complete(broadcast)

    def _await_published(self, published: Published, broadcast: Broadcast) -> list[Member]:
        """Take the numbers that come by themselves; returns the members that have to be asked."""
        pending = list(broadcast.pending)
        asked = [member for member in pending if not published.covers(member)]
        if len(asked) < len(pending):
            published.want()
            for member in pending:
                self._take_published(broadcast, member)
        return asked

    def _take_published(self, broadcast: Broadcast, member: Member) -> None:
        assert self._published is not None
        entry = self._published.fresh(member, broadcast.question)
        if entry is not None:
            broadcast.take(member, entry)

    def _ask_for_less(self, broadcast: Broadcast, member: Member) -> bool:
        """Ask a peer of an older version for an hour; false where no more is asked for.

        It refuses more, and ends the connection after ten refusals in a row.
        """
        question, link = broadcast.question, member.link
        if link is None or (question.history or 0) <= SHORT_HISTORY:
            return False
        if member in broadcast.asked_for_less:
            return False
        broadcast.asked_for_less.add(member)
        link.short_history = True
        left = max(map(_deadline, broadcast.waiters)) - self._clock.time()
        request = question.shortened.to_peer(broadcast.id, left, self._local.ago(question))
        return link.ask(broadcast.id, request)

    def _ask_keepers(self, broadcast: Broadcast, seconds: float, ago: float | None) -> None:
        """Ask for the past of the members that are down, which cannot tell it themselves."""
        self._last_id += 1
        kept = KeptQuery(self._last_id, broadcast.down, seconds, ago, self._roster)
        for member, history in kept.begin(self._keeper, self._roster.name):
            broadcast.take_kept(member, history)
        broadcast.kept, self._kept[kept.id] = kept, broadcast
        for one in kept.pending:
            if one.link is not None:
                one.link.ask(kept.id, kept.request(one))

    def _kept_answered(self, keeper: Member, query: int, answer: PeerAnswer) -> None:
        broadcast = self._kept.get(query)
        if broadcast is not None and broadcast.kept is not None:
            for member, history in broadcast.kept.answered(keeper, answer):
                broadcast.take_kept(member, history)
            self._finish_if_complete(broadcast)

    def _finish_if_complete(self, broadcast: Broadcast) -> None:
        if not broadcast.complete or broadcast.id not in self._under_way:
            return
        group = self._groups[broadcast.question]
        self._end(broadcast, group)
        own = self._local.entry(broadcast.question) if broadcast.own else None
        body = group.body(broadcast, self._roster, self._encoder, own)
        self._count(broadcast.waiters)
        self._delivery.answer(broadcast.waiters, body)

    def _end(self, broadcast: Broadcast, group: _QuestionGroup) -> None:
        del self._under_way[broadcast.id]
        if broadcast.kept is not None:
            self._kept.pop(broadcast.kept.id, None)
        group.broadcasts.discard(broadcast)
        if group.waiting and not group.broadcasts:
            self._broadcast(group)
        elif not group.lasting:
            self._drop_if_idle(group)

    def _drop_if_idle(self, group: _QuestionGroup) -> None:
        if group.lasting or group.waiting or group.broadcasts or group.planned < NEVER:
            return
        if self._groups.get(group.question) is group:  # else dropped, and perhaps replaced
            del self._groups[group.question]

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._clock.call_at(when, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._timer_at = NEVER
        now = self._clock.time()
        for broadcast in list(self._under_way.values()):
            late = [waiter for waiter in broadcast.waiters if waiter.deadline <= now]
            if late:
                broadcast.waiters = [one for one in broadcast.waiters if one.deadline > now]
                self._answer_late(broadcast, late)
                if not broadcast.waiters:
                    self._end(broadcast, self._groups[broadcast.question])
        # Ending a broadcast may start the next one: look at all that are under way now.
        waiting = [broadcast.waiters for broadcast in self._under_way.values()]
        waiting += [group.waiting for group in self._groups.values()]
        nearest = min((one.deadline for waiters in waiting for one in waiters), default=NEVER)
        if nearest < self._timer_at:
            # A waiting request is broadcast within BROADCAST_SPACING: do not look in every turn until then.
            self._set_timer(max(nearest, now + BROADCAST_SPACING))

    def _answer_late(self, broadcast: Broadcast, waiters: list[Waiter]) -> None:
        self._count(waiters)
        for timeout, late in by_timeout(waiters).items():
            self._delivery.answer(late, self._body(broadcast, no_answer(timeout)))

    def _count(self, waiters: list[Waiter]) -> None:
        """Note how long they have waited; those of one turn of the loop stand side by side."""
        now = self._clock.time()
        first, alike = waiters[0], 0
        deadline, timeout = first.deadline, first.timeout
        for waiter in waiters:
            if waiter.deadline == deadline and waiter.timeout == timeout:
                alike += 1
                continue
            self.durations.add(round(now - deadline + timeout, 6), alike)
            deadline, timeout, alike = waiter.deadline, waiter.timeout, 1
        self.durations.add(round(now - deadline + timeout, 6), alike)

    def _body(self, broadcast: Broadcast, error: str = "") -> bytes:
        own = self._local.entry(broadcast.question) if broadcast.own else None
        return broadcast.body(self._roster, self._encoder, own, error)


def no_answer(timeout: float) -> str:
    """The error of a node that has not answered for so many seconds."""
    return f"no answer within {timeout:.3g} s"


def by_timeout(waiters: list[Waiter]) -> dict[float, list[Waiter]]:
    """The waiters by their timeouts, which their answers name."""
    groups: dict[float, list[Waiter]] = {}
    for waiter in waiters:
        groups.setdefault(waiter.timeout, []).append(waiter)
    return groups
