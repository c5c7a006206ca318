"""The limit on frames that carry no message: pings, pongs and tiny fragments."""

from nodnod_agent.core.rate_limit import RateLimit

SMALL = 128
"""Bytes below which a fragment of a message counts: it costs as much as a frame that is empty."""

MUTED_FOR = 1.0
"""Seconds for which nothing is read from a connection that exceeds the limit."""

MAX_MUTES = 5
"""Mutes in a row after which the connection is cut."""


class ControlFrameLimit:
    """The control frames of one connection: at most ``limit`` a second."""

    __slots__ = ("_exceeded_at", "_mutes", "_rate", "limit", "muted")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.muted = False
        """Whether nothing is read for now."""
        self._rate = RateLimit(limit)
        self._exceeded_at = 0.0
        self._mutes = 0

    def exceeded(self, now: float) -> bool:
        """Count a frame. True where it is the one too many: mute or cut the connection."""
        if self._rate.take(now) or self.muted:
            return False
        if now - self._exceeded_at > 2 * MUTED_FOR:
            self._mutes = 0
        self._exceeded_at = now
        self._mutes += 1
        self.muted = not self.persistent
        return True

    @property
    def persistent(self) -> bool:
        """Whether muting has not helped: cut the connection."""
        return self._mutes > MAX_MUTES
