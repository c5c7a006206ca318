"""Agents of one case: healthy before it, watched in it, healthy after it, and gone in time."""

import asyncio
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from msgspec import Struct

from bench.harness.agents import Agent, Agents
from bench.harness.threaded import Threaded
from bench.harness.usage import peak, reset_peak
from eventually import SLACK
from invariants.record import Known, Node
from invariants.recorder import PACE, Pass, Recorder
from invariants.verdict import faults

LINUX = sys.platform == "linux"
MEGABYTE = 1024 * 1024

GROWTH = 24 * MEGABYTE
"""Bytes that an agent may take more, at any moment of a case, than it had before it."""

STOP_LIMIT = 2.0
"""Seconds within which an agent that was told to stop must be gone."""

SHOWN = 4
"""Faults that are shown of each record; there may be hundreds of one kind."""

OPEN = Pass()


class Numbered(Agents):
    """Agents whose numbers can be told apart: each has an interval of its own.

    They end as in life: told to stop, and gone within two seconds.
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
            deadline = monotonic() + STOP_LIMIT + SLACK
            processes = [agent.process for agent in running if agent.process is not None]
            while monotonic() < deadline and any(one.poll() is None for one in processes):
                time.sleep(0.01)
            left = {agent.name: one.poll() for agent, one in zip(running, processes, strict=True)}
        finally:
            super().end()
        assert set(left.values()) <= {0}, f"told to stop, within {STOP_LIMIT} s: {left}"


class Watched(Struct, eq=False):
    """An agent and who watches it."""

    agent: Agent
    entry: Pass
    known: Known
    recorder: Threaded[Recorder]
    memory: int
    growth: int


class FaultHarness(Numbered):
    """The agents of one test; ``watch`` begins, ``judge`` ends the watch over some of them."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.watched: list[Watched] = []
        self.judged = 0
        self._others: list[tuple[Agent, Pass]] = []

    async def watch(
        self,
        *sound: Agent,
        harmed: Sequence[Agent | Node] = (),
        unwatched: Sequence[Agent | Node] = (),
        also_at: Mapping[Agent, str] | None = None,
        entry: Pass = OPEN,
        growth: int = GROWTH,
        pace: float = PACE,
        push: bool = False,
    ) -> None:
        """Watch agents that nothing is wrong with, while something is with ``harmed``.

        All of them, and those ``unwatched`` that are sound too, are one cluster, complete by now.
        ``also_at`` are addresses under which some may be known besides.
        """
        nodes = [
            Node.of(one, sound=one not in harmed, also_at=(also_at or {}).get(one, ""))
            if isinstance(one, Agent)
            else one
            for one in (*sound, *unwatched, *harmed)
        ]
        names = sorted({node.name for node in nodes if node.sound})
        others = [one for one in (*harmed, *unwatched) if isinstance(one, Agent)]
        for agent in (*sound, *others):
            await check_health(agent, entry)
        self._others += [(agent, entry) for agent in others]
        for agent in sound:
            known = Known(host=agent.name, nodes=tuple(nodes), push=push)
            recorder = Recorder(agent.address, names, entry, pace=pace, seed=len(self.watched))
            await self._begin(agent, known, recorder, entry, growth)

    @contextmanager
    def frozen(self, agent: Agent) -> Iterator[None]:
        """Let an agent stand still."""
        since = monotonic()
        agent.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            agent.signal(signal.SIGCONT)
            for one in self.watched:
                if one.agent is agent:
                    one.known.still.append((since, monotonic()))

    async def stop(self, agent: Agent) -> None:
        """Tell an agent to stop, and see that it does not wait for anybody."""
        for one in self.watched:
            if one.agent is agent:
                one.known.told_to_stop = monotonic()
        began = monotonic()
        agent.signal(signal.SIGTERM)
        assert await agent.exited(within=STOP_LIMIT + SLACK) == 0, f"{monotonic() - began:.3f} s"

    async def judge(self) -> None:
        """End the watch. Raises AssertionError with all that was not as it must be."""
        watched, self.watched = self.watched, []
        self.judged += len(watched)
        found = []
        for one in watched:
            try:
                await asyncio.to_thread(one.recorder.run, one.recorder.server.finish(), timeout=30)
            finally:
                await asyncio.to_thread(one.recorder.__exit__, None, None, None)
            found += [f"{one.agent.name}: {fault}" for fault in _judged(one)]
        for agent, entry in [(one.agent, one.entry) for one in watched] + self._others:
            if not agent.over:
                await check_health(agent, entry)
        assert not found, "\n".join(["what must stay true did not:", *found])

    async def _begin(
        self, agent: Agent, known: Known, recorder: Recorder, entry: Pass, growth: int
    ) -> None:
        thread = Threaded(recorder)
        if LINUX:
            reset_peak(agent.pid)
        memory = peak(agent.pid) if LINUX else 0
        await asyncio.to_thread(thread.__enter__)
        self.watched.append(Watched(agent, entry, known, thread, memory, growth))


async def check_health(agent: Agent, entry: Pass = OPEN) -> None:
    """Raises AssertionError unless an agent is there, answers promptly, and has not stumbled."""
    who = f"{agent.name} is not well"
    assert agent.process is not None
    assert agent.process.poll() is None, f"{who}: its process ended with {agent.process.poll()}"
    assert "Traceback" not in agent.log(), f"{who}: it logged a traceback"
    began = monotonic()
    try:
        async with asyncio.timeout(2 * SLACK), entry.connect(agent.address) as client:
            await client.send('{"type": 0}')
            answer = str(await client.recv())
        async with asyncio.timeout(2 * SLACK):
            status = await _healthz(agent, entry)
    except (OSError, TimeoutError) as error:
        raise AssertionError(f"{who}: {error!r} after {monotonic() - began:.3f} s") from error
    assert answer.startswith(f'{{"host":"{agent.name}"'), f"{who}: {answer}"
    assert status == b"200", f"{who}: /healthz says {status!r}"


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
    recorder = one.recorder.server
    if one.known.told_to_stop is None:
        yield from recorder.short()
    for talk in recorder.talks:
        found = faults(talk, one.known)
        yield from found[:SHOWN]
        if len(found) > SHOWN:
            yield f"… and {len(found) - SHOWN} faults more among {talk.questions} questions"
    if LINUX and not one.agent.over:
        grown = peak(one.agent.pid) - one.memory
        if grown > one.growth:
            yield f"it took {grown} bytes more; {one.growth} are allowed"
