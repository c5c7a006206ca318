"""The nodes of the cluster: their stats in the last answer, and their recent history."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from nodnod_agent.console.cores import cores_of, mean_cpu
from nodnod_agent.console.node_condition import Condition, condition, is_current
from nodnod_agent.console.top.history import FIELDS, RecentHistory, parse_history, slot_length
from nodnod_agent.core.pattern import is_pattern, matcher
from nodnod_agent.core.tag_pattern import is_tag_pattern, tag_matcher, tag_pattern_fault
from nodnod_client.alerts import AlertInfo
from nodnod_client.messages import Answer, MemberInfo, NodeStats


class Row(Struct, frozen=True):
    """One node, its tags, and its alerts that fire and are not silenced, the worst first.

    ``since`` is the Unix time since when it has its error, if known. ``received`` and ``sent`` are in
    bytes per second, None if unknown.
    """

    node: NodeStats
    history: RecentHistory
    since: float | None = None
    tags: Mapping[str, str] = {}
    alerts: Sequence[AlertInfo] = ()
    received: float | None = None
    sent: float | None = None

    @property
    def condition(self) -> Condition:
        """The condition of the node."""
        return condition(self.node)

    @property
    def trouble(self) -> int:
        """How bad its state is; 0 for a node without trouble. A critical alert is trouble too."""
        state = 2 * _CONDITIONS.index(self.condition)
        return state + any(one.severity == "critical" for one in self.alerts)


ORDERS: dict[str, Callable[[Row], float]] = {
    "name": lambda _: 0.0,
    "cpu": lambda row: row.node.cpu_used,
    "memory": lambda row: row.node.memory_used_percent,
    "disk": lambda row: row.node.disk_used_percent,
    "traffic": lambda row: -1.0 if row.received is None else row.received + (row.sent or 0.0),
}
"""The sort keys and, of numbers, the value. Numbers are sorted from high to low."""

_CONDITIONS = list(Condition)
_UNKNOWN = (None, None)
_DIGITS = re.compile(r"([0-9]+)")


class Totals(Struct, frozen=True):
    """``problems`` counts nodes by condition; all else is of the nodes with current numbers.

    Sizes are in bytes, ``received`` and ``sent`` in bytes per second. The mean CPU is weighted by cores
    if all nodes tell theirs. None: no node has the number.
    """

    nodes: int
    problems: dict[Condition, int]
    cpu_used: float | None
    memory_used: int
    memory_total: int
    disk_used: int
    disk_total: int
    received: float | None
    sent: float | None


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
        self.cores: dict[str, float] = {}
        """By name; 0 if a node does not tell."""
        self._traffic: dict[str, tuple[float | None, float | None]] = {}
        self._slot = slot_length(every)
        self._nodes: dict[str, NodeStats] = {}
        self._histories: dict[str, RecentHistory] = {}

    @property
    def rows(self) -> list[Row]:
        """The nodes of the last answer."""
        loud: dict[str, list[AlertInfo]] = {}
        for one in self.alerts:
            if one.firing and not one.silenced:
                loud.setdefault(one.node, []).append(one)
        return [
            Row(
                *(node, self._histories[name], self.since.get(name), self.tags.get(name, {})),
                loud.get(name, ()),
                *(self._traffic.get(name, _UNKNOWN) if is_current(node) else _UNKNOWN),
            )
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

    def update_traffic(self, answer: Answer) -> None:
        """Take the newest points of the histories, which count the traffic of real interfaces only."""
        histories = {name: parse_history(node.history) for name, node in answer.nodes.items()}
        self._traffic = {
            name: (_last(history.recv_bytes), _last(history.sent_bytes))
            for name, history in histories.items()
            if history is not None
        }

    def update_cores(self, answer: Answer) -> None:
        """Take the cores of the nodes that tell them; those of others are as they were."""
        told = {name: cores_of(node) for name, node in answer.nodes.items()}
        self.cores |= {name: cores for name, cores in told.items() if cores}

    def snapshot(self) -> list[Row]:
        """Return copies of the rows that later answers do not change."""
        return [msgspec.structs.replace(row, history=row.history.copy()) for row in self.rows]


def sorted_rows(rows: Iterable[Row], order: str, *, reverse: bool, pattern: str = "") -> list[Row]:
    """Return the rows that match, worst trouble first, then by ``order`` and name.

    ``order`` is one of ORDERS. ``pattern`` has terms, separated by spaces or commas, of which one must
    fit: a part of the name in any case, or with wildcards the whole name, or a pattern of tags.
    """
    tests = [_test(term) for term in re.split(r"[\s,]+", pattern) if term]
    found = [row for row in rows if not tests or any(test(row) for test in tests)]
    by_name = order == "name"
    found.sort(key=_name, reverse=by_name and reverse)
    found.sort(key=ORDERS[order], reverse=not (by_name or reverse))
    found.sort(key=lambda row: -row.trouble)
    return found


def totals(rows: Iterable[Row], cores: Mapping[str, float]) -> Totals:
    """Sum up the nodes, as the page does (totalsOf in sums.js). ``cores`` are by name."""
    rows = list(rows)
    counted = [row for row in rows if is_current(row.node)]
    nodes = [row.node for row in counted]
    kinds = [row.condition for row in rows]
    flowing = [row for row in counted if row.received is not None]
    return Totals(
        nodes=len(rows),
        problems={
            kind: count
            for kind in reversed(Condition)
            if kind is not Condition.FINE and (count := kinds.count(kind))
        },
        cpu_used=mean_cpu(nodes, [cores.get(node.name, 0.0) for node in nodes]),
        memory_used=sum(node.memory_used for node in nodes),
        memory_total=sum(node.memory_total for node in nodes),
        disk_used=sum(node.disk_used for node in nodes),
        disk_total=sum(node.disk_total for node in nodes),
        received=sum(row.received or 0.0 for row in flowing) if flowing else None,
        sent=sum(row.sent or 0.0 for row in flowing) if flowing else None,
    )


def _test(term: str) -> Callable[[Row], bool]:
    if is_tag_pattern(term) and not tag_pattern_fault(term):
        tagged = tag_matcher([term])
        return lambda row: tagged(row.tags)
    if is_pattern(term):
        fits = matcher([term])
        return lambda row: fits(row.node.name)
    wanted = term.casefold()
    return lambda row: wanted in row.node.name.casefold()


def _last(points: Sequence[float | None]) -> float | None:
    return points[-1] if points else None


def _name(row: Row) -> list[str | int]:
    """For sorting: n2 stands before n10, in any case."""
    parts = _DIGITS.split(row.node.name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]
