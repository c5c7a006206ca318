"""What a rule can be about: the numbers of a node, paths into its sections, and what its agent knows.

A *reading* of a metric is its value by object (mount, device, sensor …; "" for the node itself). A
value is None while it is unknown; an object that is not there any more is not in the reading.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import count
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import UNSET

from nodnod_client.alerts import MAX_OBJECT
from nodnod_client.codec import section_decoder
from nodnod_client.printable import replace_unprintable
from nodnod_client.sections import (
    SHAPES,
    Container,
    Custom,
    CustomNumber,
    Fan,
    Filesystem,
    Gpu,
    Memory,
    Sensors,
    Temperature,
)

Rows = Iterable[tuple[str, float | None]]
Reading = dict[str, float | None]

STATS = ""
"""In place of a section: the numbers of every sample."""

AGENT = "agent"
"""In place of a section: what the agent knows of itself."""

NUMBERS = (
    *("cpuUsed", "memoryTotal", "memoryUsed", "memoryUsedPercent"),
    *("diskTotal", "diskUsed", "diskUsedPercent", "recvBytes", "sentBytes", "load1"),
)

STALE_FOR = "agent.staleFor"
"""Seconds since the last sample, once some are missing; else 0."""

CERTIFICATE_DAYS = "agent.certificateDays"
"""Days until the agent's own certificate expires."""

CLOCK_OFFSET = "agent.clockOffset"
"""Seconds between the clock of this node and the median of the others', without a sign."""

SAME_NAME = "agent.sameName"
"""Other nodes that are up and have this node's name."""

AGENT_METRICS = (STALE_FOR, CERTIFICATE_DAYS, CLOCK_OFFSET, SAME_NAME)


class Metric(NamedTuple):
    """A metric, the section that has it (or STATS, or AGENT), and its rows in the decoded section."""

    path: str
    section: str
    rows: Callable[[Any], Rows]

    def reading(self, section: Any) -> Reading:
        """The value of each object; objects of one name are numbered from the second on."""
        found: Reading = {}
        for name, value in self.rows(section):
            key = replace_unprintable(name)[:MAX_OBJECT]
            if key in found:
                key = next(
                    k for n in count(2) if (k := f"{key[: MAX_OBJECT - 8]} #{n}") not in found
                )
            found[key] = value
        return found


def find(path: str) -> Metric | None:
    """The metric of this name, if there is one."""
    path = _OTHER_NAMES.get(path, path)
    section, _, rest = path.partition(".")
    if path in NUMBERS:
        return Metric(path, STATS, lambda stats: (("", stats.get(path)),))
    if path in AGENT_METRICS:
        return Metric(path, AGENT, lambda known: (("", known.get(path)),))
    if path in _DERIVED:
        return Metric(path, section, _DERIVED[path])
    if section == "custom" and _CUSTOM_NAME.fullmatch(rest):
        return Metric(path, section, lambda custom: _custom(custom, rest))
    if section not in SHAPES or not rest:
        return None
    rows = _reader(SHAPES[section], tuple(rest.split(".")))
    return None if rows is None else Metric(path, section, rows)


def known() -> list[str]:
    """The names of all metrics, but ``custom.NAME``."""
    below = (f"{name}.{path}" for name, shape in SHAPES.items() for path in _paths(shape))
    fields = (path for path in below if not path.startswith("custom.") and find(path))
    return [*NUMBERS, *AGENT_METRICS, *_DERIVED, *fields]


def decode(section: str, data: bytes) -> Any:
    """A section of this node; None if the machine has none. Raises ValidationError if not read."""
    return section_decoder(section).decode(data)


# Values that no field of a section has.


def _swap(memory: Memory) -> Rows:
    if memory.swap_total:
        used = memory.swap_used
        yield "", None if used is None else 100 * used / memory.swap_total


def _counted(field: str) -> Callable[[list[Filesystem]], Rows]:
    """A field of the filesystems that are in the disk total: not of other machines', nor images."""
    return lambda rows: (
        (row.mount, getattr(row, field) if row.error is UNSET else None)
        for row in rows
        if row.counted
    )


def _stuck(rows: list[Filesystem]) -> Rows:
    return ((row.mount, float(row.stuck_since is not UNSET)) for row in rows)


def _critical_percent(sensors: Sensors) -> Rows:
    for row in sensors.temperatures:
        has_limit = row.critical is not None and row.critical > 0
        # Rounded down: so 100 means that the limit is reached.
        yield row.name, 100 * row.value // row.critical if has_limit else None  # type: ignore[operator]


_DERIVED: Mapping[str, Callable[[Any], Rows]] = {
    "memory.swapUsedPercent": _swap,
    "filesystems.counted.usedPercent": _counted("used_percent"),
    "filesystems.counted.inodesUsedPercent": _counted("inodes_used_percent"),
    "filesystems.stuck": _stuck,
    "sensors.temperatures.criticalPercent": _critical_percent,
}

_OTHER_NAMES = {"sensors.temperatures.celsius": "sensors.temperatures.value"}

_CUSTOM_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]{0,199}")


def _custom(custom: Custom, name: str) -> Rows:
    stale = {file.name for file in custom.files if file.stale}
    for number in custom.numbers:
        if number.name == name:
            yield _labels(number), None if number.file in stale else number.value


def _labels(number: CustomNumber) -> str:
    return ",".join(f"{name}={value}" for name, value in number.labels.items())


# Fields of sections.

_NAMES: Mapping[type, Callable[[int, Any], str]] = {
    Filesystem: lambda _, row: row.mount,
    Temperature: lambda _, row: row.name,
    Fan: lambda _, row: row.name,
    Gpu: lambda index, _: str(index),
    Container: lambda _, row: row.name or row.id[:12],
}
"""The lists that name things which stay, and how; others (the top processes) are no metrics."""


def _reader(shape: Any, path: tuple[str, ...]) -> Callable[[Any], Rows] | None:
    """A function from a value of this shape to the rows of a path below it."""
    shape = _plain(shape)
    arguments = get_args(shape)
    if not path:
        if shape in (int, float):
            return lambda value: (("", value),)
        if get_origin(shape) is list and _plain(arguments[0]) in (int, float):
            return lambda values: ((str(index), value) for index, value in enumerate(values))
        return None
    if get_origin(shape) in (list, dict):
        inner = _reader(arguments[-1], path)
        name = _NAMES.get(arguments[-1])
        if inner is None or (name is None and get_origin(shape) is list):
            return None
        return partial(_of_each, inner, name)
    field = _fields(shape).get(path[0])
    inner = None if field is None else _reader(field.type, path[1:])
    if field is None or inner is None:
        return None
    return partial(_of_field, inner, field.name, len(path) == 1)


def _of_each(
    inner: Callable[[Any], Rows], name: Callable[[int, Any], str] | None, rows: Any
) -> Rows:
    named = (
        rows.items()
        if name is None
        else ((name(index, row), row) for index, row in enumerate(rows))
    )
    for key, row in named:
        unknown = getattr(row, "error", UNSET) is not UNSET
        for _, value in inner(row):
            yield key, None if unknown else value


def _of_field(inner: Callable[[Any], Rows], name: str, is_last: bool, row: Any) -> Rows:
    value = getattr(row, name)
    if value is not None:
        return inner(value)
    return (("", None),) if is_last else ()  # unknown, or the machine has no such thing


def _paths(shape: Any) -> Iterator[str]:
    """The paths of everything below a shape."""
    shape = _plain(shape)
    if get_origin(shape) in (list, dict):
        yield from _paths(get_args(shape)[-1])
    for name, field in _fields(shape).items():
        yield name
        yield from (f"{name}.{path}" for path in _paths(field.type))


def _fields(shape: Any) -> dict[str, msgspec.structs.FieldInfo]:
    """The fields of a struct by their wire names, but those that are mostly absent."""
    if not (isinstance(shape, type) and issubclass(shape, msgspec.Struct)):
        return {}
    fields = msgspec.structs.fields(shape)
    return {one.encode_name: one for one in fields if msgspec.UnsetType not in get_args(one.type)}


def _plain(shape: Any) -> Any:
    """A type without None."""
    if get_origin(shape) not in (Union, UnionType):
        return shape
    return next(one for one in get_args(shape) if one is not type(None))
