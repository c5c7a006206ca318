"""The load: connections that send one request again and again, and the outcome.

Requests are framed beforehand. An answer that equals the last good one byte for byte is good; only
one that differs is parsed.
"""

import asyncio
from array import array
from collections import deque
from collections.abc import Sequence
from time import perf_counter, process_time

from msgspec import Struct

from bench.harness.caller import allow_files, connect_all, framed
from bench.harness.load_connection import LoadConnection
from nodnod_client.address import Address
from nodnod_client.codec import decode_answer
from nodnod_client.errors import ConnectError, WireError
from nodnod_client.tls import client_context

WATCH = 0.1
"""Seconds between two checks for connections without answers."""


class Plan(Struct, frozen=True, kw_only=True):
    """What to send to which server, and how much.

    Each connection keeps ``pipeline`` requests in flight, or sends one every ``every`` seconds. Each
    request is a write of its own; if ``joined``, those that follow the answers of one read are one.
    ``timeout``: seconds without any answer. ``ca``: the file of the authority, if the server uses TLS.
    """

    server: Address
    concurrent: int = 10
    number: int = 100
    nodes: int = 1
    pipeline: int = 1
    every: float = 0.0
    joined: bool = False
    type: int = 1
    ids: bool = False
    timeout: float = 10.0
    ca: str = ""


class Outcome(Struct, kw_only=True):
    """The outcome of a load: counts, seconds, and the latency of every answer in seconds.

    ``failed`` are answers that carry an error; ``invalid`` those with the wrong number of nodes, a
    node with an error, texts that are no answer, and answers without a request. ``cpu`` is the share of
    one core that the load itself used: near 1, the load is measured, not the agent. ``served`` are
    the answers that each connection got.
    """

    requests: int
    responses: int = 0
    failed: int = 0
    invalid: int = 0
    duration: float = 0.0
    cpu: float = 0.0
    latencies: Sequence[float] = ()
    served: Sequence[int] = ()

    @property
    def missing(self) -> int:
        """Requests without an answer."""
        return self.requests - self.responses

    @property
    def good(self) -> bool:
        """Whether every request got the answer that was expected."""
        return not (self.missing or self.failed or self.invalid)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.responses / self.duration if self.duration else 0.0


class Sender(LoadConnection):
    """Keeps requests in flight while the load has any, and takes the answers in order."""

    __slots__ = ("answered", "asked", "load", "served")

    def __init__(self, load: "LoadGenerator", loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop, load.plan.server, joined=load.plan.joined)
        self.load = load
        self.asked: deque[float] = deque()
        self.served = 0
        self.answered = 0.0
        """When the last answer came, or it began."""

    @property
    def idle(self) -> bool:
        """Whether all its requests are answered."""
        return not self.asked

    def begin(self, in_flight: int) -> None:
        """Send the first requests."""
        self.answered = perf_counter()
        for slot in range(in_flight):
            self.go_on(slot)
        self.flush()

    def go_on(self, slot: int) -> None:
        """Send the next request; if there is none and no answer is due, finish."""
        load = self.load
        if load.left:
            load.left -= 1
            self.note(slot, perf_counter())
            self.send(load.frames[slot])
        elif self.idle:
            load.finished(self)

    def note(self, slot: int, now: float) -> None:
        """A request is sent."""
        self.asked.append(now)

    def received(self, text: bytes) -> None:
        """Take an answer."""
        if not self.asked:
            self.load.outcome.invalid += 1
            return
        self.answered_after(self.asked.popleft())
        if text != self.load.known_good:
            self.load.check(text)
        self.go_on(0)

    def answered_after(self, asked: float) -> None:
        """Note an answer and its latency."""
        self.answered = now = perf_counter()
        self.load.latencies.append(now - asked)
        self.served += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """Count what is not answered as missing."""
        super().connection_lost(exc)
        self.load.finished(self)


class IdSender(Sender):
    """The same with an ``id`` in each request, and answers in any order."""

    __slots__ = ("in_flight",)

    def __init__(self, load: "LoadGenerator", loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(load, loop)
        self.in_flight: dict[int, float] = {}

    @property
    def idle(self) -> bool:
        """Whether all its requests are answered."""
        return not self.in_flight

    def note(self, slot: int, now: float) -> None:
        """A request is sent."""
        self.in_flight[slot] = now

    def received(self, text: bytes) -> None:
        """Take an answer."""
        head, _, tail = text.rpartition(b',"id":')
        slot = int(tail[:-1]) if tail[:-1].isdigit() else -1
        asked = self.in_flight.pop(slot, None)
        if asked is None:
            self.load.outcome.invalid += 1
            return
        self.answered_after(asked)
        if head != self.load.known_good:
            self.load.check(text, head)
        self.go_on(slot)


class PacedSender(Sender):
    """Sends a request every ``every`` seconds, whether or not the one before is answered."""

    __slots__ = ("_loop",)

    def __init__(self, load: "LoadGenerator", loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(load, loop)
        self._loop = loop

    def begin(self, in_flight: int) -> None:
        """Send the first request; the others follow by a timer."""
        self.answered = perf_counter()
        self._tick(self._loop.time())

    def go_on(self, slot: int) -> None:
        """Finish if there is no further request and no answer is due."""
        if not self.load.left:
            super().go_on(slot)

    def _tick(self, due: float) -> None:
        if self.transport.is_closing():
            return
        super().go_on(0)
        self.flush()
        due += self.load.plan.every
        if self.load.left:
            self._loop.call_at(due, self._tick, due)


class LoadGenerator:
    """Carries out one plan: connect, launch, wait.

    All connections take their requests from one budget, so that a server may serve some more than
    others, and no connection stands idle before the end.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.frames = [framed(request_text(plan, slot)) for slot in range(plan.pipeline)]
        self.known_good = b""
        self.left = plan.number
        """Requests that no connection has sent yet."""
        self.latencies = array("d")
        self.outcome = Outcome(requests=plan.number, latencies=self.latencies)
        self._senders: list[Sender] = []
        self._busy: set[Sender] = set()
        self._ended = asyncio.Event()
        self._began = self._cpu_began = 0.0

    async def connect(self) -> None:
        """Open all connections. Raises ConnectError."""
        allow_files(self.plan.concurrent)
        kind = IdSender if self.plan.ids else PacedSender if self.plan.every else Sender
        loop = asyncio.get_running_loop()
        tls = client_context(self.plan.ca) if self.plan.ca else None
        self._senders = await connect_all(
            lambda: kind(self, loop), self.plan.server, self.plan.concurrent, tls
        )

    def launch(self) -> None:
        """Begin to send, on all connections."""
        self._busy.update(self._senders)
        self._began, self._cpu_began = perf_counter(), process_time()
        share = max(self.plan.number // self.plan.concurrent, 1)
        for sender in self._senders:
            sender.begin(min(self.plan.pipeline, share))

    async def wait(self) -> Outcome:
        """Wait until all is answered or given up, and close the connections."""
        while self._busy:
            try:
                await asyncio.wait_for(self._ended.wait(), WATCH)
            except TimeoutError:
                self._give_up()
        for sender in self._senders:
            sender.abort()
        return self.outcome

    def check(self, text: bytes, head: bytes = b"") -> None:
        """Check an answer that differs from the last good one."""
        try:
            answer = decode_answer(text)
        except WireError:
            self.outcome.invalid += 1
            return
        nodes = answer.nodes
        if answer.error:
            self.outcome.failed += 1
        elif len(nodes) != self.plan.nodes or any(node.error for node in nodes.values()):
            self.outcome.invalid += 1
        else:
            self.known_good = head or text

    def finished(self, sender: Sender) -> None:
        """A connection has all its answers, or is gone."""
        self._busy.discard(sender)
        if not self._busy and not self._ended.is_set():
            outcome = self.outcome
            outcome.duration = perf_counter() - self._began
            outcome.cpu = (process_time() - self._cpu_began) / max(outcome.duration, 1e-9)
            outcome.responses = len(self.latencies)
            outcome.served = [one.served for one in self._senders]
            self._ended.set()

    def _give_up(self) -> None:
        now = perf_counter()
        for sender in tuple(self._busy):
            if now - sender.answered > self.plan.timeout:
                sender.abort()
                self.finished(sender)


async def measure(plan: Plan) -> Outcome:
    """Carry out a plan. Raises ConnectError."""
    load = LoadGenerator(plan)
    await load.connect()
    load.launch()
    return await load.wait()


async def measure_good(plan: Plan) -> Outcome:
    """The same. Raises ConnectError also where an answer is missing, failed or invalid."""
    outcome = await measure(plan)
    if not outcome.good:
        raise ConnectError(f"{plan.server}: an answer was missing, failed or invalid")
    return outcome


def request_text(plan: Plan, slot: int = 0) -> bytes:
    """A request, whose ``id``, if it has one, is ``slot``."""
    if plan.ids:
        return b'{"type":%d,"statType":0,"id":%d}' % (plan.type, slot)
    return b'{"type":%d,"statType":0}' % plan.type
