"""The clocks of the peers, as far as they have told the time."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from nodnod_agent.core.interfaces import Clock

Peer = TypeVar("Peer", bound=Hashable)


class PeerClocks(Generic[Peer]):
    """By how much the wall clock here differs from the others'.

    Each is kept as its distance to the core's clock, so that a step of the own wall clock shows at
    once. A message that comes late makes its sender look slow; the median knows nothing of it.
    """

    def __init__(self, clock: Clock, wall: Callable[[], float]) -> None:
        self._clock = clock
        self._wall = wall
        self._ahead: dict[Peer, float] = {}

    def told(self, peer: Peer, time: float) -> None:
        """A peer has just said that it is ``time``, in Unix seconds."""
        self._ahead[peer] = time - self._clock.time()

    def forget(self, peer: Peer) -> None:
        """Forget a peer whose link is down."""
        self._ahead.pop(peer, None)

    @property
    def offset(self) -> float | None:
        """Seconds between the own wall clock and the median of the others'; None without others."""
        if not self._ahead:
            return None
        # Not by the library's `statistics`, which takes half a megabyte.
        ascending, middle = sorted(self._ahead.values()), len(self._ahead) // 2
        median = (ascending[middle] + ascending[~middle]) / 2
        return abs(self._wall() - self._clock.time() - median)
