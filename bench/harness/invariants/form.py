"""The form of an answer: JSON without duplicate names, and its fields in their order."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

_DISK = ("diskTotal", "diskUsed", "diskUsedPercent")
_MEMORY = ("memoryTotal", "memoryUsed", "memoryUsedPercent")

FIELDS: tuple[tuple[str, ...], ...] = (
    ("name", "cpuUsed", *_DISK, *_MEMORY, "error"),
    ("name", "cpuUsed", "error"),
    ("name", *_MEMORY, "error"),
    ("name", *_DISK, "error"),
)
"""The fields of a node object in their order, by ``statType``."""

CODES = {
    *("bad_json", "bad_request", "unknown_type", "unknown_section", "duplicate_id"),
    *("no_such_stream", "too_many_streams", "forbidden", "shutting_down"),
    *("no_such_silence", "too_many_silences"),
}

Violations = Iterator[str]
"""Sentences, one for each thing that is wrong."""


def parse(text: bytes | str) -> dict[str, Any]:
    """Read a JSON object. Raises ValueError, also for a duplicate name and for NaN or infinity."""
    document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    if not isinstance(document, dict):
        raise ValueError("not an object")
    return document


def check_form(answer: dict[str, Any]) -> Violations:
    """What is wrong with an answer, whatever it answers."""
    fields, error = list(answer), answer["error"]
    if fields[0] != "host" or not isinstance(error, str):
        yield f"host comes first, error is a text: {fields}"
    if not isinstance(answer.get("id", 0), int | str):
        yield f"an id is a number or a text, not {answer['id']!r}"
    if "code" in answer:
        if not error or answer["code"] not in CODES or answer["nodes"] != {}:
            yield f"not a refusal: {answer}"
    elif fields[1] == "nodes":
        if error:
            yield f"a request was refused without a code: {error}"
        for key, node in answer["nodes"].items():
            if node["name"] != key:
                yield f"{node['name']} is listed as {key}"
    tail = [field for field in ("error", "code", "done", "id", "seq") if field in answer]
    if fields[-len(tail) :] != tail:
        yield f"fields out of order: {fields}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]
        raise ValueError(f"duplicate names: {', '.join(twice)}")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
