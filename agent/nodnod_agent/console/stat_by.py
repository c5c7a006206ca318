"""``nodnod stat --by KEY``: the sums of the nodes with each value of a tag."""

import csv
import io
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct
from rich.text import Text

from nodnod_agent.console.cluster_view import summary
from nodnod_agent.console.cores import cores_of, mean_cpu
from nodnod_agent.console.node_condition import is_current
from nodnod_agent.console.node_order import Order
from nodnod_agent.console.output import Output, TextOutput, table, timestamp
from nodnod_agent.console.sheet import Sheet
from nodnod_agent.console.table import headed_table
from nodnod_agent.console.units import human_part, level_style, percent, plain
from nodnod_client.client import Client
from nodnod_client.messages import Answer, NodeStats

SORTED_BY = {
    "name": "",
    "cpu": "cpu_used",
    "memory": "memory_used_percent",
    "disk": "disk_used_percent",
    "state": "",
}
"""What sums can be sorted by, and the field of Sums, if it is a number."""

_NONE = "-"
"""What stands for no value."""


class Sums(Struct, frozen=True, rename="camel"):
    """The nodes with one ``value`` of a tag; None: those without the tag.

    ``down`` of the ``nodes`` have no current numbers, and count for nothing else. ``cpu_used`` is the
    mean in percent, by cores where all nodes tell theirs; None if there are no numbers.
    """

    value: str | None
    nodes: int
    down: int
    cpu_used: float | None
    memory_used: int
    memory_total: int
    memory_used_percent: float
    disk_used: int
    disk_total: int
    disk_used_percent: float


class SumsByTag:
    """Sums up answers by the tag ``key``, with the tags that the agent knows."""

    def __init__(self, key: str, order: Order | None = None) -> None:
        self.key = key
        self._order = order
        self._tags: Mapping[str, Mapping[str, str]] = {}

    async def refresh(self, client: Client) -> None:
        """Ask for the tags of all nodes."""
        members = (await client.members()).members
        self._tags = {row.name: row.tags for row in members if row.state != "left"}

    def of(self, answer: Answer) -> list[Sums]:
        """The sums of each value, sorted by it; last those of the nodes without the tag.

        In an order of the user, values whose nodes are down come first.
        """
        groups: dict[str | None, list[NodeStats]] = {}
        for node in answer.nodes.values():
            value = self._tags.get(node.name, {}).get(self.key)
            groups.setdefault(value, []).append(node)
        values = sorted(groups, key=lambda value: (value is None, value or ""))
        sums = [_sums(value, groups[value]) for value in values]
        return sums if self._order is None else _sorted(sums, self._order)

    def output(self, form: str, repeated: bool) -> Output[Answer]:
        """An output of the sums of answers, as ``table``, ``json`` or ``csv``."""
        if form == "json":
            return TextOutput(lambda answer, _: self._json(answer, indent=0 if repeated else 2))
        return TextOutput(self._csv) if form == "csv" else table(repeated, self._view)

    def _view(self, answer: Answer, *, width: int, when: str) -> Sheet:
        table = headed_table()
        table.column(plain(self.key), least=8)
        table.column("Nodes", right=True, leave=2)
        table.column("Down", right=True)
        for title in ("CPU", "Memory", "Disk"):
            table.column(title, right=True)
            if title != "CPU":
                table.column("", leave=1)
        sums = self.of(answer)
        for one in sums:
            table.add_row(*_cells(one))
        nodes = sorted(answer.nodes.values(), key=lambda node: node.name)
        notes = []
        if all(one.value is None for one in sums):
            notes.append(Text(f"none of these nodes has the tag {self.key}", "yellow"))
        return Sheet(
            table,
            summary(answer, when),
            errors=((node.name, node.error) for node in nodes),
            notes=notes,
            noun="row",
            hint="--sort, --nodes or a taller terminal",
        )

    def _json(self, answer: Answer, indent: int) -> str:
        text = msgspec.json.encode(
            {"host": answer.host, "by": self.key, "sums": self.of(answer), "error": answer.error}
        )
        return (msgspec.json.format(text, indent=indent) if indent else text).decode() + "\n"

    def _csv(self, answer: Answer, first: bool) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if first:
            fields = (field.encode_name for field in msgspec.structs.fields(Sums))
            writer.writerow(("time", "host", "by", *fields))
        for one in self.of(answer):
            value, *numbers = msgspec.structs.astuple(one)
            shown = "" if value is None else plain(value)
            writer.writerow([timestamp(), plain(answer.host), self.key, shown, *numbers])
        return text.getvalue()


def _sums(value: str | None, nodes: list[NodeStats]) -> Sums:
    known = [node for node in nodes if is_current(node)]
    memory, memory_total = _sum(known, "memory_used"), _sum(known, "memory_total")
    disk, disk_total = _sum(known, "disk_used"), _sum(known, "disk_total")
    return Sums(
        value,
        nodes=len(nodes),
        down=len(nodes) - len(known),
        cpu_used=mean_cpu(known, [cores_of(node) for node in known]),
        memory_used=memory,
        memory_total=memory_total,
        memory_used_percent=100 * memory / memory_total if memory_total else 0.0,
        disk_used=disk,
        disk_total=disk_total,
        disk_used_percent=100 * disk / disk_total if disk_total else 0.0,
    )


def _sorted(sums: list[Sums], order: Order) -> list[Sums]:
    field = SORTED_BY[order.by]
    if field:
        sums.sort(key=lambda one: getattr(one, field) or 0.0, reverse=not order.reverse)
    elif order.by == "name" and order.reverse:
        sums.reverse()
    sums.sort(key=lambda one: -one.down)
    return sums


def _sum(nodes: Iterable[NodeStats], field: str) -> int:
    return sum(getattr(node, field) for node in nodes)


def _cells(one: Sums) -> list[Text]:
    cells = [
        Text(_NONE, "dim") if one.value is None else Text(plain(one.value), "bold"),
        Text(str(one.nodes)),
        Text(str(one.down), "bold red" if one.down else "dim"),
    ]
    unknown = one.cpu_used is None
    cells.append(Text(_NONE, "dim") if one.cpu_used is None else _share(one.cpu_used))
    for share, used, total in (
        (one.memory_used_percent, one.memory_used, one.memory_total),
        (one.disk_used_percent, one.disk_used, one.disk_total),
    ):
        cells.append(Text(_NONE, "dim") if unknown else _share(share))
        cells.append(Text("" if unknown else human_part(used, total)))
    return cells


def _share(value: float) -> Text:
    return Text(percent(value), level_style(value))
