"""How fast this agent dials: at most so many attempts a second, whoever wants them.

Those that are known to exist go first, then those that we were told of and have not tried yet, then
those of whom nobody has ever answered here. Each kind has some share for certain, or the first could
keep the others waiting for ever. Those that we were told of are dialled in random order: agents that
have just got the same list would else all dial the same few first, and the news would spread no
faster than one by one.
"""

from collections import deque

from nodnod_agent.core.interfaces import EARLY, Clock, Dial, LinkEnd, Random, Timer
from nodnod_client.address import Address

DIALS_PER_SECOND = 9
"""Attempts in any second; raising it shortens the start of a large cluster and floods it more."""

SECOND = 1.01
"""A little more than one, so that no second however cut holds more."""


class _Ticket:
    """One wish to dial, waiting or under way."""

    __slots__ = ("address", "attempt", "cancelled", "end")

    def __init__(self, address: Address, end: LinkEnd) -> None:
        self.address = address
        self.end = end
        self.attempt: Timer | None = None
        self.cancelled = False

    def cancel(self) -> None:
        """See Timer."""
        self.cancelled = True
        if self.attempt is not None:
            self.attempt.cancel()


_PROVED, _HEARSAY, _DOUBTFUL = range(3)

_TURNS = (_PROVED, _PROVED, _HEARSAY, _PROVED, _PROVED, _HEARSAY, _PROVED, _PROVED, _DOUBTFUL)
"""Who has the first choice, dial by dial."""

UNTIDY = 512
"""Wishes in a queue from which on those that were cancelled are swept out of it now and then."""


class _Queue:
    """Wishes of one kind. ``rng`` picks one; without it they go in their order."""

    def __init__(self, rng: Random | None = None) -> None:
        self._rng = rng
        self._tickets: list[_Ticket] = []
        self._untidy = UNTIDY

    def __len__(self) -> int:
        return len(self._tickets)

    def add(self, ticket: _Ticket) -> None:
        if len(self._tickets) >= self._untidy:
            self._tickets = [one for one in self._tickets if not one.cancelled]
            self._untidy = max(UNTIDY, 2 * len(self._tickets))
        self._tickets.append(ticket)

    def take(self) -> _Ticket:
        tickets = self._tickets
        if self._rng is None:
            return tickets.pop(0)
        place = int(self._rng.random() * len(tickets))
        tickets[place], tickets[-1] = tickets[-1], tickets[place]
        return tickets.pop()

    def clear(self) -> None:
        self._tickets.clear()


class DialQueue:
    """The core's Dial around the edge's: waits its turn."""

    def __init__(self, dial: Dial, clock: Clock, rng: Random) -> None:
        self._dial = dial
        self._clock = clock
        self._recent: deque[float] = deque(maxlen=DIALS_PER_SECOND)
        self._queues = (_Queue(), _Queue(rng), _Queue(rng))
        self._turn = 0
        self._timer: Timer | None = None

    def __call__(self, address: Address, end: LinkEnd) -> Timer:
        """See Dial; for an address that was configured, or that has answered before."""
        return self._queue(_PROVED, address, end)

    def hearsay(self, address: Address, end: LinkEnd) -> Timer:
        """See Dial; for an address that we were only told of."""
        return self._queue(_HEARSAY, address, end)

    def doubtful(self, address: Address, end: LinkEnd) -> Timer:
        """See Dial; for an address that we were only told of, and dialled in vain."""
        return self._queue(_DOUBTFUL, address, end)

    def stop(self) -> None:
        """Dial nobody any more."""
        for queue in self._queues:
            queue.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _queue(self, kind: int, address: Address, end: LinkEnd) -> Timer:
        ticket = _Ticket(address, end)
        self._queues[kind].add(ticket)
        self._plan()
        return ticket

    def _plan(self) -> None:
        if self._timer is None:
            when = max(self._clock.time(), self._allowed())
            self._timer = self._clock.call_at(when, self._next)

    def _allowed(self) -> float:
        full = len(self._recent) == DIALS_PER_SECOND
        return self._recent[0] + SECOND if full else 0.0

    def _next(self) -> None:
        self._timer = None
        while any(self._queues):
            now = self._clock.time()
            if now + EARLY < self._allowed():
                self._plan()
                return
            order = (self._queues[_TURNS[self._turn]], *self._queues)
            ticket = next(queue for queue in order if queue).take()
            if not ticket.cancelled:
                self._turn = (self._turn + 1) % len(_TURNS)
                self._recent.append(now)
                ticket.attempt = self._dial(ticket.address, ticket.end)
