"""Clients that listen to a stream, and know what each tick has to be."""

import json
from typing import TYPE_CHECKING, Any

from nodnod_agent.core.interfaces import Hello, Wire
from simulation.answers import check_answer, parse
from simulation.clients import GRACE, Asked
from simulation.hosts import Process

if TYPE_CHECKING:
    from simulation.agents import Agent
    from simulation.world import World

ID = "stream"


class Listener:
    """One connection to one agent, with one stream; reconnects and subscribes again.

    ``reads`` is how many bytes a second it takes, 0 for all that comes.
    """

    def __init__(
        self, world: "World", agent: "Agent", *, every: float, reads: float = 0, **question: Any
    ) -> None:
        self.agent = agent
        self.every = every
        self.ticks = 0
        self.skipped = 0
        self.connections = 0
        self.latest: dict[str, Any] = {}
        self.done = False
        self._request = {"type": 1, **question, "every": every, "id": ID}
        self._timeout = question.get("timeout", min(2.0, every))
        self._reads = reads
        self._world = world
        self._process = Process(world.clock, agent.host, Hello(version=1))
        self._wire: Wire | None = None
        self._seq = -1
        self._last = 0.0
        self._dial()

    def stop(self) -> None:
        """Want no more of it; ``done`` tells when the agent has said so."""
        assert self._wire is not None
        self._wire.send(json.dumps({"type": 2, "id": ID}).encode())

    def disconnect(self) -> None:
        """Hang up."""
        if self._wire is not None:
            self._wire.close(1000)
            self._wire = None

    def check_overdue(self) -> None:
        """AssertionError where a tick is due and not there."""
        if self._wire is None or self._reads or self.done or not self.agent.running:
            return
        since = max(self._last, self.agent.thawed)
        silent = self._world.clock.now - since
        assert silent <= self.every + self._timeout + GRACE, f"no tick for {silent:.3f} s"

    def opened(self, wire: Wire, _: Hello) -> None:
        """See DialHandler."""
        self._wire = wire
        self.connections += 1
        self._seq = -1
        self._last = self._world.clock.now
        if self._reads:
            wire.peer.rate = self._reads  # type: ignore[attr-defined]
        wire.send(json.dumps(self._request).encode())

    def refused(self, _: str) -> None:
        """See DialHandler."""
        self._process.call_at(self._process.time() + 0.2, self._dial)

    def ended(self, reason: str) -> None:
        """See DialHandler."""
        self._world.note(f"listener of {self.agent.name}", "is cut off: %s", reason)
        self._wire = None
        self._process.call_at(self._process.time() + 0.2, self._dial)

    def received(self, text: bytes) -> None:
        """See DialHandler."""
        answer = parse(text)
        assert answer["id"] == ID
        assert not self.done, "nothing comes after the end of a stream"
        if answer.get("done"):
            self.done = True
            return
        self.check_overdue()
        seq = answer["seq"]
        assert seq > self._seq, f"tick {seq} after tick {self._seq}"
        self.skipped += seq - self._seq - 1
        now = self._world.clock.now
        self._seq, self._last = seq, now
        self.ticks += 1
        self.latest = answer
        if not self._reads:  # else it has been under way for who knows how long
            moment = now - self._timeout - GRACE
            if self.agent.thawed > moment:
                moment = min(moment, self.agent.frozen - self._timeout - GRACE)
            asked = Asked(self._request, moment, frozen=False, known=frozenset())
            check_answer(self._world, self.agent, asked, answer)

    def _dial(self) -> None:
        self._world.network.dial(self._process, self.agent.address, self)
