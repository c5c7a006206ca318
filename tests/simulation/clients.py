"""Clients that ask all the time; every answer is judged."""

import json
import random
from typing import TYPE_CHECKING, Any

from bench.harness.invariants.conversation import Conversation, Counts, Violation
from bench.harness.invariants.requests import MAX_IN_FLIGHT, random_request
from nodnod_agent.core.interfaces import Hello, Wire
from simulation.hosts import Process

if TYPE_CHECKING:
    from simulation.agents import SimulatedAgent
    from simulation.world import World

TIMEOUTS = (None, None, None, 0.1, 0.5, 1.0, 4.0)
RECONNECT_AFTER = 0.2


class Client:
    """One connection to one agent, on the agent's own machine; it connects again when it ends.

    ``stream`` is a request for a stream that it sends first on each connection.
    """

    def __init__(
        self, world: "World", agent: "SimulatedAgent", *, stream: dict[str, Any] | None = None
    ) -> None:
        self.agent = agent
        self.counts = Counts()
        self.latest: dict[str, Any] = {}
        """The newest answer."""
        self._world = world
        self._stream = stream
        self._rng = random.Random(f"{world.seed} {agent.name} {len(world.clients)} 0")
        self._process = Process(world.clock, agent.host, Hello(version=1))
        self._wire: Wire | None = None
        self._conversation: Conversation | None = None
        self._dial()

    def ask(self, **request: Any) -> bool:
        """Ask, if connected; a request without ``id`` is answered in its order."""
        if self._wire is None or self._conversation is None:
            return False
        self._conversation.sent(request, self._world.clock.now)
        self._wire.send(json.dumps(request).encode())
        return True

    def keep_asking(self, every: float) -> None:
        """Send all kinds of requests, on average every so many seconds."""
        wait = self._rng.expovariate(1 / every)
        self._process.call_at(self._process.time() + wait, self.keep_asking, every)
        self.check_overdue()
        if self._conversation is not None and self._conversation.in_flight < MAX_IN_FLIGHT:
            for _ in range(self._rng.choice((1, 1, 1, 4))):
                self.ask(**self._request(self._conversation))

    def check_overdue(self) -> None:
        """AssertionError where an answer is due and has not come."""
        if self._conversation is not None and self.agent.process.alive:
            self._conversation.check_overdue(self._world.clock.now)

    # What the connection reports.

    def opened(self, wire: Wire, _: Hello) -> None:
        """The connection is up."""
        self._wire = wire
        world, node = self._world, self.agent.node
        self._conversation = Conversation(node, world.judge, self.counts, self._report)
        if self._stream is not None:
            self.ask(**self._stream)

    def refused(self, _: str) -> None:
        """The agent is not there: dial again."""
        self._process.call_at(self._process.time() + RECONNECT_AFTER, self._dial)

    def ended(self, reason: str) -> None:
        """The connection is gone, and with it what was in flight: dial again."""
        self._world.note(f"client of {self.agent.name}", "is cut off: %s", reason)
        self._wire = self._conversation = None
        self._process.call_at(self._process.time() + RECONNECT_AFTER, self._dial)

    def received(self, text: bytes) -> None:
        """Judge an answer."""
        assert self._conversation is not None
        self.latest = self._conversation.received(text, self._world.clock.now)

    def _dial(self) -> None:
        self._world.network.dial(self._process, self.agent.address, self)

    def _report(self, wrong: Violation) -> None:
        raise AssertionError(str(wrong))

    def _request(self, conversation: Conversation) -> dict[str, Any]:
        if self.agent.version < 2:
            return {"type": self._rng.choice((0, 1, 1)), "statType": 0}
        names = [agent.name for agent in self._world.agents]
        request = random_request(self._rng, names, TIMEOUTS)
        return request | ({"id": conversation.new_id()} if self._rng.random() < 0.5 else {})
