"""Alerts as lines of the viewer."""

from doubles.alert_rows import alert_row
from nodnod_agent.console.top.alert_lines import MAX_LINES, alerts_line, node_alerts

CRITICAL = alert_row("kenny", "filesystem", object="/var", severity="critical", text="/var is full")
SILENCED = alert_row(silenced=True)


def test_one_line_counts_the_alerts_and_names_the_worst() -> None:
    line = alerts_line([CRITICAL, alert_row(), SILENCED, alert_row(state="resolved")], 100)
    assert line is not None
    expected = "Alerts   1 critical, 1 warning, 1 silenced   kenny filesystem /var: /var is full"
    assert line.plain == expected


def test_a_long_name_leaves_room_for_what_is_wrong() -> None:
    line = alerts_line([alert_row("production-eu-west-1-database-030", text="cpu is high")], 60)
    assert line is not None
    assert line.plain == "Alerts   1 warning   producti…ase-030 cpu: cpu is high"


def test_what_is_silenced_is_counted_and_not_named() -> None:
    line = alerts_line([SILENCED], 100)
    assert line is not None
    assert line.plain == "Alerts   1 silenced "


def test_without_alerts_there_is_no_line() -> None:
    assert alerts_line([alert_row(state="resolved")], 100) is None
    assert node_alerts([alert_row(state="resolved")], 0) is None


def test_a_node_has_a_line_for_each_that_fires_and_the_others_are_counted() -> None:
    lines = node_alerts([CRITICAL, SILENCED, *[alert_row()] * MAX_LINES], 1130)
    assert lines is not None
    assert lines.plain.splitlines() == [
        " CRITICAL  2 min  filesystem /var: /var is full",
        " SILENCED  2 min  cpu: cpu is high",
        *[" WARNING  2 min  cpu: cpu is high"] * (MAX_LINES - 2),
        "and 2 more",
    ]


def test_texts_cannot_control_the_terminal() -> None:
    row = alert_row("a\x1b[2J", "b\r", object="c\x07", text="d\u202e")
    for text in (alerts_line([row], 100), node_alerts([row], 0)):
        assert text is not None
        assert not set("\x1b\r\x07\u202e") & set(text.plain)
