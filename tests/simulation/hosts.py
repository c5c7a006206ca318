"""Machines, and the processes that live and die on them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import structs

from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.requests.session import Session
from nodnod_client.address import Address
from simulation.clock import FakeClock, Timer

if TYPE_CHECKING:
    from simulation.wires import End

ITERATION = 1e-6
"""Seconds that an iteration of an event loop takes."""


class Accepted(NamedTuple):
    """What a process does with a connection that it has accepted."""

    received: Callable[[bytes], None]
    ended: Callable[[str], None]
    session: Session | None = None


class Host:
    """A machine with one address. ``side`` is its side of a split network."""

    def __init__(self, name: str, address: Address, number: int) -> None:
        self.name = name
        self.address = address
        self.number = number
        self.side = 0
        self.reachable = True
        self.listener: Process | None = None
        self.orphans: list[End] = []
        """Other sides of connections that were lost with its power."""

    def listen(self, process: "Process") -> None:
        """Have a process accept connections here; the machine is up again if it was not."""
        self.listener = process
        self.reachable = True
        orphans, self.orphans = self.orphans, []
        for end in orphans:
            end.orphaned()


class Process:
    """One life of a program on a host; its timers and incoming messages die with it."""

    def __init__(self, clock: FakeClock, host: Host, hello: Hello, offset: int = 0) -> None:
        self.host = host
        self.hello = hello
        self.digest: Callable[[], str] = lambda: ""
        """The digest of its membership table, which it sends to a process that dials it."""
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
        self.accepted = 0
        """Connections; a dial costs the one that is dialed as much as the one that dials."""
        self._clock = clock

    # The core's Clock.

    def time(self) -> float:
        """In whole milliseconds, as libuv counts."""
        return int(self._clock.now * 1000 + 0.001) / 1000 + self.offset

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """What is due by now is called in the next iteration of the loop."""
        now = self._clock.now
        wait = round((when - self.time()) * 1000)
        due = (int(now * 1000 + 0.001) + wait) / 1000 if wait > 0 else now + ITERATION
        return self._clock.plan(max(due, now), self, False, callback, args)

    def upgrade_hello(self) -> Hello:
        """How it answers a process that has dialed it."""
        digest = self.digest()
        if self.hello.digest != digest:  # else one object is shared by many links
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
        """Be gone without closing a connection; others notice its silence."""
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
