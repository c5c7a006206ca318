"""That watchers see it where something real goes wrong: here on the line between them and an agent."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bench.harness.agents import Agent
from bench.harness.proxy import Proxy, again, lost
from bench.harness.threaded import Threaded
from eventually import eventually
from invariants.harness import FaultHarness, check_health
from invariants.record import Known, Node
from invariants.recorder import LEAST, Pass, Recorder
from invariants.verdict import faults

SOON = 0.05
"""Seconds from one burst of questions to the next."""


@pytest.fixture
async def ward(tmp_path: Path) -> AsyncIterator[FaultHarness]:
    ward = FaultHarness(tmp_path)
    yield ward
    ward.end()


@pytest.fixture
def cartman(ward: FaultHarness) -> Agent:
    return ward.start("cartman")


async def seen(agent: Agent, harm: Callable[[Proxy], None]) -> list[str]:
    """What a watcher finds wrong, of whose line to the agent somebody makes something else."""
    known = Known(host=agent.name, nodes=(Node.of(agent, sound=True),))
    with Threaded(Proxy(agent.address)) as line:
        async with Recorder(line.address, [agent.name], Pass(), pace=SOON) as recorder:
            await eventually(lambda: min(talk.answers for talk in recorder.talks) >= LEAST)
            harm(line.server)
            sent = len(recorder.mixed.sent)
            await eventually(lambda: len(recorder.mixed.sent) >= sent + LEAST)
            await recorder.finish()
            return [fault for talk in recorder.talks for fault in faults(talk, known)]


async def test_where_nothing_is_wrong_nothing_is_found(cartman: Agent) -> None:
    assert await seen(cartman, lambda line: None) == []


async def test_answers_that_come_twice_are_found(cartman: Agent) -> None:
    def harm(line: Proxy) -> None:
        line.back.harm = again

    found = await seen(cartman, harm)

    assert any("answered 2 times" in fault for fault in found)
    assert any("nobody had asked for this" in fault for fault in found)


async def test_answers_that_come_late_are_found_with_how_late(cartman: Agent) -> None:
    def harm(line: Proxy) -> None:
        line.back.delay = 1.5

    found = await seen(cartman, harm)

    assert any("answered 1.5" in fault and "s after its deadline" in fault for fault in found)


async def test_answers_that_never_come_are_found(cartman: Agent) -> None:
    def harm(line: Proxy) -> None:
        line.back.harm = lost

    found = await seen(cartman, harm)

    assert any("never answered" in fault for fault in found)
    assert any("no tick in the last" in fault for fault in found)


async def test_a_connection_that_is_cut_is_found(cartman: Agent) -> None:
    with Threaded(Proxy(cartman.address)) as line:
        async with Recorder(line.address, ["cartman"], Pass(), pace=SOON) as recorder:
            await eventually(lambda: recorder.mixed.heard)
            line.run(line.server.reset())
            await eventually(lambda: recorder.mixed.ended and recorder.prompt.ended)
            await recorder.finish()

            assert recorder.short() != []
            known = Known(host="cartman", nodes=(Node.of(cartman, sound=True),))
            assert "the connection ended" in faults(recorder.mixed, known)[-1]


async def test_a_node_that_is_not_in_the_answers_is_found(
    ward: FaultHarness, cartman: Agent
) -> None:
    await ward.watch(cartman, harmed=[Node(name="kenny")])

    with pytest.raises(AssertionError, match=r"\['cartman', 'kenny'\] are to stand in it"):
        await ward.judge()


async def test_memory_that_was_taken_is_found(ward: FaultHarness, cartman: Agent) -> None:
    await ward.watch(cartman, growth=-1)

    with pytest.raises(AssertionError, match="bytes more; -1 are allowed"):
        await ward.judge()


async def test_an_agent_that_has_died_or_stands_still_is_not_well(cartman: Agent) -> None:
    await check_health(cartman)
    cartman.signal(signal.SIGSTOP)

    with pytest.raises(AssertionError, match="cartman is not well: TimeoutError"):
        await check_health(cartman)

    os.kill(cartman.pid, signal.SIGKILL)
    assert cartman.process is not None
    await asyncio.to_thread(cartman.process.wait)
    with pytest.raises(AssertionError, match="cartman is not well: its process ended with -9"):
        await check_health(cartman)
    cartman.over = True
