"""When to ping a link, and when its silence means that it is down."""

from collections.abc import Callable, Iterable
from math import ceil
from typing import NamedTuple

from nodnod_agent.core.interfaces import EARLY, Clock, Random, Timer, Wire
from nodnod_agent.core.membership.link import Link

MIN_PING_INTERVAL = 0.75
"""Seconds between pings while links are few.

A peer that stalls for 3 s, and whose next message then takes a second, has been silent for 4.75 s:
with fewer pings it would be taken for dead.
"""
MAX_PING_INTERVAL = 2.0
"""Seconds between pings up to which the allowed silence stays as it is."""
SILENCE = 4.95
"""Seconds of silence: just under 5, so that a silent peer is down within 5."""
CHECK_INTERVAL = 0.25
"""Seconds between two visits, so that the pings of many links are spread."""
FEW_LINKS = 8
"""Links up to which one visit for each ping is enough: waking up costs more than the pings."""
PING_COST = 100e-6
"""Seconds of CPU for a ping sent, its pong, and the same for a ping of the peer.

Measured by bench/mesh.py, between processes that sleep meanwhile: nearly all of it is waking up, the
kernel, and cold caches. In a loop it would be 4 us.
"""
PING_SHARE = 0.005
"""Share of one core for all pings together."""
STALL = 1.0
"""Seconds by which a visit is late if this process stood still, and could hear no peer. With few links
less is enough."""


class Pace(NamedTuple):
    """Seconds between pings, and seconds of silence after which a link is down."""

    ping: float
    silence: float


def pace(links: int) -> Pace:
    """Ping as often as ``PING_SHARE`` allows; with more than 100 links, silence stretches too."""
    affordable = links * PING_COST / PING_SHARE
    stretch = max(1.0, affordable / MAX_PING_INTERVAL)
    return Pace(max(MIN_PING_INTERVAL, affordable), SILENCE * stretch)


class Keepalive:
    """Pings all links from one timer, and drops those that are silent."""

    def __init__(
        self,
        clock: Clock,
        rng: Random,
        links: Callable[[], Iterable[Link]],
        drop: Callable[[Link, str], None],
        inbound_heard: Callable[[Link], float],
    ) -> None:
        """``drop`` cuts a link for a reason.

        ``inbound_heard`` returns when a link's peer was last heard on the connection that it dialed
        to us. That excuses silence on the link once: a peer that is heard only there is down after
        twice as long.
        """
        self._clock = clock
        self._rng = rng
        self._links = links
        self._drop = drop
        self._inbound_heard = inbound_heard
        self._unvisited: list[Link] = []
        """The links that the current round has still to visit."""
        self._pace = pace(0)
        self._share = 0
        self._interval = CHECK_INTERVAL
        """Seconds to the next visit."""
        self._round = CHECK_INTERVAL
        self._stalled_until = clock.time()
        self._due = 0.0
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to ping."""
        self._due = self._clock.time() + CHECK_INTERVAL
        self._timer = self._clock.call_at(self._due, self._tick)

    def stop(self) -> None:
        """Stop pinging."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        now = self._clock.time()
        if now - self._due + self._interval > STALL + CHECK_INTERVAL:
            self._stalled_until = now
        links = self._next_links()
        ping, silence = self._pace
        for link in links:
            wire = link.wire
            if wire is None:  # it ended after the round began
                continue
            if link.overdue(self._stalled_until):
                self._drop(link, "an answer that it owed never came")
                continue
            if wire.heard + silence - now < self._round:
                self._drop_if_silent(link, wire, silence)
            if link.next_ping <= now + EARLY:
                # The first ping has a random phase, so that pings do not come in bursts.
                first = link.next_ping < link.since
                link.next_ping = now + (self._rng.uniform(0, ping) if first else ping)
                wire.ping()
        self._due = now + self._interval
        self._timer = self._clock.call_at(self._due, self._tick)

    def _next_links(self) -> list[Link]:
        """The links to visit now: all, or a part of them if pings are rare enough for that."""
        if not self._unvisited:
            self._unvisited = [
                link for link in self._links() if link.wire is not None and link.wire.pinged
            ]
            self._pace = pace(len(self._unvisited))
            self._share = ceil(len(self._unvisited) * SILENCE / self._pace.silence)
            few = len(self._unvisited) <= FEW_LINKS
            self._interval = MIN_PING_INTERVAL if few else CHECK_INTERVAL
            self._round = self._interval * ceil(len(self._unvisited) / max(1, self._share))
        links = self._unvisited[: self._share]
        del self._unvisited[: self._share]
        return links

    def _drop_if_silent(self, link: Link, wire: Wire, silence: float) -> None:
        """Drop a link that was silent for too long, or check again when it will have been."""
        if link.wire is not wire:  # it ended meanwhile
            return
        heard = max(wire.heard, self._stalled_until)
        # A peer that is heard elsewhere is alive. But this connection may be dead all the same, and
        # then no answer comes through it.
        elsewhere = min(self._inbound_heard(link), heard + silence)
        end = max(heard, elsewhere) + silence
        now = self._clock.time()
        if now + EARLY >= end:
            self._drop(link, f"no sign of life for {now - heard:.2g} s")
        elif end - now < self._round:
            self._clock.call_at(end, self._drop_if_silent, link, wire, silence)
