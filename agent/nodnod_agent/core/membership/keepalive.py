"""When to ping a link, and when its silence means that it is down."""

from collections.abc import Callable, Iterable
from math import ceil
from typing import NamedTuple

from nodnod_agent.core.interfaces import EARLY, Clock, Random, Timer, Wire
from nodnod_agent.core.membership.link import Link

PING_EVERY = 0.75
"""Seconds between pings while links are few; at most 2 before the silence is stretched too.

A peer that stalls for 3 s, and whose word then comes a second late, has been silent for 4.75 s: with
fewer pings it would be taken for dead.
"""
PING_EVERY_AT_MOST = 2.0
SILENCE = 4.95
"""Seconds of silence: just under 5, so that who falls silent is down within 5."""
TICK = 0.25
PING_COST = 100e-6
"""Seconds of CPU for a ping sent, its pong, and the same asked by the peer.

Measured by bench/mesh.py, between processes that sleep meanwhile; nearly all of it is waking up, the
kernel, and caches gone cold. In a loop it would be 4 us.
"""
PING_SHARE = 0.005
"""Of one core, for all pings together."""
STALL = 1.0
"""A tick this many seconds late: we ourselves stood still, and nobody could be heard."""


class Pace(NamedTuple):
    """Seconds between pings, and seconds of silence after which a link is down."""

    ping: float
    silence: float


def pace(links: int) -> Pace:
    """Pings as often as their share allows; with more than 100 links, silence stretches too."""
    affordable = links * PING_COST / PING_SHARE
    stretch = max(1.0, affordable / PING_EVERY_AT_MOST)
    return Pace(max(PING_EVERY, affordable), SILENCE * stretch)


class Keepalive:
    """One timer for all links."""

    def __init__(
        self,
        clock: Clock,
        rng: Random,
        links: Callable[[], Iterable[Link]],
        heard_elsewhere: Callable[[Link], float] = lambda link: 0.0,
    ) -> None:
        """``heard_elsewhere`` tells when a link's peer was last heard on another connection.

        That makes up for silence on the link once; who is heard only there is down after twice as
        long.
        """
        self._clock = clock
        self._rng = rng
        self._links = links
        self._heard_elsewhere = heard_elsewhere
        self._unseen: list[Link] = []
        """Those that this round has not come to yet."""
        self._pace = pace(0)
        self._share = 0
        self._round = TICK
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
        links = self._next_links()
        ping, silence = self._pace
        for link in links:
            wire = link.wire
            if wire is None:  # it has ended meanwhile
                continue
            if wire.heard + silence - now < self._round:
                self._judge(link, wire, silence)
            if link.next_ping <= now:
                # The first ping comes at a random phase, so that pings do not come in bursts.
                first = link.next_ping < link.since
                link.next_ping = now + (self._rng.uniform(0, ping) if first else ping)
                wire.ping()
        self._due = now + TICK
        self._timer = self._clock.call_at(self._due, self._tick)

    def _next_links(self) -> list[Link]:
        """Those to look at now: all, or a part of them where pings are so few that it will do."""
        if not self._unseen:
            self._unseen = [link for link in self._links() if link.wire is not None]
            self._pace = pace(len(self._unseen))
            self._share = ceil(len(self._unseen) * SILENCE / self._pace.silence)
            self._round = TICK * ceil(len(self._unseen) / max(1, self._share))
        links = self._unseen[: self._share]
        del self._unseen[: self._share]
        return links

    def _judge(self, link: Link, wire: Wire, silence: float) -> None:
        """Drop a link whose patience is at its end, or look again when it will be."""
        if link.wire is not wire:  # it has gone meanwhile
            return
        heard = max(wire.heard, self._deaf_until)
        # Who speaks elsewhere lives; but this connection may be dead all the same, and an answer
        # would not come through it.
        elsewhere = min(self._heard_elsewhere(link), heard + silence)
        end = max(heard, elsewhere) + silence
        now = self._clock.time()
        if now + EARLY >= end:
            link.drop(f"no sign of life for {now - heard:.2g} s")
        elif end - now < self._round:
            self._clock.call_at(end, self._judge, link, wire, silence)
