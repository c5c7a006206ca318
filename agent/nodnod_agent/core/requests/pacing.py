"""Expensive questions to the cluster, one at a time, so that peers keep time for the others.

Clients take turns, so one with many different questions delays only itself. If too many questions
wait, those of the client with the most are answered first without asking: with this node's plain
numbers, and an error for all other nodes.
"""

from collections.abc import Callable

from nodnod_agent.core.interfaces import Clock, Timer
from nodnod_agent.core.question import Question
from nodnod_agent.core.rate_limit import RateLimit
from nodnod_agent.core.requests.delivery import Waiter
from nodnod_agent.core.requests.query import by_timeout, no_answer

EXPENSIVE_SPACING = 1 / 30
"""Seconds between two; each takes a node 5 ms, so all together take 15 % of a core."""

MAX_WAITING = 30
"""Questions that wait; the last of them waits for a second."""

TOO_MANY = "not asked: too many questions about the past are waiting"


class Pacing:
    """The queue of expensive questions in front of the queries."""

    def __init__(
        self,
        ask: Callable[[Question, Waiter], None],
        refuse: Callable[[Question, list[Waiter], str], None],
        clock: Clock,
    ) -> None:
        """``ask`` asks the cluster, ``refuse`` answers without asking."""
        self._ask = ask
        self._refuse = refuse
        self._clock = clock
        self._waiting: dict[Question, list[Waiter]] = {}
        self._lines: dict[int, dict[Question, None]] = {}
        """The questions that each client waits for, by the ``id()`` of its object; the next client to
        have a turn is the first key."""
        self._limit = RateLimit(1, per=EXPENSIVE_SPACING)
        self._timer: Timer | None = None

    def ask(self, question: Question, waiter: Waiter) -> None:
        """Ask the cluster, now or later; ``waiter`` is answered once, by its deadline."""
        if question not in self._waiting:
            if not self._waiting and self._limit.take(self._clock.time()):
                self._ask(question, waiter)
                return
            if len(self._waiting) >= MAX_WAITING and not self._make_room(waiter):
                self._refuse(question, [waiter], TOO_MANY)
                return
            self._waiting[question] = []
        self._waiting[question].append(waiter)
        self._lines.setdefault(id(waiter.client), {})[question] = None
        self._plan()

    def stop(self) -> None:
        """Forget the waiters; the caller answers them."""
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()
        self._lines.clear()

    def _make_room(self, waiter: Waiter) -> bool:
        """Refuse a question of the client with the most, unless this would then be the one."""
        own = len(self._lines.get(id(waiter.client), ()))
        client, line = max(self._lines.items(), key=lambda one: len(one[1]))
        if len(line) <= own + 1:
            return False
        for question in reversed(line):
            if all(id(one.client) == client for one in self._waiting[question]):
                self._refuse(question, self._take(question), TOO_MANY)
                return True
        return False

    def _take(self, question: Question) -> list[Waiter]:
        """The waiters of a question, which waits no more."""
        waiters = self._waiting.pop(question)
        self._leave(question, waiters)
        return waiters

    def _leave(self, question: Question, waiters: list[Waiter]) -> None:
        """Take a question out of the lines of these, except where another waits in the same line."""
        staying = {id(one.client) for one in self._waiting.get(question, ())}
        for client in {id(one.client) for one in waiters} - staying:
            line = self._lines[client]
            del line[question]
            if not line:
                del self._lines[client]

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
            client, line = next(iter(self._lines.items()))
            del self._lines[client]
            self._lines[client] = line  # its next question waits for one of each other client
            question = next(iter(line))
            for waiter in self._take(question):
                self._ask(question, waiter)
        self._plan()

    def _refuse_late(self, question: Question, now: float) -> None:
        """Answer those whose deadline has passed before their question was sent."""
        waiting = self._waiting.get(question, [])
        late = [waiter for waiter in waiting if waiter.deadline <= now]
        if not late:
            return
        self._waiting[question] = [waiter for waiter in waiting if waiter.deadline > now]
        self._leave(question, late)
        if not self._waiting[question]:
            del self._waiting[question]
        for timeout, waiters in by_timeout(late).items():
            self._refuse(question, waiters, no_answer(timeout))
