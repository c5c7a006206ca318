"""The alerts as clients see them."""

from msgspec.structs import replace

from core.alerts.alerted_node import CHANNEL, alert, judge, known, sent, shown
from core.harness import CoreHarness
from nodnod_agent.core.alerts.view import SHOWN_RESOLVED, event_text
from nodnod_client.messages import SilenceTerms


def test_what_fires_comes_first_then_the_worst_then_the_newest(harness: CoreHarness) -> None:
    judge(
        harness,
        alert("over", state="resolved", severity="critical", at=9),
        alert("old", at=1),
        alert("new", at=2),
        alert("bad", severity="critical"),
        alert("earlier", state="resolved", at=8),
    )
    assert shown(harness) == [
        "firing critical bad",
        "firing warning new",
        "firing warning old",
        "resolved critical over",
        "resolved warning earlier",
    ]


def test_an_alert_is_shown_for_an_hour_after_its_end(harness: CoreHarness) -> None:
    known(harness, "other", "10.0.0.2:7070", "x")
    other = alert("disk", node="other", address="10.0.0.2:7070")
    judge(harness, alert(state="resolved"), other)
    harness.clock.advance(SHOWN_RESOLVED - 1)
    assert len(shown(harness)) == 2
    harness.clock.advance(1)
    assert shown(harness) == ["firing warning disk"]


def test_a_change_of_an_alert_is_seen_at_once(harness: CoreHarness) -> None:
    one = alert()
    judge(harness, one)
    assert shown(harness) == ["firing warning cpu"]
    judge(harness, replace(one, epoch=one.epoch + 1, severity="critical"))
    assert shown(harness) == ["firing critical cpu"]


def test_told_are_the_channels_over_which_people_know_the_present_state(
    harness: CoreHarness,
) -> None:
    one, view = alert(), harness.node.alert_view
    judge(harness, one)
    table = harness.node.alerts.table
    table.merge(sent(one))
    table.merge(sent(one, "00000000000000bb"))
    table.merge(sent(one, "00000000000000cc", state="failed"))
    view.labels = {CHANNEL: "webhook hooks.example.org"}
    assert view.rows[0].alert.told == ["00000000000000bb", "webhook hooks.example.org"]
    judge(harness, replace(one, epoch=one.epoch + 1, severity="critical"))
    assert view.rows[0].alert.told == []


def test_an_alert_is_silenced_until_the_silence_ends(harness: CoreHarness) -> None:
    judge(harness, alert("cpu"), alert("disk"))
    node = harness.node
    node.silencing.begin(SilenceTerms(60, "o*", "cpu"), "kyle")
    node.silencing.begin(SilenceTerms(600, "other", "disk"), "kyle")

    def silenced() -> list[str]:
        return [row.alert.rule for row in node.alert_view.rows if row.alert.silenced]

    assert silenced() == ["cpu"]
    harness.clock.advance(59)
    assert silenced() == ["cpu"]
    harness.clock.advance(1)
    assert silenced() == []


def test_a_node_is_named_as_answers_list_it(harness: CoreHarness) -> None:
    for instance, address in (("one", "10.0.0.8:7070"), ("two", "10.0.0.9:7070")):
        harness.peer("stan", address=address, instance=instance)
        known(harness, "stan", address, instance)
        judge(harness, alert(node="stan", address=address))
    names = sorted(row.alert.node for row in harness.node.alert_view.rows)
    assert names == ["stan", "stan@10.0.0.9:7070"]


def test_an_event_says_which_alert_it_is_about() -> None:
    one = alert("filesystem", object="/var", text="/var is full")
    assert event_text(one) == "filesystem /var, warning: /var is full"
    assert event_text(alert(state="resolved", text="fine")) == "cpu: fine"
