"""The nodes of the cluster: their stats in the last answer, and their recent history."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import msgspec
from msgspec import Struct

from nodnod_agent.console.node_condition import Condition, condition
from nodnod_agent.console.top.history import FIELDS, RecentHistory, parse_history, slot_length
from nodnod_agent.core.tag_pattern import is_tag_pattern, tag_matcher, tag_pattern_fault
from nodnod_client.alerts import AlertInfo
from nodnod_client.messages import Answer, MemberInfo, NodeStats

ORDERS = {"name": "", **dict(zip(("cpu", "memory", "disk"), FIELDS, strict=True))}
"""The sort keys and, of numbers, the field. Numbers are sorted from high to low."""


class Row(Struct, frozen=True):
    """One node and its tags. ``since`` is the Unix time since when it has its error, if known."""

    node: NodeStats
    history: RecentHistory
    since: float | None = None
    tags: Mapping[str, str] = {}

    @property
    def condition(self) -> Condition:
        """The condition of the node."""
        return condition(self.node)


class Totals(Struct, frozen=True):
    """``problems`` counts nodes by condition; sizes in bytes and the mean CPU are of the others."""

    nodes: int
    problems: dict[Condition, int]
    cpu_used: float
    memory_used: int
    memory_total: int
    disk_used: int
    disk_total: int


class ViewModel:
    """Collects answers.

    ``now`` is when the last one came, by a monotonic clock. ``since`` holds, by name, the Unix time
    since when a node has its error, ``tags`` the tags of the nodes.
    """

    def __init__(self, every: float) -> None:
        self.host = ""
        self.now = 0.0
        self.since: dict[str, float] = {}
        self.alerts: list[AlertInfo] = []
        """In the agent's order: what fires, the worst first."""
        self.tags: dict[str, dict[str, str]] = {}
        self._slot = slot_length(every)
        self._nodes: dict[str, NodeStats] = {}
        self._histories: dict[str, RecentHistory] = {}

    @property
    def rows(self) -> list[Row]:
        """The nodes of the last answer."""
        return [
            Row(node, self._histories[name], self.since.get(name), self.tags.get(name, {}))
            for name, node in self._nodes.items()
        ]

    def update(self, answer: Answer, now: float, wall: float) -> bool:
        """Take an answer; return whether other nodes than before have an error."""
        self.host, self.now, self._nodes = answer.host, now, answer.nodes
        failed = {name for name, node in answer.nodes.items() if node.error}
        changed = failed != set(self.since)
        self.since = {name: self.since.get(name, wall) for name in failed}
        self._histories = {
            name: self._histories.get(name) or RecentHistory(self._slot) for name in answer.nodes
        }
        for name in answer.nodes.keys() - failed:
            node = answer.nodes[name]
            self._histories[name].add(now, [getattr(node, metric) for metric in FIELDS])
        return changed

    def backfill(self, answer: Answer, now: float) -> None:
        """Take the past of the nodes. What others have kept ended before the past of the host."""
        histories = {name: parse_history(node.history) for name, node in answer.nodes.items()}
        host = histories.get(answer.host)
        for name, history in histories.items():
            if history is None or name not in self._histories:
                continue
            ago = 0.0
            if history.kept_by:
                if host is None:
                    continue
                ago = max(0.0, host.end - history.end)
            self._histories[name].backfill(now - ago, history)

    def update_members(self, members: Iterable[MemberInfo]) -> None:
        """Take since when nodes are down, as the agent knows it, and their tags."""
        present = [row for row in members if row.state != "left"]
        self.tags = {row.name: row.tags for row in present if row.tags}
        for row in present:
            if row.state == "down" and row.since and row.name in self.since:
                self.since[row.name] = row.since

    def snapshot(self) -> list[Row]:
        """Return copies of the rows that later answers do not change."""
        return [msgspec.structs.replace(row, history=row.history.copy()) for row in self.rows]


def sorted_rows(rows: Iterable[Row], order: str, *, reverse: bool, pattern: str = "") -> list[Row]:
    """Return the rows that match, worst condition first, then by ``order`` and name.

    ``order`` is one of ORDERS. ``pattern`` is a part of the name in any case, or with wildcards
    the whole name, or a pattern of tags.
    """
    if is_tag_pattern(pattern) and not tag_pattern_fault(pattern):
        tagged = tag_matcher([pattern])
        found = [row for row in rows if tagged(row.tags)]
    else:
        found = [row for row in rows if _matches(row.node.name, pattern)]
    rows = sorted(found, key=_name)
    if order == "name":
        rows.sort(key=_name, reverse=reverse)
    else:
        rows.sort(key=lambda row: getattr(row.node, ORDERS[order]), reverse=not reverse)
    severity = list(Condition)
    rows.sort(key=lambda row: -severity.index(row.condition))
    return rows


def totals(rows: Iterable[Row]) -> Totals:
    """Sum up the nodes."""
    rows = list(rows)
    fine = [row.node for row in rows if row.condition is Condition.FINE]
    kinds = [row.condition for row in rows]
    return Totals(
        nodes=len(rows),
        problems={
            kind: count
            for kind in reversed(Condition)
            if kind is not Condition.FINE and (count := kinds.count(kind))
        },
        cpu_used=sum(node.cpu_used for node in fine) / max(1, len(fine)),
        memory_used=sum(node.memory_used for node in fine),
        memory_total=sum(node.memory_total for node in fine),
        disk_used=sum(node.disk_used for node in fine),
        disk_total=sum(node.disk_total for node in fine),
    )


def _matches(name: str, pattern: str) -> bool:
    name, pattern = name.casefold(), pattern.casefold()
    return fnmatchcase(name, pattern) if set(pattern) & set("*?[") else pattern in name


def _name(row: Row) -> str:
    return row.node.name.casefold()
