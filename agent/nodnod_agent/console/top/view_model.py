"""Who is in the cluster and how each node fares: what the last answer said, and what went before."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from msgspec import Struct

from nodnod_agent.console.node_condition import Condition, condition
from nodnod_agent.console.top.history import METRICS, RecentHistory, read_history, slot_of
from nodnod_client.messages import Answer, NodeStats

ORDERS = {"name": False, "cpu": True, "memory": True, "disk": True}
"""What rows can be sorted by, and whether the greatest comes first then."""

_NUMBERS = dict(zip(("cpu", "memory", "disk"), METRICS, strict=True))


class Row(Struct, frozen=True):
    """One node. ``since``: Unix seconds since when it has its error, as far as is known."""

    node: NodeStats
    past: RecentHistory
    since: float | None = None

    @property
    def condition(self) -> Condition:
        """What is the matter with it."""
        return condition(self.node)


class Totals(Struct, frozen=True):
    """Of the nodes without an error; bytes, and the mean CPU in percent."""

    nodes: int
    wrong: dict[Condition, int]
    cpu_used: float
    memory_used: int
    memory_total: int
    disk_used: int
    disk_total: int


class ViewModel:
    """Takes in answers. ``now`` is when the last one came, by a clock that only goes forward."""

    def __init__(self, every: float) -> None:
        self.rows: list[Row] = []
        self.host = ""
        self.now = 0.0
        self._slot = slot_of(every)
        self._pasts: dict[str, RecentHistory] = {}
        self._since: dict[str, float] = {}

    def take(self, answer: Answer, now: float, wall: float) -> bool:
        """Take an answer; true where nodes have an error that had none, or the other way round."""
        wrong = {name for name, node in answer.nodes.items() if node.error}
        changed = wrong != set(self._since)
        self._since = {name: self._since.get(name, wall) for name in wrong}
        self._pasts = {name: self._past(name) for name in answer.nodes}
        for name, node in answer.nodes.items():
            if not node.error:
                self._pasts[name].add(now, [getattr(node, metric) for metric in METRICS])
        self.host, self.now = answer.host, now
        self.rows = [
            Row(node, self._pasts[name], self._since.get(name))
            for name, node in answer.nodes.items()
        ]
        return changed

    def recall(self, answer: Answer, now: float) -> None:
        """Take what nodes remember of the time before."""
        for name, node in answer.nodes.items():
            history = read_history(node.history)
            if history is not None and name in self._pasts:
                self._pasts[name].recall(now, history)

    def tell_since(self, since: Mapping[str, float]) -> None:
        """Take since when nodes are down, from somebody who was there."""
        for name in self._since.keys() & since.keys():
            self._since[name] = since[name]
        self.rows = [Row(row.node, row.past, self._since.get(row.node.name)) for row in self.rows]

    def still(self) -> list[Row]:
        """The rows as they are now, which go on no more."""
        return [Row(row.node, row.past.copy(), row.since) for row in self.rows]

    def _past(self, name: str) -> RecentHistory:
        return self._pasts.get(name) or RecentHistory(self._slot)


def arranged(rows: Iterable[Row], order: str, *, turned: bool, pattern: str = "") -> list[Row]:
    """Those whose name fits, the ones in trouble first; equal ones by name.

    ``order`` is one of ORDERS, ``turned`` the other way round. ``pattern`` is a part of the name
    in any case, or has wildcards and is the whole of it.
    """
    rows = sorted((row for row in rows if _fits(row.node.name, pattern)), key=_name)
    if order == "name":
        rows.sort(key=_name, reverse=turned)
    else:
        number = _NUMBERS[order]
        rows.sort(key=lambda row: getattr(row.node, number), reverse=ORDERS[order] != turned)
    worst = list(Condition)
    rows.sort(key=lambda row: -worst.index(row.condition))
    return rows


def totals(rows: Iterable[Row]) -> Totals:
    """Sum up."""
    rows = list(rows)
    fine = [row.node for row in rows if row.condition is Condition.FINE]
    kinds = [row.condition for row in rows]
    return Totals(
        nodes=len(rows),
        wrong={
            kind: kinds.count(kind)
            for kind in reversed(Condition)
            if kind in kinds and kind is not Condition.FINE
        },
        cpu_used=sum(node.cpu_used for node in fine) / max(1, len(fine)),
        memory_used=sum(node.memory_used for node in fine),
        memory_total=sum(node.memory_total for node in fine),
        disk_used=sum(node.disk_used for node in fine),
        disk_total=sum(node.disk_total for node in fine),
    )


def _fits(name: str, pattern: str) -> bool:
    name, pattern = name.casefold(), pattern.casefold()
    return fnmatchcase(name, pattern) if set(pattern) & set("*?[") else pattern in name


def _name(row: Row) -> str:
    return row.node.name.casefold()
