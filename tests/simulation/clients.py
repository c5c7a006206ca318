"""Clients that ask all the time, and know what a right answer is."""

import json
import random
from collections import deque
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from nodnod_agent.core.interfaces import Hello, Wire
from simulation.answers import check_answer, parse
from simulation.hosts import Process
from simulation.network import LOOPBACK

if TYPE_CHECKING:
    from simulation.agents import Agent
    from simulation.legacy import LegacyAgent
    from simulation.world import World

DEFAULT_TIMEOUT = 2.0
GRACE = 0.1
"""Seconds after its deadline by which an answer must be there."""

MOST_IN_FLIGHT = 40
"""Below what an agent takes at a time, so that a deadline begins when the request is sent."""


class Asked(Struct, eq=False):
    """One request: what was asked, when, and whether the agent stood still then.

    ``known`` are the nodes whose names the agent was known to know by then; ``stopped`` says that
    the agent is about to be stopped instead of answering; ``after`` is the request without an id that must be answered before this one.
    """

    request: dict[str, Any]
    moment: float
    frozen: bool
    known: frozenset[str]
    stopped: bool = False
    after: "Asked | None" = None
    turn: float = 0.0
    answered: float = 0.0

    @property
    def timeout(self) -> float:
        """Seconds in which an answer is due."""
        return float(self.request.get("timeout", DEFAULT_TIMEOUT))


class Client:
    """One connection to one agent; reconnects when it ends. Every answer is checked."""

    def __init__(self, world: "World", agent: "Agent | LegacyAgent", *, seed: int = 0) -> None:
        self.agent = agent
        self.asked = 0
        self.answered = 0
        self.latest: dict[str, Any] = {}
        """The newest answer."""
        self.connections = 0
        self.by_id: dict[int | str, Asked] = {}
        self.in_order: deque[Asked] = deque()
        self._world = world
        self._rng = random.Random(f"{world.seed} {agent.name} {len(world.clients)} {seed}")
        self._process = Process(world.clock, agent.host, Hello(version=1))
        self._wire: Wire | None = None
        self._last_id = 0
        self._known: frozenset[str] = frozenset()
        self._dial()

    @property
    def in_flight(self) -> int:
        """Requests that are not answered yet."""
        return len(self.by_id) + len(self.in_order)

    def ask(self, **request: Any) -> bool:
        """Ask, if connected; a request without ``id`` is answered in its order."""
        if self._wire is None:
            return False
        asked = Asked(request, self._world.clock.now, self.agent.process.frozen, self._known)
        if "id" in request:
            assert request["id"] not in self.by_id
            self.by_id[request["id"]] = asked
        else:
            if self.in_order:
                asked.after = self.in_order[-1]
            self.in_order.append(asked)
        self.asked += 1
        self._wire.send(json.dumps(request).encode())
        return True

    def chatter(self, every: float) -> None:
        """Keep asking all sorts of questions, on average every so many seconds."""
        wait = self._rng.expovariate(1 / every)
        self._process.call_at(self._process.time() + wait, self.chatter, every)
        self.check_overdue()
        if self.in_flight < MOST_IN_FLIGHT:
            for _ in range(self._rng.choice((1, 1, 1, 4))):
                self.ask(**self._question())

    def check_overdue(self) -> None:
        """AssertionError where an answer is due and not there."""
        if self.agent.version < 2 or self.agent.process.frozen or not self.agent.process.alive:
            return
        for asked in (*self.by_id.values(), *list(self.in_order)[:1]):
            due = self._due(asked)
            assert self._world.clock.now <= due, f"{self.agent.name} never answered {asked}"

    def disconnect(self) -> None:
        """Hang up; what is unanswered stays so."""
        if self._wire is not None:
            self._wire.close(1000)
            self._gone()

    # What the connection reports.

    def opened(self, wire: Wire, _: Hello) -> None:
        """See DialHandler."""
        self._wire = wire
        self.connections += 1

    def refused(self, _: str) -> None:
        """See DialHandler."""
        self._process.call_at(self._process.time() + 0.2, self._dial)

    def ended(self, reason: str) -> None:
        """See DialHandler."""
        self._world.note(f"client of {self.agent.name}", "is cut off: %s", reason)
        self._gone()
        self._process.call_at(self._process.time() + 0.2, self._dial)

    def received(self, text: bytes) -> None:
        """See DialHandler."""
        answer = parse(text)
        if "id" in answer:
            asked = self.by_id.pop(answer["id"], None)
            assert asked is not None, f"nobody asked for this: {text[:200]!r}"
        else:
            assert self.in_order, f"nobody asked for this: {text[:200]!r}"
            asked = self.in_order.popleft()
        self.answered += 1
        self.latest = answer
        asked.answered = self._world.clock.now
        try:
            check_answer(self._world, self.agent, asked, answer)
            if asked.request == {"type": 1}:
                self._known |= answer["nodes"].keys()
            if self.agent.version >= 2:
                late = self._world.clock.now - self._due(asked)
                assert late <= 0, f"{late:.3f} s too late"
        except AssertionError as error:
            error.add_note(f"asked of {self.agent.name}: {asked}\nanswer: {text[:2000]!r}")
            raise

    # How it works.

    def _dial(self) -> None:
        self._world.network.dial(self._process, self.agent.address, self)

    def _gone(self) -> None:
        self._wire = None
        self._known = frozenset()
        self.by_id.clear()
        self.in_order.clear()

    def _due(self, asked: Asked) -> float:
        thawed = self.agent.thawed
        due = asked.moment + asked.timeout
        if asked.frozen:  # it was read only then
            due += max(0.0, thawed - asked.moment)
        elif thawed > asked.moment:
            due = max(due, thawed)
        due += GRACE
        if asked.after is not None:
            asked.turn, asked.after = asked.after.answered, None  # and no chain of them is kept
        return max(due, asked.turn) + 4 * LOOPBACK

    def _question(self) -> dict[str, Any]:
        rng = self._rng
        if self.agent.version < 2:
            return {"type": rng.choice((0, 1, 1)), "statType": 0}
        question: dict[str, Any] = {"type": rng.choice((0, 1, 1, 1))}
        if rng.random() < 0.5:
            self._last_id += 1
            question["id"] = rng.choice((self._last_id, f"q{self._last_id}"))
        if rng.random() < 0.3:
            question["statType"] = rng.randrange(4)
        if rng.random() < 0.4:
            question["timeout"] = rng.choice((0.1, 0.5, 1.0, 4.0))
        if rng.random() < 0.3:
            names = [agent.name for agent in self._world.agents]
            question["nodes"] = rng.choice(
                (
                    rng.sample(names, 2),
                    [rng.choice(names), "nobody"],
                    ["agent-1*"],
                    [self.agent.name],
                )
            )
        if rng.random() < 0.03:
            question["type"] = 99
        return question
