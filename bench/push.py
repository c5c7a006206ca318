"""Pull mode and push mode compared: latency, freshness, CPU, bytes on the wire, a peer that hangs.

    python bench/push.py [--nodes 5] [--rounds 5] [--number 4000] [--seconds 30]

Starts and stops two clusters, one in each mode, sampling at 1 s; what can be is measured on both
at the same time, the rest in turn. Bytes are counted by a proxy on the one link that each of two more
clusters of two has from the agent asked to the other: TCP payload, both directions, and, on
Linux, the same with the IP and TCP headers of every segment, as the kernel counts them.
"""

import sys

if __name__ == "__main__":
    sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import asyncio
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench.harness.agents import Agent, Agents, cluster, whole
from bench.harness.caller import Requester, Result, requesters, run
from bench.harness.load import Plan, measure_good
from bench.harness.options import flag, positive, run_program, seconds
from bench.harness.proxy import Passed, Proxy
from bench.harness.report import milliseconds, percentile, print_table
from bench.harness.threaded import Threaded
from bench.harness.usage import Meter
from nodnod_client.codec import decode_answer
from nodnod_client.messages import NodeStats

MODES = ("pull", "push")
LATENCY = ("mode", "node-only p50 ms", "cluster p50 ms", "ratio", "cluster p99 ms")
COST = ("", "pull", "push")
LOOK_EVERY = 0.02
"""Seconds between two requests for the numbers of every node."""

VIEW = b'{"type":1,"every":1,"id":"v"}'
PAUSE = 3.0
"""Seconds in which the links and streams of a new cluster come up."""


Numbers = tuple[float, int, int]


class Latency(NamedTuple):
    """Milliseconds of one round."""

    alone: float
    together: float
    worst: float


def main() -> None:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "nodes", positive, 5, "agents in each of the two clusters")
    flag(parser, "rounds", positive, 5, "how often each latency is measured")
    flag(parser, "number", positive, 4000, "requests in a round, sent one at a time")
    flag(parser, "seconds", seconds, 30.0, "seconds that CPU and bytes are counted")
    options = parser.parse_args()
    span = options.seconds
    with ExitStack() as stack:
        clusters = [stack.enter_context(cluster(options.nodes, {"mode": mode})) for mode in MODES]
        time.sleep(PAUSE)
        rounds = [
            [latency(agents[0], options) for agents in clusters] for _ in range(options.rounds)
        ]
        idle = cpu(clusters, span)
        busy = run(viewed((agents[0] for agents in clusters), partial(cpu, clusters, span)))
        ages = [run(age(agents, span)) for agents in clusters]
        hung = [run(hang(agents)) for agents in clusters]
    with ExitStack() as stack:
        links = [stack.enter_context(link(mode)) for mode in MODES]
        time.sleep(PAUSE)
        proxies = [proxy for _, proxy in links]
        quiet = wire(proxies, span)
        asked = run(viewed((agent for agent, _ in links), partial(wire, proxies, span)))
    print(f"Latency, one connection, {options.nodes} nodes, medians of {options.rounds} rounds:")
    print_table(LATENCY, map(latency_row, MODES, zip(*rounds, strict=True)))
    print(f"\nCost and freshness at 1 s, over {span:g} s:")
    rows = [
        ["CPU of each agent, no requests, %", *(f"{each:.2f}" for _, each in idle)],
        ["CPU of the agent asked, one viewer, %", *(f"{asked:.2f}" for asked, _ in busy)],
        ["CPU of each other agent, one viewer, %", *(f"{each:.2f}" for _, each in busy)],
        ["delay of numbers at the viewer, p50 ms", *(f"{p50:.0f}" for p50, _ in ages)],
        ["delay of numbers at the viewer, max ms", *(f"{most:.0f}" for _, most in ages)],
        ["latency while a peer hangs, ms", *(f"{took:.1f}" for took, _ in hung)],
        ["bytes/s on a link, no requests: payload", *(f"{p.payload / span:.0f}" for p in quiet)],
        ["  with IP and TCP headers", *(f"{p.on_wire / span:.0f}" for p in quiet)],
        ["bytes/s on a link, one viewer: payload", *(f"{p.payload / span:.0f}" for p in asked)],
        ["  with IP and TCP headers", *(f"{p.on_wire / span:.0f}" for p in asked)],
    ]
    print_table(COST, rows)
    for mode, (_, error) in zip(MODES, hung, strict=True):
        print(f"The error of a peer that hangs, in {mode} mode: {error}")


def latency(agent: Agent, options: argparse.Namespace) -> Latency:
    """One round: the node alone, then the cluster."""
    outcomes = []
    for type_, nodes in ((0, 1), (1, options.nodes)):
        plan = Plan(
            server=agent.endpoint, concurrent=1, number=options.number, nodes=nodes, type=type_
        )
        outcomes.append(milliseconds(run(measure_good(plan)), 50, 99))
    (alone, _), (together, worst) = outcomes
    return Latency(alone, together, worst)


def latency_row(mode: str, rounds: tuple[Latency, ...]) -> list[str]:
    """One row: medians over the rounds, and the median of the rounds' ratios."""
    alone, together, worst = (median(column) for column in zip(*rounds, strict=True))
    ratio = median(one.together / one.alone for one in rounds)
    return [mode, f"{alone:.3f}", f"{together:.3f}", f"{ratio:.2f}", f"{worst:.3f}"]


def cpu(clusters: list[list[Agent]], span: float) -> list[tuple[float, float]]:
    """The CPU in percent of the first agent of each cluster, and the mean over its others."""
    all_meters = [[Meter(agent.pid) for agent in agents] for agents in clusters]
    time.sleep(span)
    found = []
    for meters in all_meters:
        first, *others = (100 * meter.seconds() / span for meter in meters)
        found.append((first, mean(others or [first])))
    return found


async def viewed(agents: Iterable[Agent], take: Callable[[], Result]) -> Result:
    """Take measurements while one client of each agent streams the whole cluster."""
    async with requesters(agent.endpoint for agent in agents) as viewers:
        for viewer in viewers:
            viewer.send(VIEW)
        await asyncio.sleep(PAUSE)
        return await asyncio.to_thread(take)


async def age(agents: list[Agent], span: float) -> tuple[float, float]:
    """How much later the first agent has a new sample of a node than the node itself.

    Milliseconds: the median and the maximum, over all nodes but the first. Exact to LOOK_EVERY.
    """
    known: dict[tuple[str, Numbers], float] = {}
    reported: dict[tuple[str, Numbers], float] = {}
    end = time.perf_counter() + span
    async with requesters(agent.endpoint for agent in agents) as [viewer, *others]:
        while (now := time.perf_counter()) < end:
            answers = await asyncio.gather(
                _nodes(viewer, b'{"type":1}'), *(_nodes(other, b'{"type":0}') for other in others)
            )
            for place, answer in enumerate(answers):
                for name, node in answer.items():
                    (known if place else reported).setdefault((name, _numbers(node)), now)
            await asyncio.sleep(LOOK_EVERY)
    # The numbers of the first answers may be of any age.
    begin = min(known.values())
    lags = sorted(
        1000 * max(0.0, reported[sample] - when)
        for sample, when in known.items()
        if sample in reported and when > begin
    )
    return percentile(lags, 50), lags[-1]


async def hang(agents: list[Agent]) -> tuple[float, str]:
    """Milliseconds of an answer while a peer is stopped, and the error that it shows."""
    took = []
    agents[-1].signal(signal.SIGSTOP)
    try:
        async with requesters([agents[0].endpoint]) as [viewer]:
            end = time.perf_counter() + 4.0  # after 5 s the link is given up
            while time.perf_counter() < end:
                asked = time.perf_counter()
                nodes = await _nodes(viewer, b'{"type":1}')
                took.append(1000 * (time.perf_counter() - asked))
                await asyncio.sleep(LOOK_EVERY)
    finally:
        agents[-1].signal(signal.SIGCONT)
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
    """What passes in so many seconds."""
    before = [one.passed() for one in relays]
    time.sleep(span)
    return [one.passed().since(then) for one, then in zip(relays, before, strict=True)]


async def _nodes(requester: Requester, request: bytes) -> dict[str, NodeStats]:
    return decode_answer(await requester.ask(request)).nodes


def _numbers(node: NodeStats) -> Numbers:
    return node.cpu_used, node.memory_used, node.disk_used


if __name__ == "__main__":
    run_program(main)
