"""Clusters of real processes, of growing size: the time until all are linked, the cost of an answer.

    python bench/mesh.py [--agents 10 25 50 100] [--seconds 10] [--plot docs/images/mesh.png]

Every agent has the first as its only configured peer. Each cluster is started, measured while idle,
asked for all its nodes by one client, and stopped, before the next one starts. All agents share this
machine: the CPU of one answer is that of all agents together; real ones have a machine each. `--plot`
needs the Python package matplotlib.
"""

import sys

if __name__ == "__main__":
    sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, linear_regression

from msgspec import Struct
from msgspec.structs import replace

from bench.harness.agents import Agent, Agents
from bench.harness.caller import Requester, requesters, run
from bench.harness.load import Plan, measure, measure_good
from bench.harness.options import flag, positive, run_program, seconds
from bench.harness.report import milliseconds, print_records
from bench.harness.usage import Meter, pss, rss
from nodnod_client.codec import decode_members

AT_ONCE = 4
"""Agents that start at the same time; more would wait for the same cores."""

MESH_LIMIT = 60.0
LOOK_EVERY = 0.1
PAUSE = 3.0
"""Seconds after all links are up before anything is measured."""

WARM_UP = 20


class ClusterFigures(Struct, frozen=True):
    """One cluster. Memory and idle CPU are the mean over its agents.

    ``starting`` is from the first process started to the last one that listens, ``whole`` from then
    until every agent has a link to every other. ``cpu_per_answer`` is that of all agents together.
    """

    agents: int
    starting: float
    whole: float
    p50_ms: float
    p99_ms: float
    cpu_per_answer_ms: float
    idle_cpu_percent: float
    rss_bytes: float
    pss_bytes: float

    def record(self) -> dict[str, str]:
        """Its row of the table."""
        return {
            "agents": f"{self.agents}",
            "all up s": f"{self.starting:.1f}",
            "whole s": f"{self.whole:.1f}",
            "p50 ms": f"{self.p50_ms:.2f}",
            "p99 ms": f"{self.p99_ms:.2f}",
            "CPU per answer ms": f"{self.cpu_per_answer_ms:.2f}",
            "idle CPU %": f"{self.idle_cpu_percent:.2f}",
            "RSS MB": f"{self.rss_bytes / 1e6:.1f}",
            "PSS MB": f"{self.pss_bytes / 1e6:.1f}",
        }


def main() -> None:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "agents", positive, [10, 25, 50, 100], "sizes of clusters, one row each")
    flag(parser, "seconds", seconds, 10.0, "seconds that each cluster is measured while idle")
    flag(parser, "number", positive, 300, "number of requests for the whole cluster")
    flag(parser, "plot", str, "", "a PNG file to draw the figures into")
    options = parser.parse_args()
    sizes = sorted(set(options.agents))
    if sizes[0] < 2:
        parser.error("a mesh needs at least 2 agents")
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}, cores: {os.cpu_count()}")
    all_figures = [watch(size, options.seconds, options.number) for size in sizes]
    print_records([measured.record() for measured in all_figures])
    if len(all_figures) > 1:
        print("\n".join(growth(all_figures)))
    if options.plot:
        from bench.harness.plot import draw

        draw(all_figures, options.plot)


def watch(size: int, span: float, number: int) -> ClusterFigures:
    """Start a cluster, measure it, and end it."""
    began = time.perf_counter()
    with mesh(size) as agents:
        up = time.perf_counter()
        whole = run(until_whole(agents))
        time.sleep(PAUSE)
        meters = [Meter(agent.pid) for agent in agents]
        then = time.perf_counter()
        time.sleep(span)
        idle = sum(meter.seconds() for meter in meters) / (time.perf_counter() - then)
        mean_rss = fmean(rss(agent.pid) for agent in agents)
        mean_pss = fmean(pss(agent.pid) or 0 for agent in agents)
        plan = Plan(server=agents[-1].endpoint, nodes=size, concurrent=1, number=number)
        run(measure(replace(plan, number=WARM_UP)))
        for meter in meters:
            meter.seconds()
        outcome = run(measure_good(plan))
        busy = sum(meter.seconds() for meter in meters) - idle * outcome.duration
        p50, p99 = milliseconds(outcome, 50, 99)
        return ClusterFigures(
            agents=size,
            starting=up - began,
            whole=whole,
            p50_ms=p50,
            p99_ms=p99,
            cpu_per_answer_ms=1000 * max(0.0, busy) / number,
            idle_cpu_percent=100 * idle / size,
            rss_bytes=mean_rss,
            pss_bytes=mean_pss,
        )


@contextmanager
def mesh(size: int, backplane: str = "") -> Iterator[list[Agent]]:
    """Run so many agents, the first as peer of all; all listen when the block begins.

    With the URL of a ``backplane``, they reach each other over that instead.
    """
    with (
        tempfile.TemporaryDirectory(prefix="nodnod-bench-") as folder,
        Agents(Path(folder)) as agents,
    ):
        over = [f"--backplane={backplane}"] if backplane else []
        seed = agents.start("node-000", flags=over)
        for number in range(1, size):
            if number > AT_ONCE:
                agents.started[number - AT_ONCE].listening()
            agents.begin(f"node-{number:03}", flags=over or [f"--join={seed.address}"])
        for agent in agents.started[-AT_ONCE:]:
            agent.listening()
        yield agents.started


async def until_whole(agents: Sequence[Agent]) -> float:
    """Wait until every agent has a link to every other; the seconds. Raises RuntimeError."""
    began = time.perf_counter()
    async with requesters(agent.endpoint for agent in agents) as incomplete:
        while incomplete:
            if time.perf_counter() - began > MESH_LIMIT:
                raise RuntimeError(
                    f"{len(incomplete)} agents do not reach all {len(agents)} after {MESH_LIMIT:g} s"
                )
            up = await asyncio.gather(*map(links_up, incomplete))
            pairs = zip(incomplete, up, strict=True)
            incomplete = [one for one, number in pairs if number < len(agents)]
            await asyncio.sleep(LOOK_EVERY)
    return time.perf_counter() - began


async def links_up(requester: Requester) -> int:
    """The number of members that an agent lists as up, itself included."""
    answer = await requester.ask(b'{"type":3}')
    return sum(member.state == "up" for member in decode_members(answer).members)


def growth(all_figures: Sequence[ClusterFigures]) -> Iterator[str]:
    """The cost of one more agent, by linear regression over all sizes."""
    sizes = [float(measured.agents) for measured in all_figures]

    def slope(field: str) -> float:
        return linear_regression(sizes, [getattr(one, field) for one in all_figures]).slope

    memory = slope("rss_bytes")
    yield "One more agent, by least squares:"
    yield f"  p50 of an answer: {1000 * slope('p50_ms'):+.0f} µs"
    yield f"  CPU of an answer, all agents together: {1000 * slope('cpu_per_answer_ms'):+.0f} µs"
    yield f"  idle CPU of each agent: {slope('idle_cpu_percent'):+.4f} % of a core"
    yield (
        f"  memory of each agent: {memory:+,.0f} bytes; that is a link and the connection of the "
        f"other's link, {memory / 2:,.0f} bytes each"
    )


if __name__ == "__main__":
    run_program(main)
