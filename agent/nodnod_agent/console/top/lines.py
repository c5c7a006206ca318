"""One node as one line of text, and the line of titles above; laid out for a width."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.text import Text

from nodnod_agent.console.node_condition import Condition, reason
from nodnod_agent.console.top.view_model import ORDERS, Row
from nodnod_agent.console.units import human_part, human_span, level, meter, plain

TAGS = {
    Condition.DOWN: "bold bright_white on red",
    Condition.ERROR: "bold bright_white on red",
    Condition.STALE: "bold black on yellow",
}
"""How what is wrong is marked, beside its name: colours alone would not tell everybody."""

_LEVELS = "▁▂▃▄▅▆▇█"

_PERCENT = 6
_SIZES = 15
_SHORTEST_NAME = 8

_NAMES = {"name": "Node", "cpu": "CPU", "memory": "Memory", "disk": "Disk"}


class Column(NamedTuple):
    """What a column holds: characters of a bar and of a sparkline, and whether sizes."""

    key: str
    width: int
    bar: int = 0
    past: int = 0
    sizes: bool = False


# From this width of the terminal on: the bars, the sparklines of CPU and memory, whether sizes. The
# first row that fits counts.
_LAYOUTS = (
    (170, 14, 30, 20, True),
    (136, 10, 20, 12, True),
    (118, 8, 20, 0, True),
    (76, 6, 12, 0, False),
    (48, 0, 12, 0, False),
    (0, 0, 0, 0, False),
)


def columns(width: int) -> list[Column]:
    """Columns that fill so many characters, with two between each."""
    _, bar, cpu_past, memory_past, sizes = next(row for row in _LAYOUTS if width >= row[0])
    numbers = []
    for key, past, sized in (
        ("cpu", cpu_past, False),
        ("memory", memory_past, sizes),
        ("disk", 0, sizes),
    ):
        parts = [bar, _PERCENT, past, _SIZES if sized else 0]
        used = sum(parts) + sum(1 for part in parts if part) - 1
        titled = len(_NAMES[key]) + len(" ▼")
        numbers.append(Column(key, max(used, titled), bar, past, sized))
    rest = width - sum(2 + column.width for column in numbers)
    return [Column("name", max(_SHORTEST_NAME, rest)), *numbers]


def title_line(layout: Sequence[Column], order: str, *, turned: bool) -> Text:
    """The titles; an arrow says which way the rows are sorted by what."""
    arrow = "▼" if ORDERS[order] != turned else "▲"
    titles = [
        f"{_NAMES[column.key]} {arrow if column.key == order else ''}".ljust(column.width)
        for column in layout
    ]
    return Text("  ".join(titles), "bold")


def node_line(row: Row, layout: Sequence[Column], *, now: float, wall: float) -> Text:
    """A node in as many characters as the columns have.

    ``now`` is that of the last answer, by the clock of ``row.past``; ``wall`` in Unix seconds.
    """
    width = sum(column.width for column in layout) + 2 * (len(layout) - 1)
    name = _padded(Text(plain(row.node.name), "bold"), layout[0].width)
    if row.condition is not Condition.FINE:
        return _padded(Text.assemble(name, "  ", _trouble(row, wall)), width)
    values = (row.node.cpu_used, row.node.memory_used_percent, row.node.disk_used_percent)
    parts = (
        None,
        (row.node.memory_used, row.node.memory_total),
        (row.node.disk_used, row.node.disk_total),
    )
    line = name
    for metric, column in enumerate(layout[1:]):
        cells = []
        if column.bar:
            cells.append(meter(values[metric], column.bar))
        cells.append(Text(f"{values[metric]:.1f}%".rjust(_PERCENT), level(values[metric])))
        if column.past:
            cells.append(Text(sparkline(row.past.cells(metric, column.past, now)), "cyan"))
        if column.sizes:
            part = parts[metric]
            cells.append(Text(human_part(*part).rjust(_SIZES) if part else ""))
        line = Text.assemble(line, "  ", _padded(Text(" ").join(cells), column.width))
    return _padded(line, width)


def tag(kind: Condition) -> Text:
    """The mark of what is wrong."""
    return Text.assemble((f" {kind.value.upper()} ", TAGS[kind]))  # what is appended is not marked


def sparkline(values: Sequence[float | None], top: float = 100.0) -> str:
    """A character for each value, between 0 and ``top``; a blank where nothing is known."""
    scale = len(_LEVELS) / top if top > 0 else 0.0
    return "".join(
        " " if value is None else _LEVELS[max(0, min(len(_LEVELS) - 1, int(value * scale)))]
        for value in values
    )


def _trouble(row: Row, wall: float) -> Text:
    text = tag(row.condition)
    if row.since is not None:
        text.append(f" {human_span(wall - row.since)}")
    text.append(f"  {plain(reason(row.node))}")
    if row.node.memory_total:
        last = (row.node.cpu_used, row.node.memory_used_percent, row.node.disk_used_percent)
        shares = ("CPU", "memory", "disk")
        numbers = (f"{name} {share:.0f}%" for name, share in zip(shares, last, strict=True))
        text.append(f" · last {', '.join(numbers)}", "dim")
    return text


def _padded(text: Text, width: int) -> Text:
    text.truncate(width, overflow="ellipsis", pad=True)
    return text
