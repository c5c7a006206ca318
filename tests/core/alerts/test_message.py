"""What people read of a group of alerts."""

import pytest

from doubles.alerts import an_alert
from nodnod_agent.core.alerts.message import MAX_BODY, compose, compose_test

LINE = (
    "CRITICAL kenny: memory: memory is nearly full "
    "(value 93.25, threshold 90, since 2026-01-02 03:04:05 UTC, epoch 1767323045000)"
)


def test_one_alert_is_its_title_and_one_line() -> None:
    message = compose([an_alert()])

    assert message.title == "CRITICAL kenny: memory"
    assert message.body == LINE
    assert message.alerts == (an_alert(),)


def test_an_object_is_named_and_what_is_not_known_is_left_out() -> None:
    message = compose([an_alert(rule="mount", object="/var", value=None, threshold=None, text="")])

    assert message.title == "CRITICAL kenny: mount /var"
    assert message.body == (
        "CRITICAL kenny: mount /var (since 2026-01-02 03:04:05 UTC, epoch 1767323045000)"
    )


def test_what_fires_comes_first_and_the_worst_at_the_top() -> None:
    alerts = [
        an_alert("stan", "cpu", state="resolved"),
        an_alert("stan", "swap", severity="warning"),
        an_alert("stan", "memory"),
        an_alert("kenny", "down"),
        an_alert("eric", "memory"),
    ]

    message = compose(alerts)

    assert message.title == "3 critical, 1 warning, 1 resolved: 3 nodes"
    subjects = [line.partition(": memory is")[0] for line in message.body.splitlines()]
    assert subjects == [
        "CRITICAL kenny: down",
        "CRITICAL eric: memory",
        "CRITICAL stan: memory",
        "WARNING stan: swap",
        "RESOLVED stan: cpu",
    ]
    assert [alert.node for alert in message.alerts] == ["kenny", "eric", "stan", "stan", "stan"]


def test_several_alerts_of_one_node_name_it() -> None:
    alerts = [an_alert(rule="cpu", severity="warning"), an_alert(rule="swap", severity="warning")]
    assert compose(alerts).title == "2 warning: kenny"


def test_recoveries_say_so() -> None:
    assert compose([an_alert(state="resolved")]).title == "RESOLVED kenny: memory"
    both = [an_alert(state="resolved"), an_alert("stan", state="resolved")]
    assert compose(both).title == "2 resolved: 2 nodes"


def test_a_repeated_message_says_that_it_is_still_so() -> None:
    assert compose([an_alert()], again=True).title == "STILL CRITICAL kenny: memory"
    assert compose([an_alert(), an_alert("stan")], again=True).title.startswith("STILL 2 critical")


def test_a_part_that_is_cut_off_says_that_above_all() -> None:
    cut = an_alert("stan", "cut-off", severity="warning", text="cut off from 3 of 5 nodes")

    message = compose([an_alert(), cut])

    assert message.title == "WARNING stan: cut off from 3 of 5 nodes"
    assert message.body.startswith("WARNING stan: cut-off: cut off from 3 of 5 nodes (")


def test_a_long_text_ends_with_how_many_alerts_are_left_out() -> None:
    alerts = [an_alert(f"node-{number:03}") for number in range(200)]

    body = compose(alerts).body

    assert len(body) < MAX_BODY + 100
    told = body.count("CRITICAL")
    assert body.endswith(f"\n… and {200 - told} more: see nodnod alerts")
    assert len(compose(alerts).alerts) == 200


def test_the_longest_alert_fits() -> None:
    alert = an_alert("n" * 128, "r" * 64, object="o" * 200, text="t" * 300)
    assert "t" * 300 in compose([alert]).body


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (95.0, "95"),
        (93.456, "93.46"),
        (1234567.0, "1,234,567"),
        (0.00012, "0.00012"),
        (1e300, "1e+300"),
        (-3.5, "-3.5"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert f"(value {text}, threshold" in compose([an_alert(value=value)]).body


def test_a_time_beyond_all_calendars_is_still_told() -> None:
    assert "since 9e+15," in compose([an_alert(since=9e15)]).body


def test_a_test_says_that_it_is_one() -> None:
    message = compose_test("kenny", "kenny:7070", 1767323045.0)

    assert message.title == "NodNod test from kenny"
    assert "nothing is wrong" in message.body
    (alert,) = message.alerts
    assert (alert.rule, alert.severity, alert.epoch) == ("test", "warning", 1767323045000)
    assert message.life == 60
