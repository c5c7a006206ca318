"""What a membership must live through, at any size: each scenario asserts, and tells its figures.

The ordinary suite plays them small; ``make simulate`` plays them large.
"""

from typing import Any

from nodnod_agent.edge.links import DIAL_LIMIT
from simulation.network import Weather
from simulation.world import World

__all__ = [
    "churn",
    "day",
    "everybody_lists",
    "frozen_self",
    "halves",
    "join_through_one",
    "whole_restart",
]

REDIAL_LIMIT = 15.0


def join_through_one(world: World, count: int, limit: float = 30.0) -> dict[str, Any]:
    """All start at once and know one seed: soon all know all, and then gossip is quiet."""
    seed = world.agent()
    agents = [seed, *(world.agent(nodes=[seed.address]) for _ in range(count - 1))]

    def known() -> bool:
        return all(len(agent.cluster.peers.gossip.view.entries) == count - 1 for agent in agents)

    took = world.wait_for(known, limit, step=0.25)
    views = {agent.cluster.peers.gossip.view.digest for agent in agents}
    assert len(views) == 1
    most_lists = max(agent.cluster.peers.gossip.lists for agent in agents)
    assert most_lists < 10 * (took + 1), "lists go out one by one, not to all at once"
    return {"agents": count, "all know all (s)": took, "lists by one agent": most_lists}


def quiet(world: World, agents: list[Any], seconds: float = 60.0) -> dict[str, Any]:
    """What gossip costs while nothing happens, once every link is up."""
    gossips = [agent.cluster.peers.gossip for agent in agents]
    world.wait_for(world.whole, 0.2 * len(agents) + 60, step=1.0)
    world.run(15)
    requests = sum(gossip.exchanges for gossip in gossips)
    sent = sum(gossip.sent_bytes for gossip in gossips)
    world.run(seconds)
    rate = 2 * (sum(gossip.exchanges for gossip in gossips) - requests) / len(agents) / seconds
    # An answer is as long as its request: two digests and a member each.
    size = 2 * (sum(gossip.sent_bytes for gossip in gossips) - sent) / len(agents) / seconds
    assert rate <= 2
    assert size <= 2048
    return {"gossip messages/s": rate, "gossip bytes/s": size}


def halves(world: World, agents: list[Any], seconds: float = 600.0) -> dict[str, Any]:
    """A partition into halves: each answers for itself, and is whole again after it heals."""
    half = len(agents) // 2
    sides = [agents[:half], agents[half:]]
    world.split(*sides)
    world.run(seconds)
    for side, other in (sides, reversed(sides)):
        expected = {agent.name for agent in other}
        for agent in side:
            peers = agent.cluster.peers
            down = {member.listed for member in peers.roster.listing() if not member.up}
            assert down == expected, f"{agent.name} sees down {sorted(down)}"
    world.heal()
    took = world.wait_for(world.whole, 30, step=0.25)
    assert_no_ghosts(agents)
    return {"whole after heal (s)": took}


def churn(world: World, agents: list[Any], minutes: int, share: float = 0.1) -> dict[str, Any]:
    """A share of the agents restarts every minute; when it stops, views soon agree."""
    restarts = 0
    for _ in range(minutes):
        for agent in world.rng.sample(agents, max(1, int(share * len(agents)))):
            agent.restart()
            restarts += 1
            world.run(60 * 1.0 / max(1, int(share * len(agents))))
    took = world.wait_for(world.whole, 30, step=0.25)
    assert_no_ghosts(agents)
    return {"restarts": restarts, "whole after churn (s)": took}


def whole_restart(world: World, agents: list[Any]) -> dict[str, Any]:
    """All restart at once: nobody dials ten times in a second, and all are whole again."""
    world.run(30)
    for agent in agents:
        agent.restart()
    most, counted = 0, dict.fromkeys(agents, 0)
    began = world.clock.now
    while not world.whole():
        assert world.clock.now - began < 0.2 * len(agents) + 30
        world.run(1.0)
        for agent in agents:
            most = max(most, agent.process.dials - counted[agent])
            counted[agent] = agent.process.dials
    assert most < 10
    return {"dials/s of one agent": most, "whole after restart (s)": world.clock.now - began}


def day(seed: int, count: int, hours: float) -> dict[str, Any]:
    """1 % of messages come a second late and each agent stalls for 3 s an hour: nobody is down."""
    with World(seed, Weather(late=0.01, lateness=1.0)) as world:
        agents = world.mesh(count)
        world.wait_for(world.whole, 30)
        dials = world.network.dials
        spacing = 3600.0 / count
        for turn in range(int(hours * count)):
            agent = agents[turn % count]
            agent.freeze()
            world.run(3.0)
            agent.thaw()
            world.run(spacing - 3.0)
        assert world.network.dials == dials, "a link went down and was dialled again"
        assert world.whole()
        return {"hours": hours, "agents": count, "false downs": world.network.dials - dials}


def frozen_self(world: World, agents: list[Any], seconds: float = 10.0) -> dict[str, Any]:
    """An agent that stood still itself declares nobody down when it wakes."""
    sleeper = agents[0]
    mine = {link: link.wire for link in sleeper.cluster.peers._links}
    sleeper.freeze()
    world.run(seconds)
    sleeper.thaw()
    world.run(0.5)
    dropped = [link for link, wire in mine.items() if link.wire is not wire]
    world.wait_for(world.whole, DIAL_LIMIT + REDIAL_LIMIT)
    assert not dropped
    return {"links dropped by the sleeper": len(dropped)}


def everybody_lists(agents: list[Any]) -> bool:
    """Whether everybody lists as many as there are, and all are up."""
    return all(
        len(agent.cluster.peers.roster.listing()) == len(agents) - 1
        and len(agent.cluster.peers.up()) == len(agents) - 1
        for agent in agents
    )


def assert_no_ghosts(agents: list[Any]) -> None:
    """Everybody lists everybody exactly once, under its own name, and nobody else."""
    names = sorted(agent.name for agent in agents)
    for agent in agents:
        listed = [member.listed for member in agent.cluster.peers.roster.listing()]
        assert sorted([*listed, agent.name]) == names
