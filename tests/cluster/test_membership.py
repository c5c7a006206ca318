"""The membership of a simulated cluster: joins, departures, partitions, clocks."""

from typing import Any

import pytest

from nodnod_agent.core.membership import peers
from nodnod_client.messages import MemberEntry
from simulation.membership import (
    agree,
    assert_no_ghosts,
    await_agreement,
    churn,
    configured,
    day,
    halves,
    join_through_one,
    lost_peers,
    quiet,
    whole_restart,
)
from simulation.network import CALM, Weather
from simulation.world import World


def joined(world: World, count: int) -> list[Any]:
    """A cluster that was joined through one seed, some time ago."""
    join_through_one(world, count)
    world.wait_for(world.whole, 0.2 * count + 30)
    world.run(20)
    return world.agents


@pytest.fixture
def short_days(monkeypatch: pytest.MonkeyPatch) -> float:
    """Seconds until an absent node is forgotten: a whole day would take long to simulate."""
    seconds = 300.0
    monkeypatch.setattr(peers, "FORGOTTEN_AFTER", seconds)
    return seconds


def shown_down(agents: list[Any], name: str) -> list[str]:
    """The agents that list a node as failed."""
    return [
        agent.name
        for agent in agents
        for member in agent.cluster.peers.roster.listing()
        if member.name == name and not member.up and member.error.startswith("down")
    ]


@pytest.mark.parametrize("count", [2, 3, 7, 50, 200])
def test_agents_that_know_one_seed_soon_know_all(world: World, count: int) -> None:
    join_through_one(world, count)


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_newcomer_is_known_even_if_the_only_agent_that_it_knew_leaves_at_once(
    world: World,
) -> None:
    first, *others = joined(world, 4)
    late = world.agent(nodes=[first.address])
    world.wait_for(lambda: len(late.cluster.peers.links.up()) == 1, 5.0, step=0.001)
    first.stop()
    world.run(3)
    assert all(late.name in agent.cluster.peers.roster.nodes for agent in others)


def test_gossip_is_quiet_while_all_agree(world: World) -> None:
    join_through_one(world, 40)
    quiet(world, world.agents)


def test_a_healed_partition_is_whole_again_without_ghosts(world: World) -> None:
    halves(world, configured(world, 20))


@pytest.mark.parametrize("seconds", [300.0])
def test_an_agent_that_lost_500_peers_at_one_moment_has_them_again_within_30_s(
    world: World, seconds: float
) -> None:
    lost_peers(world, 500, seconds)


def test_membership_tables_agree_soon_after_many_restarts(world: World) -> None:
    churn(world, configured(world, 20), minutes=10)


def test_a_whole_cluster_that_restarts_does_not_stampede(world: World) -> None:
    whole_restart(world, configured(world, 60))


def test_late_messages_and_stalls_take_no_node_down() -> None:
    day(6, count=10, hours=1)


def test_a_node_that_left_is_listed_again_only_when_it_is_back(world: World) -> None:
    agents = joined(world, 20)
    agents[7].stop()
    world.run(120)
    assert_no_ghosts([agent for agent in agents if agent is not agents[7]])
    agents[7].start()
    await_agreement(world, agents, 30)


def test_an_agent_that_missed_a_departure_does_not_bring_the_node_back(world: World) -> None:
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


@pytest.mark.parametrize("weather", [CALM, Weather(late=0.05)])
def test_a_planned_stop_is_at_no_moment_listed_as_a_failure(world: World) -> None:
    agents = joined(world, 15)
    agents[5].stop()
    for _ in range(500):
        world.run(0.02)
        assert shown_down(agents[:5] + agents[6:], agents[5].name) == []


@pytest.mark.parametrize("after", [0.0, 0.02, 0.05, 0.1, 0.3, 1.0])
def test_a_stop_right_after_the_start_is_not_listed_as_a_failure(
    world: World, after: float
) -> None:
    agents = list(joined(world, 15))
    newcomer = world.agent("newcomer", nodes=[agents[0].address])
    world.run(after)
    newcomer.stop()
    for _ in range(250):
        world.run(0.02)
        assert shown_down(agents, "newcomer") == []
    assert_no_ghosts(agents)


def test_a_stop_is_listed_as_a_failure_only_by_agents_that_were_cut_off(world: World) -> None:
    agents = joined(world, 10)
    world.split([agents[3]])
    world.run(10)
    agents[5].stop()
    world.run(10)
    assert shown_down(agents, agents[5].name) == [agents[3].name]
    world.heal()
    world.run(40)
    assert_no_ghosts([agent for agent in agents if agent is not agents[5]])


def test_news_of_one_agent_reach_all_within_seconds(world: World) -> None:
    agents = joined(world, 60)
    gone = MemberEntry("gone", "10.9.9.9:7070", "i", 1, "left", 1_700_000_000.0)
    agents[7].cluster.peers.gossip._take(gone, "a test")
    assert not agree(agents)
    assert world.wait_for(lambda: agree(agents), 60, step=0.25) <= 15


def test_failures_and_a_departure_at_the_same_time_are_told_apart(world: World) -> None:
    agents = joined(world, 15)
    frozen, dark, leaver = agents[1], agents[2], agents[4]
    frozen.freeze()
    dark.lose_power()
    leaver.stop()
    world.run(5.1)
    others = [agent for agent in agents if agent not in (frozen, dark, leaver)]
    names = [agent.name for agent in others]
    assert shown_down(others, frozen.name) == shown_down(others, dark.name) == names
    assert shown_down(others, leaver.name) == []
    frozen.thaw()
    dark.start()
    leaver.start()
    await_agreement(world, agents, 30)


def test_seeds_that_start_last_are_found(world: World) -> None:
    seeds = [world.agent(start=False) for _ in range(2)]
    for _ in range(6):
        world.agent(nodes=[seed.address for seed in seeds])
    world.run(300)
    for seed in seeds:
        seed.start()
    await_agreement(world, world.agents, 25)


@pytest.mark.parametrize("how", ["stop", "crash"])
@pytest.mark.parametrize("number", [0, 5])
def test_a_node_whose_clock_was_set_back_while_it_was_away_is_the_same_node(
    world: World, number: int, how: str
) -> None:
    agents = joined(world, 8)
    getattr(agents[number], how)()
    world.run(5)
    agents[number].skew = -5 * 3600.0
    agents[number].start()
    await_agreement(world, agents, 20)


@pytest.mark.parametrize("skew", [-10 * 365 * 86400.0, 10 * 365 * 86400.0])
def test_a_node_whose_clock_was_years_wrong_is_listed_soon_after_it_was_set(
    world: World, skew: float
) -> None:
    agents = joined(world, 8)
    agents[5].stop()
    world.run(5)
    agents[5].skew = skew
    agents[5].start()
    world.run(60)
    agents[5].skew = 0.0
    await_agreement(world, agents, 90)


def test_a_node_that_is_away_for_a_day_is_forgotten_and_learnt_again(
    world: World, short_days: float
) -> None:
    agents = joined(world, 4)
    agents[2].crash()
    world.run(short_days - 60)
    assert shown_down(agents, agents[2].name) == [agents[n].name for n in (0, 1, 3)]
    world.run(60 + 2 * peers.HOUSEKEEPING)
    assert shown_down(agents, agents[2].name) == []
    agents[2].start()
    await_agreement(world, agents, 20)


def test_a_node_that_was_cut_off_for_a_day_comes_back_through_its_own_seed(
    world: World, short_days: float
) -> None:
    agents = joined(world, 5)
    world.split([agents[2]])
    world.run(short_days + 2 * peers.HOUSEKEEPING)
    assert [len(a.cluster.peers.roster.listing()) for a in agents] == [3, 3, 1, 3, 3]
    world.heal()
    await_agreement(world, agents, 30)
