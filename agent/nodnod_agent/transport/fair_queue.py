"""How the connections of one event loop share its CPU time.

A connection that uses little CPU is served as its input arrives. Others wait in the queue, which is
served for a quarter of a millisecond in each iteration of the loop, the least CPU used first. So
however many connections keep an agent busy, a client that asks once in a while waits for
milliseconds.
"""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from time import perf_counter

ITERATION_BUDGET = 0.00025
"""Seconds of each loop iteration for the whole queue.

An answer of the cluster takes four iterations: a higher value delays the connections that do not queue.
"""

TIME_SLICE = 0.0001
"""Seconds of CPU after which an entry makes room for the next; it completes what it has begun."""

UNQUEUED_CPU = 0.5
"""Fraction of one core that all connections together may use without queueing."""

MIN_SHARERS = 10
"""Fewer connections than this get no larger share each."""

AGENT_WEIGHT = 100.0
"""How many clients another agent counts for: it asks on behalf of all of its own clients."""

MAX_DEBT = 10.0
"""Seconds after which even the largest debt is forgiven."""

Serve = Callable[[], bool]
"""Works for one time slice. Returns true if it can go on at once."""


class FairQueue:
    """The queue of one event loop, and the CPU credit of its connections."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.connections = 0
        self._loop = loop
        self._credit = 0.0
        self._credited_at = loop.time()
        self._queued: set[Serve] = set()
        self._heap: list[tuple[float, int, Serve, CpuBudget]] = []
        """Ordered by CPU used. A removed entry stays here until it comes up."""
        self._incoming: list[tuple[Serve, CpuBudget]] = []
        """Entries of the next iteration: none is served twice in one."""
        self._sequence = count()
        self._scheduled = False
        self._deadline = 0.0

    @property
    def credit_rate(self) -> float:
        """Seconds of CPU per second that one connection may use without queueing."""
        return UNQUEUED_CPU / max(MIN_SHARERS, self.connections)

    def connection_opened(self) -> None:
        """Share the CPU with one connection more."""
        self.credit(self._loop.time())
        self.connections += 1

    def connection_closed(self) -> None:
        """Share the CPU with one connection less."""
        self.credit(self._loop.time())
        self.connections -= 1

    def credit(self, now: float) -> float:
        """Cumulative CPU credit per connection, in seconds."""
        self._credit += (now - self._credited_at) * self.credit_rate
        self._credited_at = now
        return self._credit

    def enqueue(self, serve: Serve, budget: "CpuBudget") -> None:
        """Add an entry, unless it waits already. It is served in the next iteration at the earliest."""
        if serve not in self._queued:
            self._queued.add(serve)
            self._incoming.append((serve, budget))
            self._schedule()

    def enqueue_call(self, callback: Callable[[], None]) -> None:
        """Call back in a later iteration: for costly work that belongs to no connection."""

        def serve() -> bool:
            callback()
            return False

        self.enqueue(serve, CpuBudget(self, self._loop.time()))

    def charge(self, seconds: float) -> None:
        """Charge the current iteration for work that the served entry causes outside of it."""
        self._deadline -= seconds

    def remove(self, serve: Serve) -> None:
        """Remove an entry, if it waits."""
        self._queued.discard(serve)

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._serve)

    def _serve(self) -> None:
        self._scheduled = False
        self._deadline = perf_counter() + ITERATION_BUDGET
        incoming, self._incoming = self._incoming, []
        for serve, budget in incoming:
            heappush(self._heap, (budget.used, next(self._sequence), serve, budget))
        try:
            while self._heap:
                _, _, serve, budget = heappop(self._heap)
                if serve in self._queued:
                    self._queued.remove(serve)
                    if serve():
                        self.enqueue(serve, budget)
                    if perf_counter() >= self._deadline:
                        break
        finally:  # an entry that raises must not stop those behind it
            if self._heap or self._incoming:
                self._schedule()


class CpuBudget:
    """The CPU that one connection has used, against its credit.

    A new connection starts with the credit of its first second used up.
    """

    __slots__ = ("_queue", "used")

    def __init__(self, queue: FairQueue, now: float) -> None:
        self._queue = queue
        self.used = queue.credit(now) + queue.credit_rate
        """Seconds of CPU, on the scale of `FairQueue.credit`; never far below it."""

    def spend(self, seconds: float, now: float) -> None:
        """Record CPU that the connection has just used."""
        queue = self._queue
        credit = queue.credit(now)
        used = max(self.used, credit) + seconds
        self.used = min(used, credit + MAX_DEBT * queue.credit_rate)

    def exhausted(self, now: float) -> bool:
        """Whether the connection is ahead of its credit by the credit of a second or more."""
        queue = self._queue
        return self.used >= queue.credit(now) + queue.credit_rate
