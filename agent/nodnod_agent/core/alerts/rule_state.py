"""The state of one rule: of each object that is, or was, beyond a threshold."""

from collections.abc import Callable

from nodnod_agent.core.alerts.metrics import Metric, Reading
from nodnod_agent.core.alerts.rules import Level, Rule
from nodnod_agent.core.pattern import matcher
from nodnod_client.alerts import Alert


class _Latch:
    """Hysteresis with time: on after ``hold`` seconds beyond, off after ``keep`` seconds clear."""

    __slots__ = ("on", "since")

    def __init__(self, *, on: bool = False) -> None:
        self.on = on
        self.since: float | None = None
        """When the values began to speak for the other state, and did ever since."""

    def step(self, *, across: bool, lasting: float, now: float) -> None:
        """Take a value; ``across``: it speaks for the other state, which comes when that lasts."""
        if not across:
            self.since = None
            return
        if self.since is None:
            self.since = now
        if now - self.since >= lasting:
            self.on, self.since = not self.on, None


class WatchedObject:
    """An object of a rule: its latches, one for each level, and the alert that was told last."""

    __slots__ = ("latches", "name", "told", "value")

    def __init__(self, name: str, levels: int) -> None:
        self.name = name
        self.latches = [_Latch() for _ in range(levels)]
        self.value: float | None = None
        """The last one that is known; None where the object has gone."""
        self.told: Alert | None = None
        """The alert that fires; None if none does."""

    @property
    def level(self) -> int | None:
        """The worst level whose latch is on, by its place in the rule."""
        return max((i for i, latch in enumerate(self.latches) if latch.on), default=None)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to remember of it."""
        return self.told is None and not any(
            one.on or one.since is not None for one in self.latches
        )

    def restart(self) -> None:
        """Count no past values: those in between are unknown."""
        for latch in self.latches:
            latch.since = None


class RuleState:
    """A rule that is in force, with the objects that it watches.

    After more than ``gap`` seconds without a reading, values do not count as having been beyond a
    threshold, or clear, all the time.
    """

    def __init__(self, rule: Rule, metric: Metric, gap: float) -> None:
        self.rule = rule
        self.metric = metric
        self._gap = gap
        self._sign = 1.0 if rule.side == "above" else -1.0
        self._bounds = [
            (self._sign * level.threshold, self._sign * level.clear) for level in rule.levels
        ]
        self._wanted = _chosen(rule.objects)
        self._objects: dict[str, WatchedObject] = {}
        self._read = float("-inf")

    def firing(self) -> list[Alert]:
        """The alerts that fire, as they were told."""
        return [one.told for one in self._objects.values() if one.told is not None]

    def step(self, reading: Reading | None, now: float) -> list[WatchedObject]:
        """Take a reading, None if it failed; the objects whose alert is not what was told."""
        if reading is None:
            return []
        objects = self._objects
        if now - self._read > self._gap:
            for one in objects.values():
                one.restart()
        self._read = now
        if self._wanted is not None:
            reading = {name: value for name, value in reading.items() if self._wanted(name)}
        mildest = self._bounds[0][0]
        changed = []
        for name, value in reading.items():
            watched = objects.get(name)
            if watched is None:
                if value is None or self._sign * value <= mildest:
                    continue
                watched = objects[name] = WatchedObject(name, len(self._bounds))
            if value is None:
                watched.restart()
            else:
                watched.value = float(value)
                self._move(watched, self._sign * value, now)
                if self._is_news(watched):
                    changed.append(watched)
        for name in objects.keys() - reading.keys():
            watched = objects[name]
            watched.value = None
            self._move(watched, float("-inf"), now)
            if self._is_news(watched) and watched.told is not None and watched.level is None:
                changed.append(watched)
        return changed

    def told(self, watched: WatchedObject, alert: Alert | None) -> None:
        """Note the alert that fires now for an object, or that none does."""
        watched.told = alert
        self._forget_idle(watched)

    def level(self, watched: WatchedObject) -> Level | None:
        """The level at which an object is; None if it is clear."""
        index = watched.level
        return None if index is None else self.rule.levels[index]

    def excess(self, watched: WatchedObject) -> tuple[bool, float]:
        """How bad an object is, for comparison: the severity, then the share beyond the threshold."""
        level = self.level(watched)
        if level is None or watched.value is None:
            return False, 0.0
        beyond = self._sign * (watched.value - level.threshold)
        return level.severity == "critical", beyond / (abs(level.threshold) or 1.0)

    def forget_after(self, epoch: int) -> None:
        """Forget what was told with a higher epoch: what still fires is news again."""
        for watched in list(self._objects.values()):
            if watched.told is not None and watched.told.epoch > epoch:
                self.told(watched, None)

    def adopt(self, alert: Alert) -> None:
        """Go on from an alert that another agent knows, unless this one knows it as well."""
        watched = self._objects.get(alert.object)
        if watched is not None and watched.told is not None and watched.told.epoch >= alert.epoch:
            return
        if alert.state == "firing":
            if watched is None:
                watched = self._objects[alert.object] = WatchedObject(
                    alert.object, len(self._bounds)
                )
            watched.told = alert
            for latch, level in zip(watched.latches, self.rule.levels, strict=True):
                # The mildest one in any case: the levels may have been others.
                if latch is watched.latches[0] or level.severity == alert.severity:
                    latch.on, latch.since = True, None
        elif watched is not None:
            # It has to last for the time of the rule again: two agents under one address, each with
            # samples of its own, must not contradict each other at every sample.
            del self._objects[alert.object]

    def take_over(self, old: "RuleState") -> None:
        """Go on from another version of this rule, about the same metric."""
        for alert in old.firing():
            self.adopt(alert)

    def _move(self, watched: WatchedObject, signed: float, now: float) -> None:
        rule = self.rule
        for latch, (threshold, clear) in zip(watched.latches, self._bounds, strict=True):
            if latch.on:
                latch.step(across=signed <= clear, lasting=rule.keep, now=now)
            else:
                latch.step(across=signed > threshold, lasting=rule.hold, now=now)

    def _is_news(self, watched: WatchedObject) -> bool:
        level = self.level(watched)
        severity = level and level.severity
        if severity != (watched.told and watched.told.severity):
            return True
        self._forget_idle(watched)
        return False

    def _forget_idle(self, watched: WatchedObject) -> None:
        if watched.idle:
            self._objects.pop(watched.name, None)


def _chosen(patterns: tuple[str, ...]) -> Callable[[str], bool] | None:
    """A test whether a rule is about an object; None if it is about all."""
    if not patterns:
        return None
    excluded = matcher(pattern[1:] for pattern in patterns if pattern.startswith("!"))
    included = matcher([one for one in patterns if not one.startswith("!")] or ["*"])
    return lambda name: included(name) and not excluded(name)
