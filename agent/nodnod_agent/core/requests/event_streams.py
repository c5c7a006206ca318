"""The answers to type 7: the events that are known, and streams of those that come in.

Unlike a tick of stats, an event comes once. So a client that is slow gets later what it missed, and
each stream has a timer of its own.
"""

from collections.abc import Callable
from typing import NamedTuple, Self

from msgspec import Raw

from nodnod_agent.core.encoding import AnswerEncoder
from nodnod_agent.core.events.log import EventLog
from nodnod_agent.core.interfaces import Clock, Timer, Wire
from nodnod_agent.core.membership.roster import Roster
from nodnod_agent.core.question import Question
from nodnod_client.messages import Request


class EventQuery(NamedTuple):
    """Asks for the events after ``since`` (Unix seconds) about the nodes of the question."""

    since: float | None
    question: Question

    @classmethod
    def of(cls, request: Request) -> Self:
        """The query of a request. Raises RequestError for wrong patterns."""
        return cls(request.since, Question.of(request))


class EventStreams:
    """Answers from the log, once or as streams."""

    def __init__(
        self, events: EventLog, roster: Roster, encoder: AnswerEncoder, clock: Clock
    ) -> None:
        self.events = events
        self.clock = clock
        self._roster = roster
        self._encoder = encoder
        self._open: dict[EventSubscription, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def answer(self, query: EventQuery) -> bytes:
        """The answer with all events that fit."""
        return self._body(self.events.shown(query.since, self._about(query.question)))

    def news(self, query: EventQuery, number: int) -> bytes:
        """The answer with those that have arrived after that ``number`` of arrivals."""
        records = self.events.after(number)
        if not records:
            return self._body([])
        fits = self._about(query.question)
        return self._body(
            [
                record.text
                for record in records
                if not record.repeats
                and (query.since is None or record.event.at > query.since)
                and fits(record.event.node)
            ]
        )

    def open(
        self, query: EventQuery, every: float, wire: Wire, id_json: bytes
    ) -> "EventSubscription":
        """Start a stream: all that fit at once, then every so many seconds what is new."""
        subscription = EventSubscription(self, query, every, wire, id_json)
        self._open[subscription] = None
        return subscription

    def closed(self, subscription: "EventSubscription") -> None:
        """Forget a stream that has ended."""
        self._open.pop(subscription, None)

    def stop(self) -> None:
        """End every stream."""
        for subscription in tuple(self._open):
            subscription.end()

    def _about(self, question: Question) -> Callable[[str], bool]:
        """A test whether the question is about a node of that name, up, down or gone."""
        return self._roster.names(question, lambda member: member.name)

    def _body(self, texts: list[bytes]) -> bytes:
        return self._encoder.fields(events=[Raw(text) for text in texts])


class EventSubscription:
    """One stream of one client."""

    __slots__ = (
        "_due",
        "_every",
        "_number",
        "_query",
        "_seq",
        "_streams",
        "_tail",
        "_timer",
        "_wire",
    )

    def __init__(
        self, streams: EventStreams, query: EventQuery, every: float, wire: Wire, id_json: bytes
    ) -> None:
        self._streams = streams
        self._query = query
        self._every = every
        self._wire = wire
        self._tail = b',"id":%b,"seq":' % id_json
        self._seq = 0
        self._number = streams.events.arrived
        """The number of arrivals that the client knows of."""
        self._due = streams.clock.time()
        self._timer: Timer
        self._send(streams.answer(query))
        self._plan()

    def end(self) -> None:
        """Send nothing more."""
        self._timer.cancel()
        self._streams.closed(self)

    def _tick(self) -> None:
        if not self._wire.unsent:  # else it gets these with the next tick
            number, self._number = self._number, self._streams.events.arrived
            self._send(self._streams.news(self._query, number))
        self._plan()

    def _send(self, body: bytes) -> None:
        self._wire.send(b"%b%b%d}" % (body[:-1], self._tail, self._seq))
        self._seq += 1

    def _plan(self) -> None:
        clock = self._streams.clock
        # A late tick is not made up for: the schedule goes on with the next one that is due.
        self._due += self._every * max(1, int((clock.time() - self._due) / self._every) + 1)
        self._timer = clock.call_at(self._due, self._tick)
