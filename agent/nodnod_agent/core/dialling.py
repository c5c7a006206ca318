"""How fast this agent dials: at most so many attempts a second, whoever wants them.

Those that we were only told of are dialled in random order: agents that have just got the same list
would else all dial the same few first, and the news would spread no faster than one by one.
"""

from collections import deque

from nodnod.address import Address
from nodnod_agent.core.world import Clock, Dial, LinkEnd, Random, Timer

__all__ = ["Dialling"]

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


class Dialling:
    """The core's Dial around the edge's: waits its turn; those proved to exist go first."""

    def __init__(self, dial: Dial, clock: Clock, rng: Random) -> None:
        self._dial = dial
        self._clock = clock
        self._rng = rng
        self._recent: deque[float] = deque(maxlen=DIALS_PER_SECOND)
        self._proved: deque[_Ticket] = deque()
        self._hearsay: list[_Ticket] = []
        self._timer: Timer | None = None

    def __call__(self, address: Address, end: LinkEnd) -> Timer:
        """See Dial; for an address that was configured, or that has answered before."""
        ticket = _Ticket(address, end)
        self._proved.append(ticket)
        self._plan()
        return ticket

    def hearsay(self, address: Address, end: LinkEnd) -> Timer:
        """See Dial; for an address that we were only told of."""
        ticket = _Ticket(address, end)
        self._hearsay.append(ticket)
        self._plan()
        return ticket

    def stop(self) -> None:
        """Dial nobody any more."""
        self._proved.clear()
        self._hearsay.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _plan(self) -> None:
        if self._timer is None:
            when = max(self._clock.time(), self._allowed())
            self._timer = self._clock.call_at(when, self._next)

    def _allowed(self) -> float:
        full = len(self._recent) == DIALS_PER_SECOND
        return self._recent[0] + SECOND if full else 0.0

    def _next(self) -> None:
        self._timer = None
        while self._proved or self._hearsay:
            now = self._clock.time()
            if now < self._allowed():
                self._plan()
                return
            ticket = self._take()
            if not ticket.cancelled:
                self._recent.append(now)
                ticket.attempt = self._dial(ticket.address, ticket.end)

    def _take(self) -> _Ticket:
        if self._proved:
            return self._proved.popleft()
        place = int(self._rng.random() * len(self._hearsay))
        self._hearsay[place], self._hearsay[-1] = self._hearsay[-1], self._hearsay[place]
        return self._hearsay.pop()
