"""What an agent judges becomes an event, once."""

from msgspec.structs import replace

from core.alerts.alerted_node import OWN, alert, judge, known
from core.harness import WALL, CoreHarness
from nodnod_agent.core.events.log import EventLog
from nodnod_client.codec import encode
from nodnod_client.messages import Event


def noted(harness: CoreHarness) -> list[tuple[str, str, str]]:
    """Node, kind and text of each event about an alert, oldest first."""
    events = [record.event for record in harness.node.events.newest()][::-1]
    return [(e.node, e.kind, e.text) for e in events if e.kind.startswith("alert-")]


def test_each_change_that_this_agent_judges_is_one_event(harness: CoreHarness) -> None:
    one = alert(text="high")
    worse = replace(one, epoch=one.epoch + 1, severity="critical")
    over = replace(one, epoch=one.epoch + 2, state="resolved", text="fine")
    for change in (one, one, worse, over):
        judge(harness, change)
    assert noted(harness) == [
        ("own", "alert-fired", "cpu, warning: high"),
        ("own", "alert-fired", "cpu, critical: high"),
        ("own", "alert-cleared", "cpu: fine"),
    ]


def test_what_another_agent_has_judged_is_its_event(harness: CoreHarness) -> None:
    harness.node.alerts.table.merge(alert())
    assert noted(harness) == []


def test_an_event_about_another_node_names_that_one(harness: CoreHarness) -> None:
    known(harness, "stan", "10.0.0.8:7070", "instance of stan")
    judge(harness, alert("down", node="stan", address="10.0.0.8:7070", text="stan is down"))
    assert noted(harness) == [("stan", "alert-fired", "down, warning: stan is down")]


def test_of_two_agents_that_tell_the_same_one_is_shown_but_other_alerts_are(
    harness: CoreHarness,
) -> None:
    log: EventLog = harness.node.events
    for number, text in enumerate(("down, critical: gone", "down, critical: no answer", "cpu: x")):
        event = Event(f"i{number}-1", WALL + number, "stan", "alert-fired", text, OWN)
        log.merge(encode(event))
    shown = [text for text in log.shown(None, lambda _: True) if b"alert-fired" in text]
    assert len(shown) == 2


def test_an_alert_before_the_event_of_the_start_makes_no_restart_of_it(
    harness: CoreHarness,
) -> None:
    judge(harness, alert())
    harness.clock.advance(20)
    assert [record.event.kind for record in harness.node.events.newest()] == [
        "started",
        "alert-fired",
    ]
