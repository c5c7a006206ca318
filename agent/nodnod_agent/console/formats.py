"""Answers for programs to read: JSON and CSV."""

import csv
import io
import time
from typing import Any

import msgspec

from nodnod_agent.console.node_order import Order
from nodnod_agent.console.units import plain
from nodnod_client.messages import Answer

_NODE_COLUMNS = {
    "cpuUsed": "cpu_used",
    "memoryUsed": "memory_used",
    "memoryTotal": "memory_total",
    "memoryUsedPercent": "memory_used_percent",
    "diskUsed": "disk_used",
    "diskTotal": "disk_total",
    "diskUsedPercent": "disk_used_percent",
}

CSV_HEADER = ("time", "host", "name", *_NODE_COLUMNS, "error")
"""New columns are only ever added at the end. ``time`` is when the answer came, ``host`` its
sender."""


def as_json(answer: Answer, *, indent: int = 0) -> str:
    """Return the answer as on the wire but without its id, on one line or indented."""
    fields: dict[str, Any] = {"host": answer.host, "nodes": answer.nodes, "error": answer.error}
    text = msgspec.json.encode(fields)
    return (msgspec.json.format(text, indent=indent) if indent else text).decode()


def as_csv(answer: Answer, when: str, *, header: bool, order: Order | None = None) -> str:
    """Return one line per node, sorted by name or as asked; sizes in bytes, shares in percent."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(CSV_HEADER)
    nodes = sorted(answer.nodes.values(), key=lambda node: node.name)
    for node in nodes if order is None else order.sorted(nodes, time.time()):
        numbers = [getattr(node, field) for field in _NODE_COLUMNS.values()]
        writer.writerow([when, plain(answer.host), plain(node.name), *numbers, plain(node.error)])
    return text.getvalue()
