"""The watching clients find what goes wrong on a real connection: here, in a proxy before an agent."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench.harness.agents import Agent
from bench.harness.invariants.ground_truth import GroundTruth, KnownNode
from bench.harness.proxy import Proxy, again, lost
from bench.harness.threaded import Threaded
from eventually import SLACK, eventually
from invariants.harness import FaultHarness, check_health, known_node
from invariants.recorder import LEAST, Pass, Recorder

SOON = 0.05
"""Seconds from one burst of requests to the next."""


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[FaultHarness]:
    harness = FaultHarness(tmp_path)
    yield harness
    harness.end()


@pytest.fixture
def cartman(harness: FaultHarness) -> Agent:
    return harness.start("cartman")


@asynccontextmanager
async def watched(agent: Agent) -> AsyncIterator[tuple[Threaded[Proxy], Recorder]]:
    """An agent that is watched through a proxy."""
    node = known_node(agent)
    truth = GroundTruth([node], slack=SLACK, short=SLACK, prompt=True)
    with Threaded(Proxy(agent.address)) as line:
        async with Recorder(line.address, [agent.name], Pass(), node, truth, pace=SOON) as recorder:
            yield line, recorder


async def seen(agent: Agent, harm: Callable[[Proxy], None]) -> list[str]:
    """What the clients find wrong if their connection is harmed."""
    async with watched(agent) as (line, recorder):
        await eventually(lambda: min(one.answers for one in recorder.watchers) >= LEAST)
        harm(line.server)
        counts = recorder.mixed.conversation.counts
        sent = counts.asked
        await eventually(lambda: counts.asked >= sent + LEAST)
        if line.server.back.delay:
            # On a busy machine, finish() would not wait for so late an answer.
            await eventually(lambda: any("after its" in one for one in recorder.violations))
        await recorder.finish()
        return recorder.violations


async def test_an_agent_at_work_violates_nothing(cartman: Agent) -> None:
    assert await seen(cartman, lambda line: None) == []


@pytest.mark.parametrize(
    ("field", "value", "sentences"),
    [
        pytest.param("harm", again, ["a second answer to", "this was not asked for"], id="twice"),
        pytest.param("delay", 3.0, [r"answered [1-9]\.\d+ s after its deadline"], id="late"),
        pytest.param(
            "harm",
            lost,
            ["there is no answer, but the connection lives", "no tick for"],
            id="never",
        ),
    ],
)
async def test_answers_that_do_not_come_once_and_in_time_are_found(
    cartman: Agent, field: str, value: object, sentences: list[str]
) -> None:
    found = "\n".join(await seen(cartman, lambda line: setattr(line.back, field, value)))
    assert [one for one in sentences if not re.search(one, found)] == []


async def test_a_connection_that_is_cut_is_found(cartman: Agent) -> None:
    async with watched(cartman) as (line, recorder):
        await eventually(lambda: recorder.mixed.answers)
        line.run(line.server.reset())
        await eventually(lambda: recorder.mixed.over and recorder.prompt.over)
        await recorder.finish()

        assert recorder.too_few() != []
        assert "the connection ended" in recorder.mixed.violations[0].what


async def test_a_node_that_is_missing_in_the_answers_is_found(
    harness: FaultHarness, cartman: Agent
) -> None:
    await harness.watch(cartman, harmed=[KnownNode(name="kenny")])

    with pytest.raises(AssertionError, match="kenny is not in it"):
        await harness.judge()


async def test_memory_that_grew_is_found(harness: FaultHarness, cartman: Agent) -> None:
    await harness.watch(cartman, growth=-1)

    with pytest.raises(AssertionError, match="bytes more; -1 are allowed"):
        await harness.judge()


async def test_an_agent_that_has_died_or_stands_still_is_not_healthy(cartman: Agent) -> None:
    await check_health(cartman)
    cartman.signal(signal.SIGSTOP)

    with pytest.raises(AssertionError, match="cartman is not healthy: TimeoutError"):
        await check_health(cartman)

    os.kill(cartman.pid, signal.SIGKILL)
    assert cartman.process is not None
    await asyncio.to_thread(cartman.process.wait)
    with pytest.raises(AssertionError, match="cartman is not healthy: its process ended with -9"):
        await check_health(cartman)
    cartman.over = True
