"""The simulated world: agents and clients on one network, under one clock and one seed."""

import gc
import logging
import random
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from bench.harness.invariants.answers import Judge
from bench.harness.invariants.ground_truth import GroundTruth
from nodnod_agent.core.membership.member import Member
from nodnod_client.address import Address
from simulation.agents import Agent, SimulatedAgent
from simulation.bus import Bus
from simulation.clients import Client
from simulation.clock import FakeClock
from simulation.hosts import Host
from simulation.legacy import LegacyAgent
from simulation.network import CALM, LOOPBACK, Network, Weather
from simulation.wires import End

TRACE = 150
"""Events shown when a test fails."""

PORT = 7070

TRANSIT = 3.0
"""Seconds that a message between agents may take, with TCP sending it again and again."""

GC = (200_000, 20, 100)
"""Thresholds of the garbage collection: with Python's own, a large cluster takes twice the time, for
it scans millions of live links again and again."""


class World:
    """Use as a context manager: a failure then tells the seed and the last events."""

    def __init__(self, seed: int, weather: Weather = CALM) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.clock = FakeClock()
        self.network = Network(self.clock, seed, weather)
        self.bus: Bus | None = None
        """What agents that are added from now on are connected by, instead of links."""
        self.agents: list[SimulatedAgent] = []
        self.clients: list[Client] = []
        self.truth = GroundTruth(slack=4 * LOOPBACK, transit=TRANSIT, short=0.0)
        self.judge = Judge(self.truth)
        self._trace: deque[tuple[float, str, str, tuple[Any, ...]]] = deque(maxlen=TRACE)
        self._log = _Log(self)

    def __enter__(self) -> "World":
        self._log.install()
        self._gc = gc.get_threshold()
        gc.set_threshold(*GC)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._log.remove()
        gc.set_threshold(*self._gc)
        if error is not None:
            error.add_note(f"seed {self.seed}, the last {len(self._trace)} events:\n{self.trace}")

    # Agents and clients.

    def agent(
        self,
        name: str = "",
        nodes: Iterable[Address] = (),
        *,
        legacy: bool = False,
        start: bool = True,
        **options: Any,
    ) -> Any:
        """Add an agent; ``options`` go to its Node. A ``legacy`` one is of version 1."""
        number = len(self.agents)
        name = name or f"agent-{number}"
        host = self.network.host(name, address_of(number))
        kind = LegacyAgent if legacy else Agent
        agent = kind(self, host, tuple(nodes), options)
        self.agents.append(agent)
        if start:
            agent.start()
        return agent

    def place(self, agent: Agent, address: Address) -> Host:
        """The machine at an address, for an agent that moves there."""
        hosts = self.network.hosts
        return hosts.get(address) or self.network.host(agent.name, address)

    def mesh(self, count: int, *, legacy: int = 0, **options: Any) -> list[Any]:
        """Add ``count`` agents, all configured with all; the last ``legacy`` are of version 1."""
        first = len(self.agents)
        nodes = [address_of(number) for number in range(first, first + count)]
        agents = [
            self.agent(nodes=nodes, legacy=count - i <= legacy, start=False, **options)
            for i in range(count)
        ]
        for agent in agents:
            agent.start()
        return agents

    def client(self, agent: SimulatedAgent, **options: Any) -> Client:
        """Connect a client that runs on the agent's own machine."""
        client = Client(self, agent, **options)
        self.clients.append(client)
        return client

    def backplane(self) -> Bus:
        """Add the server of a bus."""
        self.bus = Bus(self.network, self.network.host("bus", Address("10.255.0.1", 4222)))
        return self.bus

    # What happens.

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    def wait_for(self, condition: Callable[[], bool], limit: float, step: float = 0.02) -> float:
        """Let time pass until it is so; the seconds it took. AssertionError after ``limit``."""
        began = self.clock.now
        while not condition():
            assert self.clock.now - began < limit, f"it did not come true within {limit} s"
            self.clock.advance(step)
        return self.clock.now - began

    def whole(self) -> bool:
        """Whether every agent that runs has a link to every other that runs, and knows its name.

        A link to an earlier life, whose end is not noticed yet, does not count.
        """
        running = {agent.address: agent for agent in self.agents if agent.running}
        return all(
            _linked(member, running[address])
            for agent in running.values()
            if isinstance(agent, Agent)
            for address, member in agent.cluster.peers.roster.members.items()
            if address in running
        )

    def split(self, *sides: Iterable[SimulatedAgent]) -> None:
        """Split the network into sides."""
        self.note("network", "splits")
        self.network.split(*([agent.host for agent in side] for side in sides))

    def cut(self, source: SimulatedAgent, target: SimulatedAgent) -> None:
        """Let nothing through from one to the other; the way back stays free."""
        self.note("network", "cuts the link from %s to %s", source.name, target.name)
        self.network.cut(source.host, target.host)

    def heal(self) -> None:
        """Join the network again."""
        self.note("network", "heals")
        self.network.heal()

    def check_overdue(self) -> None:
        """AssertionError where a client waits for an answer that is overdue."""
        for client in self.clients:
            client.check_overdue()

    def ask_all(self) -> dict[str, dict[str, Any]]:
        """Ask every agent that runs for the whole cluster; the nodes in each answer."""
        clients = [self.client(agent) for agent in self.agents if agent.running]
        self.run(0.1)
        for client in clients:
            assert client.ask(type=1)
        self.run(2.5)
        return {client.agent.name: client.latest["nodes"] for client in clients}

    # The trace.

    def note(self, subject: str, what: str, *args: Any) -> None:
        """Remember an event for the trace."""
        self._trace.append((self.clock.now, subject, what, args))

    @property
    def trace(self) -> str:
        """The last events, oldest first."""
        began = 1000.0
        return "\n".join(
            f"{when - began:12.6f} {subject}: {what % args if args else what}"
            for when, subject, what, args in self._trace
        )


def _linked(member: Member, agent: SimulatedAgent) -> bool:
    wire = member.link.wire if member.link is not None else None
    if wire is None or member.name != agent.name:
        return False
    return isinstance(wire, End) and wire.peer.open and wire.peer.process is agent.process


def address_of(number: int) -> Address:
    """Where the agent of this number listens."""
    return Address(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", PORT)


class _Log(logging.Handler):
    """The agents' log lines go into the trace, and nowhere else."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._logger = logging.getLogger("nodnod")

    def install(self) -> None:
        self._before = (self._logger.level, self._logger.propagate)
        self._logger.addHandler(self)
        self._logger.setLevel(logging.WARNING)
        self._logger.propagate = False

    def remove(self) -> None:
        self._logger.removeHandler(self)
        level, self._logger.propagate = self._before
        self._logger.setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        running = self._world.clock.running
        subject = running.host.name if running is not None else "?"
        # Few are ever formatted, but members change, so they are named now.
        args = tuple(map(str, record.args)) if isinstance(record.args, tuple) else ()
        self._world.note(subject, str(record.msg).replace("%d", "%s"), *args)
