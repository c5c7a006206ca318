"""When an alert fires and when it is over: time, hysteresis, levels, objects, restarts."""

from typing import Any

import pytest

from core.alerts.watched_node import ADDRESS, NAME, WALL, WatchedNode, texts, told
from nodnod_agent.core.alerts.judge import MAX_FIRING
from nodnod_client.alerts import Alert

MEMORY = {"name": "memory", "above": 90, "clear": 85, "for": 60, "keep": 30}
LOAD = {"name": "load", "metric": "load.load5", "above": 4}
LEVELS = {"name": "memory", "above": {"warning": 85, "critical": 95}, "for": 0, "keep": 0}
ERRORS = {"name": "errors", "metric": "network.errors", "above": 0}


def interfaces(**errors: float) -> dict[str, Any]:
    """The network section, by interface."""
    row = {"recvBytes": 0.0, "sentBytes": 0.0, "packets": 0.0, "drops": 0.0}
    return {"network": {name: row | {"errors": value} for name, value in errors.items()}}


def alert(**fields: Any) -> Alert:
    known: dict[str, Any] = {
        "node": NAME,
        "address": ADDRESS,
        "rule": "memory",
        "epoch": 7,
        "state": "firing",
        "severity": "warning",
        "value": 99.0,
        "threshold": 90.0,
        "since": WALL,
        "text": "memory is 99 % used",
    }
    return Alert(**known | fields)


# Time and hysteresis.


def test_an_alert_says_what_it_is_about_since_when_and_why() -> None:
    node = WatchedNode(MEMORY).start()
    (found,) = node.sample(61, memoryUsedPercent=93.04)
    assert found == Alert(
        node=NAME,
        address=ADDRESS,
        rule="memory",
        epoch=int(1000 * node.wall()),
        state="firing",
        severity="warning",
        value=93.04,
        threshold=90.0,
        since=node.wall(),
        text="memory is 93 % used (above 90 %) for 60 s",
    )


def test_a_value_must_be_beyond_the_threshold_for_the_whole_time() -> None:
    node = WatchedNode(MEMORY).start()
    assert node.sample(60, memoryUsedPercent=95) == []
    assert node.sample(1, memoryUsedPercent=90) == []
    assert node.sample(60, memoryUsedPercent=95) == []
    assert told(node.sample(1, memoryUsedPercent=95)) == [("memory", "", "warning", "firing")]


def test_it_fires_once_however_long_it_lasts() -> None:
    node = WatchedNode(MEMORY).start()
    assert len(node.sample(3600, memoryUsedPercent=95)) == 1


def test_between_the_thresholds_it_stays_what_it_is() -> None:
    node = WatchedNode(MEMORY).start()
    assert node.sample(600, memoryUsedPercent=88) == []
    node.sample(100, memoryUsedPercent=95)
    assert node.sample(600, memoryUsedPercent=88) == []


def test_it_is_over_once_the_value_was_clear_for_the_whole_time() -> None:
    node = WatchedNode(MEMORY).start()
    node.sample(100, memoryUsedPercent=95)
    assert node.sample(30, memoryUsedPercent=80) == []
    assert node.sample(1, memoryUsedPercent=86) == []
    assert node.sample(30, memoryUsedPercent=80) == []
    (found,) = node.sample(1, memoryUsedPercent=80)
    assert (found.state, found.severity, found.value) == ("resolved", "warning", 80)
    assert found.text == "memory is 80 % used, no longer above 90 %"


def test_a_value_below_a_threshold_fires_just_so() -> None:
    node = WatchedNode({"name": "idle", "metric": "cpuUsed", "below": 10}).start()
    assert node.sample(60, cpuUsed=10) == []
    assert texts(node.sample(1, cpuUsed=9.5)) == ["CPU is 9.5 % busy (below 10 %)"]
    assert node.sample(60, cpuUsed=10.4) == []  # 5 % of the way back is 10.5
    assert told(node.sample(1, cpuUsed=10.5)) == [("idle", "", "warning", "resolved")]


def test_every_change_has_a_higher_epoch_even_if_the_clock_goes_back() -> None:
    node = WatchedNode(MEMORY | {"for": 0, "keep": 0}).start()
    node.sample(1, memoryUsedPercent=95)
    node.wall_skew = -86400
    node.sample(1, memoryUsedPercent=50)
    node.sample(1, memoryUsedPercent=95)
    first, second, third = node.changes
    assert (second.epoch, third.epoch) == (first.epoch + 1, first.epoch + 2)
    assert third.since == node.wall()


# What is not known.


def test_an_unknown_value_neither_fires_nor_ends_an_alert() -> None:
    node = WatchedNode(MEMORY).start()
    assert node.sample(600) == []
    node.sample(100, memoryUsedPercent=95)
    assert node.sample(600) == []
    assert told(node.sample(31, memoryUsedPercent=50)) == [("memory", "", "warning", "resolved")]


def test_a_section_that_cannot_be_read_changes_nothing() -> None:
    node = WatchedNode(ERRORS).start()
    assert len(node.sample(10, interfaces(eth0=3.0))) == 1
    assert node.sample(60, {"network": {"error": "PermissionError"}}) == []
    assert told(node.sample(10, interfaces(eth0=0.0))) == [
        ("errors", "eth0", "warning", "resolved")
    ]


def test_values_before_and_after_a_long_gap_do_not_count_as_one_time() -> None:
    node = WatchedNode(MEMORY).start()
    node.sample(50, memoryUsedPercent=95)
    node.clock.advance(3600)
    assert node.sample(60, memoryUsedPercent=95) == []
    assert len(node.sample(1, memoryUsedPercent=95)) == 1


def test_late_samples_of_a_machine_under_load_count_as_one_time() -> None:
    node = WatchedNode(MEMORY).start()
    for _ in range(6):
        node.clock.advance(9)
        node.sample(1, memoryUsedPercent=95)
    assert node.changes == []
    assert len(node.sample(1, memoryUsedPercent=95)) == 0
    node.clock.advance(9)
    assert len(node.sample(1, memoryUsedPercent=95)) == 1


# Levels.


def test_a_worse_level_and_the_way_back_are_changes() -> None:
    node = WatchedNode(LEVELS).start()
    for percent in (90, 96, 93, 90, 80):
        node.sample(2, memoryUsedPercent=percent)
    assert [(one.state, one.severity, one.threshold) for one in node.changes] == [
        ("firing", "warning", 85),
        ("firing", "critical", 95),
        ("firing", "warning", 85),  # at 90: at 93 it was not 5 % back
        ("resolved", "warning", 85),
    ]


def test_a_value_beyond_both_levels_fires_once_as_the_worse() -> None:
    node = WatchedNode(LEVELS).start()
    assert told(node.sample(5, memoryUsedPercent=99)) == [("memory", "", "critical", "firing")]
    assert told(node.sample(5, memoryUsedPercent=10)) == [("memory", "", "critical", "resolved")]


# Objects.


def test_each_object_has_an_alert_of_its_own() -> None:
    node = WatchedNode(ERRORS).start()
    found = node.sample(6, interfaces(eth0=2.0, eth1=0.0, eth2=1.0))
    assert texts(found) == [
        "network.errors of eth0 is 2 (above 0)",
        "network.errors of eth2 is 1 (above 0)",
    ]
    found = node.sample(6, interfaces(eth0=2.0, eth1=3.0, eth2=0.0))
    assert told(found) == [
        ("errors", "eth2", "warning", "resolved"),
        ("errors", "eth1", "warning", "firing"),
    ]


def test_an_object_that_vanishes_is_over() -> None:
    node = WatchedNode(ERRORS).start()
    node.sample(6, interfaces(eth0=2.0))
    (found,) = node.sample(6, interfaces())
    assert (found.state, found.value) == ("resolved", None)
    assert found.text == "eth0 is no longer measured"


def test_a_section_that_the_machine_has_no_more_ends_its_alerts() -> None:
    node = WatchedNode(ERRORS).start()
    node.sample(6, interfaces(eth0=2.0))
    assert told(node.sample(6, {"network": None})) == [("errors", "eth0", "warning", "resolved")]


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ("eth0", ["eth0"]),
        ("eth*", ["eth0", "eth1"]),
        (["!eth0", "!lo"], ["eth1", "wlan0"]),
        (["eth*", "!eth1"], ["eth0"]),
    ],
)
def test_patterns_say_which_objects_a_rule_is_about(objects: Any, expected: list[str]) -> None:
    node = WatchedNode(ERRORS | {"objects": objects}).start()
    found = node.sample(1, interfaces(eth0=1.0, eth1=1.0, wlan0=1.0, lo=1.0))
    assert sorted(one.object for one in found) == expected


def test_at_most_64_alerts_fire_the_worst_first_and_the_last_says_how_many_more() -> None:
    levels = ERRORS | {"above": {"warning": 10, "critical": 1000}}
    node = WatchedNode(levels).start()
    found = node.sample(1, interfaces(**{f"eth{n}": float(n) for n in range(1100)}))
    assert len(found) == 64
    assert [one.value for one in found] == [float(n) for n in range(1099, 1035, -1)]
    assert found[-1].text.endswith("; and 1025 more alerts of this node that are not listed")
    assert not found[0].text.endswith("not listed")


def test_when_some_are_over_others_take_their_place() -> None:
    node = WatchedNode(ERRORS).start()
    rows = {f"eth{n}": float(n) for n in range(1, 70)}
    node.sample(1, interfaces(**rows))
    found = node.sample(6, interfaces(**rows | {"eth69": 0.0}))
    assert told(found) == [
        ("errors", "eth69", "warning", "resolved"),
        ("errors", "eth5", "warning", "firing"),
    ]
    assert found[1].text.endswith("; and 4 more alerts of this node that are not listed")


def test_names_of_objects_can_be_printed_and_are_bounded() -> None:
    node = WatchedNode(ERRORS).start()
    found = node.sample(1, interfaces(**{"a\x1b[2J\n": 1.0, "x" * 5000: 1.0}))
    assert [one.object for one in found] == ["a\ufffd[2J\ufffd", "x" * 200]
    assert all(one.text.isprintable() and len(one.text) <= 300 for one in found)


# Which rules are in force.


@pytest.mark.parametrize(
    ("nodes", "applies"),
    [
        *(("kyle", True), ("db-*", False), ("k*", True), (["stan", "kyle"], True)),
        *(("tag:role=db", True), ("tag:role", True), (["tag:role=web", "stan"], False)),
    ],
)
def test_a_rule_may_be_about_some_nodes_only(nodes: Any, applies: bool) -> None:
    node = WatchedNode(MEMORY | {"nodes": nodes, "for": 0}).start()
    assert bool(node.sample(1, memoryUsedPercent=95)) is applies


def test_a_rule_that_is_switched_off_ends_its_alerts() -> None:
    node = WatchedNode(MEMORY | {"for": 0}, LOAD).start()
    node.sample(1, memoryUsedPercent=95)
    node.use(LOAD)
    assert texts(node.sample(1, memoryUsedPercent=95)) == [
        "the rule memory is no longer in force here"
    ]


def test_other_thresholds_are_judged_without_telling_the_same_again() -> None:
    node = WatchedNode(MEMORY | {"for": 0}).start()
    node.sample(1, memoryUsedPercent=95)
    node.use(MEMORY | {"above": 80, "clear": 75, "for": 0})
    assert node.sample(60, memoryUsedPercent=78) == []
    node.use(MEMORY | {"above": {"warning": 50, "critical": 70}, "clear": 40, "for": 0})
    assert told(node.sample(1, memoryUsedPercent=78)) == [("memory", "", "critical", "firing")]


def test_reading_the_same_rules_again_does_not_begin_the_time_anew() -> None:
    node = WatchedNode(MEMORY).start()
    node.sample(50, memoryUsedPercent=95)
    node.use(MEMORY)
    assert len(node.sample(11, memoryUsedPercent=95)) == 1


# After a restart.


def test_an_alert_that_others_know_goes_on_firing_and_is_not_told_anew() -> None:
    node = WatchedNode(MEMORY).start(alert())
    assert node.sample(600, memoryUsedPercent=95) == []


def test_an_alert_that_others_know_is_over_when_its_value_is_clear() -> None:
    ahead = int(1000 * WALL) + 5 * 10**7
    node = WatchedNode(MEMORY).start(alert(epoch=ahead))
    (found,) = node.sample(31, memoryUsedPercent=80)
    assert (found.state, found.epoch) == ("resolved", ahead + 1)


def test_of_an_alert_that_others_know_the_object_may_be_gone() -> None:
    node = WatchedNode(ERRORS).start(alert(rule="errors", object="eth7"))
    assert told(node.sample(1, interfaces(eth0=0.0))) == [("errors", "eth7", "warning", "resolved")]


def test_an_alert_that_others_know_may_have_got_worse() -> None:
    node = WatchedNode(LEVELS).start(alert())
    assert told(node.sample(1, memoryUsedPercent=99)) == [("memory", "", "critical", "firing")]


def test_an_alert_that_others_know_of_a_rule_that_is_gone_is_over() -> None:
    node = WatchedNode(LOAD).start(alert(rule="old"), alert(rule="older", state="resolved"))
    assert told(node.sample(1)) == [("old", "", "warning", "resolved")]


def test_alerts_about_other_nodes_and_those_that_others_judge_are_left_alone() -> None:
    other = alert(address="10.0.0.2:7070")
    node = WatchedNode(MEMORY).start(other, alert(rule="down"), alert(rule="cut-off"))
    assert node.sample(100, memoryUsedPercent=10) == []


def test_what_fires_and_somebody_else_ended_is_told_again_after_its_time() -> None:
    node = WatchedNode(MEMORY).start()
    (first,) = node.sample(61, memoryUsedPercent=95)
    node.watch.adopt([alert(state="resolved", epoch=first.epoch + 5)])
    assert node.sample(60, memoryUsedPercent=95) == []
    (second,) = node.sample(1, memoryUsedPercent=95)
    assert second.epoch > first.epoch + 5


def test_an_alert_of_its_own_that_comes_back_changes_nothing() -> None:
    node = WatchedNode(MEMORY).start()
    node.sample(61, memoryUsedPercent=95)
    node.sample(25, memoryUsedPercent=80)
    node.watch.adopt(node.changes)
    assert told(node.sample(6, memoryUsedPercent=80)) == [("memory", "", "warning", "resolved")]
    node.watch.adopt(node.changes[1:])
    assert node.sample(60, memoryUsedPercent=80) == []


def test_what_fires_is_told_anew_where_the_clock_was_days_ahead() -> None:
    node = WatchedNode(MEMORY)
    node.wall_skew = 2 * 86400.0
    node.start().sample(61, memoryUsedPercent=95)
    node.wall_skew = 0.0
    (again,) = node.sample(1, memoryUsedPercent=95)
    assert again.epoch == int(1000 * node.wall())
    assert node.sample(600, memoryUsedPercent=95) == []


@pytest.mark.parametrize("rule", ["errors", "nonsense"])
def test_no_more_alerts_are_taken_over_than_can_fire(rule: str) -> None:
    made_up = [alert(rule=rule, object=f"eth{number}") for number in range(1000)]
    node = WatchedNode(ERRORS).start(*made_up)
    assert len(node.sample(1, interfaces(eth0=0.0))) == MAX_FIRING


def test_nothing_is_judged_before_the_start_and_after_the_end() -> None:
    node = WatchedNode(MEMORY | {"for": 0})
    assert node.sample(10, memoryUsedPercent=95) == []
    assert len(node.start().sample(1, memoryUsedPercent=95)) == 1
    node.watch.stop()
    assert node.sample(100, memoryUsedPercent=10) == []
