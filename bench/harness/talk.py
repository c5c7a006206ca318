"""One client's connection: what was asked over it, and whether each question got its one answer."""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from math import inf
from typing import Any

from msgspec import Struct

from bench.harness.faults import BUSY, GRACE, World
from bench.harness.judge import Asked, Judge, parse, time_allowed


class Count(Struct):
    """How many questions there were, and what has become of them; ticks of streams are apart."""

    asked: int = 0
    answered: int = 0
    lost: int = 0
    """Never answered because the connection ended, as it had to."""
    ticks: int = 0
    late: int = 0
    """Answered later than GRACE after the deadline, within what is allowed a busy machine."""
    latest: float = -inf
    """Seconds that the latest of all answers came after its deadline; below 0 is before it."""


class Wrong(Struct, frozen=True):
    """One thing that is wrong, with all that there is to know of it."""

    moment: float
    agent: str
    what: str
    request: dict[str, Any] | None = None
    asked: float | None = None
    text: str = ""


class _Question(Struct, eq=False):
    moment: float
    request: dict[str, Any]
    missed: bool = False
    """It has been said already that there is no answer."""


class Talk:
    """``report`` is told of everything wrong; ids are whole numbers that grow."""

    def __init__(
        self, agent: str, judge: Judge, count: Count, report: Callable[[Wrong], None]
    ) -> None:
        self.agent = agent
        self.judge = judge
        self.count = count
        self.over = False
        self._report = report
        self._by_id: dict[int, _Question] = {}
        self._in_order: deque[_Question] = deque()
        self._streams: dict[int, _Stream] = {}
        self._last_id = 0
        self._turn = -inf
        """When the question before was due, or answered: those without an id wait for it."""

    @property
    def in_flight(self) -> int:
        """Questions that are not answered yet."""
        return len(self._by_id) + len(self._in_order)

    def new_id(self) -> int:
        """An id that nobody has had on this connection."""
        self._last_id += 1
        return self._last_id

    def asks(self, request: dict[str, Any], moment: float) -> None:
        """A question is about to be sent."""
        if "every" in request:
            self._streams[request["id"]] = _Stream(moment, request)
            return
        self.count.asked += 1
        one = _Question(moment, request)
        if "id" in request:
            self._by_id[request["id"]] = one
        else:
            self._in_order.append(one)

    def heard(self, text: bytes, moment: float) -> None:
        """Something came."""
        try:
            answer = parse(text)
        except ValueError as error:
            self._wrong(moment, f"this is no answer ({error})", None, text)
            return
        id_ = answer.get("id")
        if isinstance(id_, int) and id_ in self._streams:
            self._tick(self._streams[id_], answer, text, moment)
            return
        if id_ is not None:
            one = self._by_id.pop(id_, None)
        else:
            one = self._in_order.popleft() if self._in_order else None
        if one is None:
            known = isinstance(id_, int) and 0 < id_ <= self._last_id
            what = f"a second answer to {id_}" if known else "nobody had asked for this"
            self._wrong(moment, what, None, text)
            return
        self.count.answered += 1
        self._time(one, moment, text)
        for fault in self._faults(one.request, answer, one.moment, moment):
            self._wrong(moment, fault, one, text)

    def look(self, now: float) -> None:
        """Report what should have been there by now."""
        for one in chain(self._by_id.values(), self._in_order):
            if not one.missed and now > self._due(one) and not self._waits_in_line(one):
                one.missed = True
                self._wrong(now, "there is no answer, and the connection lives", one)
        for stream in self._streams.values():
            every = stream.request["every"]
            due = self._world.due(self.agent, stream.moment, every + time_allowed(stream.request))
            if now > due:
                self._wrong(now, f"no tick for {now - stream.moment:.3f} s", stream)
                stream.moment = now

    def ended(self, why: str, moment: float) -> None:
        """The connection is gone. What was in flight is lost, if the connection had to end."""
        if self.over:
            return
        self.over = True
        trouble = self._world.gone(self.agent, moment)
        if trouble is None:
            self._wrong(moment, f"the connection ended: {why}")
        told = trouble is not None and trouble.kind == "stop"
        for one in chain(self._by_id.values(), self._in_order):
            if told and trouble is not None and one.moment < trouble.since - BUSY:
                self._wrong(moment, "told to stop, the agent did not answer this first", one)
            self.count.lost += 1
        self._by_id.clear()
        self._in_order.clear()
        self._streams.clear()

    @property
    def _world(self) -> World:
        return self.judge.world

    def _due(self, one: _Question) -> float:
        due = self._world.due(self.agent, one.moment, time_allowed(one.request))
        return due if "id" in one.request else max(due, self._turn + GRACE + BUSY)

    def _waits_in_line(self, one: _Question) -> bool:
        return "id" not in one.request and one is not self._in_order[0]

    def _time(self, one: _Question, moment: float, text: bytes) -> None:
        due = self._due(one)
        if not one.missed and moment > due:
            self._wrong(
                moment, f"{moment - due + GRACE + BUSY:.3f} s after its deadline", one, text
            )
        late = moment - due + GRACE + BUSY
        self.count.late += late > GRACE
        self.count.latest = max(self.count.latest, late)
        if "id" not in one.request:
            self._turn = moment

    def _tick(self, stream: "_Stream", answer: dict[str, Any], text: bytes, moment: float) -> None:
        self.count.ticks += 1
        seq = answer.get("seq", -1)
        if answer.get("code") == "shutting_down":
            seq = stream.seq + 1
        if seq <= stream.seq:
            self._wrong(moment, f"tick {seq} came after tick {stream.seq}", stream, text)
        since = stream.moment
        if not self._world.stood(self.agent, since, moment):
            since = max(since, moment - time_allowed(stream.request) - GRACE - BUSY)
        for fault in self._faults(stream.request, answer, since, moment):
            self._wrong(moment, fault, stream, text)
        stream.seq, stream.moment = seq, moment

    def _faults(
        self, request: dict[str, Any], answer: dict[str, Any], since: float, until: float
    ) -> Iterator[str]:
        try:
            yield from self.judge.faults(Asked(self.agent, request, since, until), answer)
        except (KeyError, TypeError, AttributeError) as error:
            yield f"not in the form of an answer: {error!r}"

    def _wrong(
        self,
        moment: float,
        what: str,
        one: "_Question | _Stream | None" = None,
        text: bytes = b"",
    ) -> None:
        request, asked = (one.request, one.moment) if one is not None else (None, None)
        self._report(Wrong(moment, self.agent, what, request, asked, text.decode()))


class _Stream(Struct, eq=False):
    moment: float
    """When its last tick came, or it began."""
    request: dict[str, Any]
    seq: int = -1
