"""The cluster as a table."""

import time

from rich.text import Text

from nodnod_agent.console.fitted_table import FittedTable
from nodnod_agent.console.node_order import Order
from nodnod_agent.console.sheet import Sheet
from nodnod_agent.console.table import headed_table
from nodnod_agent.console.units import counted, human_part, level_style, meter, percent, plain
from nodnod_client.messages import Answer, NodeStats

METER_WIDTH = 10

_BARS, _SIZES = 1, 2
"""Which columns are left out first where there is no room."""

BY_NAME = Order()


def cluster_view(
    answer: Answer, *, width: int, when: str = "", order: Order = BY_NAME, hint: str = ""
) -> Sheet:
    """Show all nodes; below them, in red, the error of every node that has one.

    ``when`` is shown as the time of the answer. ``hint`` says how to see more than the terminal has
    lines for. The table fits any ``width`` by itself.
    """
    now = time.time()
    nodes = order.sorted(answer.nodes.values(), now)
    table = headed_table()
    table.column("Node", least=8)
    if order.key.text is not str:
        table.column(order.by.capitalize(), right=True)
    _add_shares(table)
    for node in nodes:
        table.add_row(*_row(node, order, now))
    return Sheet(
        table,
        summary(answer, when),
        errors=((node.name, node.error) for node in nodes),
        trouble=sum(1 for node in nodes if node.error),
        noun="node",
        hint=hint or "a taller terminal",
    )


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


def _add_shares(table: FittedTable) -> None:
    for title, sized in (("CPU", False), ("Memory", True), ("Disk", True)):
        table.column("", leave=_BARS)
        table.column(title, right=True)
        if sized:
            table.column("", leave=_SIZES)


def _row(node: NodeStats, order: Order, now: float) -> list[Text]:
    mark, style = ("✗ ", "bold red") if node.error else ("", "bold")
    cells = [Text(mark + plain(node.name), style)]
    if order.key.number is not None and order.key.text is not str:
        number = order.key.number(node, now)
        cells.append(Text("-", "dim") if number is None else Text(order.key.text(number)))
    unread = bool(node.error) and not node.memory_total and not node.disk_total
    for share, part in (
        (node.cpu_used, None),
        (node.memory_used_percent, (node.memory_used, node.memory_total)),
        (node.disk_used_percent, (node.disk_used, node.disk_total)),
    ):
        cells.append(Text("") if unread else meter(share, METER_WIDTH))
        cells.append(Text("-", "dim") if unread else Text(percent(share), level_style(share)))
        if part is not None:
            cells.append(Text("" if unread else human_part(*part)))
    return cells
