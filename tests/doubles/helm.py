"""Renders a Helm chart, of whose template language it knows what the chart of the examples uses.

That is: ``.Values``, ``.Release`` and ``.Chart``, ``if``, ``else``, ``range``, pipes, and the functions
``default``, ``quote``, ``toYaml`` and ``nindent``. Everything else is a KeyError or a ValueError.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

_ACTION = re.compile(r"(\s*\{\{-|\{\{)\s*(.*?)\s*(-\}\}\s*|\}\})", re.DOTALL)

Tokens = Iterator[tuple[bool, str]]


class Chart:
    """The chart in a directory, released under a name in a namespace."""

    def __init__(self, directory: Path, name: str = "nodnod", namespace: str = "nodnod") -> None:
        self._templates = sorted((directory / "templates").glob("*.yaml"))
        self._values = yaml.safe_load((directory / "values.yaml").read_text())
        chart = yaml.safe_load((directory / "Chart.yaml").read_text())
        # Go's names of these fields begin with a capital letter.
        self._scope = {
            "Chart": {key[0].upper() + key[1:]: value for key, value in chart.items()},
            "Release": {"Name": name, "Namespace": namespace},
        }

    def render(self, **values: object) -> dict[str, Any]:
        """The documents by kind, with these values merged into those of the chart."""
        scope = {**self._scope, "Values": _merged(self._values, values)}
        texts = [_rendered(path.read_text(), scope) for path in self._templates]
        documents = [one for text in texts for one in yaml.safe_load_all(text) if one]
        return {document["kind"]: document for document in documents}


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = {key: (base[key], over[key]) for key in base.keys() & over.keys()}
    inner = {
        key: _merged(old, new)
        for key, (old, new) in both.items()
        if isinstance(old, dict) and isinstance(new, dict)
    }
    return {**base, **over, **inner}


def _rendered(text: str, scope: Mapping[str, Any]) -> str:
    rendered, end = _block(_tokens(text), scope, live=True)
    if end:
        raise ValueError(f"unexpected {end!r}")
    return rendered


def _tokens(text: str) -> Tokens:
    """Texts, and actions, which are marked by True."""
    start = 0
    for found in _ACTION.finditer(text):
        yield False, text[start : found.start()]
        yield True, found[2]
        start = found.end()
    yield False, text[start:]


def _block(tokens: Tokens, scope: Mapping[str, Any], *, live: bool) -> tuple[str, str]:
    """The text up to ``end`` or ``else``, which comes with it; where not ``live`` it is only read."""
    parts: list[str] = []
    for is_action, text in tokens:
        word, _, rest = text.partition(" ")
        if not is_action:
            parts.append(text)
        elif word in ("end", "else"):
            return "".join(parts), word
        elif word == "if":
            parts.append(_if(tokens, scope, bool(live and _value(rest, scope)), live=live))
        elif word == "range":
            parts.append(_range(list(_until_end(tokens)), rest, scope, live=live))
        elif live:
            parts.append(str(_value(text, scope)))
    return "".join(parts), ""


def _if(tokens: Tokens, scope: Mapping[str, Any], holds: bool, *, live: bool) -> str:
    text, end = _block(tokens, scope, live=live and holds)
    other = _block(tokens, scope, live=live and not holds)[0] if end == "else" else ""
    return text if holds else other


def _range(body: list[tuple[bool, str]], head: str, scope: Mapping[str, Any], *, live: bool) -> str:
    names, _, source = head.rpartition(" := ")
    items = _value(source, scope) if live else []
    parts = []
    for item in items:
        values = (item, items[item]) if isinstance(items, dict) else (item,)
        own = dict(zip(names.split(", "), values, strict=False)) if names else {"": item}
        parts.append(_block(iter(body), {**scope, **own}, live=True)[0])
    return "".join(parts)


def _until_end(tokens: Tokens) -> Tokens:
    depth = 1
    for token in tokens:
        is_action, text = token
        if is_action:
            depth += text.split(" ")[0] in ("if", "range")
            depth -= text == "end"
        if not depth:
            return
        yield token


def _value(expression: str, scope: Mapping[str, Any]) -> Any:
    first, *pipes = expression.split(" | ")
    function, _, argument = first.partition(" ")
    value = _apply(function, [_term(argument, scope)]) if argument else _term(first, scope)
    for pipe in pipes:
        function, *terms = pipe.split(" ")
        value = _apply(function, [*(_term(term, scope) for term in terms), value])
    return value


def _term(term: str, scope: Mapping[str, Any]) -> Any:
    if term.isdigit():
        return int(term)
    if term == ".":
        return scope[""]
    if term.startswith("$"):
        return scope[term]
    value: Any = scope
    for name in term.removeprefix(".").split("."):
        value = value[name]
    return value


def _apply(function: str, arguments: list[Any]) -> Any:
    if function == "default":
        default, value = arguments
        return value or default
    if function == "quote":
        return json.dumps(str(arguments[0]))
    if function == "toYaml":
        return yaml.safe_dump(arguments[0]).rstrip()
    if function == "nindent":
        width, text = arguments
        return "".join(f"\n{' ' * width}{line}" for line in text.splitlines())
    raise ValueError(f"unknown function {function!r}")
