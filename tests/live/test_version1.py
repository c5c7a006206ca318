"""Version-1 agents and clients in one cluster with ours."""

from collections.abc import AsyncIterator

import pytest

from bench.harness.agents import Agent, Agents, whole
from doubles.v1_client import V1Client
from doubles.v1_server import STATS, V1Server, node_object
from live.asking import ask, errors


@pytest.fixture
async def kyle() -> AsyncIterator[V1Server]:
    async with V1Server("kyle") as server:
        yield server


@pytest.fixture
async def cartman(agents: Agents, kyle: V1Server) -> Agent:
    """An agent of ours that knows the version-1 agent kyle."""
    cartman = agents.start("cartman", nodes=[kyle.address])
    await whole(cartman, "cartman", "kyle")
    return cartman


async def test_a_version_1_peer_is_listed_with_its_own_numbers(cartman: Agent) -> None:
    answer = await ask(cartman, {"type": 1})

    assert answer["nodes"]["kyle"] == {"name": "kyle", **STATS, "error": ""}


async def test_a_version_1_peer_is_asked_for_nothing_but_itself(
    cartman: Agent, kyle: V1Server
) -> None:
    await ask(cartman, {"type": 1, "statType": 2, "id": 7, "timeout": 3})

    assert kyle.requests == [{"type": 0, "statType": 0}] * len(kyle.requests)


async def test_a_granular_question_makes_a_version_1_peer_granular(cartman: Agent) -> None:
    answer = await ask(cartman, {"type": 1, "statType": 1})

    assert answer["nodes"]["kyle"] == {"name": "kyle", "cpuUsed": 5.0, "error": ""}


async def test_the_late_answer_of_a_version_1_peer_is_counted_off(
    cartman: Agent, kyle: V1Server
) -> None:
    kyle.freeze()
    asked = len(kyle.requests)
    async with V1Client(cartman.address) as client:
        kyle.stats = {"cpuUsed": 1.0}
        await client.send({"type": 1, "timeout": 0.1})
        (late,) = await client.receive()
        await kyle.arrived(asked + 1)
        kyle.stats = {"cpuUsed": 2.0}
        await client.send({"type": 1, "timeout": 10})
        kyle.thaw()
        (answer,) = await client.receive()

    assert late["nodes"]["kyle"]["error"] == "no answer within 0.1 s"
    assert answer["nodes"]["kyle"]["cpuUsed"] == 2.0


async def test_a_frozen_version_1_peer_does_not_hold_up_the_others(
    cartman: Agent, kyle: V1Server
) -> None:
    kyle.freeze()

    answer = await ask(cartman, {"type": 1, "timeout": 0.2})

    assert errors(answer) == {"cartman": "", "kyle": "no answer within 0.2 s"}


async def test_a_version_1_peer_that_was_lost_is_found_again(
    cartman: Agent, kyle: V1Server
) -> None:
    await kyle.drop()

    await whole(cartman, "cartman", "kyle")


async def test_a_version_1_peer_that_answers_nonsense_spoils_only_its_own_entry(
    cartman: Agent, kyle: V1Server
) -> None:
    kyle.stats = {"cpuUsed": -1}

    answer = await ask(cartman, {"type": 1})

    assert answer["nodes"]["cartman"]["error"] == ""
    assert answer["nodes"]["kyle"]["error"].startswith("bad answer: ")


async def test_both_versions_stand_side_by_side(agents: Agents, kyle: V1Server) -> None:
    kenny = agents.start("kenny", nodes=[kyle.address])
    cartman = agents.start("cartman", nodes=[kenny.address, kyle.address])

    await whole(cartman, "cartman", "kenny", "kyle")


async def test_a_version_1_client_gets_the_fields_of_version_1_in_their_order(
    agents: Agents,
) -> None:
    cartman = agents.start("cartman")

    async with V1Client(cartman.address) as client:
        await client.send('{"type": 1, "statType": 0}')
        (answer,) = await client.receive()

    node = answer["nodes"]["cartman"]
    assert list(answer) == ["host", "nodes", "error"]
    assert list(node) == list(node_object("cartman"))


async def test_a_version_1_client_is_offered_no_subprotocol(agents: Agents) -> None:
    cartman = agents.start("cartman")

    async with V1Client(cartman.address) as client:
        assert client.subprotocol is None


async def test_a_version_1_agent_that_dials_ours_gets_our_own_numbers(
    agents: Agents, kyle: V1Server
) -> None:
    cartman = agents.start("cartman", nodes=[kyle.address])

    async with V1Client(cartman.address) as dialler:
        answers = await dialler.ask(0, 0, 0)

    assert [list(answer["nodes"]) for answer in answers] == [["cartman"]] * 3
