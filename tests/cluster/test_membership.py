"""The membership of a simulated cluster: joining, leaving, parting, healing."""

import pytest

from simulation.membership import (
    assert_no_ghosts,
    churn,
    day,
    everybody_lists,
    frozen_self,
    halves,
    join_through_one,
    quiet,
    whole_restart,
)
from simulation.world import World


@pytest.mark.parametrize("count", [2, 50, 200])
def test_who_knows_one_seed_soon_knows_all(count: int) -> None:
    with World(count) as world:
        join_through_one(world, count)


def test_gossip_is_quiet_while_all_agree() -> None:
    with World(2) as world:
        join_through_one(world, 40)
        quiet(world, world.agents)


def test_halves_that_part_are_whole_again_without_ghosts_after_they_heal() -> None:
    with World(3) as world:
        agents = world.mesh(20)
        world.wait_for(world.whole, 30)
        halves(world, agents)


def test_views_agree_soon_after_many_have_restarted() -> None:
    with World(4) as world:
        agents = world.mesh(20)
        world.wait_for(world.whole, 30)
        churn(world, agents, minutes=10)


def test_a_whole_cluster_that_restarts_does_not_stampede() -> None:
    with World(5) as world:
        agents = world.mesh(60)
        world.wait_for(world.whole, 40)
        whole_restart(world, agents)


def test_late_messages_and_stalls_take_nobody_down() -> None:
    day(6, count=10, hours=1)


def test_an_agent_that_stood_still_itself_declares_nobody_down() -> None:
    with World(7) as world:
        agents = world.mesh(10)
        world.wait_for(world.whole, 30)
        frozen_self(world, agents)


def test_who_is_frozen_is_down_everywhere_within_five_seconds() -> None:
    with World(8) as world:
        agents = world.mesh(100)
        world.wait_for(world.whole, 60)
        agents[0].freeze()
        world.run(5.0)
        for agent in agents[1:]:
            assert agents[0].name not in {member.name for member in agent.cluster.peers.up()}


def test_who_is_killed_is_down_everywhere_within_a_tenth_of_a_second() -> None:
    with World(9) as world:
        agents = world.mesh(50)
        world.wait_for(world.whole, 60)
        agents[0].crash()
        world.run(0.1)
        for agent in agents[1:]:
            assert agents[0].name not in {member.name for member in agent.cluster.peers.up()}


def test_who_leaves_is_listed_by_nobody_and_does_not_come_back_by_gossip() -> None:
    with World(10) as world:
        join_through_one(world, 20)
        agents = world.agents
        world.wait_for(world.whole, 60)
        agents[7].stop()
        world.run(120)
        assert_no_ghosts([agent for agent in agents if agent is not agents[7]])


def test_who_left_and_comes_back_is_whole_again() -> None:
    with World(11) as world:
        join_through_one(world, 20)
        world.wait_for(world.whole, 60)
        world.agents[7].stop()
        world.run(30)
        world.agents[7].start()
        world.wait_for(lambda: everybody_lists(world.agents), 30)
        assert_no_ghosts(world.agents)


def test_who_was_away_while_another_left_does_not_bring_it_back() -> None:
    with World(12) as world:
        join_through_one(world, 10)
        agents = world.agents
        world.wait_for(world.whole, 60)
        world.split([agents[3]], [agent for agent in agents if agent is not agents[3]])
        world.run(10)
        agents[5].stop()
        world.run(60)
        world.heal()
        world.run(60)
        assert_no_ghosts([agent for agent in agents if agent is not agents[5]])
