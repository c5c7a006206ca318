"""What a cluster says has happened: each thing once, at all agents, within seconds."""

from typing import Any

import pytest

from nodnod_agent.core.events.observer import BURST
from simulation.happenings import (
    agree_on_events,
    events_of,
    kinds_of,
    make_old,
    steady,
)
from simulation.membership import gossip_rate
from simulation.network import CALM, Weather
from simulation.world import World, address_of


def all_show(world: World, agents: list[Any], node: Any, *kinds: str, within: float = 30.0) -> None:
    """Wait until all these show these events about a node, and see that nothing is added."""

    def shown() -> bool:
        return agree_on_events(agents) and all(
            kinds_of(agent, node) == list(kinds) for agent in agents
        )

    world.wait_for(shown, within, step=0.25)
    world.run(30)
    assert shown()


def about(agent: Any, node: Any, kind: str) -> Any:
    """The last event of a kind about a node."""
    return [one for one in events_of(agent) if (one.node, one.kind) == (node.name, kind)][-1]


def others(agents: list[Any], *without: Any) -> list[Any]:
    return [agent for agent in agents if agent not in without]


@pytest.mark.parametrize("weather", [CALM, Weather(late=0.05)])
def test_all_agents_show_that_each_has_joined_once(world: World) -> None:
    agents = steady(world, 12)
    assert agree_on_events(agents)
    for node in agents:
        assert kinds_of(agents[0], node) in (["joined"], ["started"])
    assert len(agents[0].cluster.events) == 12


def test_an_agent_without_others_has_started(world: World) -> None:
    agent = world.agent()
    world.run(20)
    assert kinds_of(agent, agent) == ["started"]
    newcomer = world.agent(nodes=[agent.address])
    all_show(world, [agent, newcomer], newcomer, "joined")
    assert kinds_of(newcomer, agent) == ["started"]


def test_of_thirty_agents_all_show_one_down_with_its_reason_when_one_dies(world: World) -> None:
    agents = steady(world, 30)
    dead, rest = agents[11], others(agents, agents[11])
    died = world.clock.now
    dead.crash()
    took = world.wait_for(
        lambda: all(kinds_of(agent, dead)[-1] == "down" for agent in rest), 20, step=0.1
    )
    assert took < 12
    all_show(world, rest, dead, "joined", "down")
    event = about(rest[0], dead, "down")
    assert event.text.startswith("connection reset by peer; seen by agent-")
    assert event.at - events_of(rest[0])[0].at <= died + 1
    assert sum(one.kind == "down" for one in events_of(rest[0])) == 1
    written = [
        agent
        for agent in rest
        if event.id.startswith(agent.cluster.peers.gossip.table.own.instance)
    ]
    assert f"seen by {written[0].name}" in event.text
    # Nobody wrote it again, not even into the part of the log that is not shown.
    assert len(rest[0].cluster.events) == len(agents) + 1


def test_a_node_that_comes_back_after_a_while_is_down_and_then_up_or_restarted(
    world: World,
) -> None:
    agents = steady(world, 8)
    frozen, dead = agents[2], agents[5]
    frozen.freeze()
    dead.crash()
    world.run(20)
    frozen.thaw()
    dead.start()
    all_show(world, agents, frozen, "joined", "down", "up")
    all_show(world, agents, dead, "joined", "down", "restarted")


def test_a_process_that_is_killed_and_started_again_at_once_was_never_down(world: World) -> None:
    agents = steady(world, 8)
    agents[3].crash()
    world.run(2.5)
    agents[3].start()
    all_show(world, agents, agents[3], "joined", "restarted")


def test_a_connection_that_is_lost_for_a_moment_is_no_event(world: World) -> None:
    agents = steady(world, 5)
    before = agents[0].cluster.events.digest
    world.cut(agents[0], agents[1])
    world.run(7)
    world.heal()
    world.run(60)
    assert [agent.cluster.events.digest for agent in agents] == [before] * 5


def test_a_planned_stop_is_left_and_the_next_start_is_a_restart(world: World) -> None:
    agents = steady(world, 8)
    agents[4].stop()
    rest = others(agents, agents[4])
    all_show(world, rest, agents[4], "joined", "left")
    agents[4].start()
    all_show(world, agents, agents[4], "joined", "left", "restarted")


def test_a_node_with_another_name_at_its_address_is_renamed(world: World) -> None:
    agents = steady(world, 6)
    one, old = agents[2], agents[2].name
    one.stop()
    world.run(3)
    one.name = one.host.name = "butters"
    one.start()
    all_show(world, agents, one, "renamed")
    assert about(agents[0], one, "renamed").text.startswith(f"was {old} before; at 10.")


def test_a_node_that_joins_later_is_shown_by_all_and_knows_what_was_before(world: World) -> None:
    agents = steady(world, 10)
    newcomer = world.agent("newcomer", nodes=[agents[0].address])
    everyone = [*agents, newcomer]
    all_show(world, everyone, newcomer, "joined")
    assert events_of(newcomer) == events_of(agents[3])


def test_a_partition_is_shown_by_both_sides_and_all_agree_once_it_has_healed(world: World) -> None:
    agents = steady(world, 10)
    sides = [agents[:4], agents[4:]]
    world.split(*sides)
    world.run(60)
    for side, other in (sides, reversed(sides)):
        assert agree_on_events(list(side))
        for node in other:
            assert kinds_of(side[0], node) == ["joined", "down"]
    world.heal()
    for node in agents:
        all_show(world, agents, node, "joined", "down", "up", within=60)


def test_of_very_many_failures_one_event_stands_for_the_rest(world: World) -> None:
    count = BURST + 16
    agents = steady(world, count + 4)
    rest = agents[:4]
    world.split(rest, agents[4:])
    world.run(60)
    assert agree_on_events(rest)
    down = [event for event in events_of(rest[0]) if event.kind == "down"]
    assert len(down) < count
    assert sum(1 + event.more for event in down) >= count
    last = max(down, key=lambda event: event.more)
    assert last.text.endswith(f"and {last.more} more nodes")


@pytest.mark.parametrize("old", [1, 4])
def test_agents_that_know_no_events_are_told_none_and_harm_no_other(world: World, old: int) -> None:
    nodes = [address_of(number) for number in range(8)]
    agents = [world.agent(nodes=nodes, start=False) for _ in nodes]
    for agent in agents[:old]:
        make_old(agent)
    for agent in agents:
        agent.start()
    world.wait_for(world.whole, 60)
    world.run(75)
    new = agents[old:]
    before = world.trace
    gossip_rate(world, agents, 60)
    assert world.trace == before, "nothing is logged"
    agents[0].stop()
    new[0].crash()
    rest = new[1:]
    world.run(30)
    assert agree_on_events(rest)
    assert kinds_of(rest[0], agents[0]) == ["left"]
    assert kinds_of(rest[0], new[0]) == ["joined", "down"]
    agents[0].start()
    new[0].start()
    world.run(60)
    assert agree_on_events(new)
    assert kinds_of(rest[0], agents[0]) == ["left", "restarted"]
    assert kinds_of(rest[0], new[0]) == ["joined", "down", "restarted"]


def test_a_version_1_agent_is_shown_down_and_up(world: World) -> None:
    agents = steady(world, 5, legacy=1)
    new, old = agents[:-1], agents[-1]
    old.crash()
    world.run(20)
    old.start()
    all_show(world, new, old, "down", "up")


def test_a_hundred_events_of_one_agent_reach_all_and_then_gossip_is_quiet(world: World) -> None:
    agents = steady(world, 12)
    for number in range(100):
        agents[3].cluster.note("reloaded", f"{number}")
        world.run(0.05)
    world.wait_for(lambda: agree_on_events(agents), 30, step=0.25)
    world.run(30)
    _, size = gossip_rate(world, agents, 60)
    assert size < 110
    assert kinds_of(agents[0], agents[3]).count("reloaded") == 100


def test_an_agent_that_was_cut_off_for_long_gets_all_that_it_has_missed(world: World) -> None:
    agents = steady(world, 6)
    world.split(agents[:1], agents[1:])
    for agent in agents[1:]:
        for number in range(200):
            agent.cluster.note("reloaded", f"{number} {'x' * 100}")
    world.run(120)
    world.heal()
    world.wait_for(lambda: agree_on_events(agents), 90, step=0.5)
    assert len(agents[0].cluster.events) == 1000
