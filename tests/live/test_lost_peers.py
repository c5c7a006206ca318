"""Peers that freeze, die and come back, and what the others answer meanwhile."""

import asyncio
import signal
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import pytest

from doubles.v1_client import V1Client
from live.agents import Agent, Agents, ask, errors, whole

SLACK = 0.4
"""Seconds that a busy machine may add to what an agent promises."""


NAMES = ("cartman", "kenny", "kyle")


@pytest.fixture
async def cluster(agents: Agents) -> list[Agent]:
    """A cluster of its own, for a test that kills."""
    return await agents.cluster(*NAMES)


@pytest.fixture
async def cartman(shared_agents: Agents) -> AsyncIterator[Agent]:
    """An agent of which one of two peers, kenny, is frozen."""
    if not shared_agents.started:
        await shared_agents.cluster(*NAMES)
    cartman, kenny, _ = shared_agents.started
    await whole(cartman, *NAMES)
    kenny.signal(signal.SIGSTOP)
    yield cartman
    kenny.signal(signal.SIGCONT)


@pytest.fixture
def kenny(cartman: Agent, shared_agents: Agents) -> Agent:
    return shared_agents.started[1]


async def test_a_frozen_peer_is_named_at_the_deadline(cartman: Agent) -> None:
    asked = monotonic()
    answer = await ask(cartman, {"type": 1, "timeout": 0.5})
    took = monotonic() - asked

    assert errors(answer) == {"cartman": "", "kenny": "no answer within 0.5 s", "kyle": ""}
    assert 0.5 <= took < 0.5 + SLACK


async def test_each_request_has_its_own_deadline_while_a_peer_is_frozen(cartman: Agent) -> None:
    async with V1Client(cartman.address) as client:
        await client.send(*({"type": 1, "id": t, "timeout": t / 10} for t in (5, 3, 1)))
        answers = await client.receive(3)

    assert [(answer["id"], errors(answer)["kenny"]) for answer in answers] == [
        (1, "no answer within 0.1 s"),
        (3, "no answer within 0.3 s"),
        (5, "no answer within 0.5 s"),
    ]


async def test_requests_with_id_overtake_one_that_waits_for_a_frozen_peer(cartman: Agent) -> None:
    async with V1Client(cartman.address) as client:
        await client.send({"type": 1, "timeout": 0.3, "id": "slow"}, {"type": 0, "id": "fast"})
        answers = await client.receive(2)

    assert [answer["id"] for answer in answers] == ["fast", "slow"]


async def test_requests_without_id_keep_their_order_while_a_peer_is_frozen(cartman: Agent) -> None:
    async with V1Client(cartman.address) as client:
        await client.send({"type": 1, "timeout": 0.3}, {"type": 0}, {"type": 99}, {"type": 0})
        answers = await client.receive(4)

    assert [len(answer["nodes"]) for answer in answers] == [3, 1, 0, 1]


async def test_other_clients_do_not_wait_for_a_frozen_peer(cartman: Agent) -> None:
    waiting = asyncio.create_task(ask(cartman, {"type": 1, "timeout": 1}))

    async with V1Client(cartman.address) as other:
        for _ in range(50):
            await other.ask(0)

    assert not waiting.done()
    assert errors(await waiting)["kenny"] == "no answer within 1 s"


async def test_a_peer_that_goes_on_is_whole_again_within_a_second(
    cartman: Agent, kenny: Agent
) -> None:
    assert errors(await ask(cartman, {"type": 1, "timeout": 0.2}))["kenny"]

    kenny.signal(signal.SIGCONT)

    await whole(cartman, *NAMES, within=1.0)


async def test_late_answers_of_a_frozen_peer_reach_nobody(cartman: Agent, kenny: Agent) -> None:
    async with V1Client(cartman.address) as client:
        questions: list[dict[str, Any]] = [
            {"type": 1, "timeout": 0.1, "id": number, "statType": number % 4}
            for number in range(40)
        ]
        await client.send(*questions)
        late = await client.receive(40)
        kenny.signal(signal.SIGCONT)
        # The peer now answers what nobody waits for any more, and then this.
        await client.send(*({**question, "timeout": 10} for question in questions))
        answers = await client.receive(40)

    assert {errors(answer)["kenny"] for answer in late} == {"no answer within 0.1 s"}
    fields = [9, 3, 5, 5]  # that a node object of each statType has
    seen = {answer["id"]: [len(node) for node in answer["nodes"].values()] for answer in answers}
    assert seen == {number: [fields[number % 4]] * 3 for number in range(40)}
    assert {error for answer in answers for error in errors(answer).values()} == {""}


async def test_a_killed_peer_is_named_without_waiting(cluster: list[Agent]) -> None:
    cartman, kenny, _ = cluster

    async with V1Client(cartman.address) as client:
        kenny.kill()
        asked = monotonic()
        (answer,) = await client.ask(1)
        took = monotonic() - asked

    assert errors(answer)["kenny"].startswith("down: ")
    assert took < 0.1 + SLACK


async def test_a_request_in_flight_when_its_peer_dies_is_answered_at_once(
    cluster: list[Agent],
) -> None:
    cartman, kenny, _ = cluster
    kenny.signal(signal.SIGSTOP)

    async with V1Client(cartman.address) as client:
        await client.send({"type": 1, "timeout": 20, "id": 1}, {"type": 0, "id": 2})
        await client.receive()  # so the first is under way
        kenny.kill()
        (answer,) = await client.receive()

    assert errors(answer)["kenny"].startswith("down: ")


async def test_a_restarted_peer_is_whole_again_within_fifteen_seconds(
    cluster: list[Agent],
) -> None:
    cartman, kenny, _ = cluster
    kenny.kill()
    assert errors(await ask(cartman, {"type": 1}))["kenny"]

    kenny.start()
    kenny.listening()

    for agent in cluster:
        await whole(agent, *NAMES, within=15.0)


async def test_a_peer_that_comes_and_goes_costs_one_log_line_each_time(
    cluster: list[Agent],
) -> None:
    cartman, kenny, _ = cluster
    node = kenny.listen
    kenny.kill()
    assert errors(await ask(cartman, {"type": 1}))["kenny"]
    kenny.start()
    kenny.listening()
    await whole(cartman, *NAMES)
    kenny.kill()
    assert errors(await ask(cartman, {"type": 1}))["kenny"]

    changes = [line.partition(" Reason")[0] for line in cartman.messages() if node in line]

    assert changes[-4:] == [
        f"Lost connection with node: [kenny : {node}].",
        f"Established connection with node: {node}",
        f"Connected to node: [kenny : {node}]",
        f"Lost connection with node: [kenny : {node}].",
    ]
