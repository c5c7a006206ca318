"""Any agent shows what all nodes did at one moment of the past, whatever their clocks say."""

from typing import Any

import pytest

from simulation.agents import EPOCH
from simulation.membership import configured
from simulation.world import World

SKEWS = (0.0, 3600.0, -7200.0, 30.0)
"""Seconds by which the clocks of the agents are wrong."""


@pytest.fixture
def agents(world: World) -> list[Any]:
    """Agents whose CPU is worth the moment, for 15 minutes."""
    found = configured(world, len(SKEWS))
    for agent, skew in zip(found, SKEWS, strict=True):
        agent.skew = skew
        agent.series = lambda now: {"cpuUsed": now}
    world.run(900)
    return found


def zoom(world: World, agent: Any, moment: float, **fields: Any) -> dict[str, Any]:
    """The minute that ended at a moment, of all nodes, as an agent tells it."""
    client = world.client(agent)
    world.run(0.1)
    until = EPOCH + moment + agent.skew
    assert client.ask(**({"type": 1, "history": 60, "until": until} | fields))
    world.run(0.5)
    nodes: dict[str, Any] = client.latest["nodes"]
    return nodes


def test_every_agent_shows_the_same_moment_of_all(world: World, agents: list[Any]) -> None:
    moment = world.clock.now - 300
    for asked in agents:
        nodes = zoom(world, asked, moment)
        assert len(nodes) == len(agents)
        for agent in agents:
            history = nodes[agent.name]["history"]
            assert history["every"] == 1
            assert history["end"] == pytest.approx(EPOCH + moment + agent.skew, abs=3)
            assert history["until"] == pytest.approx(EPOCH + moment + agent.skew, abs=2)
            assert len(history["cpuUsed"]) == 60
            assert history["cpuUsed"][-1] == pytest.approx(moment, abs=3)


@pytest.mark.parametrize("push", [False, True])
def test_a_dead_node_is_shown_at_the_same_moment(
    world: World, agents: list[Any], *, push: bool
) -> None:
    victim = agents[1]
    victim.crash()
    died = world.clock.now
    world.run(200)
    moment = died - 300
    if push:
        newcomer = world.agent("newcomer", nodes=[agents[0].address], mode="push")
        newcomer.series = agents[0].series
        agents.append(newcomer)
        world.run(30)
    for asked in agents:
        if asked is not victim:
            history = zoom(world, asked, moment, nodes=[victim.name])[victim.name]["history"]
            assert history["keptBy"] in {agent.name for agent in agents}
            assert len(history["cpuUsed"]) == 6
            assert history["cpuUsed"][-1] == pytest.approx(moment, abs=25)
            assert history["end"] == pytest.approx(EPOCH + moment + victim.skew, abs=25)
            before_all = zoom(world, asked, died - 5000, nodes=[victim.name])
            assert "history" not in before_all[victim.name]


def test_keepers_that_do_not_know_how_long_ago_are_not_believed(
    world: World, agents: list[Any]
) -> None:
    victim, *others = agents
    for agent in others:
        with_kept = agent.cluster.responder.with_kept
        agent.cluster.responder.with_kept = lambda body, wanted, _, limit, with_kept=with_kept: (
            with_kept(body, wanted, None, limit)
        )
    victim.crash()
    died = world.clock.now
    world.run(60)
    for asked in others:
        history = zoom(world, asked, died - 300, nodes=[victim.name])[victim.name]["history"]
        assert history["keptBy"] == asked.name, "only what it keeps itself"
        assert history["cpuUsed"][-1] == pytest.approx(died - 300, abs=25)
