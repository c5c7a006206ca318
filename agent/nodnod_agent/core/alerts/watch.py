"""Keeps watch over this node: gives the judge what it needs, when it is due, and no more.

The numbers are judged with every sample. Sections are decoded every few seconds only, and those that
are sampled on demand are asked for. What the agent knows of itself is judged by a timer of its own,
because no sample may come.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import ValidationError

from nodnod_agent.core.alerts.judge import Judge, reading_period
from nodnod_agent.core.alerts.metrics import AGENT, STATS, Metric, Reading, decode
from nodnod_agent.core.alerts.rules import Rule
from nodnod_agent.core.interfaces import EARLY, Clock, Timer
from nodnod_agent.core.stats.local import Want
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.alerts import Alert
from nodnod_client.sections import EXPENSIVE

ASKED_FOR = 0.5
"""Seconds for which an on-demand section is asked for, at least: some take two readings."""


class AlertWatch:
    """The alerts about this node, from its samples.

    ``changed`` gets the alerts that have changed. ``known`` has, by metric, what the agent knows of
    itself; a metric that is absent there, or None, is unknown. ``interval`` is the seconds between
    two samples. Nothing is judged before ``start``.
    """

    def __init__(
        self,
        judge: Judge,
        changed: Callable[[list[Alert]], None],
        *,
        clock: Clock,
        wall: Callable[[], float],
        want: Want,
        interval: float,
    ) -> None:
        self.judge = judge
        self.known: dict[str, Callable[[], float | None]] = {}
        self._changed = changed
        self._clock = clock
        self._wall = wall
        self._want = want
        self._interval = interval
        self._needed: dict[str, dict[str, Metric]] = {}
        """The metrics that the rules need, by section and path."""
        self._due: dict[str, float] = {}
        """When each section is judged next, or asked for."""
        self._asked: set[str] = set()
        """On-demand sections that were asked for, and have not come."""
        self._sampled = 0.0
        """The time of the newest sample."""
        self._timer: Timer | None = None

    def use(self, rules: Iterable[Rule], tags: Mapping[str, str]) -> None:
        """Judge by these rules from now on; ``tags`` are those of this node."""
        self.judge.use(rules, tags)
        self._needed = {}
        for metric in self.judge.metrics:
            self._needed.setdefault(metric.section, {})[metric.path] = metric
        sections = self._needed.keys() - {STATS, AGENT}
        self._due = {name: self._due.get(name, 0.0) for name in sorted(sections)}
        self._asked &= sections

    def adopt(self, alerts: Iterable[Alert]) -> None:
        """Take over alerts about this node that others know."""
        self.judge.adopt(alerts)

    def start(self) -> None:
        """Begin to judge; what others know of this node should have been adopted."""
        if self._timer is None:
            self._plan(self._clock.time())

    def stop(self) -> None:
        """Judge no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def sampled(self, sample: Sample) -> None:
        """Take this node's newest sample."""
        if self._timer is None:
            return
        readings: dict[str, Reading | None] = {}
        if sample.time != self._sampled:  # else the same one with on-demand sections
            self._sampled = sample.time
            self._read(STATS, sample.numbers, readings)
        now, sections = self._clock.time(), sample.sections
        for section in self._due:
            if section in sections:
                if now >= self._due[section] - EARLY or section in self._asked:
                    self._asked.discard(section)
                    self._due[section] = now + reading_period(section, self._interval)
                    self._read_section(section, sections[section], readings)
            elif section in EXPENSIVE and now >= self._due[section] - EARLY:
                self._asked.add(section)
                self._due[section] = now + reading_period(section, self._interval)
                # Until just before the next sample, so that it is read once.
                self._want((section,), min(max(ASKED_FOR, 0.9 * self._interval), 4 * ASKED_FOR))
        self._judge(readings, now)

    def _plan(self, now: float) -> None:
        period = reading_period(AGENT, self._interval)
        self._timer = self._clock.call_at(now + period, self._judge_agent)

    def _judge_agent(self) -> None:
        """Judge what the agent knows of itself."""
        now = self._clock.time()
        self._plan(now)
        readings: dict[str, Reading | None] = {}
        self._read(AGENT, {path: value() for path, value in self.known.items()}, readings)
        self._judge(readings, now)

    def _read_section(self, section: str, data: bytes, readings: dict[str, Reading | None]) -> None:
        try:
            value = decode(section, data)
        except ValidationError:  # it says why it could not be read
            readings.update(dict.fromkeys(self._needed[section]))
        else:
            self._read(section, value, readings)

    def _read(self, section: str, value: Any, readings: dict[str, Reading | None]) -> None:
        """Add the readings of all metrics of a section; null is one without any object."""
        for path, metric in self._needed.get(section, {}).items():
            readings[path] = {} if value is None else metric.reading(value)

    def _judge(self, readings: Mapping[str, Reading | None], now: float) -> None:
        changed = self.judge.judge(readings, now, self._wall())
        if changed:
            self._changed(changed)
