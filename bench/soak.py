"""A soak: agents, clients and a random fault every few seconds, and at the end a verdict.

    python bench/soak.py --seconds 600 [--seed N] [--push] [--agents 5] [--logs DIR]

Starts that many agents on loopback, each with the first as its only peer. Clients ask all of them all
the time, and each answer is judged. The same seed gives the same faults. Exit status: 0 if all was
well; 1 if an answer was wrong or missing, an agent died by itself or logged a traceback, memory,
threads or files of a long-lived process kept growing, or the agents did not agree 30 s after the last
fault; 2 for a wrong command line. Ctrl-C ends it with the verdict so far.
"""

import sys

if __name__ == "__main__":
    sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import asyncio
import os
import random
import tempfile
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from time import monotonic

from bench.harness.agent_process import AgentProcess
from bench.harness.caller import run
from bench.harness.clients import Clients
from bench.harness.fault_injector import FaultInjector
from bench.harness.gauges import HEAD, LONG, Gauge, grown, rows
from bench.harness.invariants.answers import Judge
from bench.harness.invariants.conversation import Conversation, Counts, Violation
from bench.harness.invariants.ground_truth import GRACE, GroundTruth, KnownNode
from bench.harness.options import flag, positive, seconds
from bench.harness.pauses import Pauses
from bench.harness.proxy import Proxy
from bench.harness.report import table
from bench.harness.schedule import PROXIED, schedule
from nodnod_agent.console.diff import compare
from nodnod_agent.console.local_cluster import name_of
from nodnod_agent.console.signals import until_signal
from nodnod_client.client import Client
from nodnod_client.errors import NodNodError

MIN_AGENTS = 2 + PROXIED
AGREE_WITHIN = 30.0
"""Seconds after the last fault by which every agent must list every other and answer completely."""

LAST_ANSWERS = 5.0
"""Seconds that the last answers are waited for at the end."""

SHOWN = 20
"""Violations that are printed in full."""

RECENT_LINES = 8
"""Lines of the log that are printed with each."""


class Soak:
    """All that takes part in one run."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._began = monotonic()
        self._counts = Counts()
        self._violations: Counter[str] = Counter()
        self._recent: deque[str] = deque(maxlen=RECENT_LINES)
        self._gauges: dict[int, Gauge] = {}
        """By the id of the process."""
        self._agents: list[AgentProcess] = []
        self._clients: list[Clients] = []
        self._truth = GroundTruth()
        self._judge = Judge(self._truth)
        self._pauses = Pauses(self._truth, self._running)
        self._injector: FaultInjector | None = None
        self.finished = False

    async def run(self) -> None:
        """Start, inject faults, and wait until all is well again; in any case, end all processes."""
        async with AsyncExitStack() as stack:
            await self._populate(stack, self._folder(stack))
            self._injector = injector = FaultInjector(
                self._truth,
                self._agents,
                self._clients,
                self._log,
                self._complain,
                random.Random(f"faults {self._options.seed}"),
            )
            try:
                await self._inject(injector)
            finally:
                injector.end()
                for one in self._agents:
                    if "Traceback" in one.log():
                        self._complain(one.name, "it logged a traceback")
                        print(one.log()[-4000:])

    def _folder(self, stack: AsyncExitStack) -> Path:
        """Where the agents' files are."""
        if self._options.logs is None:
            temporary = tempfile.TemporaryDirectory(prefix="nodnod-soak-")
            return Path(stack.enter_context(temporary))
        self._options.logs.mkdir(exist_ok=True)
        return Path(self._options.logs)

    async def _populate(self, stack: AsyncExitStack, folder: Path) -> None:
        options = self._options
        mode = "push" if options.push else "pull"
        names = [name_of(place) for place in range(options.agents)]
        for place, name in enumerate(names):
            line = None
            if place >= options.agents - PROXIED:
                line = await stack.enter_async_context(Proxy("127.0.0.1:1"))
            every = round(1.0 + 0.01 * place, 2)
            one = AgentProcess(name, every, folder, mode, line)
            self._agents.append(one)
            addresses = [one.advertised]
            node = KnownNode(name=name, addresses=addresses, every=every, push=options.push)
            self._truth.add(node)
            converse = partial(Conversation, node, self._judge, self._counts, self._report)
            seed = (options.seed, place)
            self._clients.append(Clients(one, names, converse, seed, self._pauses.catch_up))

    async def _inject(self, injector: FaultInjector) -> None:
        options = self._options
        faults = schedule(options.seed, options.seconds, options.agents)
        tasks = [asyncio.create_task(self._pauses.run()), asyncio.create_task(self._watch())]
        try:
            await injector.start()
            await self._agree("at the start")
            self._began = monotonic()
            tasks += [asyncio.create_task(clients.run()) for clients in self._clients]
            await injector.run(faults)
            await asyncio.sleep(self._began + options.seconds - monotonic())
            self._log("no more faults")
            await self._agree("at the end")
            await asyncio.gather(*(one.finish(LAST_ANSWERS) for one in self._clients))
            self.finished = True
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            for error in ended:
                if isinstance(error, Exception):
                    raise error

    def _running(self) -> Iterator[tuple[KnownNode, int]]:
        for one in self._agents:
            if one.up:
                yield self._truth.owners(one.name)[0], one.pid

    async def _watch(self) -> None:
        """Look every second at the processes, and for overdue answers."""
        while True:
            await asyncio.sleep(1.0)
            for one in self._agents:
                if died := one.died:
                    one.expected = True  # one report is enough
                    self._complain(one.name, died)
                elif one.up:
                    gauge = self._gauges.setdefault(one.pid, Gauge(one.name, one.pid))
                    gauge.read(monotonic())
                    if leap := gauge.leap:
                        self._log(f"memory of {one.name} leaps from {leap}")
            for clients in self._clients:
                clients.check_overdue()

    async def _agree(self, when: str) -> None:
        """Wait until every agent lists every other and answers completely; report it if none does."""
        began = monotonic()
        seen = "nothing"
        while monotonic() - began < AGREE_WITHIN:
            seen = await self._disagreement()
            if not seen:
                self._log(f"all agree and answer completely, {monotonic() - began:.1f} s later")
                return
            await asyncio.sleep(0.2)
        self._complain("all", f"{when} they do not agree after {AGREE_WITHIN:g} s: {seen}")

    async def _disagreement(self) -> str:
        """What keeps the agents from agreeing just now."""
        views, names = [], sorted(one.name for one in self._agents)
        try:
            for one in self._agents:
                async with Client(one.address, timeout=5.0) as client:
                    views.append((await client.members()).members)
                    nodes = (await client.stat_all()).nodes
                    bad = {key: node.error for key, node in nodes.items() if node.error}
                    if sorted(nodes) != names or bad:
                        return f"{one.name} answers for {sorted(nodes)}, errors {bad}"
        except NodNodError as error:
            return f"{one.name}: {error}"
        report = compare(views)
        if report.differences or report.down or sorted(report.up) != names:
            return str(report)
        return ""

    def _log(self, what: str) -> None:
        line = f"{monotonic() - self._began:7.2f} s  {what}"
        self._recent.append(line)
        print(line, flush=True)

    def _complain(self, agent: str, what: str) -> None:
        self._report(Violation(monotonic(), agent, what))

    def _report(self, wrong: Violation) -> None:
        self._violations[f"{wrong.agent}: {wrong.what}"[:100]] += 1
        print(f"WRONG at {wrong.moment - self._began:.3f} s, {wrong.agent}: {wrong.what[:500]}")
        if sum(self._violations.values()) > SHOWN:
            return
        if wrong.request is not None and wrong.asked is not None:
            print(f"  asked at {wrong.asked - self._began:.3f} s: {wrong.request}")
        if wrong.text:
            print(f"  answer: {wrong.text}")
        for line in self._recent:
            print(f"  | {line}")
        sys.stdout.flush()

    def verdict(self) -> Iterator[str]:
        """The lines that end it."""
        options, counts = self._options, self._counts
        gauges = list(self._gauges.values())
        yield ""
        yield from table(HEAD, rows(gauges))
        yield (
            f"slopes: over the second half of the longest-lived process's life; judged from "
            f"{LONG:g} s on"
        )
        mode = "push" if options.push else "pull"
        span = monotonic() - self._began
        faults = self._injector.done if self._injector is not None else 0
        yield f"{span:.0f} s, seed {options.seed}, {mode}, {options.agents} agents, {faults} faults"
        yield (
            f"asked {counts.asked:,}, answered {counts.answered:,}, lost with their connections "
            f"{counts.lost:,}; {counts.ticks:,} ticks of streams"
        )
        if counts.answered:
            yield (
                f"the latest answer came {counts.latest:.3f} s after its deadline; {GRACE} s are "
                f"allowed, and {self._truth.slack} s more on a busy machine, which {counts.late:,} took"
            )
        yield f"{self._judge.passed_by:,} times a deadline below {self._truth.short:g} s passed a healthy node by"
        yield (
            f"{self._pauses.starved:,} times an agent had no CPU for half of 5 s, and counts as frozen"
        )
        wrong = sum(self._violations.values())
        yield f"wrong {wrong:,}"
        yield from (f"  {times:,} x {what}" for what, times in self._violations.most_common(SHOWN))
        yield from (f"GROWS: {what}" for what in grown(gauges))

    @property
    def well(self) -> bool:
        """Whether there was no violation and no growth."""
        return not self._violations and not any(grown(list(self._gauges.values())))


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "seconds", seconds, 60.0, "seconds of faults")
    flag(parser, "seed", int, random.SystemRandom().randrange(10**6), "chooses the faults")
    flag(parser, "agents", positive, 5, f"number of agents, at least {MIN_AGENTS}")
    parser.add_argument("--logs", metavar="DIR", type=Path, help="keep the agents' logs there")
    parser.add_argument("--push", action="store_true", help="agents in push mode")
    options = parser.parse_args()
    if options.agents < MIN_AGENTS:
        parser.error(f"a soak needs at least {MIN_AGENTS} agents")
    print(f"soak: seed {options.seed}, load of the machine {os.getloadavg()[0]:.1f}")
    soak = Soak(options)
    run(until_signal(soak.run()))
    for line in soak.verdict():
        print(line)
    print(
        "verdict: " + ("well" if soak.well else "NOT WELL") + ("" if soak.finished else ", so far")
    )
    return 0 if soak.well else 1


if __name__ == "__main__":
    sys.exit(main())
