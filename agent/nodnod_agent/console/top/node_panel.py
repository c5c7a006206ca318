"""One node on a whole screen: how it fares, its last minutes, and every section of its detail."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nodnod_agent.console.node_condition import Condition, condition, reason
from nodnod_agent.console.top.history import fit
from nodnod_agent.console.top.lines import sparkline, tag
from nodnod_agent.console.top.panels import PANELS, rate
from nodnod_agent.console.units import human_span, level, meter, percent, plain
from nodnod_client.messages import NodeStats
from nodnod_client.sections import SHAPES

HISTORY = 300.0
"""Seconds of the past that are shown."""

WIDE_FROM = 120
"""Characters from which on there are two columns; the second one holds these:"""

_SECOND = frozenset({"filesystems", "processes", "sensors", "gpu", "system"})

# Series of the history: the name on the wire, ours, and whether it is in percent or else a rate.
_SERIES = (
    ("cpuUsed", "CPU", True),
    ("memoryUsedPercent", "memory", True),
    ("recvBytes", "received", False),
    ("sentBytes", "sent", False),
)


def head(node: NodeStats, since: float | None, now: float) -> Text:
    """Two lines: the name and what is the matter with it; its three numbers. Unix seconds."""
    text = Text.assemble((plain(node.name), "bold"))
    kind = condition(node)
    if kind is not Condition.FINE:
        text.append("  ").append_text(tag(kind))
        if since is not None:
            text.append(f" {human_span(now - since)}")
        text.append(f"  {plain(reason(node))}")
    text.append("\n")
    if kind is not Condition.FINE:
        if not node.memory_total:
            return text.append("no numbers", "dim")
        text.append("last  ", "dim")
    shares = (node.cpu_used, node.memory_used_percent, node.disk_used_percent)
    for name, share in zip(("CPU", "memory", "disk"), shares, strict=True):
        text.append(f"{name} ", "dim").append_text(meter(share, 8))
        text.append(f" {percent(share)}   ", level(share))
    return text


def body(node: NodeStats, width: int, now: float) -> RenderableType:
    """What the node tells beside that, in so many characters; ``now`` in Unix seconds."""
    if node.detail is UNSET or not isinstance(node.detail, dict):
        why = "It tells no details now." if node.error else "It tells no details: version 1."
        return Text(why, "dim")
    two = width >= WIDE_FROM
    column = (width - 3) // 2 if two else width
    names = [name for name in PANELS if node.detail.get(name) is not None]
    panels = {name: _panel(name, node.detail[name], column, now) for name in names}
    past = _past(node.history, column)
    if not two:
        return Group(*_spaced([*past, *panels.values()]))
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(width=column)
    grid.add_column(width=column)
    left = [panel for name, panel in panels.items() if name not in _SECOND]
    right = [panel for name, panel in panels.items() if name in _SECOND]
    grid.add_row(Group(*_spaced([*past, *left])), Group(*_spaced(right)))
    return grid


def _panel(name: str, section: Any, width: int, now: float) -> RenderableType:
    title, draw = PANELS[name]
    heading = _heading(title, width)
    if isinstance(section, dict) and isinstance(section.get("error"), str) and len(section) == 1:
        return Group(heading, Text(plain(section["error"]), "red"))
    try:
        typed = msgspec.convert(section, SHAPES[name])
    except msgspec.ValidationError as error:
        return Group(heading, Text(f"cannot be read: {plain(str(error))}", "red"))
    return Group(heading, draw(typed, width, now))


def _past(history: Any, width: int) -> list[RenderableType]:
    """Sparklines of what the node remembers; nothing where it does not."""
    if not isinstance(history, dict):
        return []
    every, end = history.get("every"), history.get("end")
    if not isinstance(every, int | float) or not isinstance(end, int | float) or every <= 0:
        return []
    lines = []
    for key, name, in_percent in _SERIES:
        values = _numbers(history.get(key))
        known = [value for value in values if value is not None]
        if not known:
            continue
        cells = fit(values, width - 24, round(end / every))
        top = 100.0 if in_percent else max(known)
        last = f"{known[-1]:.1f} %" if in_percent else rate(known[-1])
        spark = Text(sparkline(cells, top), "cyan")
        lines.append(Text.assemble(f"{name:<9}", spark, f"  {last:>12}"))
    span = human_span(HISTORY)
    return [Group(_heading(f"The last {span}", width), *lines)] if lines else []


def _numbers(values: Any) -> Sequence[float | None]:
    try:
        return msgspec.convert(values, list[float | None])
    except msgspec.ValidationError:
        return ()


def _heading(title: str, width: int) -> Text:
    return Text.assemble((f"{title} ", "bold"), ("─" * max(0, width - len(title) - 1), "dim"))


def _spaced(panels: Iterable[RenderableType]) -> list[RenderableType]:
    spaced: list[RenderableType] = []
    for panel in panels:
        spaced += [Text(""), panel] if spaced else [panel]
    return spaced
