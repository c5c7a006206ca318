"""Random faults in a cluster, one after another, and at the end none."""

import random
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from nodnod_client.address import Address
from simulation.agents import Agent, SimulatedAgent

if TYPE_CHECKING:
    from simulation.world import World


class Chaos:
    """A fault in ``agents`` every ``every`` seconds on average; most end by themselves.

    With ``spare`` addresses, agents also move, and exchange addresses.
    """

    def __init__(
        self,
        world: "World",
        agents: Sequence[SimulatedAgent],
        every: float = 2.0,
        spare: Sequence[Address] = (),
    ) -> None:
        self.events = 0
        self._world = world
        self._agents = agents
        self._every = every
        self._rng = random.Random(f"{world.seed} storm")  # the text is part of the seed
        self._running = False
        self._kinds: tuple[Callable[[], None], ...] = (
            self._split,
            self._cut,
            partial(self._harm, "freeze", 0.1, 12.0),
            partial(self._harm, "freeze", 0.1, 12.0),
            partial(self._harm, "crash", 0.1, 12.0),
            partial(self._harm, "crash", 0.1, 12.0),
            partial(self._harm, "stop", 0.5, 12.0),
            partial(self._harm, "lose_power", 1.0, 60.0),
        )
        self._spare = deque(spare)
        if spare:
            self._kinds += (self._move, self._move, self._swap)

    def run(self, seconds: float) -> None:
        """Cause faults for so long, then end them: the network heals, agents thaw and restart."""
        self._running = True
        self._next()
        self._world.run(seconds)
        self._running = False
        self._world.heal()
        for agent in self._agents:
            self._revive(agent)
        self._world.note("chaos", "is over")

    def _next(self) -> None:
        if self._running:
            self.events += 1
            self._rng.choice(self._kinds)()
            self._later(self._rng.expovariate(1 / self._every), self._next)

    def _later(self, seconds: float, callback: Callable[..., None], *args: object) -> None:
        clock = self._world.clock
        clock.call_at(clock.now + seconds, callback, *args)

    def _split(self) -> None:
        agents = self._rng.sample(self._agents, self._rng.randrange(1, len(self._agents)))
        self._world.split(agents)
        self._later(self._rng.uniform(0.5, 20), self._world.heal)

    def _cut(self) -> None:
        source, target = self._rng.sample(self._agents, 2)
        self._world.cut(source, target)
        self._later(self._rng.uniform(0.5, 20), self._world.heal)

    def _harm(self, how: str, least: float, most: float) -> None:
        agent = self._rng.choice(self._agents)
        if agent.running or (agent.alive and how in ("crash", "lose_power")):
            getattr(agent, how)()
            self._later(self._rng.uniform(least, most), self._revive, agent)

    def _move(self) -> None:
        agent = self._rng.choice(self._agents)
        if isinstance(agent, Agent):
            self._end(agent)
            self._spare.append(agent.address)
            agent.move(self._spare.popleft())
            self._later(self._rng.uniform(0.1, 12), self._revive, agent)

    def _swap(self) -> None:
        one, other = self._rng.sample(self._agents, 2)
        if isinstance(one, Agent) and isinstance(other, Agent):
            self._end(one)
            self._end(other)
            one.swap(other)
            for agent in (one, other):
                self._later(self._rng.uniform(0.1, 12), self._revive, agent)

    def _end(self, agent: Agent) -> None:
        if agent.alive:
            how = (agent.crash, agent.crash, agent.stop, agent.lose_power)
            self._rng.choice(how if agent.running else how[:2])()

    def _revive(self, agent: SimulatedAgent) -> None:
        if not agent.alive:
            agent.start()
        elif not agent.running:
            agent.thaw()
