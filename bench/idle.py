"""CPU and memory of agents that nobody asks, of this build and of older ones at the same time.

    python bench/idle.py [--agents 3] [--seconds 120] [--no-rules] [--against PATH_OF_A_VENV ...]

Starts a cluster of each build, and measures all of them in the same seconds, so that whatever else
the machine does disturbs them alike. ``--no-rules`` adds agents of this build that judge nothing: the
difference is what the built-in rules of alerts cost. CPU is that of all threads, in percent of one core; the ratio
is that of the sums over all agents.
"""

import sys

if __name__ == "__main__":
    sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import time
from contextlib import ExitStack
from statistics import mean

from bench.harness.agents import cluster
from bench.harness.builds import THIS_BUILD, Build, add_against
from bench.harness.options import flag, positive, run_program, seconds
from bench.harness.report import print_table
from bench.harness.usage import cpu_seconds, pss, rss
from nodnod_agent.core.alerts.rules import BUILT_IN

SETTLED = 15.0
"""Seconds from the start to the measurement: links, gossip and first samples are not idle."""

MEGABYTE = 1e6

NO_RULES: dict[str, object] = {
    "alerts": {"rules": [{"name": one["name"], "enabled": False} for one in BUILT_IN]}
}


def main() -> None:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "agents", positive, 3, "agents of each build")
    flag(parser, "seconds", seconds, 120.0, "seconds of the measurement")
    parser.add_argument(
        "--no-rules", action="store_true", help="also this build without the rules of alerts"
    )
    add_against(parser)
    options = parser.parse_args()
    builds: list[tuple[Build, dict[str, object]]] = [(THIS_BUILD, {})]
    if options.no_rules:
        builds.append((THIS_BUILD._replace(name="without rules"), NO_RULES))
    builds += [(build, {}) for build in options.against]
    with ExitStack() as stack:
        started = [
            stack.enter_context(cluster(options.agents, settings, python=build.python))
            for build, settings in builds
        ]
        clusters = [[agent.pid for agent in agents] for agents in started]
        time.sleep(SETTLED)
        before = [[cpu_seconds(pid) for pid in pids] for pids in clusters]
        time.sleep(options.seconds)
        after = [[cpu_seconds(pid) for pid in pids] for pids in clusters]
        memory = [mean(rss(pid) for pid in pids) / MEGABYTE for pids in clusters]
        private = [mean(pss(pid) or 0 for pid in pids) / MEGABYTE for pids in clusters]
    used = [
        100 * mean(end - start for start, end in zip(*pair, strict=True)) / options.seconds
        for pair in zip(before, after, strict=True)
    ]
    rows = [
        [
            *(build.name, f"{cpu:.3f}", f"{resident:.1f}", f"{own:.1f}"),
            *(f"{used[0] / cpu:.2f}", f"{memory[0] / resident:.2f}"),
        ]
        for (build, _), cpu, resident, own in zip(builds, used, memory, private, strict=True)
    ]
    print_table(("build", "CPU %", "RSS MB", "PSS MB", "CPU, today / it", "RSS"), rows)


if __name__ == "__main__":
    run_program(main)
