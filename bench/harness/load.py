"""The load: connections that ask one question again and again, and what came of it.

Built on the agent's own transport, requests framed beforehand. An answer that is, byte for byte, the
last one that was found good is good: only what differs is parsed.
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
from nodnod_client.errors import WireError

WATCH = 0.1
"""Seconds between two looks at who is not answered any more."""


class Plan(Struct, frozen=True, kw_only=True):
    """What to ask whom, and how hard. ``timeout`` is in seconds without any answer."""

    server: Address
    concurrent: int = 10
    number: int = 100
    nodes: int = 1
    pipeline: int = 1
    type: int = 1
    ids: bool = False
    timeout: float = 10.0


class Outcome(Struct, kw_only=True):
    """What came of a load: counts, seconds, and the latency of every answer in seconds.

    ``failed`` are answers that carry an error; ``invalid`` those with the wrong number of nodes, a
    node with an error, no answer at all, or one that nobody asked for. ``cpu`` is the share of one
    core that the load itself has used: near 1 it is the load that is measured.
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


class Asker(Caller):
    """Keeps ``pipeline`` requests under way until its share is asked and answered, in order."""

    __slots__ = ("answered", "asked", "left", "load")

    def __init__(self, load: "Load", loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop, load.plan.server)
        self.load = load
        self.asked: deque[float] = deque()
        self.left = 0
        self.answered = 0.0
        """When it was answered last, or began."""

    def begin(self, share: int) -> None:
        """Ask the first requests of ``share``."""
        first = min(share, self.load.plan.pipeline)
        self.left = share - first
        self.answered = now = perf_counter()
        for slot in range(first):
            self.note(slot, now)
            self.out.append(self.load.frames[slot])
        self.schedule_flush()

    def note(self, slot: int, now: float) -> None:
        """A request goes out."""
        self.asked.append(now)

    def received(self, text: bytes) -> None:
        """See User."""
        load = self.load
        if not self.asked:
            load.outcome.invalid += 1
            return
        self.answered = now = perf_counter()
        load.latencies.append(now - self.asked.popleft())
        if text != load.known_good:
            load.judge(text)
        if self.left:
            self.left -= 1
            self.asked.append(now)
            self.out.append(load.frames[0])
        elif not self.asked:
            load.finished(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol: what it has not been answered is missing."""
        super().connection_lost(exc)
        self.load.finished(self)


class IdAsker(Asker):
    """The same with an ``id`` in each request, and answers in any order."""

    __slots__ = ("under_way",)

    def __init__(self, load: "Load", loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(load, loop)
        self.under_way: dict[int, float] = {}

    def note(self, slot: int, now: float) -> None:
        """See Asker."""
        self.under_way[slot] = now

    def received(self, text: bytes) -> None:
        """See User."""
        load = self.load
        head, _, tail = text.rpartition(b',"id":')
        slot = int(tail[:-1]) if tail[:-1].isdigit() else -1
        asked = self.under_way.pop(slot, None)
        if asked is None:
            load.outcome.invalid += 1
            return
        self.answered = now = perf_counter()
        load.latencies.append(now - asked)
        if head != load.known_good:
            load.judge(text, head)
        if self.left:
            self.left -= 1
            self.under_way[slot] = now
            self.out.append(load.frames[slot])
        elif not self.under_way:
            load.finished(self)


class Load:
    """One plan, carried out: connect, launch, wait."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.frames = [framed(_question(plan, slot)) for slot in range(plan.pipeline)]
        self.known_good = b""
        self.latencies = array("d")
        self.outcome = Outcome(requests=plan.number, latencies=self.latencies)
        self._askers: list[Asker] = []
        self._busy: set[Asker] = set()
        self._ended = asyncio.Event()
        self._began = self._cpu_began = 0.0

    async def connect(self) -> None:
        """Open all connections. Raises ConnectError."""
        allow_files(self.plan.concurrent)
        kind = IdAsker if self.plan.ids else Asker
        loop = asyncio.get_running_loop()
        self._askers = await connect_all(
            lambda: kind(self, loop), self.plan.server, self.plan.concurrent
        )

    def launch(self) -> None:
        """Begin to ask, on all connections."""
        self._busy.update(self._askers)
        self._began, self._cpu_began = perf_counter(), process_time()
        share, rest = divmod(self.plan.number, self.plan.concurrent)
        for place, asker in enumerate(self._askers):
            asker.begin(share + (place < rest))

    async def wait(self) -> Outcome:
        """Until all is answered or given up; closes the connections."""
        while self._busy:
            try:
                await asyncio.wait_for(self._ended.wait(), WATCH)
            except TimeoutError:
                self._give_up()
        for asker in self._askers:
            asker.abort()
        return self.outcome

    def judge(self, text: bytes, head: bytes = b"") -> None:
        """Look into an answer that is not the one known to be good."""
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

    def finished(self, asker: Asker) -> None:
        """A connection has its share, or is gone."""
        self._busy.discard(asker)
        if not self._busy and not self._ended.is_set():
            outcome = self.outcome
            outcome.duration = perf_counter() - self._began
            outcome.cpu = (process_time() - self._cpu_began) / max(outcome.duration, 1e-9)
            outcome.responses = len(self.latencies)
            self._ended.set()

    def _give_up(self) -> None:
        now = perf_counter()
        for asker in tuple(self._busy):
            if now - asker.answered > self.plan.timeout:
                asker.abort()
                self.finished(asker)


async def measure(plan: Plan) -> Outcome:
    """Carry out a plan. Raises ConnectError."""
    load = Load(plan)
    await load.connect()
    load.launch()
    return await load.wait()


def _question(plan: Plan, slot: int) -> bytes:
    if plan.ids:
        return b'{"type":%d,"statType":0,"id":%d}' % (plan.type, slot)
    return b'{"type":%d,"statType":0}' % plan.type
