"""What hostile connections cost everybody else: the same questions, in calm and under siege.

    python bench/siege.py [--count 500] [--seconds 20] [--kinds ping_flood …]

Starts three agents and asks the first for the whole cluster, at a fixed pace over a few connections,
while nobody else does; then the same while `--count` connections of every kind in bench/hostile.py
do their worst to it, from another process that gives way to all others. Attackers that have machines
of their own in the wild share one with their victims here: what that alone costs shows in between,
where the same attack goes to a bystander, an agent that knows none of the three. `--each` besieges
with one kind after the other instead.
"""

import sys
from os.path import abspath, dirname

sys.path[0] = dirname(dirname(abspath(__file__)))  # bench/concurrent.py hides the library's

import argparse
import asyncio
import os
import time
from array import array
from statistics import median

from msgspec import Struct

from bench.harness.agents import Agent, cluster
from bench.harness.attack_process import Attack
from bench.harness.caller import Caller, connect_all, framed, new_loop
from bench.harness.options import flag, positive, seconds
from bench.harness.report import percentile, table
from bench.harness.usage import Meter, rss
from bench.hostile import KINDS
from nodnod_client.address import Address
from nodnod_client.codec import decode_answer
from nodnod_client.errors import ConnectError

HEAD = ("", "asked", "wrong", "p50 ms", "p99 ms", "max ms", "agent CPU %", "agent RSS MB")
NAMES = ("node-0", "node-1", "node-2")
QUESTION = framed(b'{"type":1}')
SETTLE = 2.0
"""Seconds of siege before anything is counted."""

PATIENCE = 5.0


class Guest(Caller):
    """Asks one question at a time, when told to; notes how long the answer took."""

    __slots__ = ("asked", "latencies", "wrong")

    def __init__(self, loop: asyncio.AbstractEventLoop, server: Address) -> None:
        super().__init__(loop, server)
        self.asked: float | None = None
        self.latencies = array("d")
        self.wrong = 0

    def ask(self) -> None:
        """Ask, unless the last answer is still to come: then it is this question that waits."""
        if self.asked is None:
            self.asked = time.perf_counter()
            self.out.append(QUESTION)
            self.schedule_flush()

    def received(self, text: bytes) -> None:
        """See User."""
        if self.asked is None:
            self.wrong += 1
            return
        self.latencies.append(time.perf_counter() - self.asked)
        self.asked = None
        nodes = decode_answer(text).nodes
        # Others may stand there too: without a secret, anybody may say that he is a member.
        self.wrong += any(name not in nodes or nodes[name].error for name in NAMES)


class Seen(Struct, frozen=True):
    """What guests have seen in one state: latencies in seconds, ascending."""

    latencies: list[float]
    wrong: int
    cpu: float
    memory: int

    @property
    def p99(self) -> float:
        """In seconds."""
        return percentile(self.latencies, 99)

    def row(self, label: str) -> list[str]:
        """Its line of the table."""
        return [
            label,
            f"{len(self.latencies):,}",
            f"{self.wrong}",
            f"{1000 * percentile(self.latencies, 50):.2f}",
            f"{1000 * self.p99:.2f}",
            f"{1000 * max(self.latencies, default=0.0):.1f}",
            f"{100 * self.cpu:.0f}",
            f"{self.memory / 1e6:.1f}",
        ]


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "count", positive, 500, "hostile connections")
    flag(parser, "seconds", seconds, 20.0, "how long each state is watched")
    flag(parser, "guests", positive, 10, "connections that mean well")
    flag(parser, "rate", positive, 100, "questions a second that they ask together")
    flag(parser, "rounds", positive, 3, "how often calm and siege take turns")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--each", action="store_true", help="one kind after the other")
    options = parser.parse_args()
    with (
        cluster(len(NAMES)) as agents,
        cluster(1) as [bystander],
        asyncio.Runner(loop_factory=new_loop) as runner,
    ):
        try:
            runner.run(watch(agents[0], bystander, options))
        except ConnectError as error:
            print(error, file=sys.stderr)
            return 3
    return 0


async def watch(agent: Agent, bystander: Agent, options: argparse.Namespace) -> None:
    """Calm, siege of the bystander and of the agent in turn; prints the table, and the ratios."""
    loop = asyncio.get_running_loop()
    guests = await connect_all(lambda: Guest(loop, agent.endpoint), agent.endpoint, options.guests)
    rows: list[list[str]] = []
    to_calm, to_elsewhere = [], []
    sieges = [[kind] for kind in options.kinds] if options.each else [options.kinds]
    for kinds in sieges * (1 if options.each else options.rounds):
        calm = await listen(agent, guests, options)
        elsewhere = await besieged(bystander, kinds, agent, guests, options)
        here = await besieged(agent, kinds, agent, guests, options)
        if options.each:
            rows.append([kinds[0], *[""] * (len(HEAD) - 1)])
        rows += [calm.row("calm"), elsewhere.row("elsewhere"), here.row("siege")]
        to_calm.append(here.p99 / calm.p99)
        to_elsewhere.append(here.p99 / elsewhere.p99)
    print(
        f"{options.count} hostile connections, {options.rate} questions a second, load "
        f"{os.getloadavg()[0]:.1f}"
    )
    for line in table(HEAD, rows):
        print(line)
    print(
        f"p99 of siege, median of {len(to_calm)}: {median(to_calm):.2f} times that of calm, "
        f"{median(to_elsewhere):.2f} times that of the same siege elsewhere"
    )
    for guest in guests:
        guest.abort()


async def besieged(
    victim: Agent, kinds: list[str], agent: Agent, guests: list[Guest], options: argparse.Namespace
) -> Seen:
    """Have the guests ask the agent while the victim is besieged."""
    attack = Attack(victim.endpoint, kinds, options.count, options.seconds + SETTLE + PATIENCE)
    await asyncio.sleep(SETTLE)
    seen = await listen(agent, guests, options)
    counts = await asyncio.to_thread(attack.end)
    came = ", ".join(f"{kind} {one['came']}/{one['cut']}" for kind, one in counts.items())
    print(f"{'siege' if victim is agent else 'elsewhere'}: came/cut: {came}", flush=True)
    await asyncio.sleep(SETTLE)
    return seen


async def listen(agent: Agent, guests: list[Guest], options: argparse.Namespace) -> Seen:
    """Have the guests ask, one after the other at an even pace."""
    for guest in guests:
        del guest.latencies[:]
        guest.wrong = 0
    meter, began = Meter(agent.pid), time.perf_counter()
    asked = int(options.seconds * options.rate)
    for number in range(asked):
        guests[number % len(guests)].ask()
        await asyncio.sleep(max(0.0, began + (number + 1) / options.rate - time.perf_counter()))
    end = time.perf_counter() + PATIENCE
    while any(one.asked is not None for one in guests) and time.perf_counter() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    span = time.perf_counter() - began
    latencies = sorted(latency for guest in guests for latency in guest.latencies)
    missing = sum(guest.asked is not None for guest in guests)
    wrong = missing + sum(guest.wrong for guest in guests)
    return Seen(latencies, wrong, meter.seconds() / span, rss(agent.pid))


if __name__ == "__main__":
    sys.exit(main())
