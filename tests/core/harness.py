"""One real Node among fake peers and clients, for tests that say every message themselves."""

import json
import random
from typing import Any

from msgspec.structs import replace

from bench.harness.invariants.form import parse
from nodnod_agent.core.interfaces import DialHandler, Hello
from nodnod_agent.core.node import Node
from nodnod_agent.core.stats.keeper import KEEP
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.address import Address, parse_address
from simulation.clock import FakeClock
from simulation.legacy import node_object

STAT = 0
WALL = 1_700_000_000.0


class FakeWire:
    """The core's Wire, which notes what is sent. It hears something all the time, until silenced."""

    pinged = True

    def __init__(self, clock: FakeClock) -> None:
        self.sent: list[bytes] = []
        self.sent_now: list[bytes] = []
        """Those of them that did not wait for others."""
        self.pings: list[float] = []
        self.closed: tuple[int, str] | None = None
        self.aborted = False
        self.rtt: float | None = None
        self.unsent = 0
        self._clock = clock
        self._silent_since: float | None = None

    @property
    def open(self) -> bool:
        return self.closed is None and not self.aborted

    @property
    def heard(self) -> float:
        return self._clock.now if self._silent_since is None else self._silent_since

    @heard.setter
    def heard(self, moment: float) -> None:
        self._silent_since = moment

    def silence(self) -> None:
        """Hear nothing from now on."""
        self.heard = self._clock.now

    def send(self, text: bytes) -> None:
        if self.open:
            self.sent.append(text)

    def send_now(self, text: bytes) -> None:
        self.send(text)
        self.sent_now.append(text)

    def ping(self) -> None:
        self.pings.append(self._clock.now)

    def close(self, code: int, reason: str = "") -> None:
        self.closed = (code, reason)

    def abort(self) -> None:
        self.aborted = True


class Attempt:
    """One attempt to dial, for the test to decide."""

    def __init__(self, clock: FakeClock, address: Address, handler: DialHandler) -> None:
        self.address = address
        self.handler = handler
        self.at = clock.now
        self.cancelled = False
        self._clock = clock

    def cancel(self) -> None:
        self.cancelled = True

    def accept(self, hello: Hello) -> FakeWire:
        wire = FakeWire(self._clock)
        self.handler.opened(wire, hello)
        return wire

    def refuse(self, reason: str = "connection refused") -> None:
        self.handler.refused(reason)


class FakeDial:
    """The core's Dial, which keeps the attempts."""

    def __init__(self, clock: FakeClock) -> None:
        self.attempts: list[Attempt] = []
        self._clock = clock

    def __call__(self, address: Address, handler: DialHandler) -> Attempt:
        attempt = Attempt(self._clock, address, handler)
        self.attempts.append(attempt)
        return attempt

    def to(self, address: Address) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.address == address]


class FakePeer:
    """A node that was dialed, and says what the test makes it say."""

    def __init__(self, name: str, attempt: Attempt, hello: Hello) -> None:
        self.name = name
        self.address = attempt.address
        self.hello = hello
        self.wire = attempt.accept(hello)
        self.say = attempt.handler.received
        self._handler = attempt.handler

    @property
    def queries(self) -> list[dict[str, Any]]:
        """The questions that it was asked, without what agents tell each other besides."""
        requests = [json.loads(text) for text in self.wire.sent]
        questions = [request for request in requests if request.get("type", STAT) == STAT]
        return [one for one in questions if one.get("id") != KEEP and "kept" not in one]

    @property
    def kept_queries(self) -> list[dict[str, Any]]:
        """The questions for what it keeps of other nodes."""
        return [request for request in map(json.loads, self.wire.sent) if "kept" in request]

    @property
    def keeping(self) -> list[dict[str, Any]]:
        """The questions of an agent that keeps its past."""
        return [request for request in map(json.loads, self.wire.sent) if request["id"] == KEEP]

    def node(self, **fields: Any) -> dict[str, Any]:
        """Its node object, all seven stats, with ``fields`` instead."""
        sample = Sample(time=WALL, cpu_used=7.0, disk_total=100, disk_used=10, memory_total=50)
        return node_object(self.name, sample) | fields

    def answer(self, query: dict[str, Any] | None = None, **fields: Any) -> None:
        """Answer a query (the last one) with its node object, as ``fields`` change it."""
        self.answer_nodes({self.name: self.node(**fields)}, query)

    def answer_nodes(
        self, nodes: object, query: dict[str, Any] | None = None, **fields: object
    ) -> None:
        """Answer a query (the last one) with these nodes."""
        answer = {"host": self.name, "nodes": nodes, "error": "", **fields}
        if self.hello.version >= 2:
            query = query or self.queries[-1]
            answer["id"] = query["id"]
        self.say(json.dumps(answer).encode())

    def hang_up(self, reason: str = "connection closed") -> None:
        """End the connection."""
        self._handler.ended(reason)


class FakeClient:
    """A client, or a peer that has dialed us."""

    def __init__(self, harness: "CoreHarness", hello: Hello) -> None:
        self.wire = FakeWire(harness.clock)
        self.session = harness.node.accepted(self.wire, hello)
        self.say = self.session.received

    def ask(self, **request: Any) -> None:
        """Send a request."""
        self.say(json.dumps(request).encode())

    @property
    def answers(self) -> list[dict[str, Any]]:
        """All that it was sent."""
        return [parse(text) for text in self.wire.sent]

    @property
    def answer(self) -> dict[str, Any]:
        """The one answer that it was sent."""
        (answer,) = self.answers
        return answer

    @property
    def nodes(self) -> dict[str, Any]:
        """The nodes of the last answer."""
        nodes = self.answers[-1]["nodes"]
        assert isinstance(nodes, dict)
        return nodes

    @property
    def errors(self) -> dict[str, str]:
        """The errors of the nodes of the last answer."""
        return {name: node["error"] for name, node in self.nodes.items()}


class SampledNode(Node):
    """A node that keeps its newest sample, to be taken again each second."""

    newest = Sample(time=WALL, cpu_used=5.0, disk_total=10, memory_total=20)

    def sampled(self, sample: Sample) -> None:
        self.newest = sample
        super().sampled(sample)


class CoreHarness:
    """The agent ``own``, listening at 10.0.0.1:7070, on a clock that the test moves.

    It is sampled once a second, and nothing changes, until ``sampling`` is set to false.
    """

    def __init__(
        self, name: str = "own", *, seed: int = 0, clock: FakeClock | None = None, **options: Any
    ) -> None:
        self.clock = clock or FakeClock()
        self.dial = FakeDial(self.clock)
        self.sampling = True
        self.wall_skew = 0.0
        """Seconds by which the wall clock is wrong."""
        self.node = SampledNode(
            name=name,
            address="10.0.0.1:7070",
            instance="own instance",
            clock=self.clock,
            wall=lambda: WALL + self.clock.now + self.wall_skew,
            rng=random.Random(seed),
            dial=self.dial,
            **options,
        )
        self._sample()
        self.node.start()
        self._hosts = 1

    def _sample(self) -> None:
        if self.sampling:
            self.node.sampled(replace(self.node.newest, time=WALL + self.clock.now))
        self.clock.call_at(self.clock.now + 1.0, self._sample)

    def configure(self, address: str = "") -> Address:
        """Add a node to the configuration; it is being dialed then."""
        self._hosts += 1
        parsed = parse_address(address or f"10.0.0.{self._hosts}")
        self.node.configured.add(parsed)
        self.clock.turn()
        return parsed

    def attempt(self, address: Address) -> Attempt:
        """The newest attempt to dial an address; waits until there is one."""
        self.clock.wait_for(lambda: bool(self.dial.to(address)), 20)
        return self.dial.to(address)[-1]

    def await_dial(self, address: Address) -> float:
        """Wait until an address is dialed again; the seconds it took."""
        before = len(self.dial.to(address))
        return self.clock.wait_for(lambda: len(self.dial.to(address)) > before, 20)

    def peer(
        self, name: str, *, version: int = 2, instance: str = "", address: str = ""
    ) -> FakePeer:
        """Configure a node, and have it answer the dial."""
        attempt = self.attempt(self.configure(address))
        return self.welcome(name, attempt, version=version, instance=instance)

    def welcome(
        self, name: str, attempt: Attempt | Address, *, version: int = 2, instance: str = ""
    ) -> FakePeer:
        """Have a node answer an attempt; one of version 1 tells its name with its first answer."""
        if isinstance(attempt, Address):
            attempt = self.attempt(attempt)
        if version >= 2:
            return FakePeer(name, attempt, Hello(2, name, instance or f"instance of {name}"))
        peer = FakePeer(name, attempt, Hello(version=1))
        peer.answer()
        return peer

    def client(self, hello: Hello = Hello(version=1)) -> FakeClient:  # noqa: B008  # immutable
        """Connect a client."""
        return FakeClient(self, hello)

    def ask_all(self, **request: Any) -> FakeClient:
        """Connect a client, and have it ask for the whole cluster."""
        client = self.client()
        client.ask(type=1, **request)
        self.clock.turn()
        return client
