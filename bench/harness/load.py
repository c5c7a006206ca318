"""The load: connections that send one request again and again, and the outcome.

It runs on the agent's own transport, with requests framed beforehand. An answer that equals the last
good one byte for byte is good; only one that differs is parsed.
"""

import asyncio
from array import array
from collections import deque
from collections.abc import Sequence
from time import perf_counter, process_time

from msgspec import Struct

from bench.harness.caller import Caller, allow_files, connect_all, framed
from nodnod_client.address import Address
from nodnod_client.codec import decode_answer
from nodnod_client.errors import ConnectError, WireError

WATCH = 0.1
"""Seconds between two checks for connections without answers."""


class Plan(Struct, frozen=True, kw_only=True):
    """What to send to which server, and how much. ``timeout``: seconds without any answer."""

    server: Address
    concurrent: int = 10
    number: int = 100
    nodes: int = 1
    pipeline: int = 1
    type: int = 1
    ids: bool = False
    timeout: float = 10.0


class Outcome(Struct, kw_only=True):
    """The outcome of a load: counts, seconds, and the latency of every answer in seconds.

    ``failed`` are answers that carry an error; ``invalid`` those with the wrong number of nodes, a
    node with an error, texts that are no answer, and answers without a request. ``cpu`` is the share of
    one core that the load itself used: near 1, the load is measured, not the agent.
    """

    requests: int
    responses: int = 0
    failed: int = 0
    invalid: int = 0
    duration: float = 0.0
    cpu: float = 0.0
    latencies: Sequence[float] = ()

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


class Sender(Caller):
    """Keeps ``pipeline`` requests in flight until its share is sent and answered, in order."""

    __slots__ = ("answered", "asked", "left", "load")

    def __init__(self, load: "LoadGenerator", loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop, load.plan.server)
        self.load = load
        self.asked: deque[float] = deque()
        self.left = 0
        self.answered = 0.0
        """When the last answer came, or it began."""

    def begin(self, share: int) -> None:
        """Send the first of ``share`` requests."""
        first = min(share, self.load.plan.pipeline)
        self.left = share - first
        self.answered = now = perf_counter()
        for slot in range(first):
            self.note(slot, now)
            self.out.append(self.load.frames[slot])
        self.schedule_flush()

    def note(self, slot: int, now: float) -> None:
        """A request is sent."""
        self.asked.append(now)

    def received(self, text: bytes) -> None:
        """Note an answer."""
        load = self.load
        if not self.asked:
            load.outcome.invalid += 1
            return
        self.answered = now = perf_counter()
        load.latencies.append(now - self.asked.popleft())
        if text != load.known_good:
            load.check(text)
        if self.left:
            self.left -= 1
            self.asked.append(now)
            self.out.append(load.frames[0])
        elif not self.asked:
            load.finished(self)

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

    def note(self, slot: int, now: float) -> None:
        """A request is sent."""
        self.in_flight[slot] = now

    def received(self, text: bytes) -> None:
        """Note an answer."""
        load = self.load
        head, _, tail = text.rpartition(b',"id":')
        slot = int(tail[:-1]) if tail[:-1].isdigit() else -1
        asked = self.in_flight.pop(slot, None)
        if asked is None:
            load.outcome.invalid += 1
            return
        self.answered = now = perf_counter()
        load.latencies.append(now - asked)
        if head != load.known_good:
            load.check(text, head)
        if self.left:
            self.left -= 1
            self.in_flight[slot] = now
            self.out.append(load.frames[slot])
        elif not self.in_flight:
            load.finished(self)


class LoadGenerator:
    """Carries out one plan: connect, launch, wait."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.frames = [framed(_request(plan, slot)) for slot in range(plan.pipeline)]
        self.known_good = b""
        self.latencies = array("d")
        self.outcome = Outcome(requests=plan.number, latencies=self.latencies)
        self._senders: list[Sender] = []
        self._busy: set[Sender] = set()
        self._ended = asyncio.Event()
        self._began = self._cpu_began = 0.0

    async def connect(self) -> None:
        """Open all connections. Raises ConnectError."""
        allow_files(self.plan.concurrent)
        kind = IdSender if self.plan.ids else Sender
        loop = asyncio.get_running_loop()
        self._senders = await connect_all(
            lambda: kind(self, loop), self.plan.server, self.plan.concurrent
        )

    def launch(self) -> None:
        """Begin to send, on all connections."""
        self._busy.update(self._senders)
        self._began, self._cpu_began = perf_counter(), process_time()
        share, rest = divmod(self.plan.number, self.plan.concurrent)
        for place, sender in enumerate(self._senders):
            sender.begin(share + (place < rest))

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


def _request(plan: Plan, slot: int) -> bytes:
    if plan.ids:
        return b'{"type":%d,"statType":0,"id":%d}' % (plan.type, slot)
    return b'{"type":%d,"statType":0}' % plan.type
