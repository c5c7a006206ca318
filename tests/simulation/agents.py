"""Agents of the simulated cluster: the real core on a fake machine."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any, cast

from msgspec.structs import replace

from bench.harness.invariants.ground_truth import Fault, KnownNode
from nodnod_agent.core.interfaces import DialHandler, Hello, Wire
from nodnod_agent.core.node import Node
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.address import Address
from simulation.bus import BusClient
from simulation.clock import Timer
from simulation.hosts import Accepted, Host, Process
from simulation.wires import End

if TYPE_CHECKING:
    from simulation.world import World

LEAVE_AHEAD = 0.1
"""As in the daemon."""

INTERVAL = 1.0
"""Seconds between samples."""

HEARD_WITHIN = 3.0
"""Seconds in which an agent on a bus hears all others; they hear it too."""

EPOCH = 1_700_000_000.0


def sample(number: int, life: int, moment: float) -> Sample:
    """A sample that shows the agent, its life and the time (milliseconds) it was taken in."""
    return Sample(
        time=moment,
        cpu_used=number % 100,
        disk_total=(number + 1) * 10**12,
        disk_used=life,
        memory_total=(number + 1) * 10**9,
        memory_used=int(moment * 1000),
    )


class SimulatedAgent(ABC):
    """One agent of either version, through all its lives; its faults go into the ground truth."""

    version: int

    def __init__(
        self, world: "World", host: Host, nodes: tuple[Address, ...], options: dict[str, Any]
    ) -> None:
        self.host = host
        self.name = self._first_name = host.name
        self.address = host.address
        self.number = host.number
        self.nodes = nodes
        self.lives = 0
        self.process: Process
        self._world = world
        self.on_bus = options.pop("on_bus", True)
        self._options = options
        self._pause: Fault | None = None
        one = sample(self.number, 0, 0.0)
        self.node = KnownNode(
            name=self.name,
            addresses=[str(self.address)],
            every=INTERVAL,
            push=(options.get("mode") == "push" or world.bus is not None) and self.version >= 2,
            timely=self.version >= 2,
            unique=True,
            stats={
                "cpuUsed": one.cpu_used,
                "diskTotal": one.disk_total,
                "memoryTotal": one.memory_total,
            },
            stamps=("memoryUsed",),
            max_age=INTERVAL + 0.01,
            life="diskUsed",
        )
        world.truth.add(self.node)
        world.truth.begin("link", self.node, -inf)  # any link may break at any time

    @property
    def alive(self) -> bool:
        """Whether it lives, frozen or not."""
        return self.lives > len(self.node.deaths)

    @property
    def running(self) -> bool:
        """Whether it lives and is not frozen."""
        return self.alive and not self.process.frozen

    @abstractmethod
    def start(self) -> None:
        """Begin a new life."""

    @abstractmethod
    def stop(self) -> None:
        """SIGTERM."""

    def freeze(self) -> None:
        """SIGSTOP."""
        self._world.note(self.name, "freezes")
        self._pause = self._world.truth.begin("pause", self.node, self._world.clock.now)
        self.process.freeze()

    def thaw(self) -> None:
        """SIGCONT."""
        self._world.note(self.name, "thaws")
        self._end_pause()
        self.process.thaw()

    def crash(self) -> None:
        """SIGKILL."""
        self._world.note(self.name, "crashes")
        self._die()
        self.process.kill()

    def lose_power(self) -> None:
        """The machine is gone, and its connections are not closed."""
        self._world.note(self.name, "loses power")
        self._die()
        self.process.lose_power()

    def restart(self) -> None:
        """Die, if it lives still, and live again."""
        if self.alive:
            self.crash()
        self.start()

    def _die(self, after: float = 0.0) -> None:
        self._end_pause()
        self.node.deaths.append(self._world.clock.now + after)

    def _end_pause(self) -> None:
        if self._pause is not None:
            self._pause.until, self._pause = self._world.clock.now, None


class Agent(SimulatedAgent):
    """One agent of version 2: the real core."""

    version = 2

    def __init__(
        self, world: "World", host: Host, nodes: tuple[Address, ...], options: dict[str, Any]
    ) -> None:
        super().__init__(world, host, nodes, options)
        self.skew = 0.0
        """Seconds that its wall clock is wrong."""
        self.series: Callable[[float], dict[str, float]] = lambda _: {}
        """The numbers of its history at a moment."""
        self.cluster: Node

    def start(self) -> None:
        """Begin a new life."""
        world = self._world
        self.lives += 1
        rng = random.Random(f"{world.seed} {self._first_name} {self.lives}")
        instance = f"{rng.getrandbits(64):016x}"
        hello = Hello(2, self.name, instance, str(self.address))
        process = Process(world.clock, self.host, hello, rng.randrange(10_000))
        cluster = Node(
            name=self.name,
            address=str(self.address),
            instance=instance,
            clock=process,
            wall=self._wall,
            rng=rng,
            dial=lambda address, end: self._dial(process, address, end),
            backplane=BusClient(world.bus, process)
            if self.on_bus and world.bus is not None
            else None,
            **self._options,
        )
        process.accept = lambda end, hello: _accepted(cluster, end, hello)
        process.digest = lambda: cluster.peers.gossip.table.digest
        self.process, self.cluster = process, cluster
        if world.bus is not None:  # it knows nobody until it has heard them
            fault = world.truth.begin("start", self.node, world.clock.now)
            fault.until = world.clock.now + HEARD_WITHIN
        self.host.listen(process)
        self._sample(process, cluster)
        cluster.start()
        for node in self.nodes:
            if node != self.address:
                cluster.configured.add(node)
        world.note(self.name, "starts, life %d", self.lives)

    def stop(self) -> None:
        """SIGTERM: it announces that it leaves, and ends a moment later."""
        self._world.note(self.name, "stops")
        # Some agents learn late that it is back, so the fault has no end.
        self._world.truth.begin("leave", self.node, self._world.clock.now)
        self._die(LEAVE_AHEAD)
        self.cluster.leave()
        process = self.process
        process.call_at(process.time() + LEAVE_AHEAD, self._end, process, self.cluster)

    def _end(self, process: Process, cluster: Node) -> None:
        cluster.stop()
        process.kill()

    def move(self, address: Address) -> None:
        """Have the next life at another address, on the machine there or on a new one."""
        self._world.note(self.name, "moves to %s", address)
        self.host, self.address = self._world.place(self, address), address

    def swap(self, other: "Agent") -> None:
        """Have both move, each to the address of the other."""
        place = self.address
        self.move(other.address)
        other.move(place)

    def _dial(self, process: Process, address: Address, end: DialHandler) -> Timer:
        return self._world.network.dial(process, address, end)  # type: ignore[return-value]

    def _wall(self) -> float:
        return EPOCH + self._world.clock.now + self.skew

    def _sample(self, process: Process, cluster: Node) -> None:
        now = self._world.clock.now
        taken = sample(self.number, self.lives, now)
        series = self.series(now)
        if series:
            taken = replace(taken, time=EPOCH + now + self.skew, clock=now, series=series)
        cluster.sampled(taken)
        process.call_at(process.time() + INTERVAL, self._sample, process, cluster)


def _accepted(cluster: Node, end: End, hello: Hello) -> Accepted:
    session = cluster.accepted(cast(Wire, end), hello)
    return Accepted(session.received, lambda _: session.ended(), session)
