"""One node as one line, and the line of titles, laid out for a width."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from nodnod_agent.console.node_condition import Condition, error_detail
from nodnod_agent.console.shortening import shorten
from nodnod_agent.console.top.history import FIELDS
from nodnod_agent.console.top.view_model import Row
from nodnod_agent.console.units import (
    human_bytes,
    human_part,
    human_span,
    level_mark,
    level_style,
    plain,
)
from nodnod_client.messages import NodeStats

TAGS = {
    Condition.DOWN: "bold bright_white on red",
    Condition.ERROR: "bold bright_white on red",
    Condition.STALE: "bold black on yellow",
}
"""The styles of the words that mark problems; color alone is not visible to all users."""

SEVERITIES = {"critical": ("◆", "bold red"), "warning": ("▲", "bold yellow")}
"""The mark and the style of alerts, the worst first."""

_LEVELS = "▁▂▃▄▅▆▇█"

_PERCENT = 7
"""Characters of a percentage with its mark."""

_SIZES = 15
_FLOW = 9
_SHORTEST_NAME = 8
_BADGE = 3
_GAP = "  "

_TITLES = {
    "name": "Node",
    "cpu": "CPU",
    "memory": "Memory",
    "disk": "Disk",
    "received": "In/s",
    "sent": "Out/s",
}

_SORTED_BY = {"received": "traffic", "sent": "traffic"}
"""The sort keys of columns that are named otherwise."""


class Column(NamedTuple):
    """One column: its name and width, the widths of its bar and sparkline, and if sizes."""

    name: str
    width: int
    bar: int = 0
    spark: int = 0
    sizes: bool = False

    @property
    def order(self) -> str:
        """The sort key."""
        return _SORTED_BY.get(self.name, self.name)


class Cell(NamedTuple):
    """A part of a line that changes as a whole, with the gap before it; ``width`` is on the screen."""

    width: int
    segments: tuple[Segment, ...]


class _Layout(NamedTuple):
    least: int
    """Characters of the narrowest terminal."""
    bar: int = 0
    cpu_spark: int = 0
    memory_spark: int = 0
    sizes: bool = False
    network: bool = False


_LAYOUTS = (
    _Layout(180, 10, 30, 12, sizes=True, network=True),
    _Layout(150, 8, 20, 0, sizes=True, network=True),
    _Layout(118, 8, 20, 0, network=True),
    _Layout(100, 6, 12, 0, network=True),
    _Layout(76, 6, 12),
    _Layout(54, 0, 12),
    _Layout(0),
)
"""The first one that fits the terminal counts."""


def columns(width: int) -> list[Column]:
    """Return columns that fill ``width`` characters, with two between them."""
    layout = next(row for row in _LAYOUTS if width >= row.least)
    numbers = []
    for name, spark, sized in (
        ("cpu", layout.cpu_spark, False),
        ("memory", layout.memory_spark, layout.sizes),
        ("disk", 0, layout.sizes),
    ):
        parts = [layout.bar, _PERCENT, spark, _SIZES if sized else 0]
        used = sum(parts) + sum(1 for part in parts if part) - 1
        numbers.append(Column(name, max(used, _titled(name)), layout.bar, spark, sized))
    if layout.network:
        numbers += [Column(name, _FLOW) for name in ("received", "sent")]
    rest = width - sum(len(_GAP) + column.width for column in numbers)
    return [Column("name", max(_SHORTEST_NAME, rest)), *numbers]


def title_line(layout: Sequence[Column], order: str, *, reverse: bool) -> str:
    """Show the titles; an arrow marks the sort key and its direction."""
    arrow = "▲" if (order == "name") != reverse else "▼"
    titles = []
    for column in layout:
        title = _TITLES[column.name] + (f" {arrow}" if column.order == order else "")
        right = column.name in _SORTED_BY
        titles.append(title.rjust(column.width) if right else title.ljust(column.width))
    return _GAP.join(titles)


def node_line(
    row: Row,
    layout: Sequence[Column],
    name: str,
    *,
    now: float,
    wall: float,
    selected: bool = False,
) -> list[Cell]:
    """Show a node in exactly as many characters as the columns have.

    ``name`` is one of ``short_names``; ``now`` is the time of the last answer, by the clock of
    ``row.history``; ``wall`` is Unix time.
    """
    cells = [_name(row, name, layout[0].width, selected=selected)]
    if row.condition is not Condition.FINE:
        width = sum(len(_GAP) + column.width for column in layout[1:])
        return [*cells, _problem(row, width, wall)]
    for place, column in enumerate(layout[1:]):
        if column.name in _SORTED_BY:
            flow = getattr(row, column.name)
            text = "-" if flow is None else human_bytes(flow)
            cells.append(_cell(column.width, (text.rjust(column.width), "")))
        else:
            spark = row.history.cells(place, column.spark, now) if column.spark else ()
            cells += _share(row.node, column, FIELDS[place], sparkline(spark))
    return cells


def text_of(cells: Sequence[Cell]) -> str:
    """Return a line without its styles."""
    return "".join(segment.text for cell in cells for segment in cell.segments)


def tag(kind: Condition) -> Text:
    """Return the word that marks a problem, such that text appended to it is not marked."""
    return Text.assemble((f" {kind.value.upper()} ", TAGS[kind]))


def short_names(rows: Iterable[Row], width: int) -> dict[str, str]:
    """Return the names as they fit a column of this width, beside the marks of alerts if there are any."""
    rows = list(rows)
    room = width - (_BADGE if any(row.alerts for row in rows) else 0)
    names = [row.node.name for row in rows]
    return dict(zip(names, shorten([plain(name) for name in names], room), strict=True))


def sparkline(values: Sequence[float | None], top: float = 100.0) -> str:
    """Draw a character per value from 0 to ``top``, and a blank for an unknown value."""
    scale = len(_LEVELS) / top if top > 0 else 0.0
    return "".join(
        " " if value is None else _LEVELS[max(0, min(len(_LEVELS) - 1, int(value * scale)))]
        for value in values
    )


def _name(row: Row, name: str, width: int, *, selected: bool) -> Cell:
    """The name and, at the right, how many alerts fire, with the mark of the worst."""
    badge, style = "", ""
    if row.alerts:
        worst = next((one for one in SEVERITIES if any(a.severity == one for a in row.alerts)), "")
        mark, style = SEVERITIES.get(worst, ("?", ""))
        badge = f" {mark}{len(row.alerts) if len(row.alerts) < 10 else '+'}"
    room = width - len(badge)
    parts = (set_cell_size(name, room), "bold reverse" if selected else "bold"), (badge, style)
    return Cell(width, tuple(Segment(text, _style(style)) for text, style in parts if text))


def _share(node: NodeStats, column: Column, field: str, spark: str) -> Iterator[Cell]:
    """A percentage with its bar, in one style: each more is nine bytes. Apart from it what changes less."""
    share = getattr(node, field)
    filled = max(0, min(column.bar, round(column.bar * share / 100)))
    bar = f"{'━' * filled}{'─' * (column.bar - filled)} " if column.bar else ""
    number = f"{f'{share:.1f}%':>6}{level_mark(share) or ' '}"
    more = column.spark, (_SIZES if column.sizes else 0)
    rest = sum(1 + width for width in more if width)
    yield _cell(column.width - rest, (f"{bar}{number}", level_style(share)))
    if column.spark:
        yield _cell(column.spark, (spark, "cyan"), gap=" ")
    if column.sizes:
        what = field.removesuffix("_used_percent")
        sizes = human_part(getattr(node, f"{what}_used"), getattr(node, f"{what}_total"))
        yield _cell(_SIZES, (sizes.rjust(_SIZES), ""), gap=" ")


def _problem(row: Row, width: int, wall: float) -> Cell:
    since = "" if row.since is None else f" {human_span(wall - row.since)}"
    parts = [
        (f" {row.condition.value.upper()} ", TAGS[row.condition]),
        (f"{since}  {plain(error_detail(row.node))}", ""),
    ]
    if row.node.memory_total:
        cpu, memory, disk = (getattr(row.node, metric) for metric in FIELDS)
        parts.append((f" · last CPU {cpu:.0f}%, memory {memory:.0f}%, disk {disk:.0f}%", "dim"))
    room = width - len(_GAP)
    fitting, rest = [], room
    for text, style in parts:
        if cell_len(text) > rest > 0:
            text = f"{set_cell_size(text, rest - 1)}…"
        if cell_len(text) <= rest:
            fitting.append((text, style))
            rest -= cell_len(text)
    return _cell(room, *fitting, filled=room - rest)


def _cell(width: int, *parts: tuple[str, str], filled: int | None = None, gap: str = _GAP) -> Cell:
    """A cell with a gap before it. The parts take ``filled`` columns of the screen, if not counted."""
    used = sum(len(text) for text, _ in parts) if filled is None else filled
    padded = ((gap, ""), *parts, (" " * (width - used), ""))
    segments = tuple(Segment(text, _style(style)) for text, style in padded if text)
    return Cell(width + len(gap), segments)


def _titled(name: str) -> int:
    return len(_TITLES[name]) + len(" ▼")


@lru_cache(maxsize=64)
def _style(definition: str) -> Style | None:
    return Style.parse(definition) if definition else None
