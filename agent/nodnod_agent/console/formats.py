"""Answers for programs to read: JSON and CSV."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import msgspec

from nodnod_agent.console.units import plain
from nodnod_client.messages import Answer

CSV_HEADER = (
    "time",
    "host",
    "name",
    "cpuUsed",
    "memoryUsed",
    "memoryTotal",
    "memoryUsedPercent",
    "diskUsed",
    "diskTotal",
    "diskUsedPercent",
    "error",
)
"""Columns are only ever added, at the end. ``time`` is when the answer came; ``host`` who gave it."""


def as_json(answer: Answer, *, indent: int = 0) -> str:
    """The answer as on the wire, on one line or indented; what matched it to us is left out."""
    fields: dict[str, Any] = {"host": answer.host, "nodes": answer.nodes, "error": answer.error}
    text = msgspec.json.encode(fields)
    return (msgspec.json.format(text, indent=indent) if indent else text).decode()


def as_csv(answer: Answer, time: str, *, header: bool) -> str:
    """One line per node, by name, under a header line if wanted; bytes and percent as they are."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(CSV_HEADER)
    writer.writerows(_rows(answer, time))
    return text.getvalue()


def _rows(answer: Answer, time: str) -> Iterator[list[object]]:
    for node in sorted(answer.nodes.values(), key=lambda node: node.name):
        yield [
            time,
            plain(answer.host),
            plain(node.name),
            node.cpu_used,
            node.memory_used,
            node.memory_total,
            node.memory_used_percent,
            node.disk_used,
            node.disk_total,
            node.disk_used_percent,
            plain(node.error),
        ]
