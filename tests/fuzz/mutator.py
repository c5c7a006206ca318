"""Makes an input another one that is still nearly right: what a fuzzer of bytes seldom manages.

Two things are understood of an input: that it has lines, and that there is JSON in them. The values
and names that it puts in are those of the other inputs, so that it knows the protocol from them.
"""

import json
import random
import re
from collections.abc import Iterable
from typing import Any

_WORD = re.compile(rb'"[A-Za-z]+":?|[A-Z][A-Za-z-]+: |\n[A-Za-z!*|/]|/[a-z/]+|\\u[0-9a-f]{4}')
_ODD = (
    *(
        0,
        -1,
        1,
        2,
        0.05,
        0.25,
        30,
        3600,
        2**53 - 1,
        2**53,
        2**63,
        10**30,
        -0.0,
        1e308,
        float("inf"),
    ),
    *(None, True, False, "", "x" * 65, "x" * 200, "\0", "\u202e", "\ud800", "☃", "*", [], {}, [[]]),
)


def words(inputs: Iterable[bytes]) -> list[bytes]:
    """What inputs are made of, for the fuzzer's dictionary."""
    return sorted({word for data in inputs for word in _WORD.findall(data)})


class Mutator:
    """Call it with an input and a chance; ``None`` where it can make nothing of it."""

    def __init__(self, inputs: Iterable[bytes]) -> None:
        lines = sorted({line for data in inputs for line in data.split(b"\n")})
        self._lines = [line for line in lines if line]
        documents = [found for line in self._lines if (found := _document(line)[1]) is not None]
        parts = [part for document in documents for part in _parts(document)]
        self._values = [*_ODD, *(part for part in parts if not isinstance(part, dict | list))]
        self._names = sorted({name for part in parts if isinstance(part, dict) for name in part})

    def __call__(self, data: bytes, chance: random.Random) -> bytes | None:
        lines = data.split(b"\n")
        at = chance.randrange(len(lines))
        start, document = _document(lines[at])
        if document is None or chance.random() < 0.3:
            self._change_lines(lines, at, chance)
        else:
            self._change(document, chance)
            lines[at] = start + _written(document, chance)
        changed = b"\n".join(lines)
        return changed if changed != data else None

    def _change_lines(self, lines: list[bytes], at: int, chance: random.Random) -> None:
        how = chance.randrange(4)
        if how == 0 and len(lines) > 1:
            del lines[at]
        elif how == 1:
            lines.insert(at, lines[chance.randrange(len(lines))])
        elif how == 2:
            other = chance.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        else:
            lines.insert(at + 1, chance.choice(self._lines))

    def _change(self, document: Any, chance: random.Random) -> None:
        """Change one place of a document in its place."""
        places = [part for part in _parts(document) if isinstance(part, dict | list)]
        place = chance.choice(places)
        value = chance.choice([*self._values, *_parts(document)][:10_000])
        if isinstance(place, list):
            if place and chance.random() < 0.5:
                place[chance.randrange(len(place))] = _copy(value)
            else:
                place.append(_copy(value))
            return
        how = chance.randrange(4)
        name = chance.choice(list(place)) if place else chance.choice(self._names)
        if how == 0:
            place.pop(name, None)
        elif how == 1:
            place[chance.choice(self._names)] = _copy(value)
        else:
            place[name] = _copy(value)


def _document(line: bytes) -> tuple[bytes, Any]:
    """What a line begins with, and the JSON object or array that it ends with."""
    starts = [at for at in (line.find(b"{"), line.find(b"[")) if at >= 0]
    if starts:
        start = min(starts)
        try:
            return line[:start], json.loads(line[start:])
        except (ValueError, RecursionError):
            pass
    return line, None


def _parts(document: Any) -> list[Any]:
    """A document and all that is in it."""
    parts, at = [document], 0
    while at < len(parts) and at < 1000:
        part = parts[at]
        if isinstance(part, dict | list):
            parts += part.values() if isinstance(part, dict) else part
        at += 1
    return parts


def _copy(value: Any) -> Any:
    # Else a document could come to stand in itself.
    return json.loads(json.dumps(value))


def _written(document: Any, chance: random.Random) -> bytes:
    """As JSON, close or with spaces, perhaps with a name in it twice."""
    separators = chance.choice([(",", ":"), (", ", ": ")])
    text = json.dumps(document, separators=separators).replace("Infinity", "1e999")
    if chance.random() < 0.05:
        name = re.search(r'"\w*": ?', text[chance.randrange(len(text)) :])
        if name:
            text = text.replace(name[0], f"{name[0]}0,{name[0]}", 1)
    return text.encode()
