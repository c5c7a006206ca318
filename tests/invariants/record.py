"""What clients saw of an agent, with the times, and what is known to judge that by."""

import json
from typing import Any

from msgspec import Struct, field

from bench.harness.agents import Agent

STREAM = "stream"
"""The id of a stream that a client listens to."""


class Talk(Struct):
    """One connection of a client: all that went over it, each with its moment (monotonic)."""

    sent: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    heard: list[tuple[float, str]] = field(default_factory=list)
    ended: float | None = None
    """When the other side ended it."""
    why: str = ""
    until: float = 0.0
    """When the client stopped listening."""

    @property
    def answers(self) -> int:
        """How many came that are no ticks of a stream."""
        return sum('"seq":' not in text for _, text in self.heard)

    @property
    def questions(self) -> int:
        """How many were sent that ask for one answer."""
        return sum("every" not in request for _, request in self.sent)


class Node(Struct, frozen=True, kw_only=True):
    """One node of a cluster, as it may and must stand in an answer."""

    name: str
    addresses: tuple[str, ...] = ()
    sound: bool = False
    """Nothing is wrong with it or on the way to it, so no answer may say so."""
    every: float | None = None
    """Seconds between its samples, which is how its history is known to be its own."""
    stats: dict[str, float] = {}
    """What it, and nobody else, always says of itself."""
    chatty: bool = False
    """Its object may hold more than was asked for."""
    stamped: bool = False
    """It says in ``memoryUsed`` and ``diskUsed`` when it answered: milliseconds, monotonic."""

    @classmethod
    def of(cls, agent: Agent, *, sound: bool, also_at: str = "") -> "Node":
        """What is known of an agent, which can be reached at one more address than it says."""
        every = json.loads(agent.config.read_text()).get("interval", 1.0)
        flags = list(agent.flags)
        told = flags[flags.index("--advertise") + 1] if "--advertise" in flags else ""
        addresses = tuple(filter(None, (agent.address, told, also_at)))
        return cls(name=agent.name, addresses=addresses, sound=sound, every=every)

    @property
    def names(self) -> set[str]:
        """All that it may be called: by its address, too, while it has not told its name."""
        full = {f"{self.name}@{address}" for address in self.addresses}
        return {self.name, *self.addresses, *full}


class Known(Struct, kw_only=True):
    """What is known of the agent that was asked, and of its cluster."""

    host: str
    nodes: tuple[Node, ...]
    push: bool = False
    """It answers from memory: old numbers may stand beside an error."""
    still: list[tuple[float, float]] = field(default_factory=list)
    """From when to when it was not let run."""
    told_to_stop: float | None = None
