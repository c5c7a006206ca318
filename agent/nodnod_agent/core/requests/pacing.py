"""Costly questions to the cluster, one after the other: they must not keep the peers from the rest.

Each takes every node some milliseconds, and equal ones are one. A few a second go out at once; of
more each waits for its turn, at most a second. Beyond that a question is answered with what is at
hand: why the other nodes were not asked, and this node without its past.
"""

from nodnod_agent.core.interfaces import Clock, Timer
from nodnod_agent.core.question import Question
from nodnod_agent.core.requests.query import Queries, Waiter, silence

SPACING = 0.020
"""Seconds between two of them; each takes a node 3 ms, so all together take 15 % of a core."""

MOST = 50
"""Questions that wait for their turn: the last of them for a second."""

TOO_MANY = "not asked: too many questions about the past are waiting"


class Pacing:
    """Stands before the queries."""

    def __init__(self, queries: Queries, clock: Clock) -> None:
        self._queries = queries
        self._clock = clock
        self._waiting: dict[Question, list[Waiter]] = {}
        self._due = 0.0
        self._timer: Timer | None = None

    def ask(self, question: Question, waiter: Waiter) -> None:
        """Ask the cluster when its turn comes; ``waiter`` is settled once, by its deadline."""
        now = self._clock.time()
        waiting = self._waiting.get(question)
        if waiting is not None:
            waiting.append(waiter)
        elif not self._waiting and now >= self._due:
            self._due = now + SPACING
            self._queries.ask(question, waiter)
        elif len(self._waiting) < MOST:
            self._waiting[question] = [waiter]
            self._plan()
        else:
            self._turn_down(question, [waiter], TOO_MANY)

    def stop(self) -> None:
        """Forget who waits; whoever stops us settles them."""
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()

    def _plan(self) -> None:
        if self._timer is None:
            self._timer = self._clock.call_at(self._due, self._next)

    def _next(self) -> None:
        self._timer = None
        now = self._clock.time()
        for question in tuple(self._waiting):
            self._give_up(question, now)
        if not self._waiting:
            return
        question = next(iter(self._waiting))
        for waiter in self._waiting.pop(question):
            self._queries.ask(question, waiter)
        self._due = now + SPACING
        if self._waiting:
            self._plan()

    def _give_up(self, question: Question, now: float) -> None:
        """Answer those whose deadline has come before their turn."""
        late: dict[float, list[Waiter]] = {}
        in_time = []
        for waiter in self._waiting[question]:
            if waiter.deadline <= now:
                late.setdefault(waiter.timeout, []).append(waiter)
            else:
                in_time.append(waiter)
        for timeout, waiters in late.items():
            self._turn_down(question, waiters, silence(timeout))
        if in_time:
            self._waiting[question] = in_time
        else:
            del self._waiting[question]

    def _turn_down(self, question: Question, waiters: list[Waiter], why: str) -> None:
        body = self._queries.unasked_body(question, why)
        for waiter in waiters:
            waiter.settle(body)
