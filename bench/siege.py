"""What hostile connections cost other clients: the same requests, in calm and under siege.

    python bench/siege.py [--count 500] [--seconds 20] [--kinds ping_flood …] [--shared]

Starts three agents and asks the first for the whole cluster, at a fixed pace over a few connections:
first with no other clients, then while `--count` connections of every kind in bench/hostile.py attack
it from a process of lowest priority. Real attackers have machines of their own; so the attacked agent
has a core for itself, and the attackers share the others with its peers and the clients (`--shared`:
all run on all cores). What that costs is measured in between, while the same attack goes to a
bystander, an agent that knows none of the three. `--each` attacks with one kind after the other.
"""

import sys

if __name__ == "__main__":
    sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import asyncio
import os
import time
from collections.abc import Iterable
from statistics import median

from msgspec import Struct

from bench.harness.agents import Agent, cluster
from bench.harness.attack_process import Attack
from bench.harness.caller import Caller, connect_all, framed, run
from bench.harness.invariants.answers import Judge
from bench.harness.invariants.conversation import Conversation, Counts, Violation
from bench.harness.invariants.ground_truth import GroundTruth, KnownNode
from bench.harness.options import flag, positive, run_program, seconds
from bench.harness.processes import pin
from bench.harness.report import percentile, print_table
from bench.harness.usage import Meter, rss
from bench.hostile import add_kinds
from nodnod_client.address import Address

HEAD = ("", "asked", "wrong", "p50 ms", "p99 ms", "max ms", "agent CPU %", "agent RSS MB")
NAMES = ("node-0", "node-1", "node-2")
REQUEST = {"type": 1}
FRAME = framed(b'{"type":1}')
PAUSE = 2.0
"""Seconds of attack before anything is counted."""

PATIENCE = 5.0


class VictimClient(Caller):
    """Sends one request at a time; notes how long the answer took, and what is wrong with it."""

    __slots__ = ("asked", "conversation", "latencies", "violations")

    def __init__(self, loop: asyncio.AbstractEventLoop, server: Address) -> None:
        super().__init__(loop, server)
        self.asked: float | None = None
        self.latencies: list[float] = []
        self.violations: list[Violation] = []
        nodes = [KnownNode(name=name) for name in NAMES]
        # Without a secret, an attacker can become a member.
        truth = GroundTruth(nodes, slack=PATIENCE, strangers=True)
        report = self.violations.append
        self.conversation = Conversation(nodes[0], Judge(truth), Counts(), report)

    def ask(self) -> None:
        """Send a request, unless the last answer is still due: then its latency grows."""
        if self.asked is None:
            self.asked = time.perf_counter()
            self.conversation.sent(REQUEST, self.asked)
            self.out.append(FRAME)
            self.schedule_flush()

    def received(self, text: bytes) -> None:
        """Note the latency, then judge the answer."""
        now = time.perf_counter()
        if self.asked is not None:
            self.latencies.append(now - self.asked)
            self.asked = None
        self.conversation.received(text, now)


class Seen(Struct, frozen=True):
    """What the clients measured in one state: latencies in seconds, ascending."""

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


def main() -> None:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "count", positive, 500, "hostile connections")
    flag(parser, "seconds", seconds, 20.0, "seconds of each measurement")
    flag(parser, "clients", positive, 10, "connections that are not hostile")
    flag(parser, "rate", positive, 100, "requests a second over all of these")
    flag(parser, "rounds", positive, 3, "times that calm and siege take turns")
    add_kinds(parser)
    parser.add_argument("--each", action="store_true", help="attack with one kind after the other")
    parser.add_argument("--shared", action="store_true", help="have all run on all cores")
    options = parser.parse_args()
    with cluster(len(NAMES)) as agents, cluster(1) as [bystander]:
        if not options.shared and len(os.sched_getaffinity(0)) > 1:
            part(agents[0], (os.getpid(), bystander.pid, *(one.pid for one in agents[1:])))
        run(watch(agents[0], bystander, options))


def part(agent: Agent, others: Iterable[int]) -> None:
    """Give the agent a core of its own, and all others the rest."""
    first, *rest = sorted(os.sched_getaffinity(0))
    pin(agent.pid, [first])
    for pid in others:
        pin(pid, rest)


async def watch(agent: Agent, bystander: Agent, options: argparse.Namespace) -> None:
    """Calm, attacks on the bystander and on the agent in turn; prints the table and the ratios."""
    loop = asyncio.get_running_loop()
    clients = await connect_all(
        lambda: VictimClient(loop, agent.endpoint), agent.endpoint, options.clients
    )
    rows: list[list[str]] = []
    to_calm, to_bystander = [], []
    sieges = [[kind] for kind in options.kinds] if options.each else [options.kinds]
    for kinds in sieges * (1 if options.each else options.rounds):
        calm = await listen(agent, clients, options)
        other = await besieged(bystander, kinds, agent, clients, options)
        here = await besieged(agent, kinds, agent, clients, options)
        if options.each:
            rows.append([kinds[0], *[""] * (len(HEAD) - 1)])
        rows += [calm.row("calm"), other.row("bystander"), here.row("siege")]
        to_calm.append(here.p99 / calm.p99)
        to_bystander.append(here.p99 / other.p99)
    print(
        f"{options.count} hostile connections, {options.rate} requests a second, load "
        f"{os.getloadavg()[0]:.1f}"
    )
    print_table(HEAD, rows)
    print(
        f"p99 of siege, median of {len(to_calm)}: {median(to_calm):.2f} times that of calm, "
        f"{median(to_bystander):.2f} times that of the same attack on the bystander"
    )
    for client in clients:
        client.abort()


async def besieged(
    victim: Agent,
    kinds: list[str],
    agent: Agent,
    clients: list[VictimClient],
    options: argparse.Namespace,
) -> Seen:
    """Have the clients ask the agent while the victim is attacked."""
    attack = Attack(victim.endpoint, kinds, options.count, options.seconds + PAUSE + PATIENCE)
    await asyncio.sleep(PAUSE)
    seen = await listen(agent, clients, options)
    counts = await asyncio.to_thread(attack.end)
    came = ", ".join(f"{kind} {one['came']}/{one['cut']}" for kind, one in counts.items())
    print(f"{'siege' if victim is agent else 'bystander'}: connected/cut: {came}", flush=True)
    await asyncio.sleep(PAUSE)
    return seen


async def listen(agent: Agent, clients: list[VictimClient], options: argparse.Namespace) -> Seen:
    """Have the clients ask, one after the other at an even pace."""
    for client in clients:
        client.latencies.clear()
        client.violations.clear()
    meter, began = Meter(agent.pid), time.perf_counter()
    asked = int(options.seconds * options.rate)
    for number in range(asked):
        clients[number % len(clients)].ask()
        await asyncio.sleep(max(0.0, began + (number + 1) / options.rate - time.perf_counter()))
    end = time.perf_counter() + PATIENCE
    while any(one.asked is not None for one in clients) and time.perf_counter() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    span = time.perf_counter() - began
    latencies = sorted(latency for client in clients for latency in client.latencies)
    missing = sum(client.asked is not None for client in clients)
    wrong = missing + sum(len(client.violations) for client in clients)
    return Seen(latencies, wrong, meter.seconds() / span, rss(agent.pid))


if __name__ == "__main__":
    run_program(main)
