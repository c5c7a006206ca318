"""The open connections of a server or dialer, and the limits on those of a server."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from nodnod_agent.core.counters import Counters

log = logging.getLogger("nodnod.server")


class Entry(Protocol):
    """A connection."""

    name: str
    """The address of the other side, for the log."""

    def abort(self) -> None:
        """End it at once."""


class ServerEntry(Entry, Protocol):
    """An accepted connection."""

    def check(self, now: float) -> None:
        """End it if it has taken too long."""


_E = TypeVar("_E", bound=Entry)


class ConnectionTable(Generic[_E]):
    """All that is open; iterating gives a snapshot."""

    def __init__(self) -> None:
        self._entries: set[_E] = set()
        self._empty: asyncio.Future[None] | None = None

    def __iter__(self) -> Iterator[_E]:
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: _E) -> bool:
        """Add an entry. False if there is no room for it."""
        self._entries.add(entry)
        return True

    def remove(self, entry: _E) -> bool:
        """Remove an entry that has ended. False if it is not in the table."""
        known = entry in self._entries
        self._entries.discard(entry)
        if not self._entries and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)
        return known

    async def drained(self, seconds: float) -> None:
        """Wait until the table is empty, or until the time is up."""
        if self._entries:
            self._empty = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._empty], timeout=seconds)


class ServerTable(ConnectionTable[ServerEntry]):
    """The connections of a server: at most ``max_open``.

    At most ``max_handshaking`` of them have not completed their handshake.
    """

    def __init__(self, counters: Counters, *, max_open: int, max_handshaking: int) -> None:
        super().__init__()
        self.max_open = max_open
        self.max_handshaking = max_handshaking
        self.handshaking: dict[ServerEntry, None] = {}
        """The oldest first."""
        self._counters = counters
        self._closed = False

    def close(self) -> None:
        """Take no entries any more, and end incomplete handshakes."""
        self._closed = True
        for entry in tuple(self.handshaking):
            entry.abort()

    def add(self, entry: ServerEntry) -> bool:
        """Add an entry whose handshake begins. False if there is no room for it."""
        if self._closed:  # it was accepted just before
            return False
        if len(self) >= self.max_open:
            self._counters.connections_refused += 1
            log.warning("Refused client %s: %d connections are open", entry.name, self.max_open)
            return False
        self.handshaking[entry] = None
        if len(self.handshaking) > self.max_handshaking:
            # The oldest, not the newest: a well-behaved client completes its handshake within
            # milliseconds, so connections that never complete theirs cannot keep it out.
            oldest = next(iter(self.handshaking))
            del self.handshaking[oldest]
            self._counters.connections_refused += 1
            log.warning(
                "Cut %s: more than %d handshakes are incomplete", oldest.name, self.max_handshaking
            )
            oldest.abort()
        return super().add(entry)

    def handshake_done(self, entry: ServerEntry) -> None:
        """Count an entry no more among the incomplete handshakes."""
        self.handshaking.pop(entry, None)

    def remove(self, entry: ServerEntry) -> bool:
        """Remove an entry that has ended. False if it is not in the table."""
        self.handshake_done(entry)
        return super().remove(entry)
