"""Routes questions to this node, the stats cache or the cluster."""

from collections.abc import Callable, Mapping
from math import inf
from typing import Protocol

from msgspec import Raw

from nodnod_agent.core.alerts.silencing import Silencing
from nodnod_agent.core.alerts.view import AlertView
from nodnod_agent.core.counters import Counters
from nodnod_agent.core.encoding import RICH_LIMIT, AnswerEncoder
from nodnod_agent.core.events.log import EventLog
from nodnod_agent.core.fitting import ANSWER_LIMIT, ENVELOPE, fit_history, fit_section
from nodnod_agent.core.interfaces import Clock
from nodnod_agent.core.limits import Limits
from nodnod_agent.core.membership.peers import Peers
from nodnod_agent.core.question import Question
from nodnod_agent.core.rate_limit import RateLimit
from nodnod_agent.core.requests.delivery import Delivery, Waiter
from nodnod_agent.core.requests.event_streams import EventQuery, EventStreams
from nodnod_agent.core.requests.pacing import Pacing
from nodnod_agent.core.requests.query import Published, Queries
from nodnod_agent.core.requests.request_cache import RequestCache
from nodnod_agent.core.requests.silence_requests import SilenceRequests
from nodnod_agent.core.requests.streams import Streams
from nodnod_agent.core.stats.cache import StatsCache
from nodnod_agent.core.stats.keeper import Keeper
from nodnod_agent.core.stats.local import LocalNode
from nodnod_client.codec import encode
from nodnod_client.messages import BackplaneInfo, Join

MAX_LONG_JOINS = 8
"""Long join requests in a second, of all agents together: one of 4 MiB takes some 20 ms."""

_LEAST_KEPT = 1024
"""Bytes below which no history is added: it would have hardly a point."""


class Others(Protocol):
    """What has to be woken before others are known, and the numbers that they publish then."""

    @property
    def samples(self) -> Published:
        """The numbers."""

    def attend(self) -> float:
        """Note that a client asks about others; the seconds until they are known."""

    def connection(self) -> BackplaneInfo:
        """The way to them."""


class Responder:
    """Takes each question to its source: this node, the stats cache, or the cluster.

    ``cache`` is the stats cache in push mode, else ``None``.
    """

    def __init__(
        self,
        peers: Peers,
        local: LocalNode,
        events: EventLog,
        alerts: AlertView,
        silencing: Silencing,
        encoder: AnswerEncoder,
        cache: StatsCache | None,
        keeper: Keeper,
        *,
        clock: Clock,
        counters: Counters,
        limits: Limits,
        others: Others | None = None,
    ) -> None:
        self.peers = peers
        self.local = local
        self.event_streams = EventStreams(events, peers.roster, encoder, clock)
        self.alerts = alerts
        self.silence_requests = SilenceRequests(silencing, encoder, clock)
        self.encoder = encoder
        self.clock = clock
        self.counters = counters
        self.limits = limits
        self.long_joins = RateLimit(MAX_LONG_JOINS)
        self.request_cache = RequestCache()
        self.others = others
        self._cache = cache
        self._keeper = keeper
        self._delivery = Delivery(clock)
        self.queries = Queries(
            peers.roster,
            local,
            encoder,
            keeper,
            self._delivery,
            clock,
            others.samples if others is not None else None,
        )
        self._pacing = Pacing(self._ask_known, self.queries.refuse, clock)
        self.streams = Streams(self.ask, self._delivery, clock)
        self.alert_streams = Streams(self._ask_alerts, self._delivery, clock)

    def ask(self, question: Question, waiter: Waiter) -> None:
        """Answer ``waiter`` by its deadline; in push mode at once, where the cache can."""
        if question.local:
            self.queries.ask(question, waiter)
        elif self._cache is not None and question.plain:
            self.counters.answered_at_once += 1
            waiter.deliver(self._cache.body(question))
        elif question.history is not None:  # it takes each node milliseconds
            if self.others is not None:
                self.others.attend()  # the others get known while it waits for its turn
            self._pacing.ask(question, waiter)
        else:
            self._ask_known(question, waiter)

    def when_known(self, then: Callable[[], None], latest: float = inf) -> None:
        """Go on as soon as the others are known, or after ``latest`` seconds; in a mesh, now."""
        wait = min(self.others.attend(), latest) if self.others is not None else 0.0
        if wait > 0:
            self.clock.call_at(self.clock.time() + wait, then)
        else:
            then()

    def _ask_known(self, question: Question, waiter: Waiter) -> None:
        latest = (waiter.deadline - self.clock.time()) / 2  # it takes time to ask, too
        self.when_known(lambda: self.queries.ask(question, waiter), latest)

    def with_kept(
        self, body: bytes, wanted: Mapping[str, float], ago: float | None, limit: int
    ) -> bytes:
        """An answer to an agent, with what is kept here of the nodes in ``wanted``.

        These are names, and seconds of each, which end ``ago`` seconds before now. The answer has at most ``limit`` bytes; what does not
        fit is left out.
        """
        room = min(RICH_LIMIT, limit - ENVELOPE - len(body))
        kept = []
        for name, seconds in wanted.items():
            past = self._keeper.hour(name, seconds, ago)
            if past is None or room < _LEAST_KEPT:
                continue
            history = fit_history(encode(past.fields()), room)
            kept.append(b"%b:%b" % (encode(name), history))
            room -= len(kept[-1]) + 1
        return b'%b,"kept":{%b}}' % (body[:-1], b",".join(kept))

    def members(self) -> bytes:
        """The answer to type 3."""
        members = encode(self.peers.members())
        fitted = Raw(fit_section(members, ANSWER_LIMIT - ENVELOPE))
        if self.others is None:
            return self.encoder.fields(members=fitted)
        return self.encoder.fields(members=fitted, backplane=self.others.connection())

    def alert_list(self, question: Question) -> bytes:
        """The answer to type 5: the alerts of the nodes that the question is about."""
        about = self.peers.roster.names(question)
        texts = [row.text for row in self.alerts.rows if about(row.alert.node)]
        alerts = fit_section(b"[%b]" % b",".join(texts), ANSWER_LIMIT - ENVELOPE)
        return self.encoder.fields(alerts=Raw(alerts))

    def events(self, query: EventQuery) -> bytes:
        """The answer to type 7."""
        return self.event_streams.answer(query)

    def join(self, join: Join, address: str, limit: int) -> bytes:
        """The answer to type 4, asked by the agent at ``address``, in at most ``limit`` bytes."""
        return self.encoder.fields(**self.peers.joined(join, address, limit))

    def stop(self) -> None:
        """Forget everything under way; the caller answers the waiters."""
        self.streams.stop()
        self.alert_streams.stop()
        self.event_streams.stop()
        self._pacing.stop()
        self.queries.stop()
        self._delivery.stop()

    def _ask_alerts(self, question: Question, waiter: Waiter) -> None:
        self.when_known(lambda: waiter.deliver(self.alert_list(question)))
