"""Push mode: every peer streams its stats to this node, which answers from its cache."""

import logging
from collections.abc import Callable, Iterable

from nodnod_agent.core.interfaces import Clock, Timer
from nodnod_agent.core.membership.member import Member
from nodnod_agent.core.stats.cache import StatsCache
from nodnod_client.codec import encode
from nodnod_client.errors import WireError
from nodnod_client.messages import PeerAnswer, Request

STREAM_ID = 0
"""The id of the stream that each peer is asked for; queries count from 1."""

MIN_EVERY = 0.25
MAX_EVERY = 3600.0

log = logging.getLogger("nodnod")


class Push:
    """Fills the stats cache: asks version-2 peers for a stream, and polls version-1 peers."""

    def __init__(
        self,
        cache: StatsCache,
        peers: Callable[[], Iterable[Member]],
        clock: Clock,
        interval: float,
    ) -> None:
        """``peers`` gives the members that are up."""
        self.cache = cache
        self._peers = peers
        self._clock = clock
        self._every = min(max(interval, MIN_EVERY), MAX_EVERY)
        self._request = encode(Request(id=STREAM_ID, every=self._every))
        self._timer: Timer | None = None

    def start(self) -> None:
        """Poll the peers that cannot stream, now and every interval."""
        for member in self._peers():
            if member.version < 2 and member.link is not None and not member.link.unanswered:
                member.link.ask(STREAM_ID, b"")
        self._timer = self._clock.call_at(self._clock.time() + self._every, self.start)

    def stop(self) -> None:
        """Poll no more."""
        if self._timer is not None:
            self._timer.cancel()

    def subscribe(self, member: Member) -> None:
        """Ask a peer whose link has come up for its stream, or for its first stats."""
        if member.link is not None:
            member.link.ask(STREAM_ID, self._request)

    def received(self, member: Member, answer: PeerAnswer) -> None:
        """Take a tick of a peer's stream, or its answer to a poll."""
        try:
            self.cache.update(member, answer)
        except WireError as error:
            key = {"key": f"stats {member.address}"}
            log.warning("%s sent no stats: %s", member, error, extra=key)
            self.cache.fail(member, str(error))
