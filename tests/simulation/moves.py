"""Agents that get another address or another name."""

import random
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nodnod_client.address import Address

if TYPE_CHECKING:
    from simulation.agents import Agent
    from simulation.world import World

KINDS = (
    "crash_and_move",
    "stop_and_move",
    "lose_power_and_move",
    "crash_and_swap",
    "stop_and_swap",
    "rename",
    "crash",
    "stop",
)

PAUSE = 8.0
"""Seconds at most that an agent is away; a loss of power is noticed after five."""


class Moves:
    """Moves ``agents``; addresses are used again, as by a DHCP server."""

    def __init__(self, world: "World", agents: "Sequence[Agent]", spare: Sequence[Address]) -> None:
        self._world = world
        self._agents = agents
        self._spare = deque(spare)
        self._rng = random.Random(f"{world.seed} moves")

    def move(self, kind: str) -> None:
        """Have one kind of move happen to one agent, or to two; all run again at the end."""
        one, other = self._rng.sample(self._agents, 2)
        how, _, what = kind.partition("_and_")
        going = [one, other] if what == "swap" else [one]
        for agent in going:
            getattr(agent, "crash" if how == "rename" else how)()
        self._world.run(self._rng.uniform(0.2, PAUSE))  # an announced end takes a tenth of a second
        if what == "swap":
            one.swap(other)
        elif what == "move":
            self._spare.append(one.address)
            one.move(self._spare.popleft())
        elif how == "rename":
            one.name = f"renamed-{self._rng.randrange(10**6)}"
        for agent in going:
            agent.start()
            self._world.run(self._rng.choice((0.0, 0.0, 3.0)))
