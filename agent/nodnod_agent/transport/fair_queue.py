"""How the connections of one event loop share its CPU time.

A connection that uses little CPU is served as its input arrives, and so is any other while nobody
waits and the iteration of the loop has room. Else it waits in the queue, which is served for a quarter
of a millisecond in each iteration, the least CPU used first. So however many connections keep an agent
busy, a client that asks once in a while waits for milliseconds.
"""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from time import perf_counter
from typing import Protocol

ITERATION_BUDGET = 0.00025
"""Seconds of each loop iteration for the whole queue, and as many for connections that are served as
their input arrives, though they have used more than their credit.

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


class Flow(Protocol):
    """What the queue shares the CPU among: a connection, or a call that belongs to none."""

    cpu_used: float
    """Seconds of CPU, on the scale of `FairQueue.credit`."""

    def serve(self) -> None:
        """Work for one time slice, and enqueue again if there is more to do."""


class _Call:
    """Work that belongs to no connection."""

    def __init__(self, serve: Callable[[], None], cpu_used: float) -> None:
        self.serve = serve
        self.cpu_used = cpu_used


class FairQueue:
    """The queue of one event loop, and the CPU credit of its connections."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.connections = 0
        self.credit_rate = UNQUEUED_CPU / MIN_SHARERS
        """Seconds of CPU per second that one connection may use without queueing."""
        self.credit = 0.0
        """Seconds of CPU that each connection may have used, as of the last ``update``."""
        self.threshold = 0.0
        """Seconds of CPU used below which a connection is served as its input arrives."""
        self.ceiling = 0.0
        """Seconds of CPU used that no connection exceeds: all debt beyond is forgiven."""
        self.budget_left = 0.0
        """Seconds left of this iteration for connections above the threshold."""
        self._loop = loop
        self._credited_at = loop.time()
        self._iteration_begun = False
        self._queued: set[Flow] = set()
        self._heap: list[tuple[float, int, Flow]] = []
        """Ordered by CPU used. A removed entry stays here until it comes up."""
        self._incoming: list[Flow] = []
        """Entries of the next iteration: none is served twice in one."""
        self._sequence = count()
        self._scheduled = False
        self._deadline = 0.0

    def connection_opened(self) -> None:
        """Share the CPU with one connection more."""
        self._share(self.connections + 1)

    def connection_closed(self) -> None:
        """Share the CPU with one connection less."""
        self._share(self.connections - 1)

    def update(self, now: float) -> None:
        """Bring the credit up to date, and what follows from it."""
        self.credit += (now - self._credited_at) * self.credit_rate
        self._credited_at = now
        self.threshold = self.credit + self.credit_rate
        self.ceiling = self.credit + MAX_DEBT * self.credit_rate

    def newcomer(self, now: float) -> float:
        """The CPU used of a new connection: the credit of its first second is used up."""
        self.update(now)
        return self.threshold

    def admits(self, flow: Flow, now: float) -> bool:
        """Whether it is served at once: it has used little, or it is in nobody's way."""
        if self.budget_left > 0.0 and not self._queued:
            return True
        self.update(now)
        flow.cpu_used = min(flow.cpu_used, self.ceiling)
        if flow.cpu_used < self.threshold:
            return True
        if self._queued or self._iteration_begun:
            return False
        self._iteration_begun = True
        self.budget_left = ITERATION_BUDGET
        self._loop.call_soon(self._end_iteration)
        return True

    def enqueue(self, flow: Flow) -> None:
        """Add an entry, unless it waits already. It is served in the next iteration at the earliest."""
        if flow not in self._queued:
            self._queued.add(flow)
            self._incoming.append(flow)
            self._schedule()

    def enqueue_call(self, callback: Callable[[], None]) -> None:
        """Call back in a later iteration: for costly work that belongs to no connection."""
        self.enqueue(_Call(callback, self.newcomer(self._loop.time())))

    def charge(self, seconds: float) -> None:
        """Charge the current iteration for work that the served entry causes outside of it."""
        self._deadline -= seconds

    def remove(self, flow: Flow) -> None:
        """Remove an entry, if it waits."""
        self._queued.discard(flow)

    def _share(self, connections: int) -> None:
        now = self._loop.time()
        self.update(now)
        self.connections = connections
        self.credit_rate = UNQUEUED_CPU / max(MIN_SHARERS, connections)
        self.update(now)

    def _end_iteration(self) -> None:
        self._iteration_begun = False
        self.budget_left = 0.0

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._serve)

    def _serve(self) -> None:
        self._scheduled = False
        self.update(self._loop.time())
        self._deadline = perf_counter() + ITERATION_BUDGET
        incoming, self._incoming = self._incoming, []
        for flow in incoming:
            heappush(self._heap, (flow.cpu_used, next(self._sequence), flow))
        try:
            while self._heap:
                *_, flow = heappop(self._heap)
                if flow in self._queued:
                    self._queued.remove(flow)
                    flow.serve()
                    if perf_counter() >= self._deadline:
                        break
        finally:  # an entry that raises must not stop those behind it
            if self._heap or self._incoming:
                self._schedule()
