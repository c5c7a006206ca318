"""The cluster as a table."""

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from nodnod_agent.console.units import counted, human_part, level_style, meter, percent, plain
from nodnod_client.messages import Answer, NodeStats

METER_WIDTH = 10

# The first row whose width fits the terminal counts: minimum width, bars, sizes.
_LAYOUTS = ((112, True, True), (72, False, True), (0, False, False))


def cluster_view(answer: Answer, *, width: int, when: str = "") -> Group:
    """Show all nodes by name; below them, in red, the error of every node that has one.

    ``width`` is that of the terminal, in characters: bars and sizes are drawn if there is room.
    ``when`` is shown as the time of the answer.
    """
    bars, sizes = next((bars, sizes) for least, bars, sizes in _LAYOUTS if width >= least)
    nodes = sorted(answer.nodes.values(), key=lambda node: node.name)
    table = headed_table((0, 0, 0, 1))
    # The only column that may shrink: its texts are cut with an ellipsis.
    table.add_column("Node", min_width=8)
    for title, sized in (("CPU", False), ("Memory", sizes), ("Disk", sizes)):
        if bars:
            table.add_column(title, no_wrap=True)
        table.add_column("" if bars else title, justify="right", no_wrap=True)
        if sized:
            table.add_column("", no_wrap=True)
    for node in nodes:
        table.add_row(*_row(node, bars=bars, sizes=sizes))
    errors = error_lines((node.name, node.error) for node in nodes)
    return Group(table, *errors, Text(summary(answer, when), style="dim"))


def summary(answer: Answer, when: str = "") -> str:
    """Return the line below the table: how many nodes and errors, which agent answered and when."""
    parts = [counted(len(answer.nodes), "node")]
    errors = sum(1 for node in answer.nodes.values() if node.error)
    if errors:
        parts[0] += f", {errors} with an error"
    parts.append(f"answered by {plain(answer.host)}")
    if when:
        parts.append(when)
    return " · ".join(parts)


def headed_table(padding: tuple[int, int, int, int]) -> Table:
    """Return an empty table without a frame, with a line below its header."""
    return Table(
        box=SIMPLE_HEAD, pad_edge=False, padding=padding, show_edge=False, header_style="bold"
    )


def panel_table(*left: str, right: Sequence[str]) -> Table:
    """Return an empty table for a panel: the titles of its columns of words, and of numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in left:
        table.add_column(title, no_wrap=True, min_width=6)
    for title in right:
        table.add_column(title, no_wrap=True, justify="right")
    return table


def error_lines(errors: Iterable[tuple[str, str]]) -> list[Text]:
    """Return a line for each pair of a node's name and its error that is not empty."""
    return [
        Text.assemble((f"✗ {plain(name)}", "bold red"), f": {plain(error)}")
        for name, error in errors
        if error
    ]


def _row(node: NodeStats, *, bars: bool, sizes: bool) -> list[Text]:
    mark, style = ("✗ ", "bold red") if node.error else ("", "bold")
    cells = [Text(mark + plain(node.name), style, no_wrap=True, overflow="ellipsis")]
    unread = bool(node.error) and not node.memory_total and not node.disk_total
    for share, part in (
        (node.cpu_used, None),
        (node.memory_used_percent, (node.memory_used, node.memory_total)),
        (node.disk_used_percent, (node.disk_used, node.disk_total)),
    ):
        if bars:
            cells.append(Text("") if unread else meter(share, METER_WIDTH))
        cells.append(Text("-", "dim") if unread else Text(percent(share), level_style(share)))
        if sizes and part is not None:
            cells.append(Text("" if unread else human_part(*part)))
    return cells
