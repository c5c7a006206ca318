"""One answer for many: urgent ones at once, the rest in batches.

So one large fan-out, to clients with many requests in flight or to subscribers of a stream, does not
delay other clients.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sized
from itertools import islice
from operator import methodcaller

from msgspec import Struct

from nodnod_agent.core.interfaces import Clock

BATCH = 128
"""Deliveries in one turn of the event loop; more delay the requests that arrive meanwhile."""

FEW_IN_FLIGHT = 4
"""Requests in flight up to which a client is answered before others."""


class Waiter(Struct, eq=False):
    """A request that waits for one answer; subclasses say where the answer goes.

    ``timeout`` counts seconds from the arrival of the request, ``deadline`` is the same moment on
    the core's clock. ``in_flight`` holds everything that its client waits for.
    """

    timeout: float
    deadline: float
    in_flight: Sized

    @property
    def client(self) -> object:
        """Who waits: the same object for all requests of one connection."""
        return self.in_flight

    def deliver(self, body: bytes) -> None:
        """Take the answer: a JSON object without an ``id``."""
        raise NotImplementedError


class Delivery:
    """Makes deliveries in their order, at most BATCH in one turn of the event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queue: deque[Iterator[None]] = deque()
        self._running = False

    def answer(self, waiters: Iterable[Waiter], body: bytes) -> None:
        """Give ``body`` to all waiters, urgent ones first."""
        busy = []
        for waiter in waiters:
            if len(waiter.in_flight) <= FEW_IN_FLIGHT:
                waiter.deliver(body)
            else:
                busy.append(waiter)
        if busy:
            self.schedule(map(methodcaller("deliver", body), busy))

    def schedule(self, deliveries: Iterator[None]) -> None:
        """Take an iterator of which each step makes a delivery; those before it come first."""
        self._queue.append(deliveries)
        if not self._running:
            self._run()

    def stop(self) -> None:
        """Drop what is not delivered yet."""
        self._queue.clear()

    def _run(self) -> None:
        self._running = True
        left = BATCH
        try:
            while left and self._queue:
                left -= sum(1 for _ in islice(self._queue[0], left))
                if left and self._queue:  # it has ended
                    self._queue.popleft()
        finally:  # the failure of one delivery does not end the others
            if self._queue:
                self._clock.call_at(self._clock.time(), self._run)
            else:
                self._running = False
