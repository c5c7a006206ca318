"""A simulated bus of subjects: one server that all agents connect to, as NATS does it."""

import random
from collections import Counter

from nodnod_agent.core.interfaces import BackplaneCounters, BackplaneHandler
from simulation.hosts import Host, Process
from simulation.network import Network

RECONNECT = 2.0
"""Seconds between attempts to connect to the server."""

UNNOTICED = 240.0
"""Seconds after which the server notices that a client has lost its power: two pings of two minutes."""


class Bus:
    """The server. Messages of one client come in order; none comes twice."""

    def __init__(self, network: Network, host: Host) -> None:
        self.clients: dict[BusClient, None] = {}
        self.messages = 0
        """Deliveries."""
        self.bytes = 0
        self.published: Counter[str] = Counter()
        """Messages by their kind, the third token of the subject."""
        self.sent: Counter[str] = Counter()
        """Their bytes."""
        self.up = True
        self._network = network
        self._host = host
        self._rng = random.Random(f"bus {network.seed}")

    def reaches(self, process: Process) -> bool:
        """Whether a process can talk to the server."""
        return (
            self.up
            and process.alive
            and process.host.reachable
            and not self._network.blocked(process.host, self._host)
        )

    def die(self) -> None:
        """SIGKILL: the connections end."""
        self.up = False
        for client in tuple(self.clients):
            client.lose("connection reset")

    def revive(self) -> None:
        """Start again; the clients try every two seconds."""
        self.up = True

    def carry(self, sender: "BusClient", subject: str, data: bytes, reply: str) -> None:
        """Take a message to all that have subscribed to its subject."""
        kind = subject.split(".")[2]
        self.published[kind] += 1
        self.sent[kind] += len(data)
        now = self._network.clock.now
        found = [one for one in tuple(self.clients) if one.takes(subject) and self._has(one, now)]
        for client in found:
            if not self.reaches(client.process):
                continue
            self.messages += 1
            self.bytes += len(data)
            when = max(self._network.clock.now + self._delay(), client.last)
            client.last = when
            plan = self._network.clock.plan
            plan(
                when,
                client.process,
                True,
                client.deliver,
                (client.connection, subject, data, reply),
            )
        if not found and reply:
            when, connection = self._network.clock.now + self._delay(), sender.connection
            self._network.clock.plan(when, sender.process, True, sender.miss, (connection, reply))

    def _has(self, client: "BusClient", now: float) -> bool:
        """Whether the server takes a client for connected: it does so long after a loss of power."""
        if client.process.alive:
            return True
        if client.gone_at is None:
            client.gone_at = now if client.process.host.reachable else now + UNNOTICED
        if now >= client.gone_at:
            self.clients.pop(client)
            return False
        return True

    def _delay(self) -> float:
        weather = self._network.weather
        delay = 2 * self._rng.uniform(weather.fastest, weather.slowest)
        if self._rng.random() < weather.lost + weather.late:
            delay += weather.lateness
        return delay


class BusClient:
    """One process at the bus: the core's Backplane."""

    handler: BackplaneHandler
    server = "nats://bus:4222"
    max_payload = 1024 * 1024

    def __init__(self, bus: Bus, process: Process) -> None:
        self.counters = BackplaneCounters()
        self.process = process
        self.up = False
        self.connection = 0
        self.gone_at: float | None = None
        """When the server drops it, after its process has died."""
        self.last = 0.0
        """When the newest message on its way arrives."""
        self._bus = bus
        self._subjects: dict[str, None] = {}

    def start(self, handler: BackplaneHandler) -> None:
        self.handler = handler
        self._try()

    def publish(self, subject: str, data: bytes, reply: str = "") -> None:
        if self.up and self._bus.reaches(self.process):
            self.process.sent += 1
            self.process.sent_bytes += len(data)
            self._bus.carry(self, subject, data, reply)

    def subscribe(self, subject: str) -> None:
        self._subjects[subject] = None

    def unsubscribe(self, subject: str) -> None:
        self._subjects.pop(subject, None)

    def takes(self, subject: str) -> bool:
        """Whether a message of this subject comes here."""
        return any(
            subject.startswith(one[:-1]) if one.endswith(">") else subject == one
            for one in self._subjects
        )

    def deliver(self, connection: int, subject: str, data: bytes, reply: str) -> None:
        """Take a message, unless the connection on which it came has ended."""
        if self.up and connection == self.connection:
            self.handler.received(subject, data, reply)

    def miss(self, connection: int, reply: str) -> None:
        """Hear that a message has reached nobody."""
        if self.up and connection == self.connection:
            self.handler.unheard(reply)

    def lose(self, reason: str) -> None:
        """The connection ends."""
        if self.up:
            self.up = False
            self.connection += 1
            self._bus.clients.pop(self, None)
            self.handler.disconnected(reason)
            self._later(RECONNECT)

    def _try(self) -> None:
        if self._bus.reaches(self.process):
            self.up = True
            self._bus.clients[self] = None
            self.process.call_at(self.process.time(), self.handler.connected)
            self._later(1.0)
        else:
            self._later(RECONNECT)

    def _later(self, seconds: float) -> None:
        step = self._watch if self.up else self._try
        self.process.call_at(self.process.time() + seconds, step)

    def _watch(self) -> None:
        if not self.up:
            return
        if self._bus.reaches(self.process):
            self._later(1.0)
        else:
            self.lose("no answer to pings")
