"""Frames that are no messages (pings, pongs, tiny pieces): how many one may send, and then what."""

from collections.abc import Callable

SMALL = 128
"""Bytes below which a piece of a message is as good as none: it costs a frame and brings nothing."""

MUTED_FOR = 1.0
"""Seconds in which they are counted, and in which nothing is read from who sends too many."""

MUTED_AT_MOST = 5
"""How often in a row; then the connection is cut."""


class ControlFrameLimit:
    """What one connection sends of it."""

    __slots__ = ("_frames", "_since", "_strikes", "muted")

    def __init__(self, now: float) -> None:
        self.muted = False
        """Whether nothing is read for now, because of it."""
        self._frames = self._strikes = 0
        self._since = now

    def too_much(self, limit: int, now: Callable[[], float]) -> bool:
        """Count a frame. Tells whether just now there are too many: mute it, unless it is hopeless."""
        self._frames += 1
        if self._frames <= limit:
            return False
        moment = now()
        if moment - self._since >= MUTED_FOR:
            self._frames, self._since, self._strikes = 1, moment, 0
            return False
        if self.muted:
            return False
        self._strikes += 1
        self.muted = not self.hopeless
        return True

    @property
    def hopeless(self) -> bool:
        """Whether it has been muted so often in a row that it has to be cut."""
        return self._strikes > MUTED_AT_MOST

    def unmute(self, now: float) -> None:
        """Read on, and count anew."""
        self.muted = False
        self._frames, self._since = 0, now
