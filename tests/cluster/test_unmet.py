"""Members that some agents cannot reach, that nobody can, and that an operator has removed."""

from typing import Any

import pytest

from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.membership.doubts import ASK_AFTER, UNMET_FOR
from nodnod_agent.core.membership.peers import HOUSEKEEPING
from nodnod_client.codec import encode
from nodnod_client.messages import MemberEntry
from simulation.dialing import Dialer
from simulation.hosts import Process
from simulation.membership import agree, configured, join_through_one
from simulation.world import World, address_of

GHOSTS = 40


def listed(agent: Any) -> list[str]:
    """The names of the nodes that an agent lists besides itself."""
    return sorted(member.listed for member in agent.cluster.peers.roster.listing())


def others(agents: list[Any], agent: Any) -> list[str]:
    return sorted(one.name for one in agents if one is not agent)


def make_up(world: World, agent: Any) -> None:
    """Have what looks like an agent tell one of members that do not exist, and go."""
    hello = Hello(2, "ghost-0", "ghost-0", "10.66.0.0:7070")
    liar = Process(world.clock, world.network.host("liar", address_of(99)), hello)
    members = [
        MemberEntry(f"ghost-{number}", f"10.66.0.{number}:7070", f"ghost-{number}", 1)
        for number in range(GHOSTS)
    ]
    told = {"type": 4, "id": 1, "member": members[0], "members": members, "digest": "0"}
    Dialer(world, liar, agent.address).wire.send(encode(told))
    world.run(1)
    liar.kill()


def test_made_up_members_are_gone_everywhere_after_ten_minutes_also_at_a_newcomer(
    world: World,
) -> None:
    join_through_one(world, 5)
    agents = world.agents[:5]
    world.run(30)
    make_up(world, agents[0])
    world.run(30)
    assert [len(listed(agent)) for agent in agents] == [4 + GHOSTS] * 5
    world.run(UNMET_FOR - 90)
    everyone = [*agents, world.agent("newcomer", nodes=[agents[1].address])]
    world.run(60 + 2 * HOUSEKEEPING)
    assert [listed(agent) for agent in agents] == [others(everyone, agent) for agent in agents]
    world.run(ASK_AFTER)
    assert listed(everyone[-1]) == others(everyone, everyone[-1])
    world.wait_for(lambda: agree(everyone), 30)
    world.run(2 * UNMET_FOR)
    assert [listed(agent) for agent in everyone] == [others(everyone, agent) for agent in everyone]
    assert agree(everyone)


def test_a_node_that_one_agent_cannot_reach_is_down_there_and_up_at_all_others(
    world: World,
) -> None:
    join_through_one(world, 4)
    agents = world.agents[:4]
    node = world.agent("behind", nodes=[agents[0].address], start=False)
    world.cut(agents[3], node)
    node.start()
    world.run(3 * UNMET_FOR)
    up = [{m.name: m.up for m in agent.cluster.peers.roster.listing()} for agent in agents]
    assert [one["behind"] for one in up] == [True, True, True, False]
    assert agree([*agents, node])


@pytest.mark.parametrize("start", [join_through_one, configured])
def test_tables_agree_while_a_dead_node_is_removed_at_one_agent_after_another(
    world: World, start: Any
) -> None:
    start(world, 4)
    agents, dead = world.agents[:3], world.agents[3]
    world.run(30)
    dead.crash()
    world.run(30)
    for number, agent in enumerate(agents):
        agent.cluster.configured.add(dead.address)
        agent.cluster.configured.remove(dead.address)
        for one in agents[: number + 1]:
            assert dead.name not in listed(one)
        assert agree(agents)
        world.run(60)
        assert agree(agents)
    newcomer = world.agent("newcomer", nodes=[agents[0].address])
    world.run(30)
    assert dead.name not in listed(newcomer)
    everyone = [*agents, newcomer]
    world.wait_for(lambda: agree(everyone), UNMET_FOR + 60)
    world.run(UNMET_FOR)
    assert agree(everyone)
    dead.start()
    world.wait_for(lambda: all(dead.name in listed(one) for one in everyone), 30)
    world.wait_for(lambda: agree([*everyone, dead]), 30)


def test_a_removed_node_that_was_only_cut_off_is_listed_again_when_it_is_back(
    world: World,
) -> None:
    agents = configured(world, 3)
    world.split([agents[2]])
    world.run(30)
    agents[0].cluster.configured.remove(agents[2].address)
    assert listed(agents[0]) == ["agent-1"]
    world.heal()
    world.wait_for(lambda: listed(agents[0]) == ["agent-1", "agent-2"], 30)
    world.wait_for(lambda: agree(agents), 30)
