"""A node that is watched by rules, as they would stand in the file, on a clock that tests move."""

from collections.abc import Iterable, Mapping
from typing import Any

from nodnod_agent.config.alert_rules import rules as read_rules
from nodnod_agent.core.alerts.judge import Judge
from nodnod_agent.core.alerts.watch import AlertWatch
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.alerts import Alert
from nodnod_client.codec import encode
from simulation.clock import FakeClock

WALL = 1_700_000_000.0
NAME, ADDRESS, TAGS = "kyle", "10.0.0.1:7070", {"role": "db"}
BUILT_IN = [{"name": rule.name, "enabled": False} for rule in read_rules([], "")]
"""Settings that switch all built-in rules off."""


class WatchedNode:
    """It is sampled once a second. Every rule is a change of a built-in one, or the only one."""

    def __init__(self, *rules: dict[str, Any], built_in: bool = False) -> None:
        self.clock = FakeClock()
        self.wall_skew = 0.0
        self.changes: list[Alert] = []
        self.wanted: list[tuple[float, tuple[str, ...], float]] = []
        """When which sections were asked for, and for how long."""
        self.known: dict[str, float | None] = {}
        self.watch = AlertWatch(
            Judge(NAME, ADDRESS, 1.0),
            self.changes.extend,
            clock=self.clock,
            wall=self.wall,
            want=self._want,
            interval=1.0,
        )
        self.use(*rules, built_in=built_in)

    def wall(self) -> float:
        return WALL + self.clock.now + self.wall_skew

    def use(self, *rules: dict[str, Any], built_in: bool = False) -> None:
        """Judge by other rules."""
        names = {rule["name"] for rule in rules}
        off = [] if built_in else [one for one in BUILT_IN if one["name"] not in names]
        self.watch.use(read_rules([*off, *rules], "rules"), TAGS)

    def start(self, *alerts: Alert) -> "WatchedNode":
        self.watch.adopt(alerts)
        self.watch.start()
        return self

    def knows(self, **known: float | None) -> None:
        """What the agent knows of itself."""
        for name, value in known.items():
            self.known[f"agent.{name}"] = value
            self.watch.known[f"agent.{name}"] = lambda name=name: self.known[f"agent.{name}"]

    def sample(
        self, seconds: float = 1, sections: Mapping[str, Any] | None = None, **numbers: float
    ) -> list[Alert]:
        """Have every sample of some seconds say the same; the alerts that changed then."""
        before = len(self.changes)
        encoded = {name: encode(section) for name, section in (sections or {}).items()}
        for _ in range(round(seconds)):
            self.clock.advance(1.0)
            self.watch.sampled(Sample(time=self.clock.now, sections=encoded, series=numbers))
        return self.changes[before:]

    def _want(self, sections: Iterable[str], seconds: float) -> None:
        self.wanted.append((self.clock.now, tuple(sections), seconds))


def told(alerts: Iterable[Alert]) -> list[tuple[str, str, str, str]]:
    """Rule, object, severity and state of each."""
    return [(one.rule, one.object, one.severity, one.state) for one in alerts]


def texts(alerts: Iterable[Alert]) -> list[str]:
    return [alert.text for alert in alerts]
