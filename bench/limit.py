"""How near a real two-agent cluster comes to a server on the same transport with a static answer.

    python bench/limit.py [--rounds 5] [--concurrent 20] [--pipeline 16]

Starts and stops both, puts the same load on each in turn (static, cluster, static, cluster, ...),
and prints the medians. Three loads: one connection, all connections one request at a time, and
all connections with requests in flight.
"""

import sys

sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from msgspec.structs import replace

from bench.harness.agents import cluster
from bench.harness.caller import allow_files, requesters, run
from bench.harness.load import Plan, measure
from bench.harness.options import add_load, flag, plan_of, positive, run_program
from bench.harness.processes import free_ports, serving
from bench.harness.report import milliseconds, print_table
from bench.harness.usage import Meter
from nodnod_client.address import Address

NODES = 2
HEAD = (
    "load", "static/s", "cluster/s", "ratio", "p50 ms", "p50 ms", "p99 ms", "p99 ms",
    "server µs", "server µs", "client %", "client %",
)  # fmt: skip


class Run(NamedTuple):
    """One load on one server. Latencies in milliseconds.

    ``server`` is the CPU time of the server, in microseconds per request, which other processes on
    the machine disturb less than a rate. ``client`` is the CPU of the load itself, in percent
    of one core: near 100, it is the load that is measured.
    """

    rate: float
    p50: float
    p99: float
    server: float
    client: float
    good: bool


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "rounds", positive, 5, "how often each load is put on each server")
    add_load(parser, concurrent=20, number=50_000, pipeline=16)
    options = parser.parse_args()
    plan = replace(plan_of(parser, options), nodes=NODES if options.type else 1)
    allow_files(plan.concurrent)
    with cluster(NODES) as agents, static(agents[0].endpoint, plan) as most:
        real = (agents[0].endpoint, agents[0].pid)
        pairs = [
            (load, [(put_on(load, *most), put_on(load, *real)) for _ in range(options.rounds)])
            for load in loads(plan)
        ]
    print("Load: connections x requests in flight. Pairs of columns: static answer, cluster.")
    print_table(HEAD, [row(load, rounds) for load, rounds in pairs])
    good = all(one.good for _, rounds in pairs for pair in rounds for one in pair)
    if not good:
        print("An answer was missing, failed or invalid", file=sys.stderr)
    return 0 if good else 1


def loads(plan: Plan) -> Iterator[Plan]:
    """One connection; all, one request at a time; all, with requests in flight."""
    alone = max(plan.number // 10, 1)
    yield replace(plan, concurrent=1, pipeline=1, number=alone)
    yield replace(plan, pipeline=1)
    if plan.pipeline > 1:
        yield replace(plan, number=2 * plan.number)


def put_on(plan: Plan, server: Address, pid: int) -> Run:
    """Put one load on one server."""
    meter = Meter(pid)
    outcome = run(measure(replace(plan, server=server)))
    server_cpu = 1e6 * meter.seconds() / plan.number
    p50, p99 = milliseconds(outcome, 50, 99)
    return Run(outcome.rate, p50, p99, server_cpu, 100 * outcome.cpu, outcome.good)


def row(load: Plan, rounds: list[tuple[Run, Run]]) -> list[str]:
    """One line of the table: medians over the rounds, and the median of the rounds' ratios."""

    def both(field: str, form: str) -> list[str]:
        sides = zip(*rounds, strict=True)
        return [format(median(getattr(one, field) for one in side), form) for side in sides]

    ratio = median(real.rate / most.rate for most, real in rounds)
    return [
        f"{load.concurrent} x {load.pipeline}",
        *both("rate", ",.0f"),
        f"{ratio:.2f}",
        *both("p50", ".3f"),
        *both("p99", ".3f"),
        *both("server", ".1f"),
        *both("client", ".0f"),
    ]


@contextmanager
def static(agent: Address, plan: Plan) -> Iterator[tuple[Address, int]]:
    """The server that always gives the answer that ``agent`` gives now: address and process."""
    answer = run(ask_once(agent, b'{"type":%d,"statType":0}' % plan.type))
    (port,) = free_ports(1)
    address = Address("127.0.0.1", port)
    script = Path(__file__).with_name("static.py")
    with TemporaryDirectory(prefix="nodnod-bench-") as folder:
        file = Path(folder) / "answer.json"
        file.write_bytes(answer)
        with serving(script, address, str(file)) as child:
            yield address, child.pid


async def ask_once(server: Address, request: bytes) -> bytes:
    """One answer, as it came. Raises ConnectError, TimeoutError."""
    async with requesters([server]) as [requester]:
        return await asyncio.wait_for(requester.ask(request), 5)


if __name__ == "__main__":
    run_program(main)
