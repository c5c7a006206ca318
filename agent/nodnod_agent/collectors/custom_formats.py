"""Parses the files of the ``custom`` section: Prometheus' text format, and JSON objects.

Faults never quote what a file holds, but for names that are checked: a file may be another one than
its owner thinks, and the agent may read more than those who ask it.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TextIO, cast

from nodnod_client.sections import CustomFamily, CustomNumber

MAX_NUMBERS = 2000
"""Numbers of all files together. 2,000 with labels take 50 ms to parse."""

MAX_LINE = 1000
"""Characters of a line: the parser's time grows with the square of it."""

MAX_HELP = 300
"""Characters of a help text that are kept."""

TYPES = frozenset({"counter", "gauge", "histogram", "summary"})
"""The types of Prometheus' text format but for ``untyped``."""

OWN_PREFIXES = ("nodnod_", "process_")
"""How the names of the agent's own metrics begin."""

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,199}")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,99}")

Series = tuple[object, ...]
"""The name and the labels of a number, of which there is only one."""


class Content:
    """The numbers of one file, and what is wrong with it; a number that is wrong is left out."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.numbers: dict[Series, CustomNumber] = {}
        self.families: dict[str, CustomFamily] = {}
        self.faults: list[str] = []

    def add(self, name: str, value: object, labels: Mapping[str, str] | None = None) -> None:
        """Take a number, or note its fault."""
        labels = labels or {}
        if not is_name(name):
            self.faults.append("a name has other characters than letters, digits, _ and :")
        elif name.startswith(OWN_PREFIXES):
            begin = " or ".join(OWN_PREFIXES)
            self.faults.append(f"{name}: names that begin with {begin} are the agent's own")
        elif not all(map(is_label, labels)):
            self.faults.append(f"{name}: a label has a name that Prometheus does not allow")
        elif (number := _finite(value)) is None:
            self.faults.append(f"{name} is no finite number")
        elif (series := (name, *sorted(labels.items()))) in self.numbers:
            self.faults.append(f"{name} is there twice with the same labels; the first counts")
        else:
            self.numbers[series] = CustomNumber(self._file, name, number, dict(labels))

    def describe(self, name: str, type_: str, help_: str) -> None:
        """Take what is said of a family, unless that is nothing."""
        if type_ not in TYPES:
            type_ = "untyped"
        if type_ == "untyped" and not help_:
            return
        family = CustomFamily(self._file, name, type_, help_[:MAX_HELP])
        if self.families.setdefault(name, family).type != type_:
            self.faults.append(f"{name} has two types; the first counts")


def is_name(name: str) -> bool:
    """Whether Prometheus allows this name of a metric, in any version."""
    return _NAME.fullmatch(name) is not None


def is_label(name: str) -> bool:
    """Whether Prometheus allows this name of a label, in any version."""
    return _LABEL.fullmatch(name) is not None


def parse_prom(data: bytes, file: str) -> Content:
    """Prometheus' text format, from a file of this name; what follows a line that is wrong is lost.

    Timestamps are not kept. The name of a counter ends in ``_total``, and is made to.
    """
    # Imported here: the library takes memory, and few agents have such files.
    from prometheus_client.parser import text_fd_to_metric_families

    content = Content(file)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        content.faults.append("not UTF-8 text")
        return content
    lines = _Lines(text, content.faults)
    try:
        # The parser only iterates over the lines.
        for family in text_fd_to_metric_families(cast("TextIO", lines)):
            before = len(content.numbers)
            for sample in family.samples:
                content.add(sample.name, sample.value, sample.labels)
            if len(content.numbers) > before:
                ending = "_total" if family.type == "counter" else ""
                content.describe(family.name + ending, family.type, family.documentation)
    except Exception:  # noqa: BLE001 - ValueError or, for some lines, IndexError
        content.faults.append(f"line {lines.number} is not in Prometheus' text format")
    return content


class _Lines:
    """The lines of a file up to the first that cannot be parsed, which is a fault."""

    def __init__(self, text: str, faults: list[str]) -> None:
        self.number = 0
        self._text = text
        self._faults = faults

    def __iter__(self) -> Iterator[str]:
        numbers = 0
        *lines, rest = self._text.split("\n")
        for line in lines:
            self.number += 1
            if len(line) > MAX_LINE:
                self._faults.append(f"line {self.number} has more than {MAX_LINE} characters")
                return
            if line.strip() and not line.lstrip().startswith("#"):
                numbers += 1
                if numbers > MAX_NUMBERS:
                    self._faults.append(too_many())
                    return
            yield line
        if rest:
            self._faults.append("the last line has no end; is the file still being written?")


def parse_json(data: bytes, file: str) -> Content:
    """A JSON object of numbers by name, from a file of this name."""
    content = Content(file)
    try:
        # Objects become tuples of pairs, so that a repeated name is seen.
        document = json.loads(data.decode(), object_pairs_hook=tuple)
    except UnicodeDecodeError:
        content.faults.append("not UTF-8 text")
    except json.JSONDecodeError as error:
        content.faults.append(f"not JSON: line {error.lineno}, column {error.colno}")
    except (ValueError, RecursionError):  # a number of more than 4,300 digits
        content.faults.append("not JSON that can be read")
    else:
        if not isinstance(document, tuple):
            content.faults.append("not a JSON object of numbers by name")
            return content
        if len(document) > MAX_NUMBERS:
            content.faults.append(too_many())
        for name, value in document[:MAX_NUMBERS]:
            content.add(name, value)
    return content


def too_many() -> str:
    """The fault of the file whose numbers are too many."""
    return f"more than {MAX_NUMBERS} numbers; the rest is left out"


def summary(faults: Iterable[str]) -> str:
    """All faults of a file in one line; empty if there are none."""
    first, *others = [*faults] or [""]
    return f"{first} (and {len(others)} more faults)" if others else first


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer of any size
        return None
    return number if math.isfinite(number) else None
