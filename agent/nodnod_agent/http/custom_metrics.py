"""The numbers of custom files as metrics, under their own names.

A page is valid only if each family is on it once, with one type, and no number belongs to two. Files
and nodes need not agree on that, and a peer may send anything. So a family keeps its type only if
all that send it say the same, if no name of it is used otherwise, and if its buckets and quantiles
have bounds; else each of its names is a family of its own, without a type.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client.core import Metric

from nodnod_agent.collectors.custom_formats import OWN_PREFIXES, is_label, is_name
from nodnod_agent.http.metric_table import NodeSections
from nodnod_client.sections import Custom

HELP = "From a file of custom.directory."
"""Where a file has none."""

UNTYPED = "untyped"

_ENDINGS = {
    "counter": ("",),
    "gauge": ("",),
    "histogram": ("", "_bucket", "_sum", "_count"),
    "summary": ("", "_sum", "_count"),
}
"""Type -> how the names end that a family takes; no number of a histogram has the first."""

_BOUNDS = {"histogram": ("le", "_bucket"), "summary": ("quantile", "")}
"""Type -> the label that is a number, and the ending of the name that must have it."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)

_Labels = tuple[tuple[str, str], ...]


class _Family(NamedTuple):
    """One family; its name is that of its numbers, but for histograms and summaries."""

    name: str
    type: str

    @property
    def base(self) -> str:
        """The name to which the library adds the ending of a counter; empty if it lacks that."""
        if self.type != "counter":
            return self.name
        return self.name.removesuffix("_total") if self.name.endswith("_total") else ""

    @property
    def names(self) -> list[str]:
        """The names that it takes, its own among them."""
        return [self.name + ending for ending in _ENDINGS.get(self.type, ("",))]

    def has_bounds(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a number of it has the bound that it must have, and no wrong one."""
        label, ending = _BOUNDS.get(self.type, ("", ""))
        needed = bool(label) and name == self.name + ending
        return is_bound(labels.get(label, "")) if needed or label in labels else True


def custom_metrics(nodes: Iterable[NodeSections], *, by_node: bool) -> Iterator[Metric]:
    """Yield the numbers of all custom files but the stale ones; ``by_node`` adds the label ``node``."""
    found: dict[_Family, dict[tuple[str, _Labels], float]] = {}
    takers: dict[str, set[_Family]] = {}
    helps: dict[str, str] = {}
    unsound: set[_Family] = set()
    for node in nodes:
        custom: Custom | None = node.sections.get("custom")
        if custom is None:
            continue
        described = _described(custom, helps)
        stale = {file.name for file in custom.files if file.stale}
        for number in custom.numbers:
            name, labels = number.name, number.labels
            if number.file in stale or not is_name(name) or name.startswith(OWN_PREFIXES):
                continue
            if not all(map(is_label, labels)):
                continue
            family = described.get((number.file, name)) or _Family(name, UNTYPED)
            if family not in found:
                found[family] = {}
                for taken in family.names:
                    takers.setdefault(taken, set()).add(family)
            if not family.has_bounds(name, labels):
                unsound.add(family)
            if by_node:
                labels = _of_node(labels, node.name)
            found[family][name, tuple(sorted(labels.items()))] = number.value
    for several in takers.values():
        if len(several) > 1:
            unsound |= several
    yield from _metrics(found, unsound, helps)


def _described(custom: Custom, helps: dict[str, str]) -> dict[tuple[str, str], _Family]:
    """The families of one node, by file and the name of a number; the first help counts."""
    described: dict[tuple[str, str], _Family] = {}
    for told in custom.families:
        family = _Family(told.name, told.type)
        if told.help:
            helps.setdefault(told.name, told.help)
        if told.type in _ENDINGS and is_name(family.base):
            for name in family.names:
                described.setdefault((told.file, name), family)
    return described


def _of_node(labels: Mapping[str, str], node: str) -> dict[str, str]:
    """With the label ``node``; one of that name is called otherwise, as Prometheus does it."""
    other = "exported_node"
    while other in labels:
        other = f"exported_{other}"
    return {other if label == "node" else label: text for label, text in labels.items()} | {
        "node": node
    }


def _metrics(
    found: Mapping[_Family, Mapping[tuple[str, _Labels], float]],
    unsound: set[_Family],
    helps: Mapping[str, str],
) -> Iterator[Metric]:
    untyped: dict[str, dict[_Labels, float]] = {}
    for family, numbers in found.items():
        if family.type == UNTYPED or family in unsound:
            for (name, labels), value in numbers.items():
                untyped.setdefault(name, {})[labels] = value
            continue
        metric = _metric(family, helps)
        for (name, labels), value in numbers.items():
            metric.add_sample(name, dict(labels), value)
        yield metric
    for name, series in untyped.items():
        metric = _metric(_Family(name, UNTYPED), helps)
        for labels, value in series.items():
            metric.add_sample(name, dict(labels), value)
        yield metric


def _metric(family: _Family, helps: Mapping[str, str]) -> Metric:
    return Metric(family.base, helps.get(family.name, HELP), family.type)


def is_bound(text: str) -> bool:
    """Whether Prometheus reads it as a number."""
    if _NUMBER.fullmatch(text):
        return math.isfinite(float(text))
    return text in ("+Inf", "-Inf", "Inf", "NaN")
