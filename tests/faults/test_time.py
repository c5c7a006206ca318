"""Time: an agent that is stopped for a while, one that is to end, and a clock that jumps."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import AsyncExitStack
from time import time

import pytest

from bench.harness.agents import Agent, whole
from bench.harness.processes import free_ports
from eventually import SLACK, eventually
from invariants.harness import FaultHarness
from live.asking import ask, errors
from live.fake_clock import Clock
from live.raw import RawClient, frame, upgrade
from live.views import all_see
from live.web import counts
from nodnod_agent.core.membership.keepalive import SILENCE

NAMES = ("cartman", "kenny", "kyle")


async def test_a_thawed_agent_answers_and_declares_no_peer_down(
    harness: FaultHarness,
) -> None:
    cartman, kenny, kyle = await harness.cluster(*NAMES)
    await harness.watch(kenny, kyle, harmed=[cartman])
    await harness.watch(cartman, unwatched=[kenny, kyle])

    with harness.frozen(cartman):
        await all_see([kenny, kyle], within=SILENCE + SLACK, cartman="down", kenny="up", kyle="up")
        await asyncio.sleep(0.5)  # longer than the silence that it tolerates of others

    assert errors(await ask(cartman, {"type": 1, "timeout": 5})) == dict.fromkeys(NAMES, "")
    for agent in (kenny, kyle):
        await whole(agent, *NAMES)
    assert "Lost connection" not in cartman.log()


# The end.


@pytest.fixture
def many_files() -> Iterator[None]:
    """Allow over a thousand connections to this process and those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_thousand_stuck_clients_do_not_delay_the_end(
    many_files: None, harness: FaultHarness
) -> None:
    # On a busy machine it takes longer to connect all than an agent waits for one by default.
    patient = {"limits": {"handshake": 60, "unreadFor": 60}}
    cartman, kenny = await harness.cluster("cartman", "kenny", settings=patient)
    await harness.watch(cartman, harmed=[kenny])
    stuck = {
        "in the handshake": upgrade()[:-1],
        "in a frame": upgrade() + frame("x" * 1000)[:500],
        "without reading": upgrade() + frame("{}") * 100,
        "waiting for a peer": upgrade() + frame('{"type": 1, "timeout": 30, "history": 3600}') * 5,
        "listening": upgrade() + frame('{"type": 1, "every": 0.25, "id": 1, "history": 600}'),
    }
    with harness.frozen(kenny):
        async with AsyncExitStack() as stack:
            for data in stuck.values():
                for _ in range(200):
                    client = RawClient(cartman.port, receive_buffer=4096)
                    await stack.enter_async_context(client)
                    await client.send(data)
                    if data.startswith(upgrade()):
                        assert await client.status() == 101
            assert (await counts(cartman))["nodnod_connections"] > 1000

            await harness.stop(cartman)


# The clock.


async def test_a_clock_that_jumps_harms_no_answer_history_or_link(
    harness: FaultHarness, clock: Clock
) -> None:
    nodes = [f"127.0.0.1:{port}" for port in free_ports(3)]
    for name, node, mode in zip(NAMES, nodes, ("pull", "pull", "push"), strict=True):
        prefix = clock.prefix if name != "kenny" else []
        interval = round(0.25 + 0.01 * len(harness.started), 2)
        settings = {"mode": mode, "interval": interval}
        harness.begin(name, listen=node, nodes=nodes, prefix=prefix, settings=settings)
    for agent in harness.started:
        agent.listening()
    cartman, kenny, kyle = harness.started
    for agent in harness.started:
        await whole(agent, *NAMES)
    await harness.watch(cartman, kenny, unwatched=[kyle])
    await harness.watch(kyle, unwatched=[cartman, kenny], push=True)

    seen = 0
    for hours in (6, -6, 0, 12, 0):
        clock.set(hours)

        async def sampled(hours: int = hours, seen: int = seen) -> int:
            """How many numbers the last minute has, once there are new ones."""
            node = (await ask(cartman, {"type": 0, "history": 60}))["nodes"]["cartman"]
            history = node["history"]
            numbers = sum(number is not None for number in history["cpuUsed"])
            jumped = abs(history["end"] - time() - 3600 * hours) < 60
            return numbers if jumped and numbers > seen else 0

        await eventually(sampled)
        seen = await sampled(hours, 0)
        for agent in harness.started:
            answer = await ask(agent, {"type": 1, "detail": ["load"], "history": 5})
            assert errors(answer) == dict.fromkeys(NAMES, "")

    clock.set(3)
    for node in ("cartman", "kyle"):
        await eventually(lambda node=node: told_of_step(kenny, node))  # type: ignore[misc]
    assert all("Lost connection" not in agent.log() for agent in harness.started)


async def told_of_step(agent: Agent, node: str) -> bool:
    """Whether an agent shows that the clock of a node was set."""
    events = (await ask(agent, {"type": 7, "nodes": [node]}))["events"]
    return any(event["kind"] == "clock-stepped" for event in events)
