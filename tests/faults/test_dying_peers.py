"""Peers that freeze, die and come back, and what the others answer meanwhile."""

import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from bench.harness.agents import Agent, Agents, whole
from doubles.v1_client import V1Client
from eventually import SLACK
from invariants.harness import FaultHarness
from live.asking import ask, errors

NAMES = ("cartman", "kenny", "kyle")


@pytest.fixture
async def cluster(harness: FaultHarness, shared_agents: Agents) -> AsyncIterator[list[Agent]]:
    """Three agents, of which kenny, in the middle, may be harmed."""
    if not shared_agents.started:
        await shared_agents.cluster(*NAMES)
    cartman, kenny, kyle = shared_agents.started
    for agent in shared_agents.started:
        await whole(agent, *NAMES)
    await harness.watch(cartman, kyle, harmed=[kenny])
    yield shared_agents.started
    if kenny.over:
        await kenny.restart()


@pytest.fixture
def cartman(cluster: list[Agent]) -> Agent:
    return cluster[0]


@pytest.fixture
def kenny(cluster: list[Agent]) -> Agent:
    return cluster[1]


@pytest.fixture
def frozen(kenny: Agent, harness: FaultHarness) -> Iterator[Agent]:
    """kenny, frozen."""
    with harness.frozen(kenny):
        yield kenny


# Frozen.


async def test_late_answers_of_a_frozen_peer_reach_no_client(cartman: Agent, frozen: Agent) -> None:
    async with V1Client(cartman.address) as client:
        questions: list[dict[str, Any]] = [
            {"type": 1, "timeout": 0.1, "id": number, "statType": number % 4}
            for number in range(40)
        ]
        await client.send(*questions)
        late = await client.receive(40)
        frozen.signal(signal.SIGCONT)
        # The peer now answers the requests that are over, and then these.
        await client.send(*({**question, "timeout": 10} for question in questions))
        answers = await client.receive(40)

    assert {errors(answer)["kenny"] for answer in late} == {"no answer within 0.1 s"}
    fields = [9, 3, 5, 5]  # that a node object of each statType has
    seen = {answer["id"]: [len(node) for node in answer["nodes"].values()] for answer in answers}
    assert seen == {number: [fields[number % 4]] * 3 for number in range(40)}
    assert {error for answer in answers for error in errors(answer).values()} == {""}


async def test_a_peer_that_freezes_again_and_again_is_never_down(
    cartman: Agent, kenny: Agent, harness: FaultHarness
) -> None:
    lost = cartman.log().count("Lost connection")

    for timeout in (0.1, 0.3, 0.1, 0.5, 0.2, 0.1):
        with harness.frozen(kenny):
            answer = await ask(cartman, {"type": 1, "timeout": timeout})
            assert errors(answer)["kenny"] == f"no answer within {timeout:g} s"
        await whole(cartman, *NAMES, within=SLACK)

    assert cartman.log().count("Lost connection") == lost


# Killed.


async def test_requests_in_flight_when_their_peer_dies_are_answered_at_once(
    cartman: Agent, frozen: Agent
) -> None:
    async with V1Client(cartman.address) as client:
        waiting = [{"type": 1, "timeout": 20, "id": number} for number in range(50)]
        await client.send(*waiting, {"type": 0, "id": "seen"})
        await client.receive()  # so the others are in flight
        frozen.kill()
        answers = await client.receive(50)

    assert {answer["id"] for answer in answers} == set(range(50))
    assert all(errors(answer)["kenny"].startswith("down: ") for answer in answers)


async def test_a_peer_that_dies_and_comes_back_answers_again_within_fifteen_seconds(
    cluster: list[Agent], cartman: Agent, kenny: Agent
) -> None:
    kenny.kill()
    assert errors(await ask(cartman, {"type": 1}))["kenny"].startswith("down: ")

    await kenny.restart()

    for agent in cluster:
        await whole(agent, *NAMES, within=15.0)
