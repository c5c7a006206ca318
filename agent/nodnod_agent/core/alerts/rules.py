"""The rules: when a value of this node is a problem, and those that are built in."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct

from nodnod_agent.core.pattern import matcher
from nodnod_agent.core.tag_pattern import is_tag_pattern, tag_matcher
from nodnod_client.alerts import Severity

Side = Literal["above", "below"]

DOWN = "down"
CUT_OFF = "cut-off"
JUDGED_BY_OTHERS = (DOWN, CUT_OFF)
"""Rules without a metric: what they are about, this node's samples do not tell."""


class Level(Struct, frozen=True):
    """A value beyond ``threshold`` is a problem of this severity, until it reaches ``clear``."""

    severity: Severity
    threshold: float = 0.0
    clear: float = 0.0


class Rule(Struct, frozen=True, kw_only=True):
    """A rule in force. It makes one alert for each object of its metric.

    ``metric`` is empty for the rules in JUDGED_BY_OTHERS. ``levels`` has one level, or the warning
    before the critical one. ``hold`` (in the file ``for``) is the seconds for which each value must
    be beyond a threshold, ``keep`` those for which each must be clear again. ``nodes`` and
    ``objects`` are patterns, those of nodes also of tags; empty are all. A pattern of an object that begins with ``!`` excludes.
    """

    name: str
    metric: str = ""
    side: Side = "above"
    levels: tuple[Level, ...]
    hold: float = 0.0
    keep: float = 0.0
    nodes: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity:
        """The worst that it can be."""
        return self.levels[-1].severity


BUILT_IN: tuple[dict[str, Any], ...] = (
    {"name": "cpu", "metric": "cpuUsed", "above": 95, "for": 300, "keep": 60},
    {
        "name": "memory",
        "metric": "memoryUsedPercent",
        "above": {"warning": 90, "critical": 95},
        "for": 60,
        "keep": 60,
    },
    {"name": "swap", "metric": "memory.swapUsedPercent", "above": 80, "for": 60, "keep": 60},
    {
        "name": "filesystem",
        "metric": "filesystems.counted.usedPercent",
        "above": {"warning": 85, "critical": 95},
        "for": 30,
        "keep": 30,
    },
    {
        "name": "inodes",
        "metric": "filesystems.counted.inodesUsedPercent",
        "above": {"warning": 85, "critical": 95},
        "for": 30,
        "keep": 30,
    },
    {"name": "mount", "metric": "filesystems.stuck", "above": 0, "for": 30, "severity": "critical"},
    {
        "name": "temperature",
        "metric": "sensors.temperatures.criticalPercent",
        "above": 99,
        "clear": 95,
        "for": 30,
        "keep": 60,
        "severity": "critical",
    },
    {"name": "stale", "metric": "agent.staleFor", "above": 0, "for": 30, "severity": "critical"},
    {
        "name": "certificate",
        "metric": "agent.certificateDays",
        "below": {"warning": 14, "critical": 2},
    },
    {"name": "clock", "metric": "agent.clockOffset", "above": 5, "for": 60, "keep": 60},
    {"name": "names", "metric": "agent.sameName", "above": 0, "for": 30, "keep": 30},
    {"name": DOWN, "for": 30, "severity": "critical"},
    {"name": CUT_OFF, "for": 30, "severity": "critical"},
)
"""The built-in rules, as they would stand in the file. Settings change or end them by name."""


def is_about(rule: Rule, name: str, tags: Mapping[str, str]) -> bool:
    """Whether a rule is about a node of this name with these tags."""
    about_tags = [one for one in rule.nodes if is_tag_pattern(one)]
    about_names = [one for one in rule.nodes if not is_tag_pattern(one)]
    return not rule.nodes or matcher(about_names)(name) or tag_matcher(about_tags)(tags)


def named(rules: Iterable[Rule], name: str) -> Rule | None:
    """The rule of this name, if it is in force."""
    return next((rule for rule in rules if rule.name == name), None)
