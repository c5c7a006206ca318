"""One connection of a client: its requests, and whether each of them gets its one answer in time."""

from collections import deque
from collections.abc import Callable
from itertools import chain
from math import inf
from typing import Any

from msgspec import Struct

from bench.harness.invariants.answers import Asked, Judge, time_allowed
from bench.harness.invariants.form import parse
from bench.harness.invariants.ground_truth import GRACE, KnownNode

REMEMBERED_IDS = 1000
"""Answered requests whose ids are kept, to recognize a second answer."""


class Counts(Struct):
    """How many requests there were, and what has become of them; ticks of streams are apart."""

    asked: int = 0
    answered: int = 0
    lost: int = 0
    """Not answered because the connection ended, as it had to."""
    ticks: int = 0
    late: int = 0
    """Answered later than GRACE after the deadline, within the slack."""
    latest: float = -inf
    """Seconds that the latest of all answers came after its deadline; below 0 is before it."""


class Violation(Struct, frozen=True):
    """One thing that is wrong, with everything that is known of it."""

    moment: float
    agent: str
    what: str
    request: dict[str, Any] | None = None
    asked: float | None = None
    text: str = ""

    def __str__(self) -> str:
        request = "" if self.request is None else f"; asked at {self.asked}: {self.request}"
        text = f"; answer: {self.text[:2000]}" if self.text else ""
        return f"{self.agent} at {self.moment}: {self.what}{request}{text}"


class _Request(Struct, eq=False):
    sent: float
    request: dict[str, Any]
    known: frozenset[str]
    missed: bool = False
    """It has been reported that there is no answer."""


class _Stream(Struct, eq=False):
    sent: float
    """When its last tick came, or it began."""
    request: dict[str, Any]
    seq: int = -1


class Conversation:
    """``report`` is called with each violation, ``judge`` and ``counts`` are shared with others.

    Times are those of the clock of the ground truth. Requests without an id are answered in order.
    """

    def __init__(
        self, agent: KnownNode, judge: Judge, counts: Counts, report: Callable[[Violation], None]
    ) -> None:
        self.agent = agent
        self.counts = counts
        self.over = False
        self._judge = judge
        self._truth = judge.truth
        self._report = report
        self._by_id: dict[int | str, _Request] = {}
        self._in_order: deque[_Request] = deque()
        self._streams: dict[int | str, _Stream] = {}
        self._answered: deque[int | str] = deque(maxlen=REMEMBERED_IDS)
        self._known: frozenset[str] = frozenset()
        self._previous = -inf
        """When the last answer without an id came: the next one is due after it."""
        self._last_id = 0

    @property
    def in_flight(self) -> int:
        """Requests that are not answered yet."""
        return len(self._by_id) + len(self._in_order)

    def new_id(self) -> int | str:
        """A number or a text that was no id on this connection before."""
        self._last_id += 1
        return self._last_id if self._last_id % 2 else f"q{self._last_id}"

    def sent(self, request: dict[str, Any], moment: float) -> None:
        """A request is about to be sent; its id, if it has one, is no other's."""
        if "every" in request:
            self._streams[request["id"]] = _Stream(moment, request)
            return
        self.counts.asked += 1
        one = _Request(moment, request, self._known)
        if "id" in request:
            self._by_id[request["id"]] = one
        else:
            self._in_order.append(one)

    def received(self, text: bytes | str, moment: float) -> dict[str, Any]:
        """A message has come; returns the answer in it, empty if it is none."""
        said = text if isinstance(text, str) else text.decode(errors="replace")
        try:
            answer = parse(text)
        except ValueError as error:
            self._wrong(moment, f"this is no answer ({error})", None, said)
            return {}
        id_ = answer.get("id")
        if not isinstance(id_, int | str | None):
            self._wrong(moment, f"not an id: {id_!r}", None, said)
        elif id_ in self._streams:
            self._tick(self._streams[id_], answer, said, moment)
        elif one := self._take(id_):
            self.counts.answered += 1
            self._time(one, said, moment)
            asked = Asked(self.agent, one.request, one.sent, moment, one.known)
            self._check(asked, answer, one, said)
            nodes = answer.get("nodes")
            if "nodes" not in one.request and isinstance(nodes, dict):
                self._known |= nodes.keys()
        else:
            second = f"a second answer to {id_}"
            what = second if id_ in self._answered else "this was not asked for"
            self._wrong(moment, what, None, said)
        return answer

    def check_overdue(self, now: float) -> None:
        """Report what should have come by now."""
        for one in chain(self._by_id.values(), tuple(self._in_order)[:1]):
            if not one.missed and now > self._due(one):
                one.missed = True
                self._wrong(now, "there is no answer, but the connection lives", one)
        for stream in self._streams.values():
            if now > self._tick_due(stream):
                self._wrong(now, f"no tick for {now - stream.sent:.3f} s", stream)
                stream.sent = now

    def ended(self, why: str, moment: float) -> None:
        """The connection is gone. What was in flight is lost, if the connection had to end."""
        if self.over:
            return
        self.over = True
        fault = self._truth.disconnects(self.agent, moment)
        if fault is None:
            self._wrong(moment, f"the connection ended: {why}")
        for one in chain(self._by_id.values(), self._in_order):
            if (
                fault is not None
                and fault.effect.answers_first
                and one.sent + self._truth.delayed(self.agent, one.sent) + self._truth.slack
                < fault.since
            ):
                self._wrong(moment, "told to stop, the agent did not answer this first", one)
            self.counts.lost += 1
        self._by_id.clear()
        self._in_order.clear()
        self._streams.clear()

    def _take(self, id_: int | str | None) -> _Request | None:
        if id_ is None:
            return self._in_order.popleft() if self._in_order else None
        one = self._by_id.pop(id_, None)
        if one is not None:
            self._answered.append(id_)
        return one

    def _due(self, one: _Request) -> float:
        seconds = self._judge.seconds(self.agent, one.request)
        due = self._truth.due(self.agent, one.sent, seconds)
        return due if "id" in one.request else max(due, self._previous + self._truth.slack)

    def _tick_due(self, stream: _Stream) -> float:
        every, allowed = stream.request["every"], time_allowed(stream.request)
        return self._truth.due(self.agent, stream.sent, every + allowed, again=allowed)

    def _time(self, one: _Request, text: str, moment: float) -> None:
        due = self._due(one)
        late = moment - due + GRACE + self._truth.slack
        if moment > due and not one.missed:
            self._wrong(moment, f"answered {late:.3f} s after its deadline", one, text)
        self.counts.late += late > GRACE
        self.counts.latest = max(self.counts.latest, late)
        if "id" not in one.request:
            self._previous = moment

    def _tick(self, stream: _Stream, answer: dict[str, Any], text: str, moment: float) -> None:
        self.counts.ticks += 1
        if moment > self._tick_due(stream):
            after = f"a tick came {moment - stream.sent:.3f} s after the one before it"
            self._wrong(moment, after, stream, text)
        seq = stream.seq + 1 if answer.get("code") == "shutting_down" else answer.get("seq", -1)
        if seq <= stream.seq:
            self._wrong(moment, f"tick {seq} came after tick {stream.seq}", stream, text)
        allowed = time_allowed(stream.request) + GRACE + self._truth.slack
        allowed += self._truth.delayed(self.agent, stream.sent)
        since = self._truth.asked_since(self.agent, moment, allowed)
        stream.seq, stream.sent = seq, moment
        self._check(Asked(self.agent, stream.request, since, moment), answer, stream, text)

    def _check(
        self, asked: Asked, answer: dict[str, Any], one: "_Request | _Stream", text: str
    ) -> None:
        try:
            for what in self._judge.violations(asked, answer):
                self._wrong(asked.until, what, one, text)
        except (KeyError, TypeError, AttributeError) as error:
            self._wrong(asked.until, f"not in the form of an answer: {error!r}", one, text)

    def _wrong(
        self, moment: float, what: str, one: _Request | _Stream | None = None, text: str = ""
    ) -> None:
        request, sent = (one.request, one.sent) if one is not None else (None, None)
        self._report(Violation(moment, self.agent.name, what, request, sent, text))
