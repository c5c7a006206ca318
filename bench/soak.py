"""A soak: agents, clients and a random fault every few seconds, and at the end a verdict.

    python bench/soak.py --seconds 600 [--seed N] [--push] [--agents 5]

Starts that many agents on loopback, each told of the first alone. Clients ask every one of them all
the time, and each answer is judged. The same seed gives the same faults. Exit status: 0 if all was
well; 1 if an answer was wrong or missing, an agent died by itself or logged a traceback, memory,
threads or files of a process that lived long kept growing, or the agents did not agree 30 s after the
last fault; 2 for a wrong command line. Ctrl-C ends it with the verdict so far.
"""

import sys
from os.path import abspath, dirname

sys.path[0] = dirname(dirname(abspath(__file__)))  # bench/concurrent.py hides the library's

import argparse
import asyncio
import os
import random
import tempfile
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

from bench.harness.agent_process import AgentProcess
from bench.harness.caller import new_loop
from bench.harness.clients import Guests
from bench.harness.fault_injector import FaultInjector
from bench.harness.faults import BUSY, GRACE, Node, World
from bench.harness.gauges import HEAD, LONG, Gauge, grown, rows
from bench.harness.judge import SHORT, Judge
from bench.harness.options import flag, positive, seconds
from bench.harness.proxy import Proxy
from bench.harness.report import table
from bench.harness.schedule import LINES, schedule
from bench.harness.talk import Count, Talk, Wrong
from nodnod_agent.console.diff import compare
from nodnod_agent.console.local_cluster import name_of
from nodnod_agent.console.signals import until_signal
from nodnod_client.address import Address
from nodnod_client.client import Client
from nodnod_client.errors import NodNodError

FEWEST = 2 + LINES
AGREE_WITHIN = 30.0
"""Seconds after the last fault in which all agents must see all, and answer whole."""

OWED = 5.0
"""Seconds in which what is owed at the end is waited for."""

SHOWN = 20
"""Wrong things that are printed whole."""

STORY = 8
"""Last faults that are printed with one."""

PULSE = 0.02
STALL = 0.05
"""Seconds between two beats of our own loop, and how much later one must be to count as a stall."""


class Soak:
    """All that takes part in one run."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._began = monotonic()
        self._count = Count()
        self._wrong: Counter[str] = Counter()
        self._story: deque[str] = deque(maxlen=STORY)
        self._gauges: dict[str, Gauge] = {}
        self._past: list[Gauge] = []
        self._residents: list[AgentProcess] = []
        self._guests: list[Guests] = []
        self._world = World([], push=options.push)
        self._judge = Judge(self._world)
        self._marshal: FaultInjector | None = None
        self.finished = False

    async def run(self) -> None:
        """Start, do harm, and see that all is well again; whatever happens, end all processes."""
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nodnod-soak-")))
            await self._populate(stack, folder)
            options = self._options
            self._marshal = marshal = FaultInjector(
                self._world,
                self._residents,
                self._guests,
                tell=self._tell,
                complain=lambda name, what: self._report(Wrong(monotonic(), name, what)),
                renewed=self._renewed,
                seed=options.seed,
            )
            try:
                await self._go_on(marshal)
            finally:
                marshal.end()
                for one in self._residents:
                    if "Traceback" in one.log():
                        self._report(Wrong(monotonic(), one.name, "it logged a traceback"))
                        print(one.log()[-4000:])

    async def _populate(self, stack: AsyncExitStack, folder: Path) -> None:
        options = self._options
        mode = "push" if options.push else "pull"
        names = [name_of(place) for place in range(options.agents)]
        for place, name in enumerate(names):
            line = None
            if place >= options.agents - LINES:
                line = await stack.enter_async_context(Proxy("127.0.0.1:1"))
            every = round(1.0 + 0.01 * place, 2)
            one = AgentProcess(name, every, folder, mode, line)
            self._residents.append(one)
            self._world.nodes[name] = Node(name, every, [one.advertised])

            def new_talk(name: str = name) -> Talk:
                return Talk(name, self._judge, self._count, self._report)

            def where(one: AgentProcess = one) -> Address:
                return one.endpoint

            self._guests.append(Guests(where, names, new_talk, (options.seed, place)))

    async def _go_on(self, marshal: FaultInjector) -> None:
        options = self._options
        faults = schedule(options.seed, options.seconds, options.agents)
        watchers = [asyncio.create_task(self._beat()), asyncio.create_task(self._watch())]
        try:
            await marshal.begin()
            await self._agree("at the start")
            self._began = monotonic()
            watchers += [asyncio.create_task(guests.stay()) for guests in self._guests]
            await marshal.carry_out(faults)
            await asyncio.sleep(self._began + options.seconds - monotonic())
            self._tell("no more faults")
            await self._agree("at the end")
            await asyncio.gather(*(guests.finish(OWED) for guests in self._guests))
            self.finished = True
        finally:
            for task in watchers:
                task.cancel()
            ended = await asyncio.gather(*watchers, return_exceptions=True)
            for error in ended:
                if isinstance(error, Exception):
                    raise error

    async def _beat(self) -> None:
        """Note when we ourselves stood still."""
        then = monotonic()
        while True:
            await asyncio.sleep(PULSE)
            now = monotonic()
            if now - then > PULSE + STALL:
                self._world.stalls.append((then, now))
            then = now

    async def _watch(self) -> None:
        """Look at processes, and for answers that are overdue."""
        while True:
            await asyncio.sleep(1.0)
            for one in self._residents:
                if died := one.died:
                    one.expected = True  # once told is enough
                    self._report(Wrong(monotonic(), one.name, died))
                elif one.up:
                    gauge = self._gauges[one.name]
                    gauge.look(monotonic())
                    if leap := gauge.leap:
                        self._tell(f"memory of {one.name} leaps from {leap}")
            for guests in self._guests:
                guests.look()

    async def _agree(self, when: str) -> None:
        """Wait until every agent sees every other, and answers whole; else that is wrong."""
        began = monotonic()
        seen = "nothing"
        while monotonic() - began < AGREE_WITHIN:
            seen = await self._seen()
            if not seen:
                self._tell(f"all agree and answer whole, {monotonic() - began:.1f} s later")
                return
            await asyncio.sleep(0.2)
        what = f"{when} they do not agree after {AGREE_WITHIN:g} s: {seen}"
        self._report(Wrong(monotonic(), "all", what))

    async def _seen(self) -> str:
        """What keeps the agents from agreeing just now."""
        views, names = [], sorted(one.name for one in self._residents)
        try:
            for one in self._residents:
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

    def _renewed(self, one: AgentProcess) -> None:
        if one.name in self._gauges:
            self._past.append(self._gauges[one.name])
        self._gauges[one.name] = Gauge(one.name, one.pid)

    def _tell(self, what: str) -> None:
        line = f"{monotonic() - self._began:7.2f} s  {what}"
        self._story.append(line)
        print(line, flush=True)

    def _report(self, wrong: Wrong) -> None:
        self._wrong[f"{wrong.agent}: {wrong.what}"[:100]] += 1
        if sum(self._wrong.values()) > SHOWN:
            return
        print(f"WRONG at {wrong.moment - self._began:.3f} s, {wrong.agent}: {wrong.what}")
        if wrong.request is not None and wrong.asked is not None:
            print(f"  asked at {wrong.asked - self._began:.3f} s: {wrong.request}")
        if wrong.text:
            print(f"  answer: {wrong.text}")
        for line in self._story:
            print(f"  | {line}")
        sys.stdout.flush()

    def verdict(self) -> Iterator[str]:
        """The lines that end it."""
        options, count = self._options, self._count
        gauges = [*self._past, *self._gauges.values()]
        yield ""
        yield from table(HEAD, rows(gauges))
        yield (
            f"slopes: over the second half of the longest-lived process's life; judged from "
            f"{LONG:g} s on"
        )
        mode = "push" if options.push else "pull"
        span = monotonic() - self._began
        faults = self._marshal.done if self._marshal is not None else 0
        yield f"{span:.0f} s, seed {options.seed}, {mode}, {options.agents} agents, {faults} faults"
        yield (
            f"asked {count.asked:,}, answered {count.answered:,}, lost with their connections "
            f"{count.lost:,}; {count.ticks:,} ticks of streams"
        )
        if count.answered:
            yield (
                f"the latest answer came {count.latest:.3f} s after its deadline; {GRACE} s are "
                f"allowed, and {BUSY} s more on a busy machine, which {count.late:,} took"
            )
        yield f"{self._judge.short:,} times a deadline below {SHORT:g} s passed a sound node by"
        wrong = sum(self._wrong.values())
        yield f"wrong {wrong:,}"
        yield from (f"  {times:,} x {what}" for what, times in self._wrong.most_common(SHOWN))
        yield from (f"GROWS: {what}" for what in grown(gauges))

    @property
    def well(self) -> bool:
        """Whether nothing was wrong."""
        return not self._wrong and not any(grown([*self._past, *self._gauges.values()]))


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "seconds", seconds, 60.0, "how long there are faults")
    flag(parser, "seed", int, random.SystemRandom().randrange(10**6), "what makes the faults")
    flag(parser, "agents", positive, 5, f"how many, at least {FEWEST}")
    parser.add_argument("--push", action="store_true", help="agents in push mode")
    options = parser.parse_args()
    if options.agents < FEWEST:
        parser.error(f"a soak takes at least {FEWEST} agents")
    print(f"soak: seed {options.seed}, load of the machine {os.getloadavg()[0]:.1f}")
    soak = Soak(options)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(until_signal(soak.run()))
    for line in soak.verdict():
        print(line)
    print(
        "verdict: " + ("well" if soak.well else "NOT WELL") + ("" if soak.finished else ", so far")
    )
    return 0 if soak.well else 1


if __name__ == "__main__":
    sys.exit(main())
