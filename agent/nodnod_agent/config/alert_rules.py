"""Checks the setting ``alerts.rules``, and makes of it the rules in force.

An item with the name of a built-in rule changes that rule: it stands for the fields that it has.
Another item is a rule of one's own. Every error names the field: ``alerts.rules[2].clear: …``.
"""

import math
from collections.abc import Callable
from typing import Any, get_args

from nodnod_agent.config.validators import (
    ConfigError,
    Faults,
    did_you_mean,
    expected,
    one_of,
    seconds,
    shown,
    switch,
)
from nodnod_agent.core.alerts.metrics import find, known
from nodnod_agent.core.alerts.rules import BUILT_IN, JUDGED_BY_OTHERS, Level, Rule, Side
from nodnod_agent.core.tag_pattern import tag_pattern_fault
from nodnod_client.alerts import MAX_RULE, Severity

MAX_RULES = 200
MAX_PATTERNS = 64
MAX_PATTERN = 128
MAX_SECONDS = 7 * 86400

_CLEAR = 0.05
"""The share of a threshold by which a value must come back, unless ``clear`` says how far."""

_ABOVE: Side = "above"
_SIDES: tuple[Side, ...] = get_args(Side)
_SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""The mildest first."""

Check = Callable[[Any, str], Any]


def rules(value: Any, place: str) -> tuple[Rule, ...]:
    """The rules in force: the built-in ones as they are changed here, then one's own."""
    if not isinstance(value, list):
        raise expected("an array of rules", value, place)
    if len(value) > MAX_RULES:
        raise ConfigError(f"{place}: expected at most {MAX_RULES} rules, got {len(value)}")
    built_in = {given["name"]: _checked(given, "built in") for given in BUILT_IN}
    found = {name: _rule(given, name) for name, given in built_in.items()}
    places: dict[str, int] = {}
    faults = Faults()
    for index, item in enumerate(value):
        here = f"{place}[{index}]"
        with faults:
            given = _checked(item, here)
            name = given["name"]
            if name in places:
                raise ConfigError(f"{here}.name: {name!r} is a duplicate of [{places[name]}]")
            places[name] = index
            if name in built_in:
                given = _changed(built_in[name], given, here)
            rule = _rule(given, here)
            if given.get("enabled", True):
                found[name] = rule
            else:
                found.pop(name, None)
    faults.check()
    return tuple(found.values())


def _checked(item: Any, place: str) -> dict[str, Any]:
    """The fields of one item, each checked alone."""
    if not isinstance(item, dict):
        raise expected("an object", item, place)
    for field in item:
        if field not in _FIELDS:
            hint = did_you_mean(field, _FIELDS, "")
            raise ConfigError(f"{place}: unknown field {shown(field)}{hint}")
    if "name" not in item:
        raise ConfigError(f"{place}.name: is missing")
    return {field: _FIELDS[field](value, f"{place}.{field}") for field, value in item.items()}


def _changed(built_in: dict[str, Any], given: dict[str, Any], place: str) -> dict[str, Any]:
    """A built-in rule with these changes."""
    name, metric = given["name"], built_in.get("metric")
    if metric is None:
        for field in given.keys() - {"name", "enabled", "for", "severity", "nodes"}:
            raise ConfigError(f"{place}.{field}: the built-in rule {name} has none")
    elif given.get("metric", metric) != metric:
        what = f"the built-in rule {name} is about {metric}; give this one another name"
        raise ConfigError(f"{place}.metric: {what}")
    replaced: set[str] = set()
    for side in given.keys() & _SIDES:
        replaced |= {"above", "below", "clear"}
        if isinstance(given[side], dict):
            replaced.add("severity")
    return {field: value for field, value in built_in.items() if field not in replaced} | given


def _rule(given: dict[str, Any], place: str) -> Rule:
    """The rule of fields that are right one by one."""
    name, metric = given["name"], given.get("metric")
    side: Side
    levels: tuple[Level, ...]
    if name in JUDGED_BY_OTHERS:
        metric, side, levels = "", _ABOVE, (Level(given["severity"]),)
    elif metric is None:
        hint = did_you_mean(name, (one["name"] for one in BUILT_IN), "")
        raise ConfigError(
            f"{place}.metric: is missing, and no built-in rule is called {name!r}{hint}"
        )
    else:
        side, levels = _levels(given, place)
    return Rule(
        name=name,
        metric=metric,
        side=side,
        levels=levels,
        hold=given.get("for", 0.0),
        keep=given.get("keep", 0.0),
        nodes=given.get("nodes", ()),
        objects=given.get("objects", ()),
    )


def _levels(given: dict[str, Any], place: str) -> tuple[Side, tuple[Level, ...]]:
    """The thresholds, and when each is clear again."""
    sides = [side for side in _SIDES if side in given]
    if not sides:
        raise ConfigError(f"{place}.above: is missing, and below too")
    if len(sides) > 1:
        raise ConfigError(f"{place}.below: expected above or below, not both")
    side = sides[0]
    thresholds, clears = given[side], given.get("clear")
    if not isinstance(thresholds, dict):
        thresholds = {given.get("severity", _SEVERITIES[0]): thresholds}
    elif "severity" in given:
        raise ConfigError(f"{place}.severity: {side} has a threshold for each severity")
    if isinstance(clears, dict) and clears.keys() != thresholds.keys():
        raise ConfigError(f"{place}.clear: expected {' and '.join(thresholds)}, as in {side}")
    levels = []
    for severity in _SEVERITIES:
        if severity in thresholds:
            inner = f".{severity}" if isinstance(clears, dict) else ""
            clear = clears[severity] if isinstance(clears, dict) else clears
            here = f"{place}.clear{inner}"
            levels.append(_level(severity, side, thresholds[severity], clear, here))
    worse = [level.threshold if side == _ABOVE else -level.threshold for level in levels]
    if worse != sorted(set(worse)):
        than = "more" if side == _ABOVE else "less"
        warning, critical = (shown(level.threshold) for level in levels)
        what = f"expected {than} than the {warning} of the warning, got {critical}"
        raise ConfigError(f"{place}.{side}.critical: {what}")
    return side, tuple(levels)


def _level(
    severity: Severity, side: Side, threshold: float, clear: float | None, place: str
) -> Level:
    back = -_CLEAR * abs(threshold) if side == _ABOVE else _CLEAR * abs(threshold)
    if clear is None:
        return Level(severity, threshold, threshold + back)
    if (clear > threshold) if side == _ABOVE else (clear < threshold):
        most = "at most" if side == _ABOVE else "at least"
        what = f"expected {most} {shown(threshold)}, {side} which the rule fires"
        raise ConfigError(f"{place}: {what}, got {shown(clear)}")
    return Level(severity, threshold, clear)


# Checks of single fields.


def _name(value: Any, place: str) -> str:
    if isinstance(value, str) and 1 <= len(value) <= MAX_RULE and _is_clean(value):
        return value
    what = f"1 to {MAX_RULE} printable characters, no space at either end"
    raise expected(what, value, place)


def _metric(value: Any, place: str) -> str:
    metric = find(value) if isinstance(value, str) else None
    if metric is not None:
        return metric.path
    if not isinstance(value, str):
        raise expected("the name of a metric", value, place)
    hint = did_you_mean(value, known(), "")
    raise ConfigError(f"{place}: unknown metric {shown(value)}{hint}")


def _threshold(value: Any, place: str) -> float:
    # A bool is an int to Python.
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise expected("a number", value, place)


def _thresholds(value: Any, place: str) -> float | dict[str, float]:
    """One number, or one for each severity."""
    if not isinstance(value, dict):
        return _threshold(value, place)
    for severity in value:
        if severity not in _SEVERITIES:
            hint = did_you_mean(severity, _SEVERITIES, "")
            raise ConfigError(f"{place}: unknown severity {shown(severity)}{hint}")
    if not value:
        raise ConfigError(f"{place}: expected a number, or an object of warning and critical")
    return {severity: _threshold(value[severity], f"{place}.{severity}") for severity in value}


def _patterns(value: Any, place: str) -> tuple[str, ...]:
    """One name or pattern, or an array of them."""
    if isinstance(value, str):
        return (_pattern(value, place),)
    if not isinstance(value, list):
        raise expected("a pattern, or an array of patterns", value, place)
    if not value:
        raise ConfigError(f"{place}: expected at least one pattern, got an empty array")
    if len(value) > MAX_PATTERNS:
        raise ConfigError(f"{place}: expected at most {MAX_PATTERNS} patterns, got {len(value)}")
    return tuple(_pattern(item, f"{place}[{index}]") for index, item in enumerate(value))


def _node_patterns(value: Any, place: str) -> tuple[str, ...]:
    patterns = _patterns(value, place)
    for index, pattern in enumerate(patterns):
        if fault := tag_pattern_fault(pattern):
            here = f"{place}[{index}]" if isinstance(value, list) else place
            raise ConfigError(f"{here}: {fault}")
    return patterns


def _pattern(value: Any, place: str) -> str:
    if isinstance(value, str) and 1 <= len(value) <= MAX_PATTERN and _is_clean(value):
        return value
    what = f"1 to {MAX_PATTERN} printable characters, no space at either end"
    raise expected(what, value, place)


def _is_clean(text: str) -> bool:
    return text.isprintable() and text == text.strip()


_FIELDS: dict[str, Check] = {
    "name": _name,
    "enabled": switch,
    "metric": _metric,
    "above": _thresholds,
    "below": _thresholds,
    "clear": _thresholds,
    "for": seconds(0, MAX_SECONDS),
    "keep": seconds(0, MAX_SECONDS),
    "severity": one_of(*_SEVERITIES),
    "nodes": _node_patterns,
    "objects": _patterns,
}
"""The fields of a rule, and the check of each."""

BUILT_IN_RULES = rules([], "")
"""The rules in force without any setting."""
