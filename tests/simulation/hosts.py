"""Machines, and the processes that live and die on them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from msgspec import structs

from nodnod_agent.core.interfaces import Hello
from nodnod_client.address import Address
from simulation.clock import FakeClock, Timer

if TYPE_CHECKING:
    from simulation.wires import End

TURN = 1e-6
"""Seconds that a turn of an event loop takes."""


class DialGate(Protocol):
    """Who may have enough for now."""

    @property
    def full(self) -> bool:
        """Whether messages had better wait."""


class Accepted(NamedTuple):
    """What a process does with a connection that it has accepted."""

    received: Callable[[bytes], None]
    ended: Callable[[str], None]
    gate: DialGate | None = None


class Host:
    """A machine with one address. ``side`` tells the halves of a split network apart."""

    def __init__(self, name: str, address: Address, number: int) -> None:
        self.name = name
        self.address = address
        self.number = number
        self.side = 0
        self.reachable = True
        self.listener: Process | None = None
        self.orphans: list[End] = []
        """Ends of others, of connections that were lost with its power."""

    def listen(self, process: "Process") -> None:
        """Have a process accept what is dialled here; the machine is up again if it was not."""
        self.listener = process
        self.reachable = True
        orphans, self.orphans = self.orphans, []
        for end in orphans:
            end.orphaned()


class Process:
    """One life of a program on a host; what it planned or was sent dies with it."""

    def __init__(self, clock: FakeClock, host: Host, hello: Hello, offset: int = 0) -> None:
        self.host = host
        self.hello = hello
        self.digest: Callable[[], str] = lambda: ""
        """That of its view, as it tells it to who dials."""
        self.alive = True
        self.frozen = False
        self.backlog: list[Timer] = []
        self.ends: dict[End, None] = {}
        self.accept: Callable[[End, Hello], Accepted] | None = None
        self.offset = offset
        """Seconds that its clock is ahead of the world's: no two machines agree on the time."""
        self.sent = 0
        self.sent_bytes = 0
        self.dials = 0
        self._clock = clock

    # The core's Clock.

    def time(self) -> float:
        """See Clock. In whole milliseconds, as libuv counts."""
        return int(self._clock.now * 1000 + 0.001) / 1000 + self.offset

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """See Clock. What is due by now is called in the next turn of the loop."""
        now = self._clock.now
        wait = round((when - self.time()) * 1000)
        due = (int(now * 1000 + 0.001) + wait) / 1000 if wait > 0 else now + TURN
        return self._clock.plan(max(due, now), self, False, callback, args)

    def greeting(self) -> Hello:
        """How it answers one that has dialled it."""
        digest = self.digest()
        if self.hello.digest != digest:  # else one does for many links
            self.hello = structs.replace(self.hello, digest=digest)
        return self.hello

    def freeze(self) -> None:
        """SIGSTOP."""
        self.frozen = True

    def thaw(self) -> None:
        """SIGCONT."""
        if self.frozen:
            self.frozen = False
            self._clock.resume(self)

    def kill(self) -> None:
        """SIGKILL: the kernel breaks its connections."""
        self._die()
        for end in self._orphans():
            end.reset()

    def lose_power(self) -> None:
        """Be gone without a word; others learn it from silence."""
        self.host.reachable = False
        self._die()
        for end in self._orphans():
            end.vanish()

    def _die(self) -> None:
        self.alive = False
        self.backlog.clear()
        if self.host.listener is self:
            self.host.listener = None

    def _orphans(self) -> list["End"]:
        ends = list(self.ends)
        self.ends.clear()
        return ends
