"""The order of nodes: those in trouble first, whatever the others are sorted by."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from nodnod_agent.console.node_condition import Condition, condition
from nodnod_agent.console.units import human_span, rate
from nodnod_client.messages import History, NodeStats
from nodnod_client.sections import SHAPES

HISTORY = 5.0
"""Seconds of history to ask for, to know the traffic: no section has that of the whole machine."""

Number = Callable[[NodeStats, float], float | None]
"""Returns a number of a node, if it is known; the other argument is the time in Unix seconds."""


class Key(NamedTuple):
    """A number that nodes are sorted by, from high to low; without one they are sorted by name.

    A node has it in its stats, in the section ``detail`` or in its ``history``. ``text`` writes a
    number that the table has no column of.
    """

    number: Number | None = None
    text: Callable[[float], str] = str
    detail: str = ""
    history: bool = False


def _section(node: NodeStats, name: str) -> Any:
    detail = node.detail if isinstance(node.detail, dict) else {}
    try:
        return msgspec.convert(detail.get(name), SHAPES[name])
    except msgspec.ValidationError:  # none, or one that could not be read
        return None


def _load(node: NodeStats, _: float) -> float | None:
    load = _section(node, "load")
    return None if load is None else load.load1


def _uptime(node: NodeStats, now: float) -> float | None:
    system = _section(node, "system")
    return None if system is None else max(0.0, now - system.boot_time)


def _traffic(node: NodeStats, _: float) -> float | None:
    try:
        past = msgspec.convert(node.history, History)
    except msgspec.ValidationError:
        return None
    pairs = zip(past.recv_bytes, past.sent_bytes, strict=False)
    known = [r + s for r, s in pairs if r is not None and s is not None]
    return known[-1] if known else None


KEYS = {
    "name": Key(),
    "cpu": Key(lambda node, _: node.cpu_used),
    "memory": Key(lambda node, _: node.memory_used_percent),
    "disk": Key(lambda node, _: node.disk_used_percent),
    "network": Key(_traffic, rate, history=True),
    "load": Key(_load, "{:.2f}".format, detail="load"),
    "uptime": Key(_uptime, human_span, detail="system"),
    "state": Key(),  # the worst come first in every order
}
"""The keys by their names in ``--sort``."""


class Order(NamedTuple):
    """An order of nodes by one of KEYS; ``reverse`` turns it around, but for those in trouble."""

    by: str = "name"
    reverse: bool = False

    @property
    def key(self) -> Key:
        """What the nodes are sorted by."""
        return KEYS[self.by]

    def sorted(self, nodes: Iterable[NodeStats], now: float) -> list[NodeStats]:
        """Return the nodes: the worst condition first, last those whose number is not known."""
        by_name = self.reverse and self.key.number is None and self.by == "name"
        rows = sorted(nodes, key=lambda node: node.name, reverse=by_name)
        if self.key.number is not None:
            numbers = {node.name: self.key.number(node, now) for node in rows}
            rows.sort(key=lambda node: numbers[node.name] or 0.0, reverse=not self.reverse)
            rows.sort(key=lambda node: numbers[node.name] is None)
        severity = list(Condition)
        rows.sort(key=lambda node: -severity.index(condition(node)))
        return rows
