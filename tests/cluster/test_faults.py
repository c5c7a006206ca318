"""One fault at a time: how soon it shows, what it costs, and how soon it is over."""

import random
from typing import Any

import pytest

from simulation.membership import configured
from simulation.network import Weather
from simulation.world import World

MARGIN = 0.1
"""Seconds that messages take in addition."""


def errors(nodes: dict[str, Any]) -> dict[str, str]:
    """The errors in an answer, by node."""
    return {name: node["error"] for name, node in nodes.items() if node["error"]}


def seen_down(agents: list[Any], victim: Any) -> bool:
    """Whether all these agents list a node as down."""
    members = (agent.cluster.peers.roster.members[victim.address] for agent in agents)
    return not any(member.up for member in members)


@pytest.mark.parametrize(
    ("fault", "least", "most"),
    [("freeze", 3.0, 5.0 + MARGIN), ("lose_power", 3.0, 5.0 + MARGIN), ("crash", 0.0, 0.1)],
)
def test_a_silent_node_is_down_everywhere_within_five_seconds_and_a_killed_one_at_once(
    world: World, fault: str, least: float, most: float
) -> None:
    victim, *others = configured(world, 20)
    getattr(victim, fault)()
    assert least < world.wait_for(lambda: seen_down(others, victim), 10) <= most


@pytest.mark.parametrize("seconds", [1.0, 4.0])
def test_a_node_that_was_frozen_briefly_is_linked_at_once(world: World, seconds: float) -> None:
    agents = configured(world, 5)
    agents[0].freeze()
    world.run(seconds)
    agents[0].thaw()
    world.run(0.1)
    assert world.whole()


@pytest.mark.parametrize("seed", range(5))
def test_a_node_that_was_frozen_for_long_is_linked_within_the_longest_wait(world: World) -> None:
    agents = configured(world, 5)
    agents[0].freeze()
    world.run(60)
    agents[0].thaw()
    assert world.wait_for(world.whole, 20) <= 15 + MARGIN


@pytest.mark.parametrize("down", [0.0, 3.0, 600.0])
def test_a_node_that_restarts_is_linked_within_a_second(world: World, down: float) -> None:
    agents = configured(world, 8)
    agents[0].crash()
    world.run(down)
    agents[0].start()
    assert world.wait_for(world.whole, 20) <= 1
    assert [errors(nodes) for nodes in world.ask_all().values()] == [{}] * 8


@pytest.mark.parametrize("weather", [Weather(lost=0.01)])
def test_an_agent_that_was_frozen_itself_declares_no_node_down(world: World) -> None:
    agents = configured(world, 10)
    sleeper = agents[0]
    client = world.client(sleeper)
    for _ in range(5):
        wires = {link: link.wire for link in sleeper.cluster.peers.links.members}
        sleeper.freeze()
        world.run(10)
        sleeper.thaw()
        world.run(0.5)
        assert {link: link.wire for link in wires} == wires
        assert len(sleeper.cluster.peers.links.up()) == 9
        client.ask(type=1)
        world.run(2.5)
        assert errors(client.latest["nodes"]) == {}


@pytest.mark.parametrize("seed", range(3))
def test_the_halves_of_a_split_cluster_answer_for_themselves_and_join_again(world: World) -> None:
    agents = configured(world, 12)
    halves = agents[:6], agents[6:]
    world.split(halves[0])
    world.run(60)
    views = world.ask_all()
    for half, other in (halves, halves[::-1]):
        for agent in half:
            assert errors(views[agent.name]).keys() == {node.name for node in other}
    world.heal()
    assert world.wait_for(world.whole, 30) <= 20
    assert [errors(nodes) for nodes in world.ask_all().values()] == [{}] * 12


def test_a_link_cut_in_one_direction_is_down_in_both_and_no_other_is(world: World) -> None:
    a, b, c = configured(world, 3)
    world.cut(a, b)
    world.run(6)
    views = world.ask_all()
    assert errors(views[a.name]).keys() == {b.name}
    assert errors(views[b.name]).keys() == {a.name}
    assert errors(views[c.name]) == {}
    world.heal()
    assert world.wait_for(world.whole, 20) <= 20


@pytest.mark.parametrize("weather", [Weather(lost=0.02, late=0.05)])
def test_messages_that_come_a_second_late_take_no_node_down(world: World) -> None:
    configured(world, 10)
    world.run(600)
    assert world.network.dials == 10 * 9
    assert world.whole()


def test_an_agent_that_stops_answers_open_requests_and_takes_no_node_down(world: World) -> None:
    agents = configured(world, 4)
    agents[1].freeze()
    client = world.client(agents[0])
    world.run(0.1)
    client.ask(type=1, id=1)
    world.run(0.1)
    agents[0].stop()
    world.run(1)
    assert client.latest["code"] == "shutting_down"
    agents[1].thaw()
    world.run(1)
    assert all(len(agent.cluster.peers.links.up()) == 2 for agent in agents[1:])


@pytest.mark.parametrize("seed", [1, 2])
def test_agents_that_get_a_cpu_only_now_and_then_lose_nobody(world: World, seed: int) -> None:
    agents = configured(world, 5)
    rng, clock = random.Random(seed), world.clock

    def rest(agent: Any) -> None:
        agent.process.freeze()
        clock.call_at(clock.now + rng.uniform(1.0, 3.0), run, agent)

    def run(agent: Any) -> None:
        agent.process.thaw()
        clock.call_at(clock.now + rng.uniform(0.01, 0.1), rest, agent)

    for agent in agents:
        rest(agent)
    for _ in range(600):
        world.run(0.1)
        for agent in agents:
            assert len(agent.cluster.peers.links.up()) == 4
