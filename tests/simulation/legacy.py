"""A version-1 agent: a double of what the original does, seen from outside.

It offers and selects no subprotocol and sends nothing of itself in the upgrade; ignores unknown
fields and never echoes an ``id``; answers one request at a time per connection, in order; does not
answer an unknown ``type``; closes the connection on text that is not JSON.
"""

import json
from collections import deque
from collections.abc import Callable
from typing import Any

from nodnod_agent.core.interfaces import Hello, Wire
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.address import Address
from simulation.agents import SimulatedAgent, sample
from simulation.clock import Timer
from simulation.hosts import Accepted, Process
from simulation.wires import End

REQUEST = b'{"type":0,"statType":0}'
SERVICE = 0.0003
"""Seconds that it takes to read its own numbers, which it does for every request."""

PATIENCE = 2.0
REDIAL = 1.0

Node = dict[str, Any]


def node_object(name: str, sample: Sample, error: str = "") -> Node:
    """A node object as version 1 writes it."""
    return {
        "name": name,
        "cpuUsed": sample.cpu_used,
        "diskTotal": sample.disk_total,
        "diskUsed": sample.disk_used,
        "diskUsedPercent": 100 * sample.disk_used / (sample.disk_total or 1),
        "memoryTotal": sample.memory_total,
        "memoryUsed": sample.memory_used,
        "memoryUsedPercent": 100 * sample.memory_used / (sample.memory_total or 1),
        "error": error,
    }


class LegacyAgent(SimulatedAgent):
    """One agent of version 1."""

    version = 1
    peers: "list[_Peer]"

    def start(self) -> None:
        """Begin a new life."""
        self.lives += 1
        self.process = Process(self._world.clock, self.host, Hello(version=1))
        self.process.accept = lambda end, _: _Served(self, end).accepted
        self.host.listen(self.process)
        others = (node for node in self.nodes if node != self.address)
        self.peers = [_Peer(self, address) for address in others]
        self._world.note(self.name, "starts, version 1, life %d", self.lives)

    def stop(self) -> None:
        """SIGTERM: it ends without an announcement."""
        self.crash()

    def own_node(self) -> Node:
        """Its numbers now."""
        return node_object(self.name, sample(self.number, self.lives, self._world.clock.now))

    def later(self, seconds: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Plan a call in this life."""
        return self.process.call_at(self.process.time() + seconds, callback, *args)

    def dial(self, peer: "_Peer") -> None:
        """Connect to a peer."""
        if self.process.alive:
            self._world.network.dial(self.process, peer.address, peer)


class _Served:
    """One accepted connection: one request at a time, in order."""

    def __init__(self, agent: LegacyAgent, end: End) -> None:
        self._agent = agent
        self._end = end
        self._requests: deque[bytes] = deque()
        self._busy = False
        self.accepted = Accepted(self._received, self._ended)

    def _received(self, text: bytes) -> None:
        self._requests.append(text)
        if not self._busy:
            self._next()

    def _ended(self, _: str) -> None:
        self._requests.clear()

    def _next(self) -> None:
        self._busy = False
        while self._requests and not self._busy:
            try:
                request = json.loads(self._requests.popleft())
            except ValueError:
                self._end.abort()
                return
            kind = request.get("type", 0)
            if kind in (0, 1):
                self._busy = True
                self._agent.later(SERVICE, self._answer if kind == 0 else self._gather)

    def _answer(self, others: dict[str, Node] | None = None) -> None:
        own = self._agent.own_node()
        answer = {"host": own["name"], "nodes": {own["name"]: own, **(others or {})}, "error": ""}
        self._end.send(json.dumps(answer).encode())
        self._next()

    def _gather(self) -> None:
        _Gathering(self._agent, self._answer)


class _Gathering:
    """One request to all peers."""

    def __init__(self, agent: LegacyAgent, answer: Callable[[dict[str, Node]], None]) -> None:
        self._answer: Callable[[dict[str, Node]], None] | None = answer
        self._nodes: dict[str, Node] = {}
        self._waiting = {peer for peer in agent.peers if peer.wire is not None}
        for peer in agent.peers:
            self._nodes[peer.listed] = peer.failure("not connected")
        for peer in agent.peers:
            if peer in self._waiting:
                self._nodes[peer.listed] = peer.failure("no answer")
                peer.ask(self)
        agent.later(PATIENCE, self._finish)
        if not self._waiting:
            self._finish()

    def answered(self, peer: "_Peer", listed: str, node: Node) -> None:
        """Take a peer's answer."""
        if self._answer is not None:
            del self._nodes[listed]
            self._nodes[peer.listed] = node
            self._waiting.discard(peer)
            if not self._waiting:
                self._finish()

    def _finish(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer(self._nodes)


class _Peer:
    """One connection that a version-1 agent keeps to another; answers are matched by order."""

    def __init__(self, agent: LegacyAgent, address: Address) -> None:
        self.address = address
        self.name = ""
        self.wire: Wire | None = None
        self._agent = agent
        self._in_flight: deque[tuple[_Gathering, str]] = deque()
        agent.dial(self)

    @property
    def listed(self) -> str:
        """Its name, or its address while that is unknown."""
        return self.name or str(self.address)

    def failure(self, error: str) -> Node:
        """Its node object when it does not answer."""
        return node_object(self.listed, Sample(time=0.0), error)

    def ask(self, gathering: _Gathering) -> None:
        """Ask it for its own node."""
        assert self.wire is not None
        self._in_flight.append((gathering, self.listed))
        self.wire.send(REQUEST)

    def opened(self, wire: Wire, hello: Hello) -> None:
        assert hello == Hello(version=1), "a version-1 agent understands no more"
        self.wire = wire

    def refused(self, reason: str) -> None:
        self._agent.later(REDIAL, self._agent.dial, self)

    def received(self, text: bytes) -> None:
        answer = json.loads(text)
        assert list(answer) == ["host", "nodes", "error"], "a version-1 agent knows no more"
        gathering, listed = self._in_flight.popleft()
        ((name, node),) = answer["nodes"].items()
        self.name = name
        gathering.answered(self, listed, node)

    def ended(self, reason: str) -> None:
        self.wire = None
        self._in_flight.clear()
        self._agent.later(REDIAL, self._agent.dial, self)
