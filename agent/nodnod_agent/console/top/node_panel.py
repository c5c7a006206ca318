"""The text of the screen of one node: its condition, history, and all sections of its detail."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nodnod_agent.console.node_condition import Condition, condition, error_detail
from nodnod_agent.console.top.history import downsample, kept_text, parse_history
from nodnod_agent.console.top.lines import sparkline, tag
from nodnod_agent.console.top.panels import PANELS
from nodnod_agent.console.units import (
    human_span,
    marked_percent,
    meter,
    plain,
    rate,
    tags_text,
)
from nodnod_client.messages import NodeStats
from nodnod_client.sections import SHAPES, truncated

HISTORY = 300.0
"""Seconds of history that are shown."""

WIDE = 120
"""Characters of the narrowest screen with two columns."""

_SECOND = frozenset(
    {"filesystems", "processes", "services", "sensors", "gpu", "containers", "custom", "system"}
)
"""The sections in the second column."""

# Series of the history: the field, the label, and whether in percent or else a rate.
_SERIES = (
    ("cpu_used", "CPU", True),
    ("memory_used_percent", "memory", True),
    ("recv_bytes", "received", False),
    ("sent_bytes", "sent", False),
)


def head(
    node: NodeStats, since: float | None, now: float, tags: Mapping[str, str] | None = None
) -> Text:
    """Return two lines: name, condition and tags; CPU, memory and disk. Times are Unix seconds."""
    text = Text.assemble((plain(node.name), "bold"))
    kind = condition(node)
    if kind is not Condition.FINE:
        text.append("  ").append_text(tag(kind))
        if since is not None:
            text.append(f" {human_span(now - since)}")
        text.append(f"  {plain(error_detail(node))}")
    if tags:
        text.append(f"  {tags_text(tags)}", "cyan")
    text.append("\n")
    if kind is not Condition.FINE:
        if not node.memory_total:
            return text.append("no numbers", "dim")
        text.append("last  ", "dim")
    shares = (node.cpu_used, node.memory_used_percent, node.disk_used_percent)
    for name, share in zip(("CPU", "memory", "disk"), shares, strict=True):
        text.append(f"{name} ", "dim").append_text(meter(share, 4))
        text.append(" ").append_text(marked_percent(share)).append(" ")
    return text


def body(node: NodeStats, width: int, now: float) -> RenderableType:
    """Return history and sections, in ``width`` characters; ``now`` is in Unix seconds."""
    if node.detail is UNSET or not isinstance(node.detail, dict):
        why = "No details now." if node.error else "No details: the node speaks version 1."
        return Group(*_spaced([*_history(node.history, width, now), Text(why, "dim")]))
    wide = width >= WIDE
    column = (width - 3) // 2 if wide else width
    names = [name for name in PANELS if node.detail.get(name) is not None]
    panels = {name: panel(name, node.detail[name], column, now) for name in names}
    history = _history(node.history, column, now)
    if not wide:
        return Group(*_spaced([*history, *panels.values()]))
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(width=column)
    grid.add_column(width=column)
    left = [panel for name, panel in panels.items() if name not in _SECOND]
    right = [panel for name, panel in panels.items() if name in _SECOND]
    grid.add_row(Group(*_spaced([*history, *left])), Group(*_spaced(right)))
    return grid


def panel(name: str, section: Any, width: int, now: float) -> RenderableType:
    """Return the title and the content of a section, or why there is none."""
    title, draw = PANELS[name]
    heading = _heading(title, width)
    if section is None:
        return Group(heading, Text("not on this machine", "dim"))
    if isinstance(section, dict) and isinstance(section.get("error"), str) and len(section) == 1:
        return Group(heading, Text(plain(section["error"]), "red"))
    try:
        drawn = draw(msgspec.convert(section, SHAPES[name]), width, now)
    except (msgspec.ValidationError, OverflowError) as error:  # a number may have any size
        return Group(heading, Text(f"cannot be read: {plain(str(error))}", "red"))
    left_out = truncated(section)
    note = [Text(f"and {left_out} more, too many for one answer", "dim")] if left_out else []
    return Group(heading, drawn, *note)


def _history(raw: object, width: int, now: float) -> list[RenderableType]:
    """Return sparklines of the node's history; nothing if it has none."""
    history = parse_history(raw)
    if history is None:
        return []
    lines = []
    for field, name, in_percent in _SERIES:
        values = getattr(history, field)
        known = [value for value in values if value is not None]
        if not known:
            continue
        cells = downsample(values, width - 24, round(history.end / history.every))
        top = 100.0 if in_percent else max(known)
        last = f"{known[-1]:.1f} %" if in_percent else rate(known[-1])
        spark = Text(sparkline(cells, top), "cyan")
        lines.append(Text.assemble(f"{name:<9}", spark, f"  {last:>12}"))
    title = f"The last {human_span(HISTORY)}{kept_text(history.kept_by, history.end, now)}"
    return [Group(_heading(title, width), *lines)] if lines else []


def _heading(title: str, width: int) -> Text:
    return Text.assemble((f"{title} ", "bold"), ("─" * max(0, width - len(title) - 1), "dim"))


def _spaced(panels: Iterable[RenderableType]) -> list[RenderableType]:
    spaced: list[RenderableType] = []
    for panel in panels:
        spaced += [Text(""), panel] if spaced else [panel]
    return spaced
