"""What people are told of a group of alerts: a title and a text."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from nodnod_agent.core.alerts.rules import CUT_OFF, DOWN
from nodnod_client.alerts import Alert

LIFE = 900.0
"""Seconds for which Alertmanager takes an alert for firing; it must be told again before."""

MAX_BODY = 1800
"""Characters of a body; some services refuse a message of 2,000."""


class Message(Struct, frozen=True):
    """One message: the alerts, and the same as text for people. ``life`` is in seconds."""

    title: str
    body: str
    alerts: tuple[Alert, ...]
    life: float = LIFE


def compose(alerts: Iterable[Alert], *, again: bool = False) -> Message:
    """The message about one or more alerts; ``again`` if people have been told before.

    What fires comes first, the worst at the top.
    """
    ordered = tuple(sorted(alerts, key=_order))
    return Message(_title(ordered, again=again), _body(ordered), ordered)


def compose_test(node: str, address: str, now: float) -> Message:
    """A message that says that it is a test, sent by ``node`` at Unix time ``now``."""
    alert = Alert(
        node=node,
        address=address,
        rule="test",
        epoch=int(now * 1000),
        state="firing",
        severity="warning",
        since=now,
        text=f"a test of this channel, sent from {node}; nothing is wrong",
    )
    title = f"NodNod test from {node}"
    return Message(title, f"This is a test of this channel; nothing is wrong.\n{_line(alert)}",
                   (alert,), life=60.0)  # fmt: skip


def _order(alert: Alert) -> tuple[bool, bool, bool, bool, str, str, str]:
    return (
        alert.state != "firing",
        alert.rule != CUT_OFF,
        alert.rule != DOWN,
        alert.severity != "critical",
        alert.node,
        alert.rule,
        alert.object,
    )


def _word(alert: Alert) -> str:
    return alert.severity.upper() if alert.state == "firing" else "RESOLVED"


def _subject(alert: Alert) -> str:
    return f"{alert.node}: {alert.rule} {alert.object}".rstrip()


def _title(alerts: Sequence[Alert], *, again: bool) -> str:
    still = "STILL " if again else ""
    if len(alerts) == 1 or alerts[0].rule == CUT_OFF:
        alert = alerts[0]
        subject = f"{alert.node}: {alert.text}" if alert.rule == CUT_OFF else _subject(alert)
        return f"{still}{_word(alert)} {subject}"
    counts = Counter(_word(alert).lower() for alert in alerts)
    words = ("critical", "warning", "resolved")
    numbers = ", ".join(f"{counts[word]} {word}" for word in words if counts[word])
    nodes = {alert.node for alert in alerts}
    where = nodes.pop() if len(nodes) == 1 else f"{len(nodes)} nodes"
    return f"{still}{numbers}: {where}"


def _body(alerts: Sequence[Alert]) -> str:
    lines: list[str] = []
    room = MAX_BODY
    for index, alert in enumerate(alerts):
        line = _line(alert)
        room -= len(line) + 1
        if room < 0 and lines:
            lines.append(f"… and {len(alerts) - index} more: see nodnod alerts")
            break
        lines.append(line)
    return "\n".join(lines)


def _line(alert: Alert) -> str:
    numbers = [
        f"{name} {_number(value)}"
        for name, value in (("value", alert.value), ("threshold", alert.threshold))
        if value is not None
    ]
    parts = [*numbers, f"since {_moment(alert.since)}", f"epoch {alert.epoch}"]
    text = f": {alert.text}" if alert.text else ""
    return f"{_word(alert)} {_subject(alert)}{text} ({', '.join(parts)})"


def _number(value: float) -> str:
    """Short, and without an exponent for any ordinary number."""
    if not 0.01 <= abs(value) < 1e15:
        return f"{value:g}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def _moment(unix: float) -> str:
    try:
        return f"{datetime.fromtimestamp(unix, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):  # beyond the year 9999
        return f"{unix:g}"
