"""A notifier with a fake socket of systemd, and a clock that advances."""

from nodnod_agent.systemd import NotifySocket, SystemdNotifier
from simulation.clock import FakeClock

PID = 4711
WATCHDOG = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PID)}
FED = ["WATCHDOG=1"]


class FakeNotifySocket(NotifySocket):
    """Keeps messages, or raises ``error``. It is its own factory."""

    def __init__(self) -> None:
        self.address = ""
        self.error: OSError | None = None
        self.closed = False
        self.sent: list[str] = []

    def __call__(self, address: str) -> NotifySocket:
        self.address = address
        return self

    def send(self, message: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append(message.decode())

    def close(self) -> None:
        self.closed = True


class NotifierHarness:
    """A notifier with its socket and clock, and a status to set."""

    def __init__(self, *, interval: float = 1.0, path: str = "/run/notify", **more: str) -> None:
        self.socket = FakeNotifySocket()
        self.clock = FakeClock()
        self.status = "fine"
        self.monotonic = 0
        self.samples = 0
        self.notifier = SystemdNotifier(
            {"NOTIFY_SOCKET": path, **more},
            self.clock,
            lambda: self.status,
            interval=interval,
            pid=PID,
            connect=self.socket,
            monotonic=lambda: self.monotonic,
        )

    @property
    def messages(self) -> list[str]:
        """The messages since the last look."""
        messages, self.socket.sent = self.socket.sent, []
        return messages

    def sample(self) -> None:
        self.samples += 1
        self.notifier.sampled(float(self.samples))

    def ready(self) -> None:
        """Make the agent ready, and drop the messages about it."""
        self.sample()
        self.notifier.ready()
        self.socket.sent.clear()

    def run(self, seconds: int) -> None:
        """Let time pass with a sample every second."""
        for _ in range(seconds):
            self.clock.advance(1.0)
            self.sample()
