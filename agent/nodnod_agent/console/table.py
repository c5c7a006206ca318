"""The cluster as a table."""

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from nodnod_agent.console.units import human_part, level, meter, percent, plain
from nodnod_client.messages import Answer, NodeStats

METER = 10
"""Characters of a bar."""

# From this width on: whether bars are drawn, and sizes given. The first row that fits counts.
_LAYOUTS = ((112, True, True), (72, False, True), (0, False, False))


def cluster_view(answer: Answer, *, width: int, when: str = "") -> Group:
    """All nodes by name; below them, in red, every node that has an error and why.

    ``width`` is that of the terminal, in characters: a narrow one gets no bars, a very narrow one
    no sizes. ``when`` is shown as the time of the answer.
    """
    bars, sizes = next((bars, sizes) for least, bars, sizes in _LAYOUTS if width >= least)
    nodes = sorted(answer.nodes.values(), key=lambda node: node.name)
    table = Table(
        box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1), show_edge=False, header_style="bold"
    )
    # The only column that may shrink: its texts cut themselves off.
    table.add_column("Node", min_width=8)
    for title, sized in (("CPU", False), ("Memory", sizes), ("Disk", sizes)):
        if bars:
            table.add_column(title, no_wrap=True)
        table.add_column("" if bars else title, justify="right", no_wrap=True)
        if sized:
            table.add_column("", no_wrap=True)
    for node in nodes:
        table.add_row(*_row(node, bars=bars, sizes=sizes))
    reasons = [
        Text.assemble((f"✗ {plain(node.name)}", "bold red"), f": {plain(node.error)}")
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
            cells.append(Text("") if unread else meter(share, METER))
        cells.append(Text("-", "dim") if unread else Text(percent(share), level(share)))
        if sizes and part is not None:
            cells.append(Text("" if unread else human_part(*part)))
    return cells
