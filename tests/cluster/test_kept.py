"""What led to the death of a node can be seen at any survivor."""

from typing import Any

import pytest

from nodnod_agent.core.stats.keeper import KEEPERS
from simulation.agents import EPOCH
from simulation.membership import configured
from simulation.world import World

UNTOLD = 13.0
"""Seconds before its death of which nobody has heard, at most."""


def busy(world: World, count: int, *, legacy: int = 0, **options: Any) -> list[Any]:
    """Agents whose past tells its time: at each moment their CPU is worth that moment."""
    agents = configured(world, count, legacy=legacy, **options)
    for agent in agents[: count - legacy]:
        agent.series = lambda now: {"cpuUsed": now, "load1": 1.5}
    return agents


def as_version_2_0(agent: Any) -> None:
    """Have an agent be one that keeps nothing, and ignores the field ``kept``."""
    agent.cluster.keeper.stop()
    agent.cluster.responder.with_kept = lambda body, *_: body


def past(world: World, survivor: Any, victim: Any, **fields: Any) -> dict[str, Any] | None:
    """The last hour of a dead node in an answer of a survivor about it."""
    client = world.client(survivor)
    world.run(0.1)
    assert client.ask(**({"type": 1, "history": 3600, "nodes": [victim.name]} | fields))
    world.run(0.5)
    node = client.latest["nodes"][victim.name]
    assert node["error"].startswith("down: ")
    history: dict[str, Any] | None = node.get("history")
    return history


def assert_whole(history: dict[str, Any] | None, died: float, minutes: float) -> None:
    """It reaches from shortly before the death back for so many minutes, without a hole."""
    assert history is not None
    assert died - UNTOLD <= history["end"] - EPOCH <= died
    values = history["cpuUsed"]
    assert len(values) >= minutes * 6 - 1
    assert None not in values
    for back, value in enumerate(reversed(values)):
        then = died - back * history["every"]
        assert abs(value - then) < 30


@pytest.mark.parametrize("count", [2, 4, 9])
@pytest.mark.parametrize("fault", ["crash", "lose_power"])
def test_any_survivor_shows_the_past_of_a_dead_node(world: World, count: int, fault: str) -> None:
    victim, *others = busy(world, count)
    world.run(600)
    getattr(victim, fault)()
    died = world.clock.now
    world.run(30)
    for survivor in others:
        assert_whole(past(world, survivor, victim), died, 10)
        among_others = past(world, survivor, victim, history=60, nodes=None)
        assert among_others is not None
        assert len(among_others["cpuUsed"]) == 6


def test_it_is_the_last_hour(world: World) -> None:
    victim, survivor, _ = busy(world, 3)
    world.run(4500)
    victim.crash()
    died = world.clock.now
    assert_whole(past(world, survivor, victim), died, 60)


def test_it_is_shown_for_as_long_as_the_node_is_listed(world: World) -> None:
    victim, survivor, _ = busy(world, 3)
    world.run(600)
    victim.crash()
    died = world.clock.now
    world.run(2 * 3600)
    assert_whole(past(world, survivor, victim), died, 10)


def test_it_outlives_two_of_three_keepers(world: World) -> None:
    agents = busy(world, 9)
    world.run(600)
    victim = agents[4]
    victim.crash()
    died = world.clock.now
    world.run(30)
    keepers = [
        one for one in agents if victim.name in one.cluster.keeper._kept and one is not victim
    ]
    assert len(keepers) == KEEPERS
    for keeper in keepers[:2]:
        keeper.crash()
    world.run(30)
    for survivor in agents:
        if survivor.alive:
            assert_whole(past(world, survivor, victim), died, 10)


def test_a_node_whose_keepers_died_is_kept_by_others_with_all_its_hour(world: World) -> None:
    agents = busy(world, 9)
    world.run(600)
    victim = agents[4]
    keepers = [one for one in agents if victim.name in one.cluster.keeper._kept]
    for keeper in keepers:
        keeper.crash()
    world.run(30)
    victim.crash()
    died = world.clock.now
    world.run(30)
    survivor = next(one for one in agents if one.alive)
    assert_whole(past(world, survivor, victim), died, 10)


def test_an_agent_that_starts_after_the_death_shows_it_too(world: World) -> None:
    agents = busy(world, 6)
    world.run(600)
    agents[0].crash()
    died = world.clock.now
    world.run(60)
    newcomer = world.agent("newcomer", nodes=[agents[1].address])
    world.run(60)
    assert_whole(past(world, newcomer, agents[0]), died, 10)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_found_after_members_came_and_went(world: World) -> None:
    agents = busy(world, 8)
    world.run(600)
    agents[0].crash()
    died = world.clock.now
    world.run(60)
    for agent in agents[1:3]:
        agent.restart()
        agent.series = lambda now: {"cpuUsed": now}
    for number in range(2):
        world.agent(f"new-{number}", nodes=[agents[4].address])
    world.run(120)
    for survivor in agents[1:]:
        assert_whole(past(world, survivor, agents[0]), died, 10)


def test_a_node_that_is_back_has_a_hole_where_it_was_dead(world: World) -> None:
    victim, keeper, _ = busy(world, 3)
    world.run(600)
    victim.crash()
    world.run(300)
    victim.start()
    world.run(600)
    victim.crash()
    world.run(30)
    history = past(world, keeper, victim)
    assert history is not None
    values = history["cpuUsed"]
    assert len(values) >= 145
    assert 27 <= values.count(None) <= 33


def test_versions_mix(world: World) -> None:
    agents = busy(world, 7, legacy=2)
    for agent in agents[1:3]:
        as_version_2_0(agent)
    world.run(600)
    agents[0].crash()
    died = world.clock.now
    world.run(30)
    for survivor in (agents[3], agents[4]):
        assert_whole(past(world, survivor, agents[0]), died, 10)
    assert past(world, agents[1], agents[0]) is not None, "it asks, too"
    agents[5].crash()
    world.run(30)
    assert past(world, agents[3], agents[5]) is None, "a node of version 1 has no past"
    for agent in agents[1:5]:
        nodes = world.ask_all()[agent.name]
        assert {name for name, one in nodes.items() if one["error"]} == {"agent-0", "agent-5"}


def test_agents_in_push_mode_do_the_same(world: World) -> None:
    victim, *others = busy(world, 3, mode="push")
    world.run(600)
    victim.crash()
    died = world.clock.now
    world.run(30)
    assert_whole(past(world, others[0], victim), died, 10)


def test_it_costs_each_agent_the_same_however_many_there_are(world: World) -> None:
    agents = busy(world, 40)
    world.wait_for(world.whole, 60)
    world.run(60)
    assert {len(agent.cluster.keeper._kept) for agent in agents} == {KEEPERS}
    before = [agent.process.sent for agent in agents]
    sizes = [agent.process.sent_bytes for agent in agents]
    world.run(100)
    asked = 2 * KEEPERS * 10  # to ask three, and to answer three
    for agent, sent, size in zip(agents, before, sizes, strict=True):
        assert agent.process.sent - sent <= 1.1 * asked + 30
        assert (agent.process.sent_bytes - size) / 100 < 400
