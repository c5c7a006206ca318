"""Judges one node by its own samples: which alerts fire, and which are over.

Readings of metrics go in, with the monotonic and the wall time; changes of alerts come out.
"""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from nodnod_agent.core.alerts import texts
from nodnod_agent.core.alerts.metrics import STATS, Metric, Reading, find
from nodnod_agent.core.alerts.rule_state import RuleState, WatchedObject
from nodnod_agent.core.alerts.rules import JUDGED_BY_OTHERS, Rule, is_about
from nodnod_agent.core.membership.table import AHEAD
from nodnod_client.alerts import MAX_TEXT, Alert
from nodnod_client.messages import MAX_INT
from nodnod_client.sections import EXPENSIVE

MAX_FIRING = 64
"""Alerts of one node that fire at the same time; others wait until one of them is over."""

READ_EVERY = 5.0
"""Seconds between two readings of a section that is sampled anyway, and of what the agent knows."""

ASK_EVERY = 30.0
"""Seconds between two readings of a section that is sampled on demand."""

_MISSED = 3
_GAP = 30.0
"""So many readings or seconds without one, whichever is longer, and the past is unknown."""


def reading_period(section: str, interval: float) -> float:
    """Seconds between two readings of a section, where a sample comes every ``interval``."""
    if section == STATS:
        return interval
    return max(interval, ASK_EVERY if section in EXPENSIVE else READ_EVERY)


class Judge:
    """The alerts of one node, whose name and address they carry."""

    def __init__(self, name: str, address: str, interval: float) -> None:
        self._name = name
        self._address = address
        self._interval = interval
        self._states: dict[str, RuleState] = {}
        self._epoch = 0
        """The highest one of this node's alerts."""
        self._ownerless: list[Alert] = []
        """Alerts that fire, of rules that are not in force."""

    @property
    def metrics(self) -> list[Metric]:
        """The metrics that the rules in force need."""
        return [state.metric for state in self._states.values()]

    @property
    def _firing(self) -> int:
        """How many alerts of rules in force fire."""
        return sum(len(state.firing()) for state in self._states.values())

    def use(self, rules: Iterable[Rule], tags: Mapping[str, str]) -> None:
        """Judge by these rules from now on: by those that have a metric and are about this node."""
        before, self._states = self._states, {}
        for rule in rules:
            metric = find(rule.metric)
            if metric is None or not is_about(rule, self._name, tags):
                continue
            old = before.get(rule.name)
            if old is not None and old.rule == rule:
                self._states[rule.name] = before.pop(rule.name)
                continue
            gap = max(_GAP, _MISSED * reading_period(metric.section, self._interval))
            self._states[rule.name] = state = RuleState(rule, metric, gap)
            if old is not None and old.metric.path == metric.path:
                state.take_over(before.pop(rule.name))
        for old in before.values():
            self._ownerless += old.firing()

    def adopt(self, alerts: Iterable[Alert]) -> None:
        """Take over what others know of this node's alerts, as after a restart.

        What fires goes on firing and is not told anew. Of an alert that this judge has changed since,
        an older epoch must not come back.
        """
        for alert in alerts:
            if alert.address != self._address or alert.rule in JUDGED_BY_OTHERS:
                continue
            self._epoch = max(self._epoch, alert.epoch)
            if alert.state == "firing" and self._firing >= MAX_FIRING:
                continue  # it is offered again
            if alert.rule in self._states:
                self._states[alert.rule].adopt(alert)
            elif alert.state == "firing" and len(self._ownerless) < MAX_FIRING:
                self._ownerless.append(alert)

    def judge(self, readings: Mapping[str, Reading | None], now: float, wall: float) -> list[Alert]:
        """Judge by new readings, each by the path of its metric; the alerts that have changed.

        A reading is None if it failed: then nothing changes.
        """
        if self._epoch > (last := int((wall + AHEAD) * 1000)):
            self._forget_after(last)
        changed = [
            self._end(alert, None, texts.ended(alert.rule), wall) for alert in self._ownerless
        ]
        self._ownerless.clear()
        begun: list[tuple[RuleState, WatchedObject]] = []
        for state in self._states.values():
            if state.metric.path in readings:
                for watched in state.step(readings[state.metric.path], now):
                    if watched.told is None:
                        begun.append((state, watched))
                    else:
                        changed.append(self._change(state, watched, wall))
        return changed + self._begin(begun, wall) if begun else changed

    def _forget_after(self, epoch: int) -> None:
        """Forget what was told while the clock was a day ahead: no agent has taken it."""
        for state in self._states.values():
            state.forget_after(epoch)
        told = (alert.epoch for state in self._states.values() for alert in state.firing())
        self._epoch = max(told, default=0)

    def _begin(self, begun: list[tuple[RuleState, WatchedObject]], wall: float) -> list[Alert]:
        """Tell the worst of the new problems, as many as there is room for."""
        room = max(0, MAX_FIRING - self._firing)
        begun.sort(key=lambda pair: pair[0].excess(pair[1]), reverse=True)
        told = [self._change(state, watched, wall) for state, watched in begun[:room]]
        if told and len(begun) > room:
            told[-1] = replace(told[-1], text=texts.with_more(told[-1].text, len(begun) - room))
        return told

    def _change(self, state: RuleState, watched: WatchedObject, wall: float) -> Alert:
        """The alert about an object as it is now; it counts as told."""
        rule, level, told = state.rule, state.level(watched), watched.told
        name, value = watched.name, watched.value
        if level is None or value is None:
            assert told is not None
            state.told(watched, None)
            return self._end(told, value, texts.resolved(rule, told.threshold, name, value), wall)
        alert = Alert(
            node=self._name,
            address=self._address,
            rule=rule.name,
            object=name,
            epoch=self._next_epoch(wall),
            state="firing",
            severity=level.severity,
            value=value,
            threshold=level.threshold,
            since=wall,
            text=texts.firing(rule, level.threshold, name, value)[:MAX_TEXT],
        )
        state.told(watched, alert)
        return alert

    def _end(self, told: Alert, value: float | None, text: str, wall: float) -> Alert:
        return replace(
            told,
            node=self._name,
            epoch=self._next_epoch(wall),
            state="resolved",
            value=value,
            since=wall,
            text=text[:MAX_TEXT],
        )

    def _next_epoch(self, wall: float) -> int:
        self._epoch = min(max(self._epoch + 1, int(wall * 1000)), MAX_INT)
        return self._epoch
