"""Whether a cluster is well, by thresholds: a pure function of one answer.

States, thresholds and performance data are those of the monitoring plugins' convention: a
threshold ``90`` is crossed by what is above it; a threshold ``3:`` by what is below it.
"""

from collections.abc import Iterator
from enum import IntEnum

from msgspec import Struct

from nodnod_agent.console.node_condition import stale_age
from nodnod_agent.console.units import percent, plain
from nodnod_client.messages import Answer, NodeStats

MOST_PROBLEMS = 8
"""Problems that are named; of more the line says how many."""

METRICS = {"cpu": "cpu_used", "memory": "memory_used_percent", "disk": "disk_used_percent"}
"""What has thresholds, by the field of a node's stats."""


class State(IntEnum):
    """What a check comes to: its exit status."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


class Levels(Struct, frozen=True):
    """Where it gets bad; either may be missing."""

    warning: float | None = None
    critical: float | None = None

    def above(self, value: float) -> State:
        """What ``value`` is where more is worse."""
        if self.critical is not None and value > self.critical:
            return State.CRITICAL
        return State.WARNING if self.warning is not None and value > self.warning else State.OK

    def below(self, value: float) -> State:
        """What ``value`` is where less is worse."""
        if self.critical is not None and value < self.critical:
            return State.CRITICAL
        return State.WARNING if self.warning is not None and value < self.warning else State.OK


class Thresholds(Struct, frozen=True):
    """What to hold a cluster to.

    ``metrics``: limits in percent by the names of METRICS. ``nodes``: how many must be there; with
    it a node that is down is a warning, without it critical. ``stale``: seconds for which numbers
    are good although their node is not heard.
    """

    metrics: dict[str, Levels] = {}
    nodes: Levels | None = None
    stale: float = 0.0


class Verdict(Struct, frozen=True):
    """A state, and the line that says why."""

    state: State
    text: str
    perfdata: str = ""

    def line(self) -> str:
        """The whole line; the bar, which ends the text, stands nowhere else."""
        text = plain(self.text, 4000).replace("|", "/")
        return f"NODNOD {self.state.name}: {text}" + (
            f" | {self.perfdata}" if self.perfdata else ""
        )


def evaluate(answer: Answer, thresholds: Thresholds) -> Verdict:
    """Judge one answer of a whole cluster, or of a part of it."""
    nodes = sorted(answer.nodes.values(), key=lambda node: node.name)
    if not nodes and thresholds.nodes is None:
        return Verdict(State.UNKNOWN, "no node is there to be checked")
    there = [node for node in nodes if _usable(node, thresholds.stale)]
    problems = [*_missing(nodes, there, thresholds), *_crossed(there, thresholds)]
    problems.sort(key=lambda problem: -problem[0])
    state = problems[0][0] if problems else State.OK
    parts = [f"{len(there)} of {len(nodes)} {'node' if len(nodes) == 1 else 'nodes'} up"]
    parts += [text for _, text in problems[:MOST_PROBLEMS]]
    if len(problems) > MOST_PROBLEMS:
        parts.append(f"and {len(problems) - MOST_PROBLEMS} problems more")
    if not problems:
        parts += [
            f"highest {name} {percent(_value(top, name))} ({top.name})"
            for name in METRICS
            for top in _highest(there, name)
        ]
    return Verdict(state, ", ".join(parts), " ".join(_perfdata(nodes, there, thresholds)))


def _usable(node: NodeStats, stale: float) -> bool:
    age = stale_age(node.error)
    return not node.error or (age is not None and age <= stale)


def _missing(
    nodes: list[NodeStats], there: list[NodeStats], thresholds: Thresholds
) -> Iterator[tuple[State, str]]:
    enough = thresholds.nodes
    if enough is not None and enough.below(len(there)):
        state = enough.below(len(there))
        limit = enough.critical if state is State.CRITICAL else enough.warning
        yield state, f"fewer than {limit:g}"
    present = {node.name for node in there}
    for node in nodes:
        if node.name not in present:
            state = State.CRITICAL if enough is None else State.WARNING
            yield state, f"{node.name}: {node.error}"


def _crossed(there: list[NodeStats], thresholds: Thresholds) -> Iterator[tuple[State, str]]:
    for name, limits in thresholds.metrics.items():
        for node in there:
            state = limits.above(_value(node, name))
            if state:
                limit = limits.critical if state is State.CRITICAL else limits.warning
                yield state, f"{node.name} {name} {percent(_value(node, name))} > {limit:g} %"


def _perfdata(
    nodes: list[NodeStats], there: list[NodeStats], thresholds: Thresholds
) -> Iterator[str]:
    """Of the cluster, not of each node: labels that come and go make no graph."""
    enough = thresholds.nodes or Levels()
    yield f"up={len(there)};{_bound(enough.warning, ':')};{_bound(enough.critical, ':')};0"
    yield f"nodes={len(nodes)};;;0"
    for name in METRICS:
        limits = thresholds.metrics.get(name, Levels())
        for top in _highest(there, name):
            bounds = f"{_bound(limits.warning)};{_bound(limits.critical)}"
            yield f"{name}_max={_value(top, name):.2f}%;{bounds};0;100"


def _highest(there: list[NodeStats], name: str) -> list[NodeStats]:
    return [max(there, key=lambda node: _value(node, name))] if there else []


def _value(node: NodeStats, name: str) -> float:
    value: float = getattr(node, METRICS[name])
    return value


def _bound(limit: float | None, after: str = "") -> str:
    return "" if limit is None else f"{limit:g}{after}"
