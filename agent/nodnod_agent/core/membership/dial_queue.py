"""The limit on dial attempts per second, shared by all links.

Attempts that succeed at once are not held back by the lower limit: peers that come back together, as
after a partition, are dialed as fast as they answer; addresses where nobody is, and peers that are
busy, are not.

Each of three kinds of address has a guaranteed share, or the first could keep the others waiting
forever. Unverified addresses are dialed in random order: agents that have just received the same
list would otherwise all dial the same few first.
"""

from collections import deque
from collections.abc import Callable

from nodnod_agent.core.interfaces import EARLY, Clock, Dial, DialHandler, Random, Timer
from nodnod_agent.core.rate_limit import RateLimit
from nodnod_client.address import Address

DIALS_PER_SECOND = 20
"""Attempts in any second; raising it starts or heals a large cluster faster, and floods it more."""

DOUBTFUL_PER_SECOND = 9
"""Of these, attempts that have not succeeded; raising it floods those more that cannot answer."""

SECOND = 1.01
"""A little more than one, so that no second holds more attempts, wherever it begins."""

_VERIFIED, _UNVERIFIED, _FAILED = range(3)

_SCHEDULE = (
    *(_VERIFIED, _VERIFIED, _UNVERIFIED, _VERIFIED, _VERIFIED, _UNVERIFIED),
    *(_VERIFIED, _VERIFIED, _FAILED),
)
"""The kind that has priority, attempt by attempt."""


class _Ticket:
    """One request to dial: in its queue, or under way."""

    __slots__ = ("address", "attempt", "handler", "queue")

    def __init__(
        self, address: Address, handler: DialHandler, queue: "dict[_Ticket, None]"
    ) -> None:
        self.address = address
        self.handler = handler
        self.queue = queue
        self.attempt: Timer | None = None

    def cancel(self) -> None:
        """Withdraw the request, or give up the attempt."""
        self.queue.pop(self, None)
        if self.attempt is not None:
            self.attempt.cancel()


class DialQueue:
    """Delays attempts to dial until the rate allows them. Each kind of address has its own ``Dial``."""

    def __init__(
        self, dial: Dial, clock: Clock, rng: Random, is_free: Callable[[Address], bool]
    ) -> None:
        """``is_free`` tells whether to dial an address makes no connection: that is done at once."""
        self._dial = dial
        self._is_free = is_free
        self._clock = clock
        self._rng = rng
        self._limit = RateLimit(DIALS_PER_SECOND, per=SECOND)
        self._doubtful: deque[tuple[float, Address]] = deque()
        """Attempts of the last second that have not succeeded."""
        self._queues: tuple[dict[_Ticket, None], ...] = ({}, {}, {})
        self._turn = 0
        self._timer: Timer | None = None

    def verified(self, address: Address, handler: DialHandler) -> Timer:
        """Dial an address that is configured, or that has answered before."""
        return self._add(_VERIFIED, address, handler)

    def unverified(self, address: Address, handler: DialHandler) -> Timer:
        """Dial an address that others have told us of, for the first time."""
        return self._add(_UNVERIFIED, address, handler)

    def failed(self, address: Address, handler: DialHandler) -> Timer:
        """Dial an address that others have told us of, and where nothing has ever answered."""
        return self._add(_FAILED, address, handler)

    def opened(self, address: Address) -> None:
        """Note that an attempt has succeeded."""
        attempt = next((one for one in self._doubtful if one[1] == address), None)
        if attempt is None:  # it took more than a second
            return
        self._doubtful.remove(attempt)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._plan()

    def stop(self) -> None:
        """Stop dialing."""
        for queue in self._queues:
            queue.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _add(self, kind: int, address: Address, handler: DialHandler) -> Timer:
        if self._is_free(address):
            return self._dial(address, handler)
        queue = self._queues[kind]
        ticket = _Ticket(address, handler, queue)
        queue[ticket] = None
        self._plan()
        return ticket

    def _plan(self) -> None:
        if self._timer is None:
            self._timer = self._clock.call_at(self._next_time(), self._next)

    def _next_time(self) -> float:
        """When the next attempt is allowed: now or later."""
        now = self._clock.time()
        when = self._limit.next_time(now)
        while self._doubtful and now - self._doubtful[0][0] >= SECOND - EARLY:
            self._doubtful.popleft()
        if len(self._doubtful) < DOUBTFUL_PER_SECOND:
            return when
        return max(when, self._doubtful[0][0] + SECOND)

    def _next(self) -> None:
        self._timer = None
        while any(self._queues):
            now = self._clock.time()
            if self._next_time() > now:
                self._plan()
                return
            self._limit.take(now)
            order = (self._queues[_SCHEDULE[self._turn]], *self._queues)
            queue = next(queue for queue in order if queue)
            ticket = next(iter(queue))
            if queue is not self._queues[_VERIFIED]:
                ticket = self._rng.choice(list(queue))
            del queue[ticket]
            self._doubtful.append((now, ticket.address))
            self._turn = (self._turn + 1) % len(_SCHEDULE)
            ticket.attempt = self._dial(ticket.address, ticket.handler)
