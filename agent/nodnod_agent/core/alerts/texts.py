"""What alerts say: one sentence for people, with the value, the threshold and the time."""

from nodnod_agent.core.alerts.metrics import (
    CERTIFICATE_DAYS,
    CLOCK_OFFSET,
    SAME_NAME,
    STALE_FOR,
)
from nodnod_agent.core.alerts.rules import Rule
from nodnod_client.alerts import MAX_TEXT

_MAX_OBJECT = 120
"""Characters of an object's name in a sentence; the alert has it whole."""

_SENTENCES = {
    "cpuUsed": "CPU is {value} busy",
    "memoryUsedPercent": "memory is {value} used",
    "diskUsedPercent": "the disks are {value} full",
    "memory.swapUsedPercent": "swap is {value} used",
    "filesystems.usedPercent": "{object} is {value} full",
    "filesystems.counted.usedPercent": "{object} is {value} full",
    "filesystems.inodesUsedPercent": "{object} has {value} of its inodes in use",
    "filesystems.counted.inodesUsedPercent": "{object} has {value} of its inodes in use",
    "sensors.temperatures.criticalPercent": "{object} is at {value} of its critical temperature",
    CERTIFICATE_DAYS: "the certificate of the agent expires in {value}",
    CLOCK_OFFSET: "the clock differs by {value} from the median of the other nodes",
}

_YES_OR_NO = {
    "filesystems.stuck": ("{object} does not answer", "{object} answers again"),
    STALE_FOR: ("no sample of this machine for {value}", "the machine is sampled again"),
    SAME_NAME: (
        "other nodes with the name of this one: {value}",
        "no other node has the name of this one",
    ),
}
"""Metrics whose threshold says nothing: the sentence of a problem, and that of its end."""


def firing(rule: Rule, threshold: float, name: str, value: float) -> str:
    """``memory is 93 % used (above 90 %) for 60 s``."""
    if rule.metric == CERTIFICATE_DAYS and value <= 0:
        return "the certificate of the agent has expired"
    if rule.metric in _YES_OR_NO:
        return _filled(_YES_OR_NO[rule.metric][0], rule, name, value)
    what = _filled(_sentence(rule, name), rule, name, value)
    lasting = f" for {_duration(rule.hold)}" if rule.hold else ""
    return f"{what} ({rule.side} {_shown(rule, threshold)}){lasting}"


def resolved(rule: Rule, threshold: float | None, name: str, value: float | None) -> str:
    """``memory is 80 % used, no longer above 90 %``; without a value, the object has gone."""
    if value is None:
        return f"{_short(name) or rule.metric} is no longer measured"
    if rule.metric in _YES_OR_NO:
        return _filled(_YES_OR_NO[rule.metric][1], rule, name, value)
    what = _filled(_sentence(rule, name), rule, name, value)
    return what if threshold is None else f"{what}, no longer {rule.side} {_shown(rule, threshold)}"


def ended(rule: str) -> str:
    """An alert whose rule was switched off, or is about other nodes now."""
    return f"the rule {rule} is no longer in force here"


def with_more(text: str, more: int) -> str:
    """The text of the last alert that could be told, when there are more."""
    addition = f"; and {more} more alerts of this node that are not listed"
    return text[: MAX_TEXT - len(addition)] + addition


def _sentence(rule: Rule, name: str) -> str:
    default = "{metric} of {object} is {value}" if name else "{metric} is {value}"
    return _SENTENCES.get(rule.metric, default)


def _filled(sentence: str, rule: Rule, name: str, value: float) -> str:
    return sentence.format(metric=rule.metric, object=_short(name), value=_shown(rule, value))


def _short(name: str) -> str:
    return name if len(name) <= _MAX_OBJECT else f"{name[:_MAX_OBJECT]}…"


_PERCENT = {"cpuUsed", "cpuOfLimit", "utilisation", "some", "full", "percent"}
_BYTES = {"memoryTotal", "memoryUsed", "memoryLimit", "diskTotal", "diskUsed"}
_SECTIONS_OF_BYTES = {"memory", "filesystems"}
_OTHER_UNITS = {
    "cpu.frequency": "MHz",
    "sensors.temperatures.value": "°C",
    "gpu.temperature": "°C",
    CERTIFICATE_DAYS: "days",
    CLOCK_OFFSET: "s",
    STALE_FOR: "s",
}
_UNITS_OF_BYTES = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def _shown(rule: Rule, value: float) -> str:
    """A value of the rule's metric, with its unit where that is known."""
    section, _, path = rule.metric.partition(".")
    field = (path or section).rpartition(".")[2]
    if section == "custom":
        return _number(value)
    if rule.metric in _OTHER_UNITS:
        return f"{_number(value)} {_OTHER_UNITS[rule.metric]}"
    if field.endswith("Percent") or field in _PERCENT or section == "cpu":
        return f"{_number(value)} %"
    if field.endswith("Bytes"):
        return f"{_bytes(value)}/s"
    if field in _BYTES or section in _SECTIONS_OF_BYTES:
        return _bytes(value)
    return _number(value)


def _number(value: float) -> str:
    """At most one decimal, or three digits of a small one."""
    if value == 0 or 1 <= abs(value) < 1e15:
        return f"{value:.1f}".removesuffix(".0")
    return f"{value:.3g}"


def _bytes(value: float) -> str:
    power = 0
    while abs(value) >= 1024 and power < len(_UNITS_OF_BYTES) - 1:
        value, power = value / 1024, power + 1
    return f"{_number(value)} {_UNITS_OF_BYTES[power]}"


def _duration(seconds: float) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length and seconds % length == 0:
            return f"{seconds / length:.0f} {unit}"
    return f"{_number(seconds)} s"
