"""Who wants what how often: one tick for all who want the same.

A stream is a repeated question. Streams that ask the same thing equally often share a clock: each
tick is one question and one encoding, however many listen. A subscriber that has not taken what it
was sent before skips the tick and gets the newest one next.
"""

from collections import deque
from typing import NamedTuple, Protocol

from nodnod_agent.core.interfaces import Clock, Timer, Wire
from nodnod_agent.core.question import Question

BATCH = 256
"""Subscribers served in one turn of the loop; more delay the requests that come meanwhile."""


class Terms(NamedTuple):
    """What makes two streams the same: the question, how often, and each tick's deadline."""

    question: Question
    every: float
    timeout: float


class Asker(Protocol):
    """Who answers a question, once; the core's Queries."""

    def ask(self, question: Question, waiter: "_Tick") -> None:
        """Settle ``waiter`` by its deadline."""


class Subscription:
    """One stream of one client."""

    __slots__ = ("_last", "_tail", "first", "source", "wire")

    def __init__(self, source: "_Source", wire: Wire, id_json: bytes, first: int) -> None:
        self.source: _Source | None = source
        self.wire = wire
        self.first = first
        """The tick that is its first answer."""
        self._last = first - 1
        self._tail = b',"id":%b,"seq":' % id_json

    def deliver(self, body: bytes, tick: int) -> bool:
        """Send a tick; false where the client has not taken the ones before."""
        if self.source is None or tick <= self._last:  # it has ended, or had one as new
            return True
        if self.wire.unsent:
            # Behind what it has not taken, this tick would be old by the time it is read.
            return False
        self._last = tick
        self.wire.send(b"%b%b%d}" % (body, self._tail, tick - self.first))
        return True

    def end(self) -> None:
        """Want no more of it."""
        source, self.source = self.source, None
        if source is not None:
            source.leave(self)


class Streams:
    """All streams of one agent."""

    def __init__(self, asker: Asker, clock: Clock) -> None:
        self._asker = asker
        self._clock = clock
        self._sources: dict[Terms, _Source] = {}
        self.skipped = 0
        """Ticks that a client was too slow to take."""

    def __len__(self) -> int:
        return sum(len(source.subscribers) for source in self._sources.values())

    def open(self, terms: Terms, wire: Wire, id_json: bytes) -> Subscription:
        """Begin a stream; its first answer is asked for at once."""
        source = self._sources.get(terms)
        if source is None:
            source = self._sources[terms] = _Source(terms, self, self._asker, self._clock)
        return source.join(wire, id_json)

    def stop(self) -> None:
        """End every stream."""
        for source in tuple(self._sources.values()):
            source.stop()
        self._sources.clear()

    def closed(self, source: "_Source") -> None:
        """Forget a source that nobody listens to."""
        self._sources.pop(source.terms, None)


class _Tick:
    """One tick's question, or the first answer of those that have just come."""

    __slots__ = ("deadline", "newcomers", "number", "source", "timeout")

    def __init__(self, source: "_Source", number: int, now: float) -> None:
        self.source = source
        self.number = number
        self.timeout = source.terms.timeout
        self.deadline = now + self.timeout
        self.newcomers: list[Subscription] = []
        """Those whose first answer this is; on a regular tick nobody."""

    @property
    def greedy(self) -> bool:
        """See Settled: its subscribers are served in turns of their own."""
        return False

    def settle(self, body: bytes) -> None:
        """See Waiter."""
        self.source.settled(self, body)


class _Source:
    """One clock, and those who listen to it."""

    def __init__(self, terms: Terms, streams: Streams, asker: Asker, clock: Clock) -> None:
        self.terms = terms
        self.subscribers: dict[Subscription, None] = {}
        self._streams = streams
        self._asker = asker
        self._clock = clock
        self._number = 0
        self._due = clock.time() + terms.every
        self._timer: Timer = clock.call_at(self._due, self._beat)
        self._arriving: _Tick | None = None
        self._body = b""
        self._body_number = -1
        self._remaining: deque[Subscription] = deque()
        self._serving = False

    def join(self, wire: Wire, id_json: bytes) -> Subscription:
        """Listen; all who join in one turn share the first question."""
        now = self._clock.time()
        if self._arriving is None:
            self._arriving = _Tick(self, self._number, now)
            self._clock.call_at(now, self._welcome, self._arriving)
        subscription = Subscription(self, wire, id_json, self._arriving.number)
        self._arriving.newcomers.append(subscription)
        self.subscribers[subscription] = None
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Listen no more."""
        self.subscribers.pop(subscription, None)
        if not self.subscribers:
            self.stop()
            self._streams.closed(self)

    def stop(self) -> None:
        """Tick no more."""
        self._timer.cancel()
        self._remaining.clear()

    def settled(self, tick: _Tick, body: bytes) -> None:
        """Hand an answer to those whom it is for."""
        if tick.newcomers:
            self._serve(body, tick.number, tick.newcomers)
        else:  # not for those who came after the question was sent: theirs is under way
            whom = [one for one in self.subscribers if one.first < tick.number]
            self._serve(body, tick.number, whom)

    def _welcome(self, tick: _Tick) -> None:
        self._arriving = None
        self._asker.ask(self.terms.question, tick)

    def _beat(self) -> None:
        now = self._clock.time()
        every = self.terms.every
        # A late tick is not made up for: the schedule goes on from the next one that is due.
        self._due += every * max(1, int((now - self._due) / every) + 1)
        self._timer = self._clock.call_at(self._due, self._beat)
        self._number += 1
        self._asker.ask(self.terms.question, _Tick(self, self._number, now))

    def _serve(self, body: bytes, number: int, whom: list[Subscription]) -> None:
        if number >= self._body_number:  # else one that was asked later has overtaken it
            self._body, self._body_number = body[:-1], number
        # Those who wait for the tick before still get this one, and get it first.
        waiting = dict.fromkeys(self._remaining)
        self._remaining.extend(one for one in whom if one not in waiting)
        if not self._serving:
            self._serving = True
            self._serve_some()

    def _serve_some(self) -> None:
        remaining = self._remaining
        for _ in range(min(BATCH, len(remaining))):
            if not remaining.popleft().deliver(self._body, self._body_number):
                self._streams.skipped += 1
        if remaining:
            self._clock.call_at(self._clock.time(), self._serve_some)
        else:
            self._serving = False
