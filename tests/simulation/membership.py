"""Scenarios of membership, at any size: each asserts, and returns its figures.

The test suite runs them small; ``make simulate`` runs them large.
"""

from collections.abc import Sequence
from typing import Any

from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.membership.dial_queue import DIALS_PER_SECOND
from simulation.hosts import Accepted, Process
from simulation.moves import Moves
from simulation.network import Weather
from simulation.world import World, address_of

REDIAL_LIMIT = 15.0


def join_through_one(world: World, count: int, limit: float = 30.0) -> dict[str, Any]:
    """All start at once and know one seed: soon all know all."""
    seed = world.agent()
    agents = [seed, *(world.agent(nodes=[seed.address]) for _ in range(count - 1))]

    def known() -> bool:
        return all(len(agent.cluster.peers.gossip.table.entries) == count - 1 for agent in agents)

    took = world.wait_for(known, limit, step=0.25)
    digests = {agent.cluster.peers.gossip.table.digest for agent in agents}
    assert len(digests) == 1
    most_lists = max(agent.cluster.peers.gossip.lists for agent in agents)
    assert most_lists < 10 * (took + 1), "lists go out one by one, not to all at once"
    return {"agents": count, "all know all (s)": took, "lists by one agent": most_lists}


def configured(world: World, count: int, **options: Any) -> list[Any]:
    """Agents that are configured with each other and have been linked for some time."""
    agents = world.mesh(count, **options)
    world.wait_for(world.whole, 0.2 * count + 30, step=0.1)
    world.run(10)
    return agents


def quiet(world: World, agents: list[Any], seconds: float = 60.0) -> dict[str, Any]:
    """What gossip costs from now on: while links still come up, and once all are up."""
    linking = gossip_rate(world, agents, seconds)
    world.wait_for(world.whole, 0.2 * len(agents) + 60, step=1.0)
    world.run(15)
    whole = gossip_rate(world, agents, seconds)
    return {
        "messages/s while links come up": linking[0],
        "... bytes/s": linking[1],
        "messages/s when whole": whole[0],
        "... bytes/s ": whole[1],
    }


def gossip_rate(world: World, agents: list[Any], seconds: float) -> tuple[float, float]:
    """Messages and bytes that an agent sends in a second; without requests, all is gossip."""
    before = [(agent.process.sent, agent.process.sent_bytes) for agent in agents]
    began = world.clock.now
    world.run(seconds)
    assert all(agent.lives == 1 for agent in agents)
    share = len(agents) * (world.clock.now - began)
    sent = sum(agent.process.sent for agent in agents) - sum(sent for sent, _ in before)
    size = sum(agent.process.sent_bytes for agent in agents) - sum(size for _, size in before)
    assert sent / share <= 2
    assert size / share <= 2048
    return sent / share, size / share


def halves(world: World, agents: list[Any], seconds: float = 600.0) -> dict[str, Any]:
    """A partition into halves: each lists the other as down, and all are linked after it heals."""
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
    figures = linked_again(world, agents, 30)
    assert_no_ghosts(agents)
    return figures


def lost_peers(world: World, count: int, seconds: float) -> dict[str, Any]:
    """One agent loses so many peers at one moment, and has them again within 30 s after it heals.

    They only accept: a whole cluster of this size takes minutes to simulate.
    """
    hosts = [
        world.network.host(f"peer-{number}", address_of(number)) for number in range(1, count + 1)
    ]
    for host in hosts:
        peer = Process(world.clock, host, Hello(2, host.name, host.name, str(host.address)))
        peer.accept = lambda _, __: Accepted(lambda _: None, lambda _: None)
        host.listen(peer)
    agent = world.agent(nodes=[host.address for host in hosts])
    links = agent.cluster.peers.links

    def linked() -> bool:
        return len(links.up()) == count

    world.wait_for(linked, 0.1 * count + 10, step=0.25)
    world.run(10)
    world.network.split(hosts)
    world.run(seconds)
    assert links.up() == []
    world.heal()
    return {"linked after heal (s)": world.wait_for(linked, 30, step=0.25)}


def churn(world: World, agents: list[Any], minutes: int, share: float = 0.1) -> dict[str, Any]:
    """A share of the agents restarts every minute; after the last, tables soon agree.

    Half of them are killed and start at once, half are stopped and start some seconds later. The last
    ones restart at one moment, and then the time is taken.
    """
    count = max(1, int(share * len(agents)))
    restarts = 0
    for _ in range(minutes):
        ends = world.clock.now + 60.0
        moments = sorted(world.rng.uniform(0, 50) for _ in range(count))
        for moment, agent in zip(moments, world.rng.sample(agents, count), strict=True):
            world.run(max(0.0, ends - 60.0 + moment - world.clock.now))
            if not agent.alive:
                continue  # it is about to start
            restarts += 1
            if world.rng.random() < 0.5:
                agent.restart()
            else:
                agent.stop()
                later = world.clock.now + world.rng.uniform(1, 9)
                world.clock.call_at(later, agent.start)
        world.run(ends - world.clock.now)
    for agent in world.rng.sample(agents, count):
        agent.restart()
    took = world.wait_for(lambda: world.whole() and agree(agents), 30, step=0.25)
    assert_no_ghosts(agents)
    return {"restarts": restarts + count, "tables agree after churn (s)": took}


def moves(world: World, agents: list[Any], kinds: Sequence[str], count: int = 12) -> None:
    """All but the first move, exchange addresses and change names; a newcomer lists each once."""
    moving = Moves(world, agents[1:], [address_of(number) for number in range(100, 105)])
    for _ in range(count):
        moving.move(world.rng.choice(kinds))
        world.run(world.rng.uniform(0, 10))
    newcomer(world, agents)


def newcomer(world: World, agents: list[Any]) -> None:
    """Soon all list all, and agree; so does one that joins now; and then gossip is quiet."""
    await_agreement(world, agents, 60)
    everyone = [*agents, world.agent("newcomer", nodes=[agents[0].address])]
    await_agreement(world, everyone, 30)
    world.run(600)  # until each has learnt again which table each other has
    lists = [agent.cluster.peers.gossip.lists for agent in everyone]
    world.run(120)
    assert [agent.cluster.peers.gossip.lists for agent in everyone] == lists
    names = sorted(agent.name for agent in everyone)
    for agent in everyone:
        rows = agent.cluster.peers.members()
        assert [row.name for row in rows if row.state == "left" and row.name in names] == []
        assert sorted(row.name for row in rows if row.state != "left") == names


def whole_restart(world: World, agents: list[Any]) -> dict[str, Any]:
    """All restart at once, and are all linked again."""
    world.run(30)
    for agent in agents:
        agent.restart()
    return linked_again(world, agents, 0.1 * len(agents) + 30)


def linked_again(world: World, agents: list[Any], limit: float) -> dict[str, Any]:
    """All are linked within ``limit`` seconds, and no agent dials more than twenty in one."""
    began = world.clock.now
    rates: dict[str, int] = {}

    def counts() -> dict[str, list[int]]:
        processes = [agent.process for agent in agents]
        return {
            "dials/s of one agent": [process.dials for process in processes],
            "connections/s accepted by one agent": [process.accepted for process in processes],
        }

    before = counts()
    while not world.whole():
        assert world.clock.now - began < limit, f"some are not linked after {limit} s"
        world.run(1.0)
        for what, now in (after := counts()).items():
            most = max(b - a for a, b in zip(before[what], now, strict=True))
            rates[what] = max(most, rates.get(what, 0))
        before = after
    assert rates["dials/s of one agent"] <= DIALS_PER_SECOND
    return rates | {"all linked (s)": world.clock.now - began}


def day(seed: int, count: int, hours: float) -> dict[str, Any]:
    """1 % of messages come a second late and each agent stalls for 3 s an hour: none is down."""
    with World(seed, Weather(late=0.01, lateness=1.0)) as world:
        agents = world.mesh(count)
        world.wait_for(world.whole, 30)
        dials = world.network.dials
        spacing = 3600.0 / count
        for number in range(int(hours * count)):
            agent = agents[number % count]
            agent.freeze()
            world.run(3.0)
            agent.thaw()
            world.run(spacing - 3.0)
        assert world.network.dials == dials, "a link went down and was dialed again"
        assert world.whole()
        return {"hours": hours, "agents": count, "false downs": world.network.dials - dials}


def all_list_all(agents: list[Any]) -> bool:
    """Whether every agent lists all others as up, and no further node."""
    return all(
        len(agent.cluster.peers.roster.listing()) == len(agents) - 1
        and len(agent.cluster.peers.links.up()) == len(agents) - 1
        for agent in agents
    )


def await_agreement(world: World, agents: list[Any], limit: float) -> None:
    """Soon all list all, and agree. AssertionError after ``limit`` seconds."""
    world.wait_for(lambda: all_list_all(agents) and agree(agents), limit, step=0.1)
    assert_no_ghosts(agents)


def agree(agents: list[Any]) -> bool:
    """Whether all have the same membership table."""
    return len({agent.cluster.peers.gossip.table.digest for agent in agents}) == 1


def assert_no_ghosts(agents: list[Any]) -> None:
    """Every agent lists every other exactly once, under its own name, and no further node."""
    names = sorted(agent.name for agent in agents)
    for agent in agents:
        listed = [member.listed for member in agent.cluster.peers.roster.listing()]
        assert sorted([*listed, agent.name]) == names
