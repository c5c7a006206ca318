"""Judges one answer by thresholds: a pure function.

Severities, thresholds and performance data follow the monitoring plugins' convention: a value above
the threshold ``90``, or below the threshold ``3:``, crosses it.
"""

from collections.abc import Iterator, Mapping
from enum import IntEnum

import msgspec
from msgspec import Struct

from nodnod_agent.console.node_condition import stale_age
from nodnod_agent.console.units import counted, percent, plain
from nodnod_client.messages import Answer, NodeStats
from nodnod_client.sections import SHAPES, Filesystem, used_percent

MAX_PROBLEMS = 8
"""Problems that the line names; it only counts the others."""

METRICS = {"cpu": "cpu_used", "memory": "memory_used_percent", "disk": "disk_used_percent"}
"""The metrics that have thresholds, and their fields in NodeStats.

``disk`` is that of the fullest counted filesystem instead, if the answer has the filesystems.
"""

MAX_MOUNT = 80
"""Characters of a mount point in the line."""


class Severity(IntEnum):
    """The result of a check, and its exit status."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


class Levels(Struct, frozen=True):
    """The levels of one threshold; either may be missing."""

    warning: float | None = None
    critical: float | None = None

    def crossed(self, value: float, *, falling: bool = False) -> tuple[Severity, float] | None:
        """Return the worst level that ``value`` crosses; ``falling`` means that less is worse."""
        for severity, level in (
            (Severity.CRITICAL, self.critical),
            (Severity.WARNING, self.warning),
        ):
            if level is not None and (value < level if falling else value > level):
                return severity, level
        return None


class Thresholds(Struct, frozen=True):
    """What to check.

    ``metrics``: levels in percent, by the names of METRICS. ``nodes``: how many must be up; with
    it a node that is down is a warning, without it critical. ``stale``: the age in seconds up to
    which the last numbers of a silent node count.
    """

    metrics: dict[str, Levels] = {}
    nodes: Levels | None = None
    stale: float = 0.0


class Verdict(Struct, frozen=True):
    """A severity, the reason for it, and performance data."""

    severity: Severity
    text: str
    perfdata: str = ""

    def line(self) -> str:
        """Return the whole line; ``|`` ends the text, so no other one is left in it."""
        text = plain(self.text, 4000).replace("|", "/")
        return f"NODNOD {self.severity.name}: {text}" + (
            f" | {self.perfdata}" if self.perfdata else ""
        )


class _Use(Struct, frozen=True):
    """The use of a node that is up, in percent by metric; ``mount`` is the fullest filesystem."""

    node: str
    shares: dict[str, float]
    mount: str

    def text(self, metric: str) -> str:
        """Return a share, with the filesystem that it is of."""
        place = f"{self.mount} " if metric == "disk" and self.mount else ""
        return f"{metric} {place}{percent(self.shares[metric])}"


def evaluate(answer: Answer, thresholds: Thresholds) -> Verdict:
    """Judge an answer of the whole cluster, or of a part of it."""
    nodes = sorted(answer.nodes.values(), key=lambda node: node.name)
    if not nodes and thresholds.nodes is None:
        return Verdict(Severity.UNKNOWN, "there are no nodes to check")
    up = [_use(node) for node in nodes if _usable(node, thresholds.stale)]
    down = [node for node in nodes if not _usable(node, thresholds.stale)]
    highest = {name: max(up, key=lambda use: use.shares[name]) for name in METRICS if up}
    problems = [*_missing(up, down, thresholds.nodes), *_crossed(up, thresholds.metrics)]
    problems.sort(key=lambda problem: -problem[0])
    parts = [f"{len(up)} of {counted(len(nodes), 'node')} up"]
    parts += [text for _, text in problems[:MAX_PROBLEMS]]
    if len(problems) > MAX_PROBLEMS:
        parts.append(f"and {counted(len(problems) - MAX_PROBLEMS, 'more problem')}")
    if not problems:
        parts += [f"highest {use.text(name)} ({use.node})" for name, use in highest.items()]
    required = thresholds.nodes or Levels()
    # Of the cluster, not of each node: monitoring systems graph labels that do not change.
    perfdata = [
        f"up={len(up)};{_bound(required.warning, ':')};{_bound(required.critical, ':')};0",
        f"nodes={len(nodes)};;;0",
    ]
    for name, use in highest.items():
        levels = thresholds.metrics.get(name, Levels())
        bounds = f"{_bound(levels.warning)};{_bound(levels.critical)}"
        perfdata.append(f"{name}_max={use.shares[name]:.2f}%;{bounds};0;100")
    severity = problems[0][0] if problems else Severity.OK
    return Verdict(severity, ", ".join(parts), " ".join(perfdata))


def _usable(node: NodeStats, stale: float) -> bool:
    age = stale_age(node.error)
    return not node.error or (age is not None and age <= stale)


def _missing(
    up: list[_Use], down: list[NodeStats], required: Levels | None
) -> Iterator[tuple[Severity, str]]:
    if required is not None and (crossed := required.crossed(len(up), falling=True)):
        severity, level = crossed
        yield severity, f"fewer than {level:g}"
    for node in down:
        severity = Severity.CRITICAL if required is None else Severity.WARNING
        yield severity, f"{node.name}: {node.error}"


def _crossed(up: list[_Use], metrics: Mapping[str, Levels]) -> Iterator[tuple[Severity, str]]:
    for name, levels in metrics.items():
        for use in up:
            if crossed := levels.crossed(use.shares[name]):
                severity, level = crossed
                yield severity, f"{use.node} {use.text(name)} > {level:g} %"


def _use(node: NodeStats) -> _Use:
    shares: dict[str, float] = {name: getattr(node, field) for name, field in METRICS.items()}
    share, mount = max(_filesystems(node), default=(node.disk_used_percent, ""))
    return _Use(node.name, shares | {"disk": share}, plain(mount, MAX_MOUNT))


def _filesystems(node: NodeStats) -> list[tuple[float, str]]:
    """The use and the mount of each counted filesystem, if the answer has them."""
    section = node.detail.get("filesystems") if isinstance(node.detail, dict) else None
    try:
        rows: list[Filesystem] = msgspec.convert(section, SHAPES["filesystems"])
    except msgspec.ValidationError:  # none, or one that could not be read: the node says so
        return []
    shares = ((used_percent(row), row) for row in rows if row.counted)
    return [(share, row.mount) for share, row in shares if share is not None]


def _bound(level: float | None, suffix: str = "") -> str:
    return "" if level is None else f"{level:g}{suffix}"
