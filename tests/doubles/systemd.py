"""A supervisor with a fake manager, and a clock to let time pass."""

from nodnod_agent.systemd import SystemdNotifier
from simulation.clock import FakeClock

PID = 4711
WATCHED = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PID)}
FED = ["WATCHDOG=1"]


class Manager:
    """What would be systemd: takes messages, or raises ``trouble``."""

    def __init__(self) -> None:
        self.address = ""
        self.said: list[str] = []
        self.trouble: OSError | None = None
        self.closed = False

    def __call__(self, address: str) -> "Manager":
        self.address = address
        return self

    def say(self, message: bytes) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.said.append(message.decode())

    def close(self) -> None:
        self.closed = True

    def take(self) -> list[str]:
        """What was said since the last look."""
        said, self.said = self.said, []
        return said


class Run:
    """A supervisor with a manager, a clock, and a status to set."""

    def __init__(self, *, interval: float = 1.0, path: str = "/run/notify", **more: str) -> None:
        self.manager = Manager()
        self.clock = FakeClock()
        self.status = "fine"
        self.monotonic = 0
        self.samples = 0
        self.supervisor = SystemdNotifier(
            {"NOTIFY_SOCKET": path, **more},
            self.clock,
            lambda: self.status,
            interval=interval,
            pid=PID,
            mouth=self.manager,
            monotonic=lambda: self.monotonic,
        )

    @property
    def take(self) -> list[str]:
        return self.manager.take()

    def sample(self) -> None:
        self.samples += 1
        self.supervisor.sampled(float(self.samples))

    def ready(self) -> None:
        """Be ready, and forget what was said of it."""
        self.sample()
        self.supervisor.ready()
        self.manager.take()

    def live(self, seconds: int) -> None:
        """Let time pass with a sample every second."""
        for _ in range(seconds):
            self.clock.advance(1.0)
            self.sample()
