"""Addresses that this agent knows from others only, and which agents that it reaches vouch for.

Whoever can connect to an agent without a secret can tell it of members that do not exist. So an agent
that never reached a member asks those that it does reach whether they have. Each answers for itself
and passes no other's word on: else made-up members would live as long as agents repeat it.
"""

from collections.abc import Iterable

from nodnod_agent.core.interfaces import Clock

UNMET_FOR = 600.0
"""Seconds for which an address that nobody vouches for stays known."""

ASK_AFTER = 60.0
"""Seconds from when an address was learned, or last vouched for, until others are asked: most are
reached before."""

QUESTION = 2048
"""Bytes of addresses in one question; the next one is about others."""


class Doubts:
    """The addresses, and when each was last vouched for; at first, when it was learned."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}
        """Those that were asked about last stand at the end."""
        self._vouched: set[str] = set()
        """Those that somebody has ever vouched for."""

    def add(self, address: str) -> None:
        """Doubt an address from now on."""
        self._since.setdefault(address, self._clock.time())

    def settle(self, address: str) -> None:
        """Doubt it no more: it was reached, or is forgotten."""
        self._since.pop(address, None)
        self._vouched.discard(address)

    def question(self) -> list[str]:
        """The addresses to ask the next agent about."""
        asked: list[str] = []
        room = QUESTION
        for address in self._overdue(ASK_AFTER) if self._since else ():
            room -= len(address)
            if room < 0:
                break
            asked.append(address)
        for address in asked:
            self._since[address] = self._since.pop(address)
        return asked

    def vouched(self, addresses: Iterable[str]) -> None:
        """Note that an agent that was reached lists these."""
        known = self._since.keys() & addresses
        self._since.update(dict.fromkeys(known, self._clock.time()))
        self._vouched |= known

    def denied(self, addresses: Iterable[str]) -> None:
        """Note that one has given these up: it has tried for longer, and one voucher would be enough."""
        known = (self._since.keys() & addresses) - self._vouched
        self._since.update(dict.fromkeys(known, self._clock.time() - UNMET_FOR))

    def overdue(self) -> list[str]:
        """The addresses that nobody has vouched for in ten minutes."""
        return self._overdue(UNMET_FOR)

    def _overdue(self, seconds: float) -> list[str]:
        limit = self._clock.time() - seconds
        return [address for address, since in self._since.items() if since <= limit]
