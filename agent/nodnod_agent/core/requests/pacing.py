"""Expensive questions to the cluster, one at a time, so that peers keep time for the others.

If too many wait, a question is answered without asking: with this node's plain numbers, and an error
for all other nodes.
"""

from nodnod_agent.core.interfaces import Clock, Timer
from nodnod_agent.core.question import Question
from nodnod_agent.core.rate_limit import RateLimit
from nodnod_agent.core.requests.delivery import Waiter
from nodnod_agent.core.requests.query import Queries, by_timeout, no_answer

EXPENSIVE_SPACING = 1 / 30
"""Seconds between two; each takes a node 5 ms, so all together take 15 % of a core."""

MAX_WAITING = 30
"""Questions that wait; the last of them waits for a second."""

TOO_MANY = "not asked: too many questions about the past are waiting"


class Pacing:
    """The queue of expensive questions in front of the queries."""

    def __init__(self, queries: Queries, clock: Clock) -> None:
        self._queries = queries
        self._clock = clock
        self._waiting: dict[Question, list[Waiter]] = {}
        self._limit = RateLimit(1, per=EXPENSIVE_SPACING)
        self._timer: Timer | None = None

    def ask(self, question: Question, waiter: Waiter) -> None:
        """Ask the cluster, now or later; ``waiter`` is answered once, by its deadline."""
        waiting = self._waiting.get(question)
        if waiting is not None:
            waiting.append(waiter)
        elif not self._waiting and self._limit.take(self._clock.time()):
            self._queries.ask(question, waiter)
        elif len(self._waiting) < MAX_WAITING:
            self._waiting[question] = [waiter]
            self._plan()
        else:
            self._queries.refuse(question, [waiter], TOO_MANY)

    def stop(self) -> None:
        """Forget the waiters; the caller answers them."""
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()

    def _plan(self) -> None:
        if self._waiting and self._timer is None:
            when = self._limit.next_time(self._clock.time())
            self._timer = self._clock.call_at(when, self._next)

    def _next(self) -> None:
        self._timer = None
        now = self._clock.time()
        for question in tuple(self._waiting):
            self._refuse_late(question, now)
        if self._waiting and self._limit.take(now):
            question = next(iter(self._waiting))
            for waiter in self._waiting.pop(question):
                self._queries.ask(question, waiter)
        self._plan()

    def _refuse_late(self, question: Question, now: float) -> None:
        """Answer those whose deadline has passed before their question was sent."""
        waiting = self._waiting[question]
        late = [waiter for waiter in waiting if waiter.deadline <= now]
        for timeout, waiters in by_timeout(late).items():
            self._queries.refuse(question, waiters, no_answer(timeout))
        if len(late) == len(waiting):
            del self._waiting[question]
        elif late:
            self._waiting[question] = [waiter for waiter in waiting if waiter.deadline > now]
