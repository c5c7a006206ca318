"""Machines joined by a network that delays, drops, splits and heals, all from one seed."""

from typing import cast
from zlib import crc32

from msgspec import Struct

from nodnod_agent.core.interfaces import DialHandler, Hello, Wire
from nodnod_agent.transport.dialer import DIAL_LIMIT
from nodnod_client.address import Address
from simulation.clock import FakeClock, Timer
from simulation.hosts import Host, Process
from simulation.wires import FIRST_RTO, End

FIRST_SYN_RTO = 1.0
LOOPBACK = 0.00002


class Weather(Struct, frozen=True):
    """What happens to a message under way.

    It takes from ``fastest`` to ``slowest`` seconds. The share ``lost`` of them has to be sent
    again, after TCP's doubling timeout; the share ``late`` takes ``lateness`` seconds more.
    """

    fastest: float = 0.0001
    slowest: float = 0.002
    lost: float = 0.0
    late: float = 0.0
    lateness: float = 1.0


CALM = Weather()


class Network:
    """Which machine reaches which, and how fast."""

    def __init__(self, clock: FakeClock, seed: int, weather: Weather = CALM) -> None:
        self.clock = clock
        self.seed = seed
        self.weather = weather
        self.hosts: dict[Address, Host] = {}
        self.holding: dict[End, None] = {}
        self.dials = 0
        self._cuts: set[tuple[int, int]] = set()

    def host(self, name: str, address: Address) -> Host:
        """Add a machine."""
        host = self.hosts[address] = Host(name, address, len(self.hosts))
        return host

    def dial(self, process: Process, address: Address, end: DialHandler) -> "Attempt":
        """Connect ``process`` to the process that listens at ``address``."""
        self.dials += 1
        process.dials += 1
        return Attempt(self, process, address, end, crc32(b"%d" % self.dials) ^ self.seed)

    def blocked(self, source: Host, target: Host) -> bool:
        """Whether nothing gets from one machine to the other."""
        if source.side != target.side:
            return True
        return bool(self._cuts) and (source.number, target.number) in self._cuts

    def split(self, *sides: list[Host]) -> None:
        """Split the machines into sides; those not named stay on side 0."""
        for number, side in enumerate(sides, 1):
            for host in side:
                host.side = number

    def cut(self, source: Host, target: Host) -> None:
        """Let nothing through from one to the other; the way back stays free."""
        self._cuts.add((source.number, target.number))

    def heal(self) -> None:
        """Let everything through again; what is held arrives with TCP's next attempt."""
        self._cuts.clear()
        for host in self.hosts.values():
            host.side = 0
        holding, self.holding = self.holding, {}
        for end in holding:
            self.clock.plan(end.retransmission(), None, True, end.release)

    def delay(self, end: End) -> float:
        """Seconds that the next message of ``end`` takes."""
        if end.process.host is end.peer.process.host:
            return LOOPBACK
        weather = self.weather
        chance = end.chance()
        delay = weather.fastest + chance * (weather.slowest - weather.fastest)
        if chance < weather.lost + weather.late:
            delay += self._mishap(end, chance)
        return delay

    def _mishap(self, end: End, chance: float) -> float:
        weather = self.weather
        if chance >= weather.lost:
            return weather.lateness
        delay = wait = FIRST_RTO
        while end.chance() < weather.lost:
            wait *= 2
            delay += wait
        return delay


class Attempt:
    """One attempt to connect, from the first SYN to the upgrade's answer; the core's Timer."""

    def __init__(
        self, network: Network, process: Process, address: Address, end: DialHandler, seed: int
    ) -> None:
        self._network = network
        self._process = process
        self._address = address
        self._end = end
        self._seed = seed
        self._done = False
        self._wire: End | None = None
        self._hello: Hello | None = None
        now = network.clock.now
        self._limit = self._plan(now + DIAL_LIMIT, process, self._give_up)
        self._plan(now, process, self._syn, FIRST_SYN_RTO)

    def cancel(self) -> None:
        """Give up and report nothing."""
        if not self._done:
            self._done = True
            self._limit.cancel()
            if self._wire is not None:
                self._wire.abort()

    def _plan(self, when: float, process: Process, callback: object, *args: object) -> Timer:
        return self._network.clock.plan(when, process, True, callback, args)  # type: ignore[arg-type]

    def _syn(self, wait: float) -> None:
        if self._done:
            return
        now = self._network.clock.now
        source = self._process.host
        target = self._network.hosts.get(self._address)
        if target is None or not target.reachable or self._cut_off(source, target):
            self._plan(now + wait, self._process, self._syn, wait * 2)
            return
        weather = self._network.weather
        chance = self._seed % 1009 / 1009
        rtt = 2 * (weather.fastest + chance * (weather.slowest - weather.fastest))
        listener = target.listener
        if listener is None:
            self._plan(now + rtt, self._process, self._refuse, "connection refused")
        else:  # the kernel accepts for a frozen process; the upgrade waits until it thaws
            self._plan(now + 1.5 * rtt, listener, self._accept, listener)

    def _cut_off(self, source: Host, target: Host) -> bool:
        return self._network.blocked(source, target) or self._network.blocked(target, source)

    def _accept(self, listener: Process) -> None:
        if self._done or not self._process.alive or listener.accept is None:
            return
        ours = End(self._network, self._process, self._seed, accepted=False)
        theirs = End(self._network, listener, self._seed * 31 + 7, accepted=True)
        ours.peer, theirs.peer = theirs, ours
        ours.received, ours.ended = self._end.received, self._end.ended
        self._wire = ours
        version = min(self._process.hello.version, listener.hello.version)
        self._hello = listener.upgrade_hello() if version >= 2 else Hello(version=1)
        theirs.upgraded(self._opened)
        hello = self._process.hello if version >= 2 else Hello(version=1)
        listener.accepted += 1
        accepted = listener.accept(theirs, hello)
        theirs.received, theirs.ended, theirs.session = accepted

    def _opened(self) -> None:
        wire, hello = self._wire, self._hello
        assert wire is not None
        assert hello is not None
        if not self._done:
            self._done = True
            self._limit.cancel()
            wire.heard_now()
            self._end.opened(cast(Wire, wire), hello)

    def _refuse(self, reason: str) -> None:
        if not self._done:
            self._done = True
            self._limit.cancel()
            self._end.refused(reason)

    def _give_up(self) -> None:
        if self._wire is not None:
            self._wire.abort()
        self._refuse(f"no handshake within {DIAL_LIMIT:.3g} s")
