"""One node as one line of text, and the line of titles, laid out for a width."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.text import Text

from nodnod_agent.console.node_condition import Condition, error_detail
from nodnod_agent.console.top.history import FIELDS
from nodnod_agent.console.top.view_model import Row
from nodnod_agent.console.units import human_part, human_span, level_style, meter, plain
from nodnod_client.messages import NodeStats

TAGS = {
    Condition.DOWN: "bold bright_white on red",
    Condition.ERROR: "bold bright_white on red",
    Condition.STALE: "bold black on yellow",
}
"""The styles of the words that mark problems; color alone is not visible to all users."""

_LEVELS = "▁▂▃▄▅▆▇█"

_PERCENT = 6
_SIZES = 15
_SHORTEST_NAME = 8

_TITLES = {"name": "Node", "cpu": "CPU", "memory": "Memory", "disk": "Disk"}


class Column(NamedTuple):
    """One column: its sort key and width, the widths of its bar and sparkline, and if sizes."""

    key: str
    width: int
    bar: int = 0
    spark: int = 0
    sizes: bool = False


# The first row whose width fits the terminal counts: minimum width; widths of the bars and of the
# sparklines of CPU and memory; sizes.
_LAYOUTS = (
    (170, 14, 30, 20, True),
    (136, 10, 20, 12, True),
    (118, 8, 20, 0, True),
    (76, 6, 12, 0, False),
    (48, 0, 12, 0, False),
    (0, 0, 0, 0, False),
)


def columns(width: int) -> list[Column]:
    """Return columns that fill ``width`` characters, with two between them."""
    _, bar, cpu_spark, memory_spark, sizes = next(row for row in _LAYOUTS if width >= row[0])
    numbers = []
    for key, spark, sized in (
        ("cpu", cpu_spark, False),
        ("memory", memory_spark, sizes),
        ("disk", 0, sizes),
    ):
        parts = [bar, _PERCENT, spark, _SIZES if sized else 0]
        used = sum(parts) + sum(1 for part in parts if part) - 1
        titled = len(_TITLES[key]) + len(" ▼")
        numbers.append(Column(key, max(used, titled), bar, spark, sized))
    rest = width - sum(2 + column.width for column in numbers)
    return [Column("name", max(_SHORTEST_NAME, rest)), *numbers]


def title_line(layout: Sequence[Column], order: str, *, reverse: bool) -> Text:
    """Show the titles; an arrow marks the sort key and its direction."""
    arrow = "▲" if (order == "name") != reverse else "▼"
    titles = [
        f"{_TITLES[column.key]} {arrow if column.key == order else ''}".ljust(column.width)
        for column in layout
    ]
    return Text("  ".join(titles), "bold")


def node_line(row: Row, layout: Sequence[Column], *, now: float, wall: float) -> Text:
    """Show a node in exactly as many characters as the columns have.

    ``now`` is the time of the last answer, by the clock of ``row.history``; ``wall`` is Unix time.
    """
    node = row.node
    width = sum(column.width for column in layout) + 2 * (len(layout) - 1)
    line = _padded(Text(plain(node.name), "bold"), layout[0].width)
    if row.condition is not Condition.FINE:
        return _padded(Text.assemble(line, "  ", _problem(row, wall)), width)
    sizes = ((0, 0), (node.memory_used, node.memory_total), (node.disk_used, node.disk_total))
    for metric, (column, share) in enumerate(zip(layout[1:], _shares(node), strict=True)):
        cells = []
        if column.bar:
            cells.append(meter(share, column.bar))
        cells.append(Text(f"{share:.1f}%".rjust(_PERCENT), level_style(share)))
        if column.spark:
            cells.append(Text(sparkline(row.history.cells(metric, column.spark, now)), "cyan"))
        if column.sizes:
            cells.append(Text(human_part(*sizes[metric]).rjust(_SIZES)))
        line = Text.assemble(line, "  ", _padded(Text(" ").join(cells), column.width))
    return _padded(line, width)


def tag(kind: Condition) -> Text:
    """Return the word that marks a problem, such that text appended to it is not marked."""
    return Text.assemble((f" {kind.value.upper()} ", TAGS[kind]))


def sparkline(values: Sequence[float | None], top: float = 100.0) -> str:
    """Draw a character per value from 0 to ``top``, and a blank for an unknown value."""
    scale = len(_LEVELS) / top if top > 0 else 0.0
    return "".join(
        " " if value is None else _LEVELS[max(0, min(len(_LEVELS) - 1, int(value * scale)))]
        for value in values
    )


def _problem(row: Row, wall: float) -> Text:
    text = tag(row.condition)
    if row.since is not None:
        text.append(f" {human_span(wall - row.since)}")
    text.append(f"  {plain(error_detail(row.node))}")
    if row.node.memory_total:
        cpu, memory, disk = _shares(row.node)
        text.append(f" · last CPU {cpu:.0f}%, memory {memory:.0f}%, disk {disk:.0f}%", "dim")
    return text


def _shares(node: NodeStats) -> list[float]:
    return [getattr(node, metric) for metric in FIELDS]


def _padded(text: Text, width: int) -> Text:
    text.truncate(width, overflow="ellipsis", pad=True)
    return text
