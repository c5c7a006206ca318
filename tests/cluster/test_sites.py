"""Sites: each a mesh, and one agent of it speaks for it on a bus."""

from typing import Any

import pytest

from nodnod_agent.core.question import Question
from simulation.alerting import RULES, Sink, fire
from simulation.bus import Bus
from simulation.chaos import Chaos
from simulation.network import CALM, Weather
from simulation.world import World, address_of

ASLEEP = 60.0

FAIL_OVER = 5.0
"""Seconds after which another agent speaks for a site."""

Sites = dict[str, list[Any]]


@pytest.fixture
def bus(world: World) -> Bus:
    return world.backplane()


def add_site(world: World, name: str, count: int, **options: Any) -> list[Any]:
    """Agents of a site, all configured with all, and not started."""
    first = len(world.agents)
    nodes = [address_of(number) for number in range(first, first + count)]
    return [world.agent(nodes=nodes, site=name, start=False, **options) for _ in range(count)]


def start(world: World, *agents: list[Any], within: float = 5.0) -> None:
    for site in agents:
        for agent in site:
            agent.start()
    world.run(within)


@pytest.fixture
def sites(world: World, bus: Bus) -> Sites:
    """Two sites of five and four agents, of which one of the first has no backplane."""
    eu = [*add_site(world, "eu", 4)]
    eu += [world.agent(nodes=[eu[0].address], site="eu", on_bus=False, start=False)]
    us = add_site(world, "us", 4)
    start(world, eu, us)
    return {"eu": eu, "us": us}


def errors(agent: Any) -> dict[str, str]:
    return {one.listed: one.error for one in agent.cluster.peers.roster.listing()}


def speakers(agents: list[Any]) -> list[Any]:
    return [
        agent
        for agent in agents
        if agent.running and agent.cluster.presence is not None and agent.cluster.presence.speaks
    ]


def speaker(agents: list[Any]) -> Any:
    (one,) = speakers(agents)
    return one


def quiet(agents: list[Any]) -> list[Any]:
    return [one for one in agents if one.on_bus and one not in speakers(agents)]


def answer(world: World, agent: Any, **request: Any) -> dict[str, Any]:
    """The nodes of an answer, which is judged too."""
    client = world.client(agent)
    world.run(0.1)
    client.ask(type=1, id=1, **request)
    world.wait_for(lambda: bool(client.latest), 5)
    nodes: dict[str, Any] = client.latest["nodes"]
    return nodes


def watched(world: World, agent: Any) -> Any:
    world.client(agent, stream={"type": 1, "every": 1.0, "id": "stream"})
    world.run(1)
    return agent


def test_one_agent_of_each_site_speaks_for_it(sites: Sites) -> None:
    for agents in sites.values():
        assert len(speakers(agents)) == 1


def test_each_agent_with_a_backplane_shows_all_nodes_once(world: World, sites: Sites) -> None:
    everybody = [*sites["eu"], *sites["us"]]
    for agent in everybody:
        if agent.on_bus:
            nodes = answer(world, agent)
            assert sorted(nodes) == sorted(one.name for one in everybody)
            assert {node["error"] for node in nodes.values()} == {""}


def test_an_agent_without_a_backplane_says_why_it_lacks_the_other_sites(sites: Sites) -> None:
    alone = sites["eu"][-1]
    found = errors(alone)
    assert {found[one.name] for one in sites["eu"][:-1]} == {""}
    why = "down: in the site us, which this agent cannot reach: it has no backplane"
    assert {found[one.name] for one in sites["us"]} == {why}


def test_agents_of_a_site_find_each_other_by_its_name(world: World, bus: Bus) -> None:
    agents = [world.agent(site="eu") for _ in range(3)]
    world.run(5)
    for agent in agents:
        assert len(errors(agent)) == 2
        assert set(errors(agent).values()) == {""}
    assert len(speakers(agents)) == 1


def test_agents_without_a_site_are_shown_beside_sites(world: World, sites: Sites) -> None:
    single = world.agent()
    world.run(5)
    everybody = [*sites["eu"], *sites["us"], single]
    for agent in (single, *quiet(sites["eu"])[:1], speaker(sites["us"])):
        nodes = answer(world, agent)
        assert sorted(nodes) == sorted(one.name for one in everybody)
        assert {node["error"] for node in nodes.values()} == {""}


def test_a_pattern_asks_one_site(sites: Sites) -> None:
    roster = quiet(sites["us"])[0].cluster.peers.roster
    members, own, unknown = roster.select(Question(nodes=("site:eu",)))
    assert sorted(one.name for one in members) == sorted(one.name for one in sites["eu"])
    assert (own, unknown) == (False, [])
    members, own, _ = roster.select(Question(nodes=("site:u?",)))
    assert (len(members), own) == (3, True)


@pytest.mark.parametrize("who", [speaker, lambda agents: quiet(agents)[0]])
def test_history_of_another_site_is_asked_over_its_speaker(
    world: World, sites: Sites, who: Any
) -> None:
    world.run(30)
    nodes = answer(world, who(sites["us"]), history=10)
    assert len(nodes) == 9
    assert all(node["history"]["every"] == 1.0 for node in nodes.values())


def test_history_of_a_large_site_is_asked_in_few_questions(world: World, bus: Bus) -> None:
    eu, us = add_site(world, "eu", 40), add_site(world, "us", 2)
    start(world, eu, us)
    before = bus.published["ask"]
    nodes = answer(world, us[0], history=10)
    assert len(nodes) == 42
    assert all(node["history"]["every"] == 1.0 for node in nodes.values())
    assert bus.published["ask"] - before <= 10  # five, and some news


def test_a_dead_speaker_is_replaced_within_five_seconds(world: World, sites: Sites) -> None:
    world.run(ASLEEP)
    viewer, dead = watched(world, quiet(sites["us"])[0]), speaker(sites["eu"])
    dead.crash()
    world.wait_for(lambda: len(speakers(sites["eu"])) == 1, FAIL_OVER)
    world.run(1)
    nodes = answer(world, viewer)
    assert sorted(nodes) == sorted(one.name for one in [*sites["eu"], *sites["us"]])
    assert {name for name, node in nodes.items() if node["error"]} == {dead.name}


@pytest.mark.parametrize("seed", [1, 3, 15, 20, 26])
def test_the_death_of_a_speaker_is_one_event_in_all_sites(seed: int) -> None:
    with World(seed) as world:
        world.backplane()
        eu, us = add_site(world, "eu", 5), add_site(world, "us", 4)
        agents = [*eu, *us, world.agent(), world.agent()]
        start(world, eu, us, within=90)
        for agent in agents[6:10:2]:
            watched(world, agent)
        world.run(10)
        dead = speaker(eu)
        dead.crash()
        world.run(60)
        for agent in agents[6:10:2]:
            found = [one.event for one in agent.cluster.events.newest()]
            told = [one.kind for one in found if one.node == dead.name and one.kind == "down"]
            assert told == ["down"]


def test_a_speaker_that_leaves_is_replaced_at_once(world: World, sites: Sites) -> None:
    world.run(ASLEEP)
    viewer, leaving = watched(world, quiet(sites["us"])[0]), speaker(sites["eu"])
    leaving.stop()
    world.wait_for(lambda: len(speakers(sites["eu"])) == 1, 1.0)
    world.run(0.2)
    assert leaving.name not in errors(viewer)
    assert set(errors(viewer).values()) == {""}


def test_a_node_of_another_site_is_down_as_soon_as_its_site_sees_it(
    world: World, sites: Sites
) -> None:
    world.run(ASLEEP)
    viewer, dead = watched(world, quiet(sites["us"])[0]), quiet(sites["eu"])[0]
    dead.crash()
    world.wait_for(lambda: errors(viewer)[dead.name] != "", FAIL_OVER)
    assert errors(viewer)[dead.name] == errors(speaker(sites["eu"]))[dead.name]
    dead.start()
    world.wait_for(lambda: errors(viewer)[dead.name] == "", FAIL_OVER)


def test_a_node_of_another_site_that_leaves_is_gone_at_once(world: World, sites: Sites) -> None:
    viewer, leaving = watched(world, quiet(sites["us"])[0]), quiet(sites["eu"])[0]
    leaving.stop()
    world.run(0.5)
    assert leaving.name not in errors(viewer)


@pytest.mark.parametrize("apart", [0.0, 0.001, 0.05, 0.2])
def test_nodes_of_a_site_that_leave_together_are_all_gone(
    world: World, sites: Sites, apart: float
) -> None:
    viewer, leaving = watched(world, quiet(sites["us"])[0]), sites["eu"]
    leaving[-1].stop()  # which has no backplane, so that another has to tell of it
    world.run(0.5)
    for agent in leaving[:-1]:
        agent.stop()
        world.run(apart)
    world.run(0.5)
    assert not {one.name for one in leaving} & errors(viewer).keys()
    world.run(20)
    events = [one.event for one in viewer.cluster.events.newest()]
    assert not [one for one in events if one.kind == "down"]


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
def test_a_node_leaves_in_other_sites_too_however_wrong_its_clock_is(
    world: World, bus: Bus, skew: float
) -> None:
    eu, us = add_site(world, "eu", 4), add_site(world, "us", 2)
    for agent in eu[:2]:
        agent.skew = skew
    start(world, eu, us)
    viewer, leaving = watched(world, us[0]), next(one for one in eu[:2] if one in quiet(eu))
    leaving.stop()
    world.run(0.5)
    assert leaving.name not in errors(viewer)
    world.run(60)
    assert not any(one.member.state == "left" for one in speaker(eu).cluster.presence.site.spoken())


def test_nodes_of_one_name_in_two_sites_are_listed_each_with_its_own_numbers(
    world: World, bus: Bus
) -> None:
    eu, us = ([*add_site(world, site, 2), named(world, site)] for site in ("eu", "us"))
    everybody = [*eu, *us]
    start(world, eu, us)
    for dead in (None, eu[2], speaker(us), us[2]):
        if dead is not None:
            dead.crash()
            world.run(6)
            dead.start()
            world.run(6)
        for agent in everybody:
            nodes = answer(world, agent)
            found = {node["memoryTotal"] for node in nodes.values()}
            assert found == {one.node.stats["memoryTotal"] for one in everybody}
            (other,) = (one for name, one in nodes.items() if name.startswith("kenny@"))
            twin = next(one for one in (eu[2], us[2]) if str(one.address) in other["name"])
            assert other["memoryTotal"] == twin.node.stats["memoryTotal"]


def named(world: World, site: str) -> Any:
    """An agent of a site with the name of another, in the mesh of the first two."""
    nodes = [agent.address for agent in world.agents[-2:]]
    agent = world.agent("kenny", nodes=nodes, site=site, start=False)
    agent.node.unique = False
    world.truth.add_address(agent.node, str(agent.address))  # it is listed by it, too
    agent._first_name = f"kenny of {site}"  # so that instances differ
    return agent


def test_sites_of_one_agent_show_each_other(world: World, bus: Bus) -> None:
    sites = [add_site(world, name, 1) for name in ("eu", "us", "ap")]
    start(world, *sites)
    (eu,), (us,), _ = sites
    assert set(errors(eu).values()) == {""}
    assert len(errors(eu)) == 2
    watched(world, us)
    eu.crash()
    world.wait_for(lambda: errors(us)[eu.name] != "", 15)
    eu.start()
    world.wait_for(lambda: errors(us)[eu.name] == "", FAIL_OVER)


@pytest.mark.parametrize("how", ["crash", "stop"])
def test_an_agent_that_has_changed_its_site_is_in_the_other_one(
    world: World, sites: Sites, how: str
) -> None:
    moved, viewer = speaker(sites["eu"]), watched(world, quiet(sites["us"])[0])
    getattr(moved, how)()
    world.run(1)
    moved._options["site"], moved.nodes = "us", sites["us"][0].nodes
    moved.start()
    world.run(40)
    nodes = answer(world, viewer)
    assert {node["error"] for node in nodes.values()} == {""}
    members, _, _ = viewer.cluster.peers.roster.select(Question(nodes=("site:us",)))
    assert moved.name in {one.name for one in members}


def test_a_site_without_its_bus_goes_on_by_itself(world: World, bus: Bus, sites: Sites) -> None:
    viewer = watched(world, quiet(sites["us"])[0])
    bus.die()
    world.run(1)
    found = errors(viewer)
    assert {found[one.name] for one in sites["us"] if one is not viewer} == {""}
    assert all(found[one.name].startswith("down: no backplane since ") for one in sites["eu"])
    bus.revive()
    world.wait_for(lambda: set(errors(viewer).values()) == {""}, FAIL_OVER)


def test_a_site_that_nobody_asks_is_told_by_its_speaker_only(
    world: World, bus: Bus, sites: Sites
) -> None:
    world.run(ASLEEP)
    before = bus.published.copy()
    world.run(60)
    told = bus.published - before
    assert set(told) <= {"beat", "site", "all", "ask", "answer"}
    assert told["site"] <= 2 * 10  # one every ten seconds, and some that are asked for
    awake = [
        one for agents in sites.values() for one in quiet(agents) if one.cluster.presence.awake
    ]
    assert not awake


def test_numbers_of_a_site_come_in_one_message(world: World, bus: Bus, sites: Sites) -> None:
    watched(world, quiet(sites["us"])[0])
    world.run(5)
    before = bus.published["numbers"]
    world.run(10)
    assert bus.published["numbers"] - before == 2 * 10


def test_the_next_speaker_goes_on_with_the_numbers_that_the_last_was_asked_for(
    world: World, bus: Bus, sites: Sites
) -> None:
    world.run(ASLEEP)
    answer(world, quiet(sites["us"])[0])  # which asks for numbers for ten seconds
    speaker(sites["eu"]).lose_power()
    world.wait_for(lambda: len(speakers(sites["eu"])) == 1, FAIL_OVER)
    before = bus.published["numbers"]
    world.run(3)
    assert bus.published["numbers"] - before >= 5  # three of each site, give or take one


def test_people_are_told_once_of_what_happens_in_a_site(world: World, bus: Bus) -> None:
    sink = Sink(world)
    eu, us = (add_site(world, name, 4, rules=RULES) for name in ("eu", "us"))
    for agent in [*eu, *us]:
        sink.serve(agent)
    start(world, eu, us)
    world.run(ASLEEP)
    sick, dead = quiet(eu)[:2]
    sick.cluster._note_alerts([fire(sick)])  # as the judge of its numbers does
    dead.crash()
    world.run(120)
    expected = [f"CRITICAL {dead.name}: down", f"WARNING {sick.name}: disk"]
    assert sorted(one.message.title for one in sink.messages) == expected
    names = {agent.name for agent in eu}
    assert {one.sender for one in sink.messages} <= names


def test_people_are_told_by_others_of_a_site_that_is_dead(world: World, bus: Bus) -> None:
    sink = Sink(world)
    eu, us, ap = (add_site(world, name, 3, rules=RULES) for name in ("eu", "us", "ap"))
    for agent in [*eu, *us, *ap]:
        sink.serve(agent)
    start(world, eu, us, ap)
    world.run(ASLEEP)
    for agent in eu:
        agent.lose_power()
    world.run(180)
    told = [alert.node for one in sink.messages for alert in one.alerts]
    assert sorted(told) == sorted(agent.name for agent in eu)


def test_people_are_not_told_of_other_sites_while_there_is_no_bus(world: World, bus: Bus) -> None:
    sink = Sink(world)
    eu, us = (add_site(world, name, 3, rules=RULES) for name in ("eu", "us"))
    for agent in [*eu, *us]:
        sink.serve(agent)
    start(world, eu, us)
    world.run(ASLEEP)
    bus.die()
    dead = quiet(us)[0]
    dead.crash()
    world.run(180)
    assert [one.message.title for one in sink.messages] == [f"CRITICAL {dead.name}: down"]
    kinds = {one.event.kind for agent in eu for one in agent.cluster.events.newest()}
    assert "down" not in kinds


@pytest.mark.parametrize("seed", range(1, 4))
def test_answers_are_right_in_chaos(seed: int) -> None:
    with World(seed, Weather(lost=0.01, late=0.002)) as world:
        bus = world.backplane()
        agents = [*add_site(world, "eu", 5), *add_site(world, "us", 4), world.agent()]
        start(world, agents[:-1])
        for agent in agents:
            world.client(agent).keep_asking(0.5)
        for agent in agents[::3]:
            world.client(agent, stream={"type": 1, "every": 1.0, "id": "stream"})
        world.run(10)
        world.clock.call_at(world.clock.now + 20, bus.die)
        world.clock.call_at(world.clock.now + 25, bus.revive)
        Chaos(world, agents, 1.0).run(60)
        world.run(60)
        world.network.weather = CALM
        world.run(5)
        world.check_overdue()
        views = world.ask_all()
        for agent in agents:
            found = {name: node["error"] for name, node in views[agent.name].items()}
            assert found == {one.name: "" for one in agents}
