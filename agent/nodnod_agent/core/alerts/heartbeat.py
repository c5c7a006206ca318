"""A sign of life of the whole cluster: one of its nodes asks for a URL each minute."""

from collections.abc import Callable

from nodnod_agent.core.alerts.cluster import Cluster
from nodnod_agent.core.alerts.ports import Beat
from nodnod_agent.core.interfaces import Clock, Timer

EVERY = 60.0


class Heartbeat:
    """Asks while this node is the first of those that are up and can."""

    def __init__(
        self, cluster: Cluster, beat: Beat, *, clock: Clock, wall: Callable[[], float]
    ) -> None:
        self.channel: str | None = None
        self.result: tuple[float, bool, str] | None = None
        """When this agent last asked, whether there was an answer, and why not."""
        self._cluster = cluster
        self._beat = beat
        self._clock = clock
        self._wall = wall
        self._timer: Timer | None = None

    def use(self, channel: str | None) -> None:
        """Ask over this channel from now on, or not at all."""
        if channel != self.channel:
            self.stop()
            self.channel, self.result = channel, None
            if channel is not None:
                self._timer = self._clock.call_at(self._clock.time() + EVERY, self._ask)

    def stop(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _ask(self) -> None:
        assert self.channel is not None
        self._timer = self._clock.call_at(self._clock.time() + EVERY, self._ask)
        own = self._cluster.own.address
        group = self._cluster.turns.group(own)
        if self._cluster.senders(self.channel, "heartbeat", group)[:1] == [own]:
            self._beat(self._done)

    def _done(self, ok: bool, why: str) -> None:
        self.result = self._wall(), ok, why
