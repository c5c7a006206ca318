"""Who gets an answer first, where one answer is for very many.

Clients with few requests under way get it at once. Those with many get theirs behind them, so many
in each turn of the loop: so nobody waits because others have asked the same a thousand times.
"""

from collections import deque
from collections.abc import Iterable
from typing import Protocol

from nodnod_agent.core.interfaces import Clock

BATCH = 128
"""Answers in one turn of the loop to clients with many requests under way."""


class Recipient(Protocol):
    """Who waits for an answer."""

    @property
    def greedy(self) -> bool:
        """Whether its client has so much under way that others go first."""

    def settle(self, body: bytes) -> None:
        """Take the answer."""


class Delivery:
    """Hands out answers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rest: deque[tuple[Recipient, bytes]] = deque()
        self._due = False

    def settle(self, waiters: Iterable[Recipient], body: bytes) -> None:
        """Hand ``body`` to all of them, now or in the next turns."""
        for waiter in waiters:
            if waiter.greedy:
                self._rest.append((waiter, body))
            else:
                waiter.settle(body)
        if self._rest and not self._due:
            self._go_on()

    def stop(self) -> None:
        """Hand out nothing more."""
        self._rest.clear()

    def _go_on(self) -> None:
        self._due = False
        for _ in range(min(BATCH, len(self._rest))):
            waiter, body = self._rest.popleft()
            waiter.settle(body)
        if self._rest:
            self._due = True
            self._clock.call_at(self._clock.time(), self._go_on)
