"""Pull mode against push mode: latency, freshness, CPU, bytes on the wire, and a peer that hangs.

    python bench/push.py [--nodes 5] [--rounds 5] [--number 4000] [--seconds 30]

Starts and stops two clusters, one in each mode, sampling at 1 s; what can be is measured on both
at once, the rest in turn. Bytes are counted by a proxy on the one link that each of two more
clusters of two has from the agent asked to the other: TCP payload, both directions, and, on
Linux, the same with the IP and TCP headers of every segment, as the kernel counts them.
"""

import sys

sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench.harness.agents import Agent, Agents, cluster, whole
from bench.harness.caller import Caller, connect_all, new_loop
from bench.harness.load import Plan, measure
from bench.harness.options import flag, positive, seconds
from bench.harness.proxy import Passed, Proxy
from bench.harness.report import milliseconds, percentile, table
from bench.harness.threaded import Threaded
from bench.harness.usage import Meter
from nodnod_client.address import Address
from nodnod_client.codec import decode_answer
from nodnod_client.messages import NodeStats

MODES = ("pull", "push")
LATENCY = ("mode", "node-only p50 ms", "cluster p50 ms", "ratio", "cluster p99 ms")
COST = ("", "pull", "push")
LOOK_EVERY = 0.02
"""Seconds between two looks at the numbers of every node."""

VIEW = b'{"type":1,"every":1,"id":"v"}'
SETTLE = 3.0
"""Seconds in which links, streams and views of a new cluster settle."""


Numbers = tuple[float, int, int]


class Ear(Caller):
    """Takes answers, one at a time where it is asked for one."""

    __slots__ = ("answer",)

    def __init__(self, loop: asyncio.AbstractEventLoop, server: Address) -> None:
        super().__init__(loop, server)
        self.answer: asyncio.Future[bytes] | None = None

    def received(self, text: bytes) -> None:
        """See User."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(text)

    async def ask(self, request: bytes) -> dict[str, NodeStats]:
        """The nodes of one answer."""
        self.answer = self.loop.create_future()
        self.send(request)
        return decode_answer(await self.answer).nodes


class Latency(NamedTuple):
    """Milliseconds of one round."""

    alone: float
    together: float
    worst: float


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "nodes", positive, 5, "agents in each of the two clusters")
    flag(parser, "rounds", positive, 5, "times that each latency is measured")
    flag(parser, "number", positive, 4000, "requests in a round, one at a time")
    flag(parser, "seconds", seconds, 30.0, "how long CPU and bytes are counted")
    options = parser.parse_args()
    span = options.seconds
    with ExitStack() as stack:
        clusters = [stack.enter_context(cluster(options.nodes, {"mode": mode})) for mode in MODES]
        time.sleep(SETTLE)
        rounds = [
            [latency(agents[0], options) for agents in clusters] for _ in range(options.rounds)
        ]
        idle = cpu(clusters, span)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            viewed = runner.run(with_viewers([agents[0] for agents in clusters], clusters, span))
            ages = [runner.run(age(agents, span)) for agents in clusters]
            hung = [runner.run(hang(agents)) for agents in clusters]
    with ExitStack() as stack:
        links = [stack.enter_context(link(mode)) for mode in MODES]
        time.sleep(SETTLE)
        quiet = wire([one for _, one in links], span)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            asked = runner.run(wire_viewed(links, span))
    print(f"Latency, one connection, {options.nodes} nodes, medians of {options.rounds} rounds:")
    for line in table(LATENCY, map(latency_row, MODES, zip(*rounds, strict=True))):
        print(line)
    print(f"\nCost and freshness at 1 s, over {span:g} s:")
    rows = [
        ["CPU of each agent, nobody asks, %", *(f"{each:.2f}" for _, each in idle)],
        ["CPU of the agent asked, one viewer, %", *(f"{asked:.2f}" for asked, _ in viewed)],
        ["CPU of each other agent, one viewer, %", *(f"{each:.2f}" for _, each in viewed)],
        ["numbers reach the viewer late by p50 ms", *(f"{p50:.0f}" for p50, _ in ages)],
        ["numbers reach the viewer late by max ms", *(f"{most:.0f}" for _, most in ages)],
        ["a peer hangs: answer after ms", *(f"{took:.1f}" for took, _ in hung)],
        ["bytes/s on a link, nobody asks: payload", *(f"{p.payload / span:.0f}" for p in quiet)],
        ["  with IP and TCP headers", *(f"{p.on_wire / span:.0f}" for p in quiet)],
        ["bytes/s on a link, one viewer: payload", *(f"{p.payload / span:.0f}" for p in asked)],
        ["  with IP and TCP headers", *(f"{p.on_wire / span:.0f}" for p in asked)],
    ]
    for line in table(COST, rows):
        print(line)
    for mode, (_, error) in zip(MODES, hung, strict=True):
        print(f"What {mode} says of a peer that hangs: {error}")
    return 0


def latency(agent: Agent, options: argparse.Namespace) -> Latency:
    """One round: the node alone, then the cluster."""
    outcomes = []
    for type_, nodes in ((0, 1), (1, options.nodes)):
        plan = Plan(
            server=agent.endpoint, concurrent=1, number=options.number, nodes=nodes, type=type_
        )
        with asyncio.Runner(loop_factory=new_loop) as runner:
            outcome = runner.run(measure(plan))
        if not outcome.good:
            raise SystemExit(f"{agent.endpoint}: an answer was missing, failed or invalid")
        outcomes.append(milliseconds(outcome, 50, 99))
    (alone, _), (together, worst) = outcomes
    return Latency(alone, together, worst)


def latency_row(mode: str, rounds: tuple[Latency, ...]) -> list[str]:
    """One line: medians over the rounds, and the median of the rounds' ratios."""
    alone, together, worst = (median(column) for column in zip(*rounds, strict=True))
    ratio = median(one.together / one.alone for one in rounds)
    return [mode, f"{alone:.3f}", f"{together:.3f}", f"{ratio:.2f}", f"{worst:.3f}"]


class Usage:
    """The CPU of a cluster from one look to the next."""

    def __init__(self, agents: list[Agent]) -> None:
        self._meters = [Meter(agent.pid) for agent in agents]

    def percent(self, span: float) -> tuple[float, float]:
        """Of the first agent, and of each other one in the mean."""
        first, *others = (100 * meter.seconds() / span for meter in self._meters)
        return first, mean(others or [first])


def cpu(clusters: list[list[Agent]], span: float) -> list[tuple[float, float]]:
    """What the clusters use while nobody asks."""
    usage = [Usage(agents) for agents in clusters]
    time.sleep(span)
    return [one.percent(span) for one in usage]


async def with_viewers(
    asked: list[Agent], clusters: list[list[Agent]], span: float
) -> list[tuple[float, float]]:
    """What they use while one client of each streams the whole cluster."""
    ears = [await _ear(agent.endpoint) for agent in asked]
    for ear in ears:
        ear.send(VIEW)
    await asyncio.sleep(SETTLE)
    usage = [Usage(agents) for agents in clusters]
    await asyncio.sleep(span)
    for ear in ears:
        ear.abort()
    return [one.percent(span) for one in usage]


async def age(agents: list[Agent], span: float) -> tuple[float, float]:
    """How much later a new sample of a node is told by the first agent than by the node itself.

    Milliseconds: the median and the most, over all nodes but the first. Everybody is looked at
    every 20 ms, which is how exact it is.
    """
    viewer = await _ear(agents[0].endpoint)
    ears = [await _ear(agent.endpoint) for agent in agents[1:]]
    known: dict[tuple[str, Numbers], float] = {}
    told: dict[tuple[str, Numbers], float] = {}
    end = time.perf_counter() + span
    while (now := time.perf_counter()) < end:
        answers = await asyncio.gather(
            viewer.ask(b'{"type":1}'), *(ear.ask(b'{"type":0}') for ear in ears)
        )
        for place, answer in enumerate(answers):
            for name, node in answer.items():
                (known if place else told).setdefault((name, _numbers(node)), now)
        await asyncio.sleep(LOOK_EVERY)
    for ear in (viewer, *ears):
        ear.abort()
    # What was there at the first look may be of any age.
    begin = min(known.values())
    lags = sorted(
        1000 * max(0.0, told[sample] - when)
        for sample, when in known.items()
        if sample in told and when > begin
    )
    return percentile(lags, 50), lags[-1]


async def hang(agents: list[Agent]) -> tuple[float, str]:
    """How long an answer takes while a peer is stopped, in milliseconds; and what is said of it."""
    viewer = await _ear(agents[0].endpoint)
    os.kill(agents[-1].pid, signal.SIGSTOP)
    try:
        took = []
        end = time.perf_counter() + 4.0  # after 5 s the link is given up
        while time.perf_counter() < end:
            asked = time.perf_counter()
            nodes = await viewer.ask(b'{"type":1}')
            took.append(1000 * (time.perf_counter() - asked))
            await asyncio.sleep(LOOK_EVERY)
    finally:
        os.kill(agents[-1].pid, signal.SIGCONT)
    viewer.abort()
    return median(took), "; ".join(node.error for node in nodes.values() if node.error)


@contextmanager
def link(mode: str) -> Iterator[tuple[Agent, Proxy]]:
    """An agent in this mode that reaches one peer through a proxy."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="nodnod-bench-")))
        agents = stack.enter_context(Agents(folder))
        far = agents.start("far", settings={"mode": mode})
        line = stack.enter_context(Threaded(Proxy(far.address)))
        near = agents.start("near", nodes=[line.address], settings={"mode": mode})
        asyncio.run(whole(near, "far", "near"))
        yield near, line.server


def wire(relays: list[Proxy], span: float) -> list[Passed]:
    """What passes while nobody asks."""
    before = [one.passed() for one in relays]
    time.sleep(span)
    return [one.passed().since(then) for one, then in zip(relays, before, strict=True)]


async def wire_viewed(links: list[tuple[Agent, Proxy]], span: float) -> list[Passed]:
    """What passes while one client streams the whole cluster."""
    ears = [await _ear(agent.endpoint) for agent, _ in links]
    for ear in ears:
        ear.send(VIEW)
    await asyncio.sleep(1.0)
    passed = await asyncio.to_thread(wire, [one for _, one in links], span)
    for ear in ears:
        ear.abort()
    return passed


async def _ear(server: Address) -> Ear:
    loop = asyncio.get_running_loop()
    (ear,) = await connect_all(lambda: Ear(loop, server), server, 1)
    return ear


def _numbers(node: NodeStats) -> Numbers:
    return node.cpu_used, node.memory_used, node.disk_used


if __name__ == "__main__":
    sys.exit(main())
