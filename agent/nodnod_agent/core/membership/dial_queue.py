"""The limit on dial attempts per second, shared by all links.

Each of three kinds of address has a guaranteed share, or the first could keep the others waiting
forever. Unverified addresses are dialed in random order: agents that have just received the same
list would otherwise all dial the same few first.
"""

from nodnod_agent.core.interfaces import Clock, Dial, DialHandler, Random, Timer
from nodnod_agent.core.rate_limit import RateLimit
from nodnod_client.address import Address

DIALS_PER_SECOND = 9
"""Attempts in any second; raising it starts a large cluster faster, and floods it more."""

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

    def __init__(self, dial: Dial, clock: Clock, rng: Random) -> None:
        self._dial = dial
        self._clock = clock
        self._rng = rng
        self._limit = RateLimit(DIALS_PER_SECOND, per=SECOND)
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

    def stop(self) -> None:
        """Stop dialing."""
        for queue in self._queues:
            queue.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _add(self, kind: int, address: Address, handler: DialHandler) -> Timer:
        queue = self._queues[kind]
        ticket = _Ticket(address, handler, queue)
        queue[ticket] = None
        self._plan()
        return ticket

    def _plan(self) -> None:
        if self._timer is None:
            when = self._limit.next_time(self._clock.time())
            self._timer = self._clock.call_at(when, self._next)

    def _next(self) -> None:
        self._timer = None
        while any(self._queues):
            if not self._limit.take(self._clock.time()):
                self._plan()
                return
            order = (self._queues[_SCHEDULE[self._turn]], *self._queues)
            queue = next(queue for queue in order if queue)
            ticket = next(iter(queue))
            if queue is not self._queues[_VERIFIED]:
                ticket = self._rng.choice(list(queue))
            del queue[ticket]
            self._turn = (self._turn + 1) % len(_SCHEDULE)
            ticket.attempt = self._dial(ticket.address, ticket.handler)
