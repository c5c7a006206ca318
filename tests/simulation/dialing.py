"""A process that dials, and notes what comes of it."""

from nodnod_agent.core.interfaces import Hello, Wire
from nodnod_client.address import Address
from simulation.hosts import Process
from simulation.world import World


class Dialer:
    """One attempt of ``process`` to connect, and its connection."""

    def __init__(self, world: World, process: Process, address: Address) -> None:
        self.texts: list[bytes] = []
        self.events: list[tuple[float, str]] = []
        """What was reported, and when, in seconds from the begin of the world."""
        self._world = world
        self._wire: Wire | None = None
        world.network.dial(process, address, self)

    @property
    def wire(self) -> Wire:
        """The connection; waits for it."""
        if self._wire is None:
            self._world.run(30)
        assert self._wire is not None
        return self._wire

    @property
    def last_event(self) -> str:
        """What was reported last."""
        return self.events[-1][1]

    def opened(self, wire: Wire, _: Hello) -> None:
        """The connection is up."""
        self._wire = wire
        self._note("opened")

    def refused(self, reason: str) -> None:
        """There will be no connection."""
        self._note(reason)

    def received(self, text: bytes) -> None:
        """Take a message."""
        self.texts.append(text)

    def ended(self, reason: str) -> None:
        """The connection is gone."""
        self._note(reason)

    def _note(self, event: str) -> None:
        self.events.append((round(self._world.clock.now - 1000, 3), event))
