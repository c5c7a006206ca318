"""How much memory the messages take that have come in part, on all connections together."""

from typing import NamedTuple, Protocol

MOST = 64 * 1024 * 1024
"""Bytes in all; at least one message of the largest size fits."""

UNCOUNTED = 16 * 1024
"""Bytes of one connection that do not count: the number of connections has a limit of its own."""


class Sender(Protocol):
    """A connection."""

    def cut_off(self, reason: str) -> None:
        """End it at once."""


class _Half(NamedTuple):
    size: int
    since: float
    """When it began to count."""


class HalfMessages:
    """What each connection holds of a message; beyond ``most`` bytes in all, one connection is cut.

    It is the one whose bytes times seconds are the most: a message of a well-behaved agent is small, or
    whole within moments, so messages that are never completed cannot keep it out.
    """

    def __init__(self, most: int = MOST) -> None:
        self.total = 0
        self.held: dict[Sender, _Half] = {}
        """What counts, by connection. While it is empty, small parts need no note."""
        self._most = most

    def note(self, sender: Sender, size: int, now: float) -> None:
        """Note that a connection holds so many bytes."""
        before = self.held.get(sender)
        if size <= UNCOUNTED:
            self.forget(sender)
            return
        since = now
        if before is not None:
            self.total -= before.size
            since = before.since
        self.total += size
        self.held[sender] = _Half(size, since)
        while self.total > self._most:
            worst, half = max(
                self.held.items(),
                key=lambda one: (one[1].size * (now - one[1].since), one[1].size),
            )
            self.forget(worst)
            limit = f"{self._most >> 20} MiB of such are held for all"
            worst.cut_off(f"{half.size} bytes of a message that is not complete: more than {limit}")

    def forget(self, sender: Sender) -> None:
        """Note that a connection holds nothing, or has ended."""
        half = self.held.pop(sender, None)
        if half is not None:
            self.total -= half.size
