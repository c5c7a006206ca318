"""Alerts in a simulated cluster: who judges, what all know, and what people are told."""

from typing import Any

import pytest
from msgspec.structs import replace

from nodnod_agent.core.alerts.alerts import ChannelIds
from nodnod_agent.core.alerts.entries import Key, key_of
from nodnod_agent.core.alerts.table import LEFT_GRACE, MAX_OF_NODE
from nodnod_agent.core.membership.table import DAY
from nodnod_client.alerts import Delivery, Silence
from simulation.agents import EPOCH
from simulation.alerting import (
    HEARTBEAT,
    PEOPLE,
    Fate,
    Sink,
    agree_on_alerts,
    dying_senders,
    end,
    fire,
    late_messages,
    partition_of,
    whole_cluster,
)
from simulation.network import Weather
from simulation.world import World

LATE = Weather(late=0.01)
TOLD = 50.0
"""Seconds in which people are told of something, if nothing goes wrong."""

OTHER = "b" * 16
THREE = 3


def texts(sink: Sink, channel: str = PEOPLE) -> list[list[str]]:
    """What each message says: node or rule, object and state of each alert, sorted."""
    return [
        sorted(f"{one.node}{one.object} {one.rule} {one.state}" for one in message.alerts)
        for message in sink.messages
        if message.channel == channel
    ]


def silence(world: World, agent: Any, seconds: float, **fields: Any) -> Silence:
    """Have nobody be told, for so long."""
    wall = EPOCH + world.clock.now
    usual: dict[str, Any] = {"id": "0123456789", "until": wall + seconds, "at": wall}
    made = Silence(**usual | fields)
    agent.cluster.alerts.write(made)
    return made


def senders(sink: Sink) -> list[str]:
    return [message.sender for message in sink.messages]


# The whole, small. tests/cluster/large.py has it large.


@pytest.mark.parametrize("weather", [LATE])
@pytest.mark.parametrize("seed", [1, 2])
def test_people_are_told_of_everything_and_of_nothing_twice_where_messages_are_late(
    world: World,
) -> None:
    agents, sink = whole_cluster(world, 8)
    for number, agent in enumerate(agents):
        agent.skew = 7.0 * number - 20.0
    late_messages(world, agents, sink, 60)


@pytest.mark.parametrize("weather", [LATE])
@pytest.mark.parametrize("seed", [1, 2])
def test_people_are_told_twice_only_of_what_a_sender_told_of_that_died_at_once(
    world: World,
) -> None:
    agents, sink = whole_cluster(world, 8)
    figures = dying_senders(world, agents, sink, 60)
    assert figures["senders that died"]


@pytest.mark.parametrize("weather", [LATE])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_partition_is_one_message_of_the_few_and_one_for_each_node_that_the_many_miss(
    world: World,
) -> None:
    agents, sink = whole_cluster(world, 10)
    partition_of(world, agents, sink, 40)


# One problem.


def test_a_problem_is_told_once_by_one_agent_and_so_is_its_end(world: World) -> None:
    agents, sink = whole_cluster(world, THREE)
    fire(agents[0])
    world.run(TOLD)
    end(agents[0])
    world.run(TOLD)
    assert texts(sink) == [["agent-0 disk firing"], ["agent-0 disk resolved"]]
    assert agree_on_alerts(agents)


def test_what_happens_within_half_a_minute_is_one_message(world: World) -> None:
    agents, sink = whole_cluster(world, THREE)
    world.run(30 - (EPOCH + world.clock.now) % 30)
    for agent in agents:
        fire(agent, object="/var")
        world.run(9)
    world.run(TOLD)
    assert [len(message.alerts) for message in sink.messages] == [3]


def test_a_problem_that_is_over_before_people_are_told_is_not_told(world: World) -> None:
    agents, sink = whole_cluster(world, THREE)
    world.run(30 - (EPOCH + world.clock.now) % 30)
    fire(agents[0])
    world.run(20)
    end(agents[0])
    world.run(2 * TOLD)
    assert sink.messages == []


def test_a_problem_that_gets_worse_is_told_again_and_its_end_once(world: World) -> None:
    agents, sink = whole_cluster(world, THREE)
    fire(agents[0])
    world.run(TOLD)
    fire(agents[0], severity="critical")
    world.run(5)
    end(agents[0])
    world.run(2 * TOLD)
    assert texts(sink) == [["agent-0 disk firing"], ["agent-0 disk resolved"]]


def test_a_problem_that_goes_on_is_told_again_each_four_hours(world: World) -> None:
    agents, sink = whole_cluster(world, 2)
    fire(agents[0])
    world.run(9 * 3600)
    end(agents[0])
    world.run(TOLD)
    assert [message.is_new for message in sink.messages] == [True, False, False, True]
    waits = [b.when - a.when for a, b in zip(sink.messages, sink.messages[1:3], strict=False)]
    assert all(4 * 3600 <= wait < 4 * 3600 + 40 for wait in waits)


# Senders.


def test_the_next_agent_sends_at_once_where_one_fails(world: World) -> None:
    agents, sink = whole_cluster(world, THREE)
    tries: list[tuple[float, str]] = []

    def fate(agent: Any, channel: str) -> Fate:
        tries.append((world.clock.now, agent.name))
        return "fails" if len(tries) < THREE else "told"

    sink.fate = fate
    fire(agents[0])
    world.run(TOLD)
    assert len({name for _, name in tries}) == 3
    assert tries[2][0] - tries[0][0] < 8
    assert len(sink.messages) == 1


def test_where_all_fail_they_try_again_after_pauses_that_double(world: World) -> None:
    agents, sink = whole_cluster(world, 2)
    tries: list[float] = []

    def fate(agent: Any, channel: str) -> Fate:
        tries.append(world.clock.now)
        return "fails"

    sink.fate = fate
    fire(agents[0])
    world.run(4 * 3600)
    sink.fate = lambda agent, channel: "told"
    pauses = [b - a for a, b in zip(tries[1::2], tries[2::2], strict=False)]
    rounded = [round(pause / 60) for pause in pauses]
    assert rounded[:3] == [1, 1, 2]
    assert set(rounded[6:]) == {15}
    world.run(1000)
    assert len(sink.messages) == 1


def test_a_sender_that_dies_before_its_message_is_followed_by_the_next(world: World) -> None:
    agents, sink = whole_cluster(world, THREE)
    died: list[str] = []

    def fate(agent: Any, channel: str) -> Fate:
        if died:
            return "told"
        died.append(agent.name)
        return "dies before"

    sink.fate = fate
    for agent in agents:
        fire(agent)
    world.run(100)
    told = [text for message in texts(sink) for text in message]
    expected = {f"{agent.name} disk firing" for agent in agents if agent.name not in died}
    assert expected <= set(told)
    assert len(told) == len(set(told))
    assert died[0] not in senders(sink)


def test_a_channel_that_hangs_delays_no_other(world: World) -> None:
    channels = ChannelIds(people=(PEOPLE, OTHER))
    agents, sink = whole_cluster(world, THREE, channels)
    sink.fate = lambda agent, channel: "hangs" if channel == PEOPLE else "told"
    fire(agents[0])
    world.run(TOLD)
    assert texts(sink, OTHER) == [["agent-0 disk firing"]]
    assert texts(sink) == []


def test_an_end_is_told_only_where_the_problem_was(world: World) -> None:
    agents, sink = whole_cluster(world, THREE, ChannelIds(people=(PEOPLE, OTHER)))
    sink.fate = lambda agent, channel: "fails" if channel == PEOPLE else "told"
    fire(agents[0])
    world.run(TOLD)
    sink.fate = lambda agent, channel: "told"
    end(agents[0])
    world.run(1000)
    assert texts(sink, OTHER) == [["agent-0 disk firing"], ["agent-0 disk resolved"]]
    assert texts(sink) == []


def test_an_agent_that_has_just_started_tells_nothing_that_was_told(world: World) -> None:
    agents, sink = whole_cluster(world, 4)
    fire(agents[0])
    world.run(TOLD)
    for agent in agents[1:]:
        agent.restart()
        world.run(60)
    assert texts(sink) == [["agent-0 disk firing"]]


def test_agents_that_start_at_once_take_each_other_for_no_proof_that_nothing_fires(
    world: World,
) -> None:
    agents, _ = whole_cluster(world, 5)
    fire(agents[4])
    world.run(TOLD)
    for agent in agents[:4]:
        agent.crash()
    world.run(2)
    known: list[int] = []
    for agent in agents[:4]:
        agent.start()
        alerts = agent.cluster.alerts
        alerts.became_ready = lambda table=alerts.table: known.append(len(table.alerts))
    world.run(10)
    assert known == [1] * 4


def test_a_failure_of_tomorrow_delays_a_message_and_prevents_none(world: World) -> None:
    agents, sink = whole_cluster(world, THREE)
    alert = fire(agents[0])
    failed = Delivery(
        address=alert.address,
        rule=alert.rule,
        epoch=alert.epoch,
        channel=PEOPLE,
        state="failed",
        by=alert.address,
        at=EPOCH + world.clock.now + DAY,
    )
    for agent in agents:
        agent.cluster.alerts.table.merge(failed)
        agent.cluster.alerts.notifier.consider(key_of(alert))
    world.run(200)
    assert texts(sink) == [["agent-0 disk firing"]]


def test_a_new_channel_is_told_of_what_fires(world: World) -> None:
    agents, sink = whole_cluster(world, THREE)
    fire(agents[0])
    world.run(TOLD)
    agents[1].cluster.alerts.use(ChannelIds(people=(PEOPLE, OTHER)))
    world.run(TOLD)
    assert texts(sink, OTHER) == texts(sink) == [["agent-0 disk firing"]]


def test_only_agents_that_have_a_channel_send(world: World) -> None:
    agents, sink = whole_cluster(world, 4)
    for agent in agents[1:]:
        agent.cluster.alerts.use(ChannelIds())
    world.run(5)
    for number in range(4):
        fire(agents[3], object=f"/{number}")
        world.run(60)
    assert set(senders(sink)) == {"agent-0"}
    assert len(sink.messages) == 4


# Silences, and nodes that are down.


def test_nobody_is_told_during_a_silence_and_all_is_told_after_it(world: World) -> None:
    agents, sink = whole_cluster(world, THREE)
    silence(world, agents[2], 300, node="agent-0", rule="d*")
    world.run(5)
    fire(agents[0])
    fire(agents[1])
    world.run(200)
    assert texts(sink) == [["agent-1 disk firing"]]
    world.run(300)
    assert texts(sink)[1:] == [["agent-0 disk firing"]]


def test_a_silence_ends_when_somebody_says_so(world: World) -> None:
    agents, sink = whole_cluster(world, THREE)
    made = silence(world, agents[2], 3600)
    fire(agents[0])
    world.run(100)
    agents[1].cluster.alerts.write(replace(made, ended=True))
    world.run(TOLD)
    assert texts(sink) == [["agent-0 disk firing"]]


def test_a_node_that_dies_is_told_once_and_its_other_problems_only_when_it_is_back(
    world: World,
) -> None:
    agents, sink = whole_cluster(world, 5)
    agents[0].crash()
    world.run(40)
    wall = EPOCH + world.clock.now
    known = agents[1].cluster.alerts.table.alerts[Key(str(agents[0].address), "down", "")]
    old = replace(known, rule="disk", epoch=int(wall * 1000), since=wall)
    agents[1].cluster.alerts.write(old)
    world.run(100)
    agents[0].start()
    world.run(100)
    assert texts(sink) == [
        ["agent-0 down firing"],
        *sorted(texts(sink)[1:]),
    ]
    told = [text for message in texts(sink) for text in message]
    assert sorted(told) == ["agent-0 disk firing", "agent-0 down firing", "agent-0 down resolved"]


def test_a_node_that_is_down_for_less_than_half_a_minute_is_no_alert(world: World) -> None:
    agents, sink = whole_cluster(world, THREE)
    agents[0].crash()
    world.run(25)
    agents[0].start()
    world.run(100)
    assert agents[1].cluster.alerts.table.alerts == {}
    assert sink.messages == []


@pytest.mark.parametrize("back", [True, False])
def test_a_node_that_leaves_is_not_down_and_its_alerts_end_without_a_message(
    world: World, back: bool
) -> None:
    agents, sink = whole_cluster(world, THREE)
    fire(agents[0])
    world.run(TOLD)
    agents[0].stop()
    world.run(60)
    if back:
        agents[0].start()
    world.run(LEFT_GRACE + 120)
    assert texts(sink) == [["agent-0 disk firing"]]
    states = {one.cluster.alerts.table.of(str(agents[0].address))[0].state for one in agents[1:]}
    assert states == {"firing" if back else "resolved"}
    assert agree_on_alerts(agents)


def test_of_two_nodes_each_tells_that_the_other_is_down(world: World) -> None:
    agents, sink = whole_cluster(world, 2)
    world.split([agents[0]])
    world.run(120)
    assert sorted(texts(sink)) == [["agent-0 down firing"], ["agent-1 down firing"]]
    world.heal()
    world.run(120)
    assert sorted(text for one in texts(sink)[2:] for text in one) == [
        "agent-0 down resolved",
        "agent-1 down resolved",
    ]


def test_nodes_that_die_while_this_side_is_cut_off_are_told_when_it_is_not(world: World) -> None:
    agents, sink = whole_cluster(world, 7)
    for agent in agents[:4]:
        agent.crash()
    world.run(120)
    assert [[text.split()[1:] for text in one] for one in texts(sink)] == [[["cut-off", "firing"]]]
    agents[0].start()
    world.run(120)
    told = sorted(text for one in texts(sink) for text in one if " down " in text)
    assert told == [f"agent-{number} down firing" for number in (1, 2, 3)]


def test_a_node_of_version_1_that_dies_is_told(world: World) -> None:
    agents, sink = whole_cluster(world, THREE, legacy=1)
    agents[2].crash()
    world.run(120)
    agents[2].start()
    world.run(200)
    assert texts(sink) == [["agent-2 down firing"], ["agent-2 down resolved"]]


def test_agents_that_do_not_know_alerts_delay_and_lose_nothing(world: World) -> None:
    agents, sink = whole_cluster(world, 6, old=4)
    world.run(120)  # until each has shown that it knows none
    before = [agent.cluster.peers.gossip.lists for agent in agents]
    fire(agents[0])
    agents[5].crash()
    world.run(90)
    assert sorted(text for one in texts(sink) for text in one) == [
        "agent-0 disk firing",
        "agent-5 down firing",
    ]
    assert [one.cluster.peers.gossip.lists for one in agents] == before


# Channels that de-duplicate, and the sign of life.

MANAGER = ChannelIds(alertmanagers=(PEOPLE,))


def posts(sink: Sink, name: str) -> list[tuple[str, float, str]]:
    """Who posted alerts of this node or rule, when, and as what."""
    return [
        (message.sender, message.when, one.state)
        for message in sink.messages
        for one in message.alerts
        if name in (one.node, one.rule)
    ]


def test_the_node_that_judges_posts_to_alertmanager_until_it_is_over(world: World) -> None:
    agents, sink = whole_cluster(world, THREE, MANAGER)
    began = world.clock.now
    fire(agents[0])
    world.run(700)
    end(agents[0])
    world.run(1000)
    told = posts(sink, "agent-0")
    assert {name for name, _, _ in told} == {"agent-0"}
    assert [state for _, _, state in told] == ["firing"] * 3 + ["resolved"]
    moments = [when - began for _, when, _ in told]
    assert moments == pytest.approx([1, 301, 602, 701], abs=2)


def test_what_was_silenced_is_posted_when_the_silence_is_over(world: World) -> None:
    agents, sink = whole_cluster(world, THREE, MANAGER)
    silence(world, agents[0], 100)
    fire(agents[0])
    world.run(90)
    assert sink.messages == []
    world.run(60)
    assert [state for _, _, state in posts(sink, "agent-0")] == ["firing"]


def test_of_an_alert_that_has_no_room_no_post_is_remembered(world: World) -> None:
    agents, _ = whole_cluster(world, 2, MANAGER)
    for number in range(MAX_OF_NODE + 10):
        fire(agents[0], object=f"/{number}")
        world.run(2)
        end(agents[0], object=f"/{number}")
        world.run(2)
    (posted,) = agents[0].cluster.alerts.poster._posts.values()
    assert len(posted) == MAX_OF_NODE


def test_that_a_node_is_down_is_posted_by_one_and_by_the_next_when_that_dies(
    world: World,
) -> None:
    agents, sink = whole_cluster(world, 5, MANAGER)
    agents[0].crash()
    world.run(60)
    (first,) = {name for name, _, _ in posts(sink, "agent-0")}
    next(agent for agent in agents if agent.name == first).crash()
    world.run(60)
    tellers = [name for name, _, _ in posts(sink, "agent-0")]
    assert len(tellers) == 2
    assert tellers[0] == first != tellers[1]


def test_a_post_that_fails_is_posted_again(world: World) -> None:
    agents, sink = whole_cluster(world, THREE, MANAGER)
    fates: list[Fate] = ["fails", "hangs"]
    sink.fate = lambda agent, channel: fates.pop(0) if fates else "told"
    fire(agents[0])
    world.run(60)
    assert len(posts(sink, "agent-0")) == 1


def test_one_node_gives_the_sign_of_life_each_minute_and_the_next_when_it_dies(
    world: World,
) -> None:
    agents, sink = whole_cluster(world, THREE, ChannelIds(heartbeat=HEARTBEAT))
    world.run(300)
    (first,) = set(senders(sink))
    assert 4 <= len(sink.messages) <= 6
    next(agent for agent in agents if agent.name == first).crash()
    world.run(300)
    assert len(set(senders(sink))) == 2
    assert 9 <= len(sink.messages) <= 11


def test_a_judge_hears_of_its_alerts_after_a_restart_before_it_is_ready(world: World) -> None:
    agents, _ = whole_cluster(world, THREE)
    alert = fire(agents[0])
    world.run(TOLD)
    agents[0].crash()
    world.run(5)
    agents[0].start()
    found: list[Any] = []
    alerts = agents[0].cluster.alerts
    alerts.adopt, alerts.became_ready = found.append, lambda: found.append("ready")
    world.run(10)
    assert found == [[alert], "ready"]


def test_people_hear_of_the_end_of_what_only_dead_senders_have_told_of(world: World) -> None:
    agents, sink = whole_cluster(world, 8)
    fates: list[Fate] = ["dies after", "fails", "fails", "fails"]
    sink.fate = lambda agent, channel: fates.pop(0) if fates else "told"
    for agent in agents:
        fire(agent)
    world.wait_for(lambda: len(fates) < 3, 120)
    over = next(agent for agent in agents if agent.running)
    end(over)
    world.run(2 * TOLD)
    told = [text for message in texts(sink) for text in message]
    assert f"{over.name} disk resolved" in told
