"""Many made-up agents over few connections to a NATS server, as a process of its own.

    python bench/harness/crowd.py nats://127.0.0.1:4222 1000

Each is an agent that nobody asks, as others see it: its words, its answers to calls, its numbers once a
second while there is a lease, at a moment of its own. What they send is encoded by the agent's own
code, and goes over its own connection. They answer no requests, and cost less than agents: one such
process stands for thousands.
"""

import sys

if __name__ == "__main__":
    sys.path[0] += "/../.."

import asyncio
import random
import time
from pathlib import Path

from bench.harness.caller import new_loop
from bench.harness.processes import Child, script
from nodnod_agent.backplane.access import NatsAccess, NatsServer
from nodnod_agent.backplane.nats import NatsBackplane
from nodnod_agent.core.backplane.subjects import ALL, ANSWER, ASK, TELL, Sender, Subjects
from nodnod_agent.core.backplane.teller import AS_BEFORE, SPREAD, WHOLE_EVERY, WORD_EVERY
from nodnod_agent.core.backplane.word import Word, decode_call
from nodnod_agent.core.encoding import encode_node
from nodnod_client.address import Address, parse_address
from nodnod_client.codec import encode
from nodnod_client.messages import FullStats, MemberEntry

CLUSTER = "default"
SAMPLE_EVERY = 1.0

AT_ONCE = 500
"""Made-up agents of one connection."""


class MadeUpAgent:
    """One of them; ``publish`` sends a message."""

    def __init__(self, name: str, bus: NatsBackplane, loop: asyncio.AbstractEventLoop) -> None:
        self.sender = Sender(name, f"{random.getrandbits(64):016x}")
        self._subjects = Subjects(CLUSTER, self.sender)
        now = int(time.time() * 1000)
        self._word = encode(Word(MemberEntry(name, f"{name}:7070", self.sender.instance, now), now))
        self._bus = bus
        self._loop = loop
        self._whole_at = float("-inf")
        self._is_sampling = False
        self.leased_until = 0.0

    def tell(self) -> None:
        """Tell its word, now and every ten seconds; mostly that it has not changed."""
        subjects, word = self._subjects, AS_BEFORE
        if self._loop.time() >= self._whole_at + WHOLE_EVERY:
            self._whole_at, word = self._loop.time(), self._word
        self._bus.publish(subjects.word, word, subjects.to(ANSWER, self.sender))
        self._loop.call_later(WORD_EVERY * random.uniform(0.9, 1.1), self.tell)

    def tell_one(self, sender: Sender) -> None:
        """Tell its word to one that has called."""
        self._bus.publish(self._subjects.to(TELL, sender), self._word)

    def tell_now(self) -> None:
        """Tell its word once more."""
        self._bus.publish(self._subjects.word, self._word)

    def lease(self, until: float, *, is_first: bool) -> None:
        """Publish numbers until then; the first soon."""
        self.leased_until = max(self.leased_until, until)
        if not self._is_sampling:
            self._is_sampling = True
            self._loop.call_later(random.uniform(0.0, SAMPLE_EVERY), self._sample)
            is_first = True
        if is_first:
            self._loop.call_later(random.uniform(0.0, SPREAD), self._publish)

    def _sample(self) -> None:
        self._is_sampling = self._loop.time() < self.leased_until
        if self._is_sampling:
            self._publish()
            self._loop.call_later(SAMPLE_EVERY, self._sample)

    def _publish(self) -> None:
        memory = random.randrange(10**9, 4 * 10**9)
        used = random.uniform(0, 100)
        name = self.sender.name
        stats = FullStats(name, used, 10**12, 10**11, 10.0, 16 * 10**9, memory, 25.0, "")
        self._bus.publish(self._subjects.sample, encode_node(stats, 0))


class Crowd:
    """The made-up agents of one connection; takes what comes in over it."""

    def __init__(
        self, bus: NatsBackplane, names: list[str], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._bus = bus
        self._loop = loop
        self._agents = {(one := MadeUpAgent(name, bus, loop)).sender: one for name in names}
        self._subjects = Subjects(CLUSTER, next(iter(self._agents)))
        bus.subscribe(f"nodnod.{CLUSTER}.{ALL}.>")
        for sender in self._agents:  # what is asked of nobody has to come back
            bus.subscribe(Subjects(CLUSTER, sender).asked)

    def connected(self) -> None:
        """Begin to tell that they are there."""
        for agent in self._agents.values():
            self._loop.call_later(random.uniform(0.0, WORD_EVERY), agent.tell)
            self._loop.call_later(random.uniform(0.0, SPREAD), agent.tell_now)

    def disconnected(self, reason: str) -> None:
        """End: a benchmark's server is never away."""
        sys.exit(reason)

    def received(self, subject: str, data: bytes, _: str) -> None:
        """Take a call, or a request, which is answered with a word."""
        kind, sender, _site = self._subjects.parse(subject)
        if kind == ASK:
            _, _, _, name, instance, *_ = subject.split(".")
            asked = self._agents.get(Sender(name, instance))
            if asked is not None:
                asked.tell_one(sender)
            return
        call = decode_call(data)
        for agent in self._agents.values():
            if call.words:
                self._loop.call_later(random.uniform(0.0, SPREAD), agent.tell_one, sender)
            if call.lease:
                agent.lease(self._loop.time() + call.lease, is_first=call.first)

    def unheard(self, _: str) -> None:
        """Do nothing."""


class CrowdProcess(Child):
    """The process, as its starter sees it."""

    def __init__(self, url: str, count: int, log: Path) -> None:
        super().__init__(script(Path(__file__), url, str(count)), log)


def name_of_made_up(number: int) -> str:
    """The name of one of them, counted from 0."""
    return f"made-up-{number:05}"


async def main(url: str, count: int) -> None:
    """Run so many until this process is ended."""
    loop = asyncio.get_running_loop()
    server = NatsServer(parse_address(url.removeprefix("nats://")), must_be_tls=False)

    async def look_up(address: Address) -> list[Address]:
        return [address]

    names = [*map(name_of_made_up, range(count))]
    for first in range(0, count, AT_ONCE):
        bus = NatsBackplane(NatsAccess((server,)), loop=loop, look_up=look_up, rng=random.Random())
        bus.start(Crowd(bus, names[first : first + AT_ONCE], loop))
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2])))
