"""The cluster as a table."""

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from nodnod.messages import Answer, NodeStats
from nodnod_agent.console.units import human_bytes, level, meter, percent, plain

__all__ = ["cluster_view", "summary"]

METER = 10
"""Characters of a bar."""

WIDE = 108
"""Columns from which on there is room for bars."""


def cluster_view(answer: Answer, *, width: int, when: str = "") -> Group:
    """All nodes by name; below them, in red, every node that has an error and why.

    ``width`` is that of the terminal, in characters; ``when`` is shown as the time of the answer.
    """
    nodes = sorted(answer.nodes.values(), key=lambda node: node.name)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    table.add_column("Node", no_wrap=True, overflow="ellipsis", max_width=max(12, width // 3))
    wide = width >= WIDE
    for title, size in (("CPU", False), ("Memory", True), ("Disk", True)):
        if wide:
            table.add_column(title, no_wrap=True)
        table.add_column("" if wide else title, justify="right", no_wrap=True)
        if size:
            table.add_column("", no_wrap=True)
    for node in nodes:
        table.add_row(*_row(node, wide=wide))
    reasons = [
        Text.assemble(("✗ ", "bold red"), (plain(node.name), "bold red"), f": {plain(node.error)}")
        for node in nodes
        if node.error
    ]
    return Group(table, *reasons, Text(summary(answer, when), style="dim"))


def summary(answer: Answer, when: str = "") -> str:
    """One line: how many nodes, how many with an error, and who answered when."""
    count = len(answer.nodes)
    erring = sum(1 for node in answer.nodes.values() if node.error)
    parts = ["1 node" if count == 1 else f"{count} nodes"]
    if erring:
        parts[0] += f", {erring} with an error"
    parts.append(f"answered by {plain(answer.host)}")
    if when:
        parts.append(when)
    return " · ".join(parts)


def _row(node: NodeStats, *, wide: bool) -> list[Text]:
    mark = "✗ " if node.error else ""
    name = Text(mark + plain(node.name), style="bold red" if node.error else "bold")
    unread = bool(node.error) and not node.memory_total and not node.disk_total
    cells = [name]
    for share, used, total in (
        (node.cpu_used, None, None),
        (node.memory_used_percent, node.memory_used, node.memory_total),
        (node.disk_used_percent, node.disk_used, node.disk_total),
    ):
        if wide:
            cells.append(Text("") if unread else meter(share, METER))
        cells.append(Text("-", "dim") if unread else Text(percent(share), level(share)))
        if used is not None and total is not None:
            sizes = f"{human_bytes(used)} / {human_bytes(total)}"
            cells.append(Text("" if unread else sizes))
    return cells
