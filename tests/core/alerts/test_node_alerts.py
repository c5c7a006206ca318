"""A node judges its samples, and what it knows of itself."""

from math import inf
from typing import Any

import pytest
from msgspec.structs import replace

from core.alerts.alerted_node import alert, shown
from core.harness import WALL, CoreHarness
from core.unverified import lines
from doubles.samples import full_sample
from nodnod_agent.config.alert_rules import rules
from nodnod_agent.core.alerts.alerts import ALONE, HOUSEKEEPING
from nodnod_agent.core.alerts.entries import key_of
from nodnod_agent.core.alerts.replica import MOST, AlertReplica
from nodnod_agent.core.alerts.table import MAX_OF_NODE
from nodnod_agent.core.membership.table import DAY
from nodnod_client.codec import decode_peer_answer, encode


def harness(*items: dict[str, Any]) -> CoreHarness:
    """A node with the built-in rules, and these changes of them, that is alone and knows it."""
    own = CoreHarness(rules=rules(list(items), "rules"))
    own.clock.advance(ALONE)
    return own


def test_what_fires_and_what_is_over_is_logged(log: pytest.LogCaptureFixture) -> None:
    own = harness({"name": "swap", "for": 5, "keep": 0, "above": 40})
    own.node.sampled(full_sample())
    own.clock.advance(15)
    text = "swap is 50 % used (above 40 %) for 5 s"
    assert f"Alert swap, warning: {text}" in lines(log, "WARNING")
    own.node.sampled(replace(own.node.newest, sections={"memory": b"null"}))
    own.clock.advance(10)
    assert "Alert swap is over: memory.swapUsedPercent is no longer measured" in lines(log, "INFO")


def test_missing_samples_are_an_alert(log: pytest.LogCaptureFixture) -> None:
    own = harness()
    own.sampling = False
    own.clock.advance(60)
    (found,) = [line for line in lines(log, "WARNING") if "stale" in line]
    assert found.startswith("Alert stale, critical: no sample of this machine for ")


def test_another_node_of_the_same_name_is_an_alert_while_it_is_up(
    log: pytest.LogCaptureFixture,
) -> None:
    own = harness()
    namesake = own.peer("own", instance="another instance")
    own.peer("kyle")
    own.clock.advance(60)
    said = "Alert names, warning: other nodes with the name of this one: 1"
    assert [line for line in lines(log, "WARNING") if "names" in line] == [said]
    namesake.hang_up()
    own.clock.advance(60)
    assert "Alert names is over: no other node has the name of this one" in lines(log, "INFO")


def test_an_alert_that_is_refused_keeps_out_no_other(log: pytest.LogCaptureFixture) -> None:
    own = harness()
    own.node.alerts.judged([alert("mount", value=inf), alert("inodes")])
    assert shown(own) == ["firing warning inodes"]
    (refused,) = [line for line in lines(log, "WARNING") if "not told" in line]
    assert "`value` is inf, which is no number" in refused


def test_a_node_that_is_said_to_be_down_until_tomorrow_says_that_it_is_not() -> None:
    own = harness()
    down = alert("down", epoch=int(1000 * (WALL + own.clock.now + DAY)))
    assert own.node.alerts.table.merge(down) is not None
    own.node.alerts.survivors.changed(key_of(down))  # an end of a later epoch is refused
    assert shown(own) == ["firing warning down"]
    own.clock.advance(HOUSEKEEPING)
    assert shown(own) == ["resolved warning down"]


def test_of_ten_thousand_alerts_about_a_node_its_judge_ends_those_that_have_room() -> None:
    own = harness()
    table = own.node.alerts.table
    replica = AlertReplica(table, own.node.alerts._learn)
    made_up = [alert("disk", object=f"/{number}") for number in range(10_000)]
    message = decode_peer_answer(encode({"alerts": made_up}))
    assert replica.take(message, 100_000).examined == MOST
    own.clock.advance(10)
    assert {one.state for one in table.alerts.values()} == {"resolved"}
    assert len(table.alerts) == MAX_OF_NODE


def test_without_rules_nothing_is_judged_or_asked_for(log: pytest.LogCaptureFixture) -> None:
    wanted: list[Any] = []
    own = CoreHarness(want=lambda sections, seconds: wanted.append(sections))
    own.sampling = False
    own.clock.advance(600)
    assert [line for line in lines(log) if "Alert" in line] == []
    assert wanted == []
