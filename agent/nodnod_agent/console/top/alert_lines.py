"""Alerts as text: one line about all nodes, and the lines of one node."""

from collections.abc import Iterable, Sequence

from rich.text import Text

from nodnod_agent.console.alerts import counts
from nodnod_agent.console.shortening import shorten
from nodnod_agent.console.top.fitting import first_fit
from nodnod_agent.console.units import human_span, plain
from nodnod_client.alerts import AlertInfo

MAX_LINES = 5
"""Alerts of one node that are shown; the others are counted."""

_TAGS = {"critical": "bold bright_white on red", "warning": "bold black on yellow"}


SHORT_NAME = 16
"""Characters of the name of a node where there is little room."""


def alerts_line(alerts: Sequence[AlertInfo], width: int) -> Text | None:
    """Return how many alerts fire, and the worst of them, on one line; None if none does."""
    firing = [one for one in alerts if one.firing]
    if not firing:
        return None
    loud = [one for one in firing if not one.silenced]
    style = _TAGS.get(loud[0].severity, "") if loud else "dim"
    text = Text.assemble(("Alerts  ", "dim"), (f" {counts(firing)} ", style))
    if not loud:
        return first_fit(width, (text,))
    name, what = plain(loud[0].node), _what(loud[0])
    names = name, *shorten([name], SHORT_NAME)
    return first_fit(width, (text + Text.assemble((f"  {one} ", "bold"), what) for one in names))


def node_alerts(alerts: Iterable[AlertInfo], now: float) -> Text | None:
    """Return a line for each alert that fires; None if none does. ``now`` is in Unix seconds."""
    firing = [one for one in alerts if one.firing]
    lines = []
    for one in firing[:MAX_LINES]:
        style = "dim" if one.silenced else _TAGS.get(one.severity, "")
        word = "SILENCED" if one.silenced else plain(one.severity, 16).upper()
        span = f" {human_span(now - one.since)}  "
        lines.append(Text.assemble((f" {word} ", style), span, _what(one)))
    if len(firing) > MAX_LINES:
        lines.append(Text(f"and {len(firing) - MAX_LINES} more", "dim"))
    return Text("\n").join(lines) if lines else None


def _what(alert: AlertInfo) -> str:
    rule = f"{alert.rule} {alert.object}" if alert.object else alert.rule
    return plain(f"{rule}: {alert.text}" if alert.text else rule)
