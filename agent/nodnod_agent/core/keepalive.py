"""When to ping a link, and when its silence means that it is down."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from nodnod_agent.core.link import Link
from nodnod_agent.core.world import Clock, Random, Timer

__all__ = ["Keepalive", "Pace", "pace"]

PING_EVERY = 2.0
SILENCE = 5.0
TICK = 0.25
PING_COST = 40e-6
"""Seconds of CPU for a ping sent, its pong, and the same asked by the peer (measured: 25-40 us)."""
PING_SHARE = 0.01
STALL = 1.0
"""A tick this many seconds late: we ourselves stood still, and nobody could be heard."""


class Pace(NamedTuple):
    """Seconds between pings, and seconds of silence after which a link is down."""

    ping: float
    silence: float


def pace(links: int) -> Pace:
    """Ping every 2 s, down after 5 s, both stretched so that pings stay under 1 % of a core."""
    stretch = max(1.0, links * PING_COST / PING_SHARE / PING_EVERY)
    return Pace(PING_EVERY * stretch, SILENCE * stretch)


class Keepalive:
    """One timer for all links."""

    def __init__(self, clock: Clock, rng: Random, links: Callable[[], Iterable[Link]]) -> None:
        self._clock = clock
        self._rng = rng
        self._links = links
        self._deaf_until = clock.time()
        self._due = 0.0
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to tick."""
        self._due = self._clock.time() + TICK
        self._timer = self._clock.call_at(self._due, self._tick)

    def stop(self) -> None:
        """Tick no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        now = self._clock.time()
        if now - self._due > STALL:
            self._deaf_until = now
        links = [link for link in self._links() if link.wire is not None]
        ping, silence = pace(len(links))
        for link in links:
            wire = link.wire
            if wire is None:  # an earlier link's end took this one down
                continue
            # The next tick would be too late to be within the limit.
            if now + TICK - max(wire.heard, self._deaf_until) > silence:
                link.drop(f"no sign of life for {silence:.3g} s")
            elif now >= link.next_ping:
                # The first ping comes at a random phase, so that pings do not come in bursts.
                first = link.next_ping < link.since
                link.next_ping = now + (self._rng.uniform(0, ping) if first else ping)
                wire.ping()
        self._due = now + TICK
        self._timer = self._clock.call_at(self._due, self._tick)
