"""Changes an input so that it stays nearly valid, which a fuzzer of bytes seldom manages.

A mutator understands that an input has lines, and that lines may end with JSON. The values and
names that it inserts come from the other inputs.
"""

import json
import random
import re
from collections.abc import Iterable
from typing import Any

_WORD = re.compile(rb'"[A-Za-z]+":?|[A-Z][A-Za-z-]+: |\n[A-Za-z!*|/]|/[a-z/]+|\\u[0-9a-f]{4}')
_EDGE_NUMBERS = (0, -1, 1, 2, 0.05, 0.25, 30, 3600, 2**53 - 1, 2**53, 2**63, 10**30)
_EDGE_FLOATS = (-0.0, 1e308, float("inf"))
_EDGE_TEXTS = ("", "x" * 65, "x" * 200, "\0", "\u202e", "\ud800", "☃", "*")
_EDGE_VALUES = (*_EDGE_NUMBERS, *_EDGE_FLOATS, None, True, False, *_EDGE_TEXTS, [], {}, [[]])


def words(inputs: Iterable[bytes]) -> list[bytes]:
    """The words in inputs, for the fuzzer's dictionary."""
    return sorted({word for data in inputs for word in _WORD.findall(data)})


class Mutator:
    """Call it with an input and a source of randomness; ``None`` if nothing was changed."""

    def __init__(self, inputs: Iterable[bytes]) -> None:
        lines = sorted({line for data in inputs for line in data.split(b"\n")})
        self._lines = [line for line in lines if line]
        documents = [found for line in self._lines if (found := _document(line)[1]) is not None]
        parts = [part for document in documents for part in _parts(document)]
        self._values = [
            *_EDGE_VALUES,
            *(part for part in parts if not isinstance(part, dict | list)),
        ]
        self._names = sorted({name for part in parts if isinstance(part, dict) for name in part})

    def __call__(self, data: bytes, rng: random.Random) -> bytes | None:
        lines = data.split(b"\n")
        at = rng.randrange(len(lines))
        prefix, document = _document(lines[at])
        if document is None or rng.random() < 0.3:
            self._change_lines(lines, at, rng)
        else:
            self._change_document(document, rng)
            lines[at] = prefix + _encode(document, rng)
        changed = b"\n".join(lines)
        return changed if changed != data else None

    def _change_lines(self, lines: list[bytes], at: int, rng: random.Random) -> None:
        how = rng.randrange(4)
        if how == 0 and len(lines) > 1:
            del lines[at]
        elif how == 1:
            lines.insert(at, lines[rng.randrange(len(lines))])
        elif how == 2:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        else:
            lines.insert(at + 1, rng.choice(self._lines))

    def _change_document(self, document: Any, rng: random.Random) -> None:
        """Change one object or array in place."""
        place = rng.choice([part for part in _parts(document) if isinstance(part, dict | list)])
        value = _copy(rng.choice([*self._values, *_parts(document)][:10_000]))
        if isinstance(place, list):
            if place and rng.random() < 0.5:
                place[rng.randrange(len(place))] = value
            else:
                place.append(value)
            return
        how = rng.randrange(4)
        name = rng.choice(list(place)) if place else rng.choice(self._names)
        if how == 0:
            place.pop(name, None)
        else:
            place[rng.choice(self._names) if how == 1 else name] = value


def _document(line: bytes) -> tuple[bytes, Any]:
    """The beginning of a line, and the JSON object or array at its end."""
    starts = [at for at in (line.find(b"{"), line.find(b"[")) if at >= 0]
    if starts:
        start = min(starts)
        try:
            return line[:start], json.loads(line[start:])
        except (ValueError, RecursionError):
            pass
    return line, None


def _parts(document: Any) -> list[Any]:
    """A document and everything in it."""
    parts, at = [document], 0
    while at < len(parts) and at < 1000:
        part = parts[at]
        if isinstance(part, dict | list):
            parts += part.values() if isinstance(part, dict) else part
        at += 1
    return parts


def _copy(value: Any) -> Any:
    # Without a copy, a document could contain itself.
    return json.loads(json.dumps(value))


def _encode(document: Any, rng: random.Random) -> bytes:
    """As JSON, with or without spaces, sometimes with a repeated name."""
    separators = rng.choice([(",", ":"), (", ", ": ")])
    text = json.dumps(document, separators=separators).replace("Infinity", "1e999")
    if rng.random() < 0.05:
        name = re.search(r'"\w*": ?', text[rng.randrange(len(text)) :])
        if name:
            text = text.replace(name[0], f"{name[0]}0,{name[0]}", 1)
    return text.encode()
