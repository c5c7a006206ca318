"""Streams: one timer and one query serve all equal subscriptions.

Each tick is one question and one encoding. A slow client skips ticks, then gets the newest.
"""

from collections.abc import Callable
from typing import NamedTuple

from nodnod_agent.core.interfaces import Clock, Timer, Wire
from nodnod_agent.core.question import Question
from nodnod_agent.core.requests.delivery import Delivery, Waiter


class Terms(NamedTuple):
    """What streams of one feed have in common; ``every`` and ``timeout`` are seconds."""

    question: Question
    every: float
    timeout: float


class Subscription:
    """One stream of one client."""

    __slots__ = ("_last", "_tail", "feed", "first", "scheduled", "wire")

    def __init__(self, feed: "_Feed", wire: Wire, id_json: bytes, first: int) -> None:
        self.feed: _Feed | None = feed
        self.first = first
        """The tick that is its first answer."""
        self.scheduled = False
        """Whether its delivery is due already; it sends the newest tick of that moment."""
        self.wire = wire
        self._last = first - 1
        self._tail = b',"id":%b,"seq":' % id_json

    def deliver(self) -> None:
        """Send the newest tick, unless the client has not taken the ones before."""
        self.scheduled = False
        feed = self.feed
        if feed is None or feed.number <= self._last:  # it has ended, or has this tick already
            return
        if self.wire.unsent:  # behind what is unsent, this tick would be old when it is read
            feed.streams.skipped += 1
            return
        self._last = feed.number
        self.wire.send(b"%b%b%d}" % (feed.body, self._tail, feed.number - self.first))

    def end(self) -> None:
        """Send nothing more."""
        feed, self.feed = self.feed, None
        if feed is not None:
            feed.leave(self)


class Streams:
    """All streams of one agent; ``ask`` answers a waiter by its deadline."""

    def __init__(
        self, ask: Callable[[Question, Waiter], None], delivery: Delivery, clock: Clock
    ) -> None:
        self.ask = ask
        self.delivery = delivery
        self.clock = clock
        self.skipped = 0
        """Ticks that were not sent because a client was too slow."""
        self._feeds: dict[Terms, _Feed] = {}

    def __len__(self) -> int:
        return sum(len(feed.subscribers) for feed in self._feeds.values())

    def open(self, terms: Terms, wire: Wire, id_json: bytes) -> Subscription:
        """Start a stream; its first answer is asked for at once."""
        feed = self._feeds.get(terms)
        if feed is None:
            feed = self._feeds[terms] = _Feed(terms, self)
        return feed.join(wire, id_json)

    def stop(self) -> None:
        """End every stream."""
        for feed in self._feeds.values():
            feed.stop()
        self._feeds.clear()

    def closed(self, feed: "_Feed") -> None:
        """Forget a feed without subscribers."""
        self._feeds.pop(feed.terms, None)


class _Tick(Waiter, eq=False):
    """The question of one tick, or the first question of subscribers that have just joined.

    ``newcomers`` are the subscribers whose first answer this is; there are none on a regular tick.
    """

    feed: "_Feed"
    number: int
    newcomers: list[Subscription]
    wire: Wire

    @property
    def client(self) -> object:
        """The connection of one subscriber, whoever else shares the tick."""
        return self.wire

    def deliver(self, body: bytes) -> None:
        """Hand the answer to the subscribers that the tick is for."""
        self.feed.publish(self, body)


class _Feed:
    """One clock and its subscribers."""

    def __init__(self, terms: Terms, streams: Streams) -> None:
        self.terms = terms
        self.streams = streams
        self.subscribers: dict[Subscription, None] = {}
        self.asked = 0
        """The number of the last tick."""
        self.body = b""
        """The newest answer, without its last brace."""
        self.number = -1
        """The tick of the newest answer."""
        self._joining: _Tick | None = None
        self._due = streams.clock.time() + terms.every
        self._timer: Timer = streams.clock.call_at(self._due, self._tick)

    def join(self, wire: Wire, id_json: bytes) -> Subscription:
        """Subscribe; all that join in one turn of the event loop share their first question."""
        if self._joining is None:
            clock = self.streams.clock
            self._joining = self._new_tick(wire)
            clock.call_at(clock.time(), self._ask_for_newcomers, self._joining)
        subscription = Subscription(self, wire, id_json, self._joining.number)
        self._joining.newcomers.append(subscription)
        self.subscribers[subscription] = None
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Unsubscribe."""
        self.subscribers.pop(subscription, None)
        if not self.subscribers:
            self.stop()
            self.streams.closed(self)

    def stop(self) -> None:
        """Tick no more."""
        self._timer.cancel()

    def publish(self, tick: _Tick, body: bytes) -> None:
        """Take the answer to a tick and schedule its delivery."""
        if tick.number >= self.number:  # else a later tick was answered first
            self.body, self.number = body[:-1], tick.number
        # A newcomer does not get the answer to a question that was sent before it joined.
        recipients = tick.newcomers or (one for one in self.subscribers if one.first < tick.number)
        due = [one for one in recipients if not one.scheduled]
        for subscription in due:
            subscription.scheduled = True
        self.streams.delivery.schedule(map(Subscription.deliver, due))

    def _new_tick(self, wire: Wire) -> _Tick:
        timeout = self.terms.timeout
        deadline = self.streams.clock.time() + timeout
        return _Tick(timeout, deadline, (), self, self.asked, [], wire)

    def _ask_for_newcomers(self, tick: _Tick) -> None:
        self._joining = None
        self.streams.ask(self.terms.question, tick)

    def _tick(self) -> None:
        clock, every = self.streams.clock, self.terms.every
        now = clock.time()
        # A late tick is not made up for: the schedule goes on with the next one that is due.
        self._due += every * max(1, int((now - self._due) / every) + 1)
        self._timer = clock.call_at(self._due, self._tick)
        self.asked += 1
        first = next(iter(self.subscribers))
        self.streams.ask(self.terms.question, self._new_tick(first.wire))
