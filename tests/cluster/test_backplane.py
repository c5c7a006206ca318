"""Agents that reach each other over a bus: who is there, asleep and awake, and faults of the bus."""

from collections import Counter
from typing import Any

import pytest

from nodnod_agent.core.alerts.entries import key_of
from nodnod_agent.core.backplane.dialing import NOT_THERE, Dialing
from nodnod_agent.core.backplane.samples import LEASE
from nodnod_agent.core.backplane.teller import WHOLE_EVERY
from nodnod_agent.core.backplane.wakefulness import AWAKE_FOR, REGISTRARS
from nodnod_agent.core.events import log as log_module
from nodnod_client.codec import encode
from simulation import agents as agents_module
from simulation.alerting import DECIDED, RULES, Problems, Sink, agree_on_alerts, end, fire
from simulation.bus import Bus, BusClient
from simulation.chaos import Chaos
from simulation.network import CALM, Weather
from simulation.world import World

ASLEEP = 60.0
"""Seconds after which all but the registrars sleep."""

DOWN_WITHIN = 15.0

TOLD_WITHIN = DOWN_WITHIN + 2 * 30.0 + 5.0
"""Seconds from a death until people are told: the rule holds for 30 s, and a group is 30 s and 5 more."""


@pytest.fixture
def bus(world: World) -> Bus:
    return world.backplane()


def started(world: World, count: int) -> list[Any]:
    agents = [world.agent() for _ in range(count)]
    world.run(3)
    return agents


def errors(agent: Any) -> dict[str, str]:
    """The other nodes that an agent lists, and what is wrong with each."""
    return {one.listed: one.error for one in agent.cluster.peers.roster.listing()}


def awake(agents: list[Any]) -> list[Any]:
    return [agent for agent in agents if agent.running and agent.cluster.presence.awake]


def registrars(agents: list[Any]) -> list[Any]:
    return [agent for agent in agents if agent.running and agent.cluster.presence.registrar]


def watched(world: World, agent: Any) -> Any:
    """The agent, awake: a client streams from it."""
    world.client(agent, stream={"type": 1, "every": 1.0, "id": "stream"})
    world.run(1)
    return agent


def answer(world: World, agent: Any, **request: Any) -> dict[str, Any]:
    """The answer to a request, which is judged too."""
    client = world.client(agent)
    world.run(0.1)
    client.ask(type=1, id=1, **request)
    world.wait_for(lambda: bool(client.latest), 5)
    return client.latest


@pytest.mark.parametrize("count", [2, 5, 50])
@pytest.mark.usefixtures("bus")
def test_each_agent_shows_all_three_seconds_after_their_start(world: World, count: int) -> None:
    for agent in started(world, count):
        assert len(answer(world, agent)["nodes"]) == count
        assert len(errors(agent)) == count - 1
        assert set(errors(agent).values()) == {""}


@pytest.mark.usefixtures("bus")
def test_a_killed_agent_is_soon_down_where_it_is_shown_and_up_at_once_again(
    world: World,
) -> None:
    first, *_, victim = started(world, 5)
    watched(world, first)
    victim.crash()
    world.wait_for(lambda: errors(first)[victim.name] != "", 4)
    assert errors(first)[victim.name] == f"down: {NOT_THERE}"
    victim.start()
    world.wait_for(lambda: errors(first)[victim.name] == "", 0.5)


@pytest.mark.usefixtures("bus")
def test_an_agent_that_is_killed_is_down_everywhere_within_15_seconds(world: World) -> None:
    agents = started(world, 10)
    world.run(ASLEEP)
    sleeper, victim = [agent for agent in agents if not agent.cluster.presence.awake][:2]
    victim.crash()
    serving = registrars(agents)
    world.wait_for(lambda: all(errors(one)[victim.name] for one in serving), DOWN_WITHIN)
    world.wait_for(lambda: answer(world, sleeper)["nodes"][victim.name]["error"] != "", 1)


@pytest.fixture
def monitored(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> Bus:
    """A bus on which something else hears all subjects: no message has nobody that hears it.

    So it is with nats-server 2.15.1 while `nats sub '>'` runs.
    """
    monkeypatch.setattr(BusClient, "miss", lambda *_: None)
    return bus


@pytest.mark.usefixtures("monitored")
def test_beside_a_monitor_agents_find_registrars_and_one_that_is_killed_is_down(
    world: World,
) -> None:
    agents = started(world, 10)
    world.wait_for(lambda: bool(registrars(agents)), 20)
    world.run(ASLEEP)
    assert len(registrars(agents)) == REGISTRARS
    first, victim = [agent for agent in agents if not agent.cluster.presence.awake][:2]
    watched(world, first)
    victim.crash()
    world.wait_for(lambda: errors(first)[victim.name] != "", DOWN_WITHIN)


@pytest.mark.usefixtures("bus")
def test_an_agent_without_power_is_down_within_15_seconds(world: World) -> None:
    first, *_, victim = started(world, 5)
    watched(world, first)
    victim.lose_power()
    world.wait_for(lambda: errors(first)[victim.name] != "", DOWN_WITHIN)
    assert errors(first)[victim.name] == "down: no sign of life for 14 s"


@pytest.mark.usefixtures("bus")
def test_an_agent_that_stops_is_gone_at_once(world: World) -> None:
    first, *_, leaving = started(world, 5)
    leaving.stop()
    world.run(0.2)
    assert leaving.name not in errors(first)
    (gone,) = [one for one in first.cluster.peers.members() if one.state == "left"]
    assert gone.name == leaving.name


@pytest.mark.usefixtures("bus")
def test_a_frozen_agent_is_down_and_back_with_its_first_word(world: World) -> None:
    first, *_, frozen = started(world, 5)
    watched(world, first)
    frozen.freeze()
    world.wait_for(lambda: errors(first)[frozen.name] != "", DOWN_WITHIN)
    frozen.thaw()
    world.wait_for(lambda: errors(first)[frozen.name] == "", 0.5)


def test_without_the_bus_each_node_is_named_and_the_own_numbers_stay(
    world: World, bus: Bus
) -> None:
    agents = started(world, 5)
    bus.die()
    world.run(1)
    nodes = answer(world, agents[0])["nodes"]
    assert nodes.pop(agents[0].name)["error"] == ""
    assert len(nodes) == 4
    assert all(node["error"].startswith("down: no backplane since ") for node in nodes.values())


def test_without_the_bus_nobody_is_dialed_again_and_again(
    world: World, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = started(world, 20)
    first = watched(world, agents[0])
    bus.die()
    dialed = Counter[Any]()
    dial = Dialing.dial

    def counted(dialing: Dialing, address: Any, handler: Any) -> Any:
        dialed[address] += dialing is first.cluster.presence._dialing
        return dial(dialing, address, handler)

    monkeypatch.setattr(Dialing, "dial", counted)
    world.run(600)
    assert max(dialed.values()) <= 2
    bus.revive()
    world.wait_for(lambda: set(errors(first).values()) == {""}, 2.5)


def test_two_seconds_after_the_return_of_the_bus_all_is_well(world: World, bus: Bus) -> None:
    agents = [watched(world, agent) for agent in started(world, 5)]
    bus.die()
    world.run(5)
    answer(world, agents[0])  # its lease reaches nobody
    bus.revive()
    world.wait_for(lambda: all(set(errors(one).values()) == {""} for one in agents), 2.5)
    nodes = answer(world, agents[0])["nodes"]
    assert {node["error"] for node in nodes.values()} == {""}


def test_nobody_tells_of_others_that_they_are_down_while_the_bus_is_away(
    world: World, bus: Bus
) -> None:
    agents = [world.agent() for _ in range(5)]
    world.run(5)
    bus.die()
    world.run(60)
    bus.revive()
    world.run(10)
    kinds = {one.event.kind for agent in agents for one in agent.cluster.events.newest()}
    assert kinds == {"joined"}


def test_nobody_wakes_while_the_bus_is_away_since_nobody_could_be_heard(
    world: World, bus: Bus
) -> None:
    agents = started(world, 20)
    world.run(ASLEEP)
    before = registrars(agents)
    bus.die()
    world.run(300)
    assert awake(agents) == registrars(agents) == before
    bus.revive()
    world.run(10)
    assert awake(agents) == registrars(agents) == before


@pytest.mark.usefixtures("bus")
def test_all_but_three_agents_sleep_while_nobody_asks(world: World) -> None:
    agents = started(world, 20)
    world.run(ASLEEP)
    assert awake(agents) == registrars(agents)
    assert len(registrars(agents)) == REGISTRARS


@pytest.mark.usefixtures("bus")
def test_an_agent_that_nobody_asks_knows_the_registrars_only(world: World) -> None:
    agents = started(world, 20)
    world.run(ASLEEP)
    newcomer = world.agent()
    world.run(ASLEEP)
    known = set(errors(newcomer))
    assert known == {agent.name for agent in registrars(agents)}
    assert len(newcomer.cluster.peers.gossip.table.entries) == REGISTRARS


@pytest.mark.usefixtures("bus")
def test_the_start_of_an_agent_that_nobody_asks_is_an_event(world: World) -> None:
    agents = started(world, 5)
    world.run(ASLEEP)
    newcomer = world.agent()
    world.run(10)
    newcomer.crash()
    world.run(1)
    newcomer.start()
    world.run(10)
    for one in registrars(agents):
        found = [it.event for it in one.cluster.events.newest() if it.event.node == newcomer.name]
        assert [event.kind for event in found] == ["restarted", "joined"]
    assert not newcomer.cluster.presence.awake


@pytest.mark.usefixtures("bus")
def test_a_node_that_died_while_an_agent_slept_is_one_event(world: World) -> None:
    agents = started(world, 10)
    world.run(ASLEEP)
    sleeper, victim = [agent for agent in agents if not agent.cluster.presence.awake][:2]
    answer(world, sleeper)
    world.wait_for(lambda: not sleeper.cluster.presence.awake, 2 * AWAKE_FOR)
    victim.crash()
    world.run(600)
    watched(world, sleeper)
    world.run(ASLEEP)
    events = [one.event for one in sleeper.cluster.events.newest()]
    assert [one.kind for one in events if one.node == victim.name] == ["down", "joined"]


@pytest.mark.usefixtures("bus")
def test_who_wakes_late_writes_no_events_of_what_the_others_knew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "MAX_EVENTS", 5)  # that they have joined is forgotten
    agents = started(world, 12)
    world.run(ASLEEP)
    sleeper, dead = [agent for agent in agents if not agent.cluster.presence.awake][:2]
    dead.crash()
    world.run(ASLEEP)
    sleeper.cluster.note("reloaded", "nothing is changed")  # so it hears of that death
    world.run(2 * ASLEEP)
    watched(world, sleeper)
    world.run(ASLEEP)
    seen = f"seen by {sleeper.name}"
    assert [one.event for one in sleeper.cluster.events.newest() if seen in one.event.text] == []


@pytest.mark.usefixtures("bus")
def test_who_sleeps_writes_no_events_of_the_registrars(world: World) -> None:
    agents = started(world, 10)
    world.run(ASLEEP)
    sleeper = next(agent for agent in agents if not agent.cluster.presence.awake)
    sleeper.cluster.note("reloaded", "nothing is changed")
    world.run(1)
    dead = registrars(agents)[0]
    dead.crash()
    world.run(2 * ASLEEP)
    assert errors(sleeper)[dead.name] != ""
    events = [one.event for one in registrars(agents)[0].cluster.events.newest()]
    assert [one.kind for one in events if one.node == dead.name] == ["down", "joined"]
    seen = f"seen by {sleeper.name}"
    assert not any(seen in one.event.text for one in sleeper.cluster.events.newest())


def test_what_has_not_changed_is_not_told_again(world: World, bus: Bus) -> None:
    agents = started(world, 10)
    world.run(ASLEEP)
    before, told = bus.sent["word"], bus.published["word"]
    world.run(WHOLE_EVERY)
    told = bus.published["word"] - told
    assert told >= 50
    whole = len(encode(agents[0].cluster.presence._teller.word()))
    assert bus.sent["word"] - before <= 15 * whole


@pytest.mark.usefixtures("bus")
def test_a_registrar_that_dies_is_replaced(world: World) -> None:
    agents = started(world, 20)
    world.run(ASLEEP)
    for agent in registrars(agents)[:2]:
        agent.crash()
    world.wait_for(lambda: len(registrars(agents)) == REGISTRARS, DOWN_WITHIN + 10)


@pytest.mark.parametrize("way", ["crash", "lose_power"])
@pytest.mark.usefixtures("bus")
def test_when_all_registrars_die_at_once_others_take_their_place(world: World, way: str) -> None:
    agents = started(world, 20)
    world.run(ASLEEP)
    for agent in registrars(agents):
        getattr(agent, way)()
    world.wait_for(lambda: len(registrars(agents)) >= 1, 50)
    world.run(ASLEEP)
    assert len(registrars(agents)) == REGISTRARS


@pytest.mark.usefixtures("bus")
def test_the_first_answer_of_an_agent_that_slept_has_every_node(world: World) -> None:
    agents = started(world, 20)
    world.run(ASLEEP)
    sleeper = next(agent for agent in agents if not agent.cluster.presence.awake)
    newcomer = world.agent()
    world.run(ASLEEP)
    nodes = answer(world, sleeper)["nodes"]
    assert set(nodes) == {agent.name for agent in [*agents, newcomer]}
    assert {node["error"] for node in nodes.values()} == {""}


@pytest.mark.usefixtures("bus")
def test_a_node_that_died_while_an_agent_slept_is_down_in_its_members(world: World) -> None:
    agents = started(world, 20)
    world.run(ASLEEP)
    sleeper, victim = [agent for agent in agents if not agent.cluster.presence.awake][:2]
    victim.crash()
    world.run(ASLEEP)
    answer(world, sleeper)
    world.wait_for(lambda: errors(sleeper)[victim.name].startswith("down: "), 5)


@pytest.mark.usefixtures("bus")
def test_an_agent_that_starts_late_learns_of_a_node_that_died_before(world: World) -> None:
    agents = started(world, 10)
    world.run(ASLEEP)
    victim = next(agent for agent in agents if not agent.cluster.presence.awake)
    victim.crash()
    world.run(ASLEEP)
    late = watched(world, world.agent())
    world.wait_for(lambda: victim.name in errors(late), 5)
    world.wait_for(lambda: errors(late)[victim.name].startswith("down: "), DOWN_WITHIN)


def test_samples_are_published_only_while_somebody_asks(world: World, bus: Bus) -> None:
    agents = started(world, 10)
    world.run(ASLEEP)
    assert bus.published["sample"] == 0
    stream = world.client(agents[0], stream={"type": 1, "every": 1.0, "id": "stream"})
    world.run(20)
    assert stream.counts.ticks >= 19
    assert bus.published["sample"] >= 9 * 19


def test_many_viewers_cost_the_others_no_more_than_one(world: World, bus: Bus) -> None:
    agents = started(world, 10)
    for agent in agents:
        for _ in range(3):
            world.client(agent, stream={"type": 1, "every": 1.0, "id": "stream"})
    world.run(5)
    before = bus.published["sample"]
    world.run(10)
    assert bus.published["sample"] - before == 10 * 10


@pytest.mark.usefixtures("bus")
def test_detail_and_history_are_asked_of_each_node(world: World) -> None:
    agents = started(world, 5)
    world.run(30)
    nodes = answer(world, agents[0], history=10)["nodes"]
    assert all(node["history"]["every"] == 1.0 for node in nodes.values())


@pytest.mark.usefixtures("bus")
def test_questions_about_the_past_wait_for_others_and_for_each_other_at_once(world: World) -> None:
    agents = started(world, 5)
    world.run(ASLEEP)
    sleeper = next(one for one in agents if not one.cluster.presence.awake)
    answer(world, sleeper)  # else it would not know all others within so short a time
    world.wait_for(lambda: not sleeper.cluster.presence.awake, 2 * AWAKE_FOR)
    client = world.client(sleeper)
    world.run(0.1)
    for number in range(4):
        client.ask(type=1, id=number, history=5 + number, timeout=0.16)
    world.run(0.2)
    assert client.counts.answered == 4
    client.check_overdue()


@pytest.mark.usefixtures("bus")
def test_an_event_of_one_agent_is_known_to_an_agent_that_is_asked_for_it(world: World) -> None:
    agents = started(world, 10)
    world.run(ASLEEP)
    sleepers = [agent for agent in agents if not agent.cluster.presence.awake]
    sleepers[0].cluster.note("reloaded", "nothing is changed")
    world.run(AWAKE_FOR)
    answer(world, sleepers[1])

    def known() -> bool:
        return any(one.event.kind == "reloaded" for one in sleepers[1].cluster.events.newest())

    world.wait_for(known, 5)


@pytest.mark.parametrize(("count", "able"), [(20, 20), (40, 40), (20, 1)])
@pytest.mark.usefixtures("bus")
def test_people_are_told_once_and_soon_of_what_happens_to_agents_that_sleep(
    world: World, count: int, able: int
) -> None:
    sink = Sink(world)
    agents = [world.agent(start=False, rules=RULES) for _ in range(count)]
    for agent in agents[-able:]:
        sink.serve(agent)
    for agent in agents:
        agent.start()
    world.run(ASLEEP)
    sick, dead = [agent for agent in agents if not agent.cluster.presence.awake][:2]
    sick.cluster._note_alerts([fire(sick)])  # as the judge of its numbers does
    dead.crash()
    world.run(TOLD_WITHIN)
    told = [
        f"CRITICAL {dead.name}: down",
        f"WARNING {sick.name}: disk",
    ]
    assert sorted(one.message.title for one in sink.messages) == told
    world.run(60)
    assert len(sink.messages) == len(told)


def alerting(world: World, count: int) -> tuple[list[Any], Sink]:
    """Agents that can all tell people, of which most sleep."""
    sink = Sink(world)
    agents = [sink.serve(world.agent(start=False)) for _ in range(count)]
    for agent in agents:
        agent.start()
    world.run(ASLEEP)
    return agents, sink


@pytest.mark.parametrize("seconds", [3, 60])
def test_an_agent_that_sleeps_is_not_cut_off_from_those_it_does_not_hear(
    world: World, bus: Bus, seconds: float
) -> None:
    agents, sink = alerting(world, 12)
    serving = {agent.name for agent in registrars(agents)}
    bus.die()
    world.run(seconds)
    bus.revive()
    world.run(2 * ASLEEP)
    told = {alert.node for one in sink.messages for alert in one.alerts}
    assert told == (serving if seconds > 30 else set())
    for agent in agents:
        alerts = agent.cluster.alerts.table.alerts.values()
        assert not any(one.state == "firing" for one in alerts)


@pytest.mark.usefixtures("bus")
def test_who_sleeps_does_not_take_a_registrar_for_dead_that_was_started_again(world: World) -> None:
    agents, sink = alerting(world, 12)
    sick = sink.serve(world.agent(start=False))
    sick.start()
    world.run(ASLEEP)
    fire(sick)
    world.run(ASLEEP)
    one = registrars(agents)[0]
    one.crash()
    world.run(15)
    one.start()
    world.run(120)
    assert [one.message.title for one in sink.messages] == [f"WARNING {sick.name}: disk"]


def test_what_happens_while_the_bus_is_away_is_known_when_it_is_back(
    world: World, bus: Bus
) -> None:
    agents, _ = alerting(world, 12)
    sick = next(agent for agent in agents if not agent.cluster.presence.awake)
    fire(sick)
    world.run(ASLEEP)
    bus.die()
    world.run(10)
    end(sick)
    world.run(ASLEEP)
    bus.revive()
    world.run(10)
    for one in registrars(agents):
        assert not one.cluster.alerts.table.firing(str(sick.address), "disk")
        kinds = [it.event.kind for it in one.cluster.events.newest() if it.event.node == sick.name]
        assert kinds[:2] == ["alert-cleared", "alert-fired"]


@pytest.mark.usefixtures("bus")
def test_people_are_told_once_of_the_end_of_an_alert_of_an_agent_that_sleeps(world: World) -> None:
    agents, sink = alerting(world, 12)
    sick = next(agent for agent in agents if not agent.cluster.presence.awake)
    fire(sick)
    world.run(100)
    end(sick)
    world.run(200)
    told = [f"WARNING {sick.name}: disk", f"RESOLVED {sick.name}: disk"]
    assert [one.message.title for one in sink.messages] == told


def test_people_are_told_once_of_what_fired_while_the_bus_was_away(world: World, bus: Bus) -> None:
    agents, sink = alerting(world, 12)
    sick = next(agent for agent in agents if not agent.cluster.presence.awake)
    bus.die()
    world.run(10)
    alert = fire(sick)
    world.run(100)
    bus.revive()
    world.run(200)
    assert sink.told()[key_of(alert), alert.epoch] == 1


@pytest.mark.parametrize("seed", range(1, 3))
def test_people_are_told_once_of_everything_while_agents_die_and_start_again(seed: int) -> None:
    with World(seed) as world:
        world.backplane()
        agents, sink = alerting(world, 20)
        problems = Problems(world, agents, sink)
        problems.spread_over(200, 30)
        for _ in range(8):
            world.run(25)
            victim = world.rng.choice(registrars(agents) + awake(agents) + agents)
            if victim.running:
                victim.crash()
                world.clock.call_at(world.clock.now + world.rng.uniform(1, 80), victim.start)
        world.run(400 + DECIDED)
        assert problems.untold == []
        assert problems.repeated == []
        assert agree_on_alerts(registrars(agents))


@pytest.mark.parametrize("seed", range(1, 6))
def test_answers_are_right_in_chaos(seed: int) -> None:
    with World(seed, Weather(lost=0.01, late=0.002)) as world:
        world.backplane()
        agents = [world.agent() for _ in range(10)]
        for agent in agents:
            world.client(agent).keep_asking(0.5)
        for agent in agents[:3]:
            world.client(agent, stream={"type": 1, "every": 1.0, "id": "stream"})
        world.run(10)
        Chaos(world, agents, 1.0).run(60)
        world.run(30)
        world.network.weather = CALM
        world.run(5)
        world.check_overdue()
        views = world.ask_all()
        for agent in agents:
            found = {name: node["error"] for name, node in views[agent.name].items()}
            assert found == {one.name: "" for one in agents}


def test_a_lease_ends_by_itself(world: World, bus: Bus) -> None:
    agents = started(world, 5)
    answer(world, agents[0])
    world.run(LEASE + 3)
    before = bus.published["sample"]
    world.run(20)
    assert bus.published["sample"] == before


@pytest.fixture
def slow_samples(monkeypatch: pytest.MonkeyPatch) -> float:
    """The interval of samples, longer than an answer may take."""
    interval = 5.0
    monkeypatch.setattr(agents_module, "INTERVAL", interval)
    return interval


@pytest.mark.usefixtures("bus")
def test_the_first_answer_has_all_numbers_while_another_agent_has_a_lease(
    world: World, slow_samples: float
) -> None:
    agents = [world.agent(interval=slow_samples) for _ in range(5)]
    world.run(ASLEEP)
    for agent in agents:
        world.client(agent, stream={"type": 1, "every": slow_samples, "id": "stream"})
        world.run(1.3)
        nodes = answer(world, agent)["nodes"]
        assert {node["error"] for node in nodes.values()} == {""}


@pytest.mark.parametrize("late", [0.0, 1.0, 2.0, 3.0, 4.0])
@pytest.mark.usefixtures("bus")
def test_an_agent_that_falls_asleep_goes_on_to_publish_for_those_with_a_lease(
    world: World, late: float
) -> None:
    agents = started(world, 10)
    world.run(ASLEEP)
    viewer, sleeper = [one for one in agents if not one.cluster.presence.awake][:2]
    stream = world.client(viewer, stream={"type": 1, "every": 1.0, "id": "stream"})
    world.run(5 + late)
    answer(world, sleeper)
    world.wait_for(lambda: not sleeper.cluster.presence.awake, 2 * AWAKE_FOR)
    for _ in range(10):
        world.run(1)
        assert stream.latest["nodes"][sleeper.name]["error"] == ""


@pytest.mark.parametrize("late", [0.0, 0.9, 2.1, 3.3, 4.5])
@pytest.mark.usefixtures("bus")
def test_the_numbers_of_a_node_that_starts_are_there_with_its_first_answer(
    world: World, late: float
) -> None:
    agents = started(world, 5)
    stream = world.client(agents[0], stream={"type": 1, "every": 1.0, "id": "stream"})
    world.run(5 + late)
    newcomer = world.agent()
    world.wait_for(lambda: newcomer.name in stream.latest["nodes"], 2)
    assert stream.latest["nodes"][newcomer.name]["error"] == ""


@pytest.mark.usefixtures("bus")
def test_of_two_agents_with_one_name_and_address_only_the_newer_is_listed(world: World) -> None:
    older, *others = started(world, 5)
    newer = world.agent(start=False)
    newer.name, newer.address = older.name, older.address
    newer.start()
    world.run(1)
    for _ in range(60):
        for one in (older, newer, *others):
            one.cluster.presence.attend()  # so that each hears the other, and refutes it
        world.run(1)
        for one in others:
            (found,) = [it for it in one.cluster.peers.roster.listing() if it.name == older.name]
            assert found.instance == newer.cluster.peers.roster.instance
            assert found.up


@pytest.mark.parametrize("way", ["stop", "crash"])
@pytest.mark.usefixtures("bus")
def test_of_two_agents_with_one_name_the_older_is_listed_again_when_the_newer_ends(
    world: World, way: str
) -> None:
    older, *others = started(world, 5)
    newer = world.agent(start=False)
    newer.name, newer.address = older.name, older.address
    newer.start()
    for second in range(60):
        for one in others:
            one.cluster.presence.attend()
        world.run(1)
        if second == 30:
            getattr(newer, way)()
    for one in others:
        (found,) = [it for it in one.cluster.peers.roster.listing() if it.name == older.name]
        assert found.instance == older.cluster.peers.roster.instance
        assert found.up
