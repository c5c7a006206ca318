"""The agents of one test: healthy before it, watched in it, healthy after it, and ended in time."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

from msgspec import Struct

from bench.harness.agents import Agent, Agents
from bench.harness.invariants.ground_truth import Fault, GroundTruth, KnownNode
from bench.harness.threaded import Threaded
from bench.harness.usage import Deadline, peak, reset_peak
from eventually import SLACK
from invariants.recorder import PACE, Pass, Recorder

LINUX = sys.platform == "linux"
MEGABYTE = 1024 * 1024

GROWTH = 24 * MEGABYTE
"""Bytes by which the memory of an agent may grow during a test."""

STOP_LIMIT = 2.0
"""Seconds by which an agent that was told to stop must have ended."""

SHOWN = 4
"""Violations that are shown of each connection; there may be hundreds of one kind."""

OPEN = Pass()


class Numbered(Agents):
    """Agents whose histories differ: each has an interval of its own.

    At the end each is told to stop, and must end with status 0 within STOP_LIMIT.
    """

    def begin(self, name: str, **options: Any) -> Agent:
        interval = round(1.0 + 0.01 * len(self.started), 2)
        settings = {"interval": interval, **(options.pop("settings", None) or {})}
        return super().begin(name, settings=settings, **options)

    def end(self) -> None:
        running = [agent for agent in self.started if not agent.over]
        try:
            for agent in running:
                agent.signal(signal.SIGCONT)
                agent.signal(signal.SIGTERM)
            limits = {agent: Deadline(agent.pid, STOP_LIMIT + SLACK) for agent in running}
            while any(agent.status is None and not limit.passed for agent, limit in limits.items()):
                time.sleep(0.01)
            left = {agent.name: agent.status for agent in running}
        finally:
            super().end()
        assert set(left.values()) <= {0}, f"told to stop, within {STOP_LIMIT} s: {left}"


class Watched(Struct, eq=False):
    """An agent and the clients that watch it."""

    agent: Agent
    entry: Pass
    thread: Threaded[Recorder]
    memory: int
    growth: int

    @property
    def recorder(self) -> Recorder:
        return self.thread.server


class FaultHarness(Numbered):
    """The agents of one test; ``watch`` begins, ``judge`` ends the watch over some of them."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.watched: list[Watched] = []
        self.judged = 0
        """How many agents have been watched and judged."""
        self._others: list[tuple[Agent, Pass]] = []

    async def watch(
        self,
        *sound: Agent,
        harmed: Sequence[Agent | KnownNode] = (),
        unwatched: Sequence[Agent | KnownNode] = (),
        also_at: Mapping[Agent, str] | None = None,
        entry: Pass = OPEN,
        growth: int = GROWTH,
        pace: float = PACE,
        push: bool = False,
    ) -> None:
        """Watch agents that nothing is wrong with, while something is wrong with ``harmed``.

        All of them, and those ``unwatched`` that are healthy too, are one complete cluster by now.
        ``also_at``: further addresses under which some may be known.
        """
        everyone = (*sound, *unwatched, *harmed)
        healthy = [one for one in everyone if one not in harmed]
        names = sorted({one.name for one in healthy})
        others = [one for one in (*harmed, *unwatched) if isinstance(one, Agent)]
        for agent in (*sound, *others):
            await check_health(agent, entry)
        self._others += [(agent, entry) for agent in others]
        for agent in sound:
            nodes = {
                one: known_node(one, (also_at or {}).get(one, ""))
                if isinstance(one, Agent)
                else one
                for one in everyone
            }
            nodes[agent].push = push
            truth = GroundTruth(list(nodes.values()), slack=SLACK, short=SLACK, prompt=True)
            for one in harmed:
                truth.begin("link", nodes[one], -inf)
            seed = len(self.watched)
            thread = Threaded(
                Recorder(
                    agent.address,
                    names,
                    entry,
                    nodes[agent],
                    truth,
                    pid=agent.pid,
                    pace=pace,
                    seed=seed,
                )
            )
            if LINUX:
                reset_peak(agent.pid)
            memory = peak(agent.pid) if LINUX else 0
            await asyncio.to_thread(thread.__enter__)
            self.watched.append(Watched(agent, entry, thread, memory, growth))

    @contextmanager
    def frozen(self, agent: Agent) -> Iterator[None]:
        """Have an agent stand still."""
        pauses = self._begin_fault("pause", agent)
        agent.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            agent.signal(signal.SIGCONT)
            for pause in pauses:
                pause.until = monotonic()

    async def stop(self, agent: Agent) -> None:
        """Tell an agent to stop. Raises AssertionError unless it ends in time."""
        self._begin_fault("leave", agent)
        assert await agent.stopped(within=STOP_LIMIT + SLACK) == 0

    async def judge(self) -> None:
        """End the watch. Raises AssertionError with all violations."""
        watched, self.watched = self.watched, []
        self.judged += len(watched)
        found = []
        for one in watched:
            try:
                await asyncio.to_thread(one.thread.run, one.recorder.finish(), timeout=30)
            finally:
                await asyncio.to_thread(one.thread.__exit__, None, None, None)
            found += [f"{one.agent.name}: {violation}" for violation in _judged(one)]
        for agent, entry in [(one.agent, one.entry) for one in watched] + self._others:
            if not agent.over:
                await check_health(agent, entry)
        assert not found, "\n".join(["invariants were violated:", *found])

    def _begin_fault(self, kind: str, agent: Agent) -> list[Fault]:
        """Begin a fault in an agent, for each recorder that watches it."""
        recorders = [one.recorder for one in self.watched if one.agent is agent]
        return [one.truth.begin(kind, one.node, monotonic()) for one in recorders]


def known_node(agent: Agent, also_at: str = "") -> KnownNode:
    """What is known of an agent, which may be listed at one more address."""
    every = json.loads(agent.config.read_text()).get("interval", 1.0)
    flags = list(agent.flags)
    advertised = flags[flags.index("--advertise") + 1] if "--advertise" in flags else ""
    addresses = list(filter(None, (agent.address, advertised, also_at)))
    return KnownNode(name=agent.name, addresses=addresses, every=every)


async def check_health(agent: Agent, entry: Pass = OPEN) -> None:
    """Raises AssertionError unless an agent runs, answers promptly, and has logged no traceback."""
    what = f"{agent.name} is not healthy"
    assert agent.process is not None
    assert agent.process.poll() is None, f"{what}: its process ended with {agent.process.poll()}"
    assert "Traceback" not in agent.log(), f"{what}: it logged a traceback"
    began = monotonic()
    try:
        async with asyncio.timeout(2 * SLACK), entry.connect(agent.address) as client:
            await client.send('{"type": 0}')
            answer = str(await client.recv())
        async with asyncio.timeout(2 * SLACK):
            status = await _healthz(agent, entry)
    except (OSError, TimeoutError) as error:
        raise AssertionError(f"{what}: {error!r} after {monotonic() - began:.3f} s") from error
    assert answer.startswith(f'{{"host":"{agent.name}"'), f"{what}: {answer}"
    assert status == b"200", f"{what}: /healthz says {status!r}"


async def _healthz(agent: Agent, entry: Pass) -> bytes:
    host, _, port = agent.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=entry.tls)
    try:
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return (await reader.read()).split()[1]
    finally:
        writer.close()
        await writer.wait_closed()


def _judged(one: Watched) -> Iterator[str]:
    recorder = one.recorder
    if recorder.truth.disconnects(recorder.node, monotonic()) is None:
        yield from recorder.too_few()
    for watcher in recorder.watchers:
        yield from map(str, watcher.violations[:SHOWN])
        if len(watcher.violations) > SHOWN:
            asked = watcher.conversation.counts.asked
            yield f"… and {len(watcher.violations) - SHOWN} more among {asked} requests"
    if LINUX and not one.agent.over:
        grown = peak(one.agent.pid) - one.memory
        if grown > one.growth:
            yield f"it took {grown} bytes more; {one.growth} are allowed"
