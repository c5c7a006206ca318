"""How near a two-agent cluster comes to a server on the same transport with a static answer.

    python bench/limit.py [--rounds 5] [--concurrent 20] [--pipeline 16] [--calls]
    python bench/limit.py --against PATH_OF_A_VENV [--against …]

Starts and stops both, puts the same load on each in turn (static, cluster, static, cluster, ...),
and prints medians of the rounds. A load is named connections x requests in flight. `--against` starts
a cluster of an older build, too, which takes its turn with the others. `--calls` counts the calls of
Python functions.
"""

import sys

if __name__ == "__main__":
    sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import inf
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from bench.harness import call_counter
from bench.harness.agents import cluster
from bench.harness.builds import THIS_BUILD, Build, add_against
from bench.harness.caller import allow_files, requesters, run
from bench.harness.calls import calls_per_request
from bench.harness.load import LoadGenerator, Plan, request_text
from bench.harness.metrics import broadcasts
from bench.harness.options import add_load, flag, plan_of, positive, run_program
from bench.harness.processes import free_ports, serving
from bench.harness.report import milliseconds, print_table
from bench.harness.usage import MainThreadMeter
from nodnod_client.address import Address

NODES = 2
EVERY = 0.003
"""Seconds between two requests of the load that is paced."""

SHARED = 30_000
"""Requests at most that all connections share where it is counted how many each is served."""


class Server(NamedTuple):
    """What a load is put on. The first of its processes is the one that is asked."""

    name: str
    address: Address
    pids: Sequence[int]


class Run(NamedTuple):
    """One load on one server.

    ``asked`` and ``together`` are CPU in microseconds per request: of the process that is asked, and
    of all processes of the server. Other processes on the machine disturb them less than a rate.
    ``client`` is the CPU of the load itself, in percent of one core: near 100, it is the load that is
    measured. Latencies are in milliseconds. ``served`` are the answers that each connection got,
    ``broadcasts`` the queries to the peer per thousand requests.
    """

    rate: float
    p50: float
    p99: float
    asked: float
    together: float
    client: float
    served: Sequence[int]
    broadcasts: float
    good: bool


Round = Sequence[Run]
"""One load on each server: the static one, today's cluster, those of older builds."""

STATIC, TODAY, OLDER = 0, 1, 2


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "rounds", positive, 5, "how often each load is put on each server")
    add_load(parser, concurrent=20, number=50_000, pipeline=16)
    add_against(parser)
    parser.add_argument("--calls", action="store_true", help="count calls of Python functions, too")
    options = parser.parse_args()
    plan = replace(plan_of(parser, options), nodes=NODES if options.type else 1)
    allow_files(plan.concurrent)
    builds = [THIS_BUILD, *options.against]
    with servers(builds, plan) as started:
        results = {name: turns(load, started, options.rounds) for name, load in loads(plan)}
        shares = turns(replace(plan, number=min(SHARED, plan.number)), started, options.rounds)
    print("Load: connections x requests in flight. Pairs of columns: static answer, cluster.\n")
    print_cpu(results)
    print_rates(results)
    print_shares(f"{plan.concurrent} x {plan.pipeline}", started, shares)
    for place, build in enumerate(options.against, OLDER):
        print_older(build, place, results)
    if options.calls:
        print_calls({build.name: count_calls(build, plan) for build in builds})
    good = all(
        one.good for rounds in [*results.values(), shares] for every in rounds for one in every
    )
    if not good:
        print("An answer was missing, failed or invalid", file=sys.stderr)
    return 0 if good else 1


def loads(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """One connection; all, one request at a time; all, with requests in flight."""
    alone = replace(plan, concurrent=1, pipeline=1, number=max(plan.number // 10, 1))
    yield "1 x 1", alone
    paced = replace(alone, every=EVERY, number=max(plan.number // 50, 1))
    yield f"one every {1000 * EVERY:g} ms", paced
    yield f"{plan.concurrent} x 1", replace(plan, pipeline=1)
    if plan.pipeline > 1:
        full = replace(plan, number=2 * plan.number)
        yield f"{plan.concurrent} x {plan.pipeline}", full
        yield f"{plan.concurrent} x {plan.pipeline}, joined", replace(full, joined=True)


# The servers.


@contextmanager
def servers(builds: Sequence[Build], plan: Plan) -> Iterator[list[Server]]:
    """The static server, and a cluster of each build."""
    with ExitStack() as stack:
        clusters = []
        for build in builds:
            agents = stack.enter_context(cluster(NODES, python=build.python))
            pids = [agent.pid for agent in agents]
            clusters.append(Server(build.name, agents[0].endpoint, pids))
        yield [stack.enter_context(static(clusters[0].address, plan)), *clusters]


@contextmanager
def static(agent: Address, plan: Plan) -> Iterator[Server]:
    """The server that always gives the answer that ``agent`` gives now."""
    answer = run(ask_once(agent, request_text(plan)))
    (port,) = free_ports(1)
    address = Address("127.0.0.1", port)
    script = Path(__file__).with_name("static.py")
    with TemporaryDirectory(prefix="nodnod-bench-") as folder:
        file = Path(folder) / "answer.json"
        file.write_bytes(answer)
        with serving(script, address, str(file)) as child:
            yield Server("static", address, [child.pid])


async def ask_once(server: Address, text: bytes) -> bytes:
    """One answer, as it came. Raises ConnectError, TimeoutError."""
    async with requesters([server]) as [requester]:
        return await asyncio.wait_for(requester.ask(text), 5)


# The measurements.


def turns(plan: Plan, servers: Sequence[Server], rounds: int) -> list[Round]:
    """Put a load on each server in turn, so many times."""
    return [[run(put_on(plan, server)) for server in servers] for _ in range(rounds)]


async def put_on(plan: Plan, server: Server) -> Run:
    """Put one load on one server."""
    load = LoadGenerator(replace(plan, server=server.address))
    await load.connect()
    before = await broadcasts(server.address) or 0
    meters = [MainThreadMeter(pid) for pid in server.pids]
    load.launch()
    outcome = await load.wait()
    cpu = [1e6 * meter.seconds() / plan.number for meter in meters]
    after = await broadcasts(server.address) or 0
    p50, p99 = milliseconds(outcome, 50, 99)
    return Run(
        rate=outcome.rate,
        p50=p50,
        p99=p99,
        asked=cpu[0],
        together=sum(cpu),
        client=100 * outcome.cpu,
        served=outcome.served,
        broadcasts=1000 * (after - before) / plan.number,
        good=outcome.good,
    )


def count_calls(build: Build, plan: Plan) -> float:
    """The calls of Python functions per request, in a cluster of its own that runs slower."""
    with cluster(NODES, python=(*build.python, call_counter.__file__)) as agents:
        return run(calls_per_request(agents[0], plan))


# The tables.


def print_cpu(results: dict[str, list[Round]]) -> None:
    """The CPU of the static server and of today's agents."""
    head = ("CPU, µs per request", "static", "asked agent", "ratio", "both agents")
    rows = [
        (
            load,
            middle(rounds, ".1f", lambda one: one[STATIC].asked),
            middle(rounds, ".1f", lambda one: one[TODAY].asked),
            middle(rounds, ".2f", lambda one: ratio(one[TODAY].asked, one[STATIC].asked)),
            middle(rounds, ".1f", lambda one: one[TODAY].together),
        )
        for load, rounds in results.items()
    ]
    print_table(head, rows)


def print_rates(results: dict[str, list[Round]]) -> None:
    """Rates and latencies of both; pairs of columns are static answer, cluster."""
    head = ("rate", "static/s", "cluster/s", "ratio",
            "p50 ms", "p50 ms", "p99 ms", "p99 ms", "client %", "client %")  # fmt: skip
    rows = [
        (
            load,
            middle(rounds, ",.0f", lambda one: one[STATIC].rate),
            middle(rounds, ",.0f", lambda one: one[TODAY].rate),
            middle(rounds, ".2f", lambda one: ratio(one[TODAY].rate, one[STATIC].rate)),
            middle(rounds, ".3f", lambda one: one[STATIC].p50),
            middle(rounds, ".3f", lambda one: one[TODAY].p50),
            middle(rounds, ".3f", lambda one: one[STATIC].p99),
            middle(rounds, ".3f", lambda one: one[TODAY].p99),
            middle(rounds, ".0f", lambda one: one[STATIC].client),
            middle(rounds, ".0f", lambda one: one[TODAY].client),
        )
        for load, rounds in results.items()
    ]
    print()
    print_table(head, rows)


def print_shares(load: str, servers: Sequence[Server], rounds: list[Round]) -> None:
    """How many of the shared requests each connection was served, and what they cost the peer."""
    total = sum(rounds[0][STATIC].served)
    head = (f"{load}, served of {total:,}", "min", "median", "max", "max/min", "broadcasts/1,000")
    rows = [
        (
            server.name,
            middle(runs, ",.0f", lambda one: min(one.served)),
            middle(runs, ",.0f", lambda one: median(one.served)),
            middle(runs, ",.0f", lambda one: max(one.served)),
            middle(runs, ".2f", lambda one: ratio(max(one.served), min(one.served))),
            middle(runs, ".1f", lambda one: one.broadcasts),
        )
        for server, runs in zip(servers, zip(*rounds, strict=True), strict=True)
    ]
    print()
    print_table(head, rows)


def print_older(build: Build, place: int, results: dict[str, list[Round]]) -> None:
    """Both agents' CPU and the rate of an older build, and today's as a multiple."""
    head = (f"older: {build.name}", "both agents, µs", "today/older", "rate/s", "today/older")
    rows = [
        (
            load,
            middle(rounds, ".1f", lambda one: one[place].together),
            middle(rounds, ".2f", lambda one: ratio(one[TODAY].together, one[place].together)),
            middle(rounds, ",.0f", lambda one: one[place].rate),
            middle(rounds, ".2f", lambda one: ratio(one[TODAY].rate, one[place].rate)),
        )
        for load, rounds in results.items()
    ]
    print()
    print_table(head, rows)


def print_calls(calls: dict[str, float]) -> None:
    """The calls of Python functions by build."""
    print()
    rows = [(name, f"{number:.1f}") for name, number in calls.items()]
    print_table(("1 x 1, asked agent", "Python calls per request"), rows)


One = TypeVar("One")


def middle(several: Iterable[One], form: str, value: Callable[[One], float]) -> str:
    """The median of a value of rounds or runs, in this format."""
    return format(median(value(one) for one in several), form)


def ratio(above: float, below: float) -> float:
    """A quotient, infinite where it has none."""
    return above / below if below else inf


if __name__ == "__main__":
    run_program(main)
