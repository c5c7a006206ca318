"""Tags in a simulated cluster, in which some agents lose the tags of others."""

from typing import Any

import pytest
from msgspec.structs import replace

from nodnod_client.messages import MemberEntry
from simulation.membership import await_agreement
from simulation.world import World

DB, WEB = {"role": "db"}, {"role": "web"}


def lose_tags(agent: Any) -> None:
    """Have an agent know no tags, as one that has never heard of them."""
    table = agent.cluster.peers.gossip.table
    merge = table.merge

    def without(entry: MemberEntry, **more: Any) -> MemberEntry | None:
        return merge(replace(entry, tags={}), **more)

    table.merge = without


def mixed(world: World, *, old: int, new: int) -> tuple[list[Any], list[Any]]:
    """Agents that join at once through one of the old ones; all that keep tags have some."""
    seed = world.agent()
    agents = [seed, *(world.agent(nodes=[seed.address]) for _ in range(old - 1))]
    for agent in agents:
        lose_tags(agent)
    tagged = [world.agent(nodes=[seed.address], tags=DB) for _ in range(new)]
    return agents, tagged


def see(agents: list[Any], tagged: list[Any], tags: dict[str, str]) -> bool:
    """Whether all agents know all these nodes with these tags."""
    expected = {agent.name: tags for agent in tagged}
    return all(
        {row.name: row.tags for row in agent.cluster.peers.members() if row.tags} == expected
        for agent in agents
    )


@pytest.mark.parametrize("old", [1, 10])
def test_tags_reach_all_in_a_cluster_of_agents_that_lose_them(world: World, old: int) -> None:
    agents, tagged = mixed(world, old=old, new=10)
    await_agreement(world, agents + tagged, 30)
    world.wait_for(lambda: see(tagged, tagged, DB), 30)


def test_other_tags_reach_all_soon(world: World) -> None:
    agents, tagged = mixed(world, old=5, new=10)
    world.run(60)
    for agent in tagged:
        agent.cluster.peers.retag(WEB)
    world.wait_for(lambda: see(tagged, tagged, WEB), 10)
    await_agreement(world, agents + tagged, 10)
    world.run(60)
    assert see(tagged, tagged, WEB)


def test_a_node_that_is_back_has_its_new_tags(world: World) -> None:
    agents, tagged = mixed(world, old=3, new=5)
    world.run(60)
    tagged[2].crash()
    world.run(10)
    assert see(tagged[:2], tagged, DB)
    tagged[2]._options["tags"] = WEB
    tagged[2].start()
    await_agreement(world, agents + tagged, 30)
    for agent in tagged:
        known = {row.name: row.tags for row in agent.cluster.peers.members()}
        assert known[tagged[2].name] == WEB


def test_gossip_is_quiet_while_some_know_no_tags(world: World) -> None:
    agents, tagged = mixed(world, old=5, new=10)
    everyone = agents + tagged
    await_agreement(world, everyone, 30)
    world.run(120)
    lists = sum(agent.cluster.peers.gossip.lists for agent in everyone)
    exchanges = [agent.cluster.peers.gossip.exchanges for agent in everyone]
    world.run(100)
    # An agent may remember an old digest of a peer that it has not asked since.
    assert sum(agent.cluster.peers.gossip.lists for agent in everyone) - lists <= 1
    for agent, before in zip(everyone, exchanges, strict=True):
        assert agent.cluster.peers.gossip.exchanges - before <= 11
