"""What an examination finds: a line each, fine or with what to do."""

from collections.abc import Iterable, Iterator
from enum import IntEnum

from msgspec import Struct
from msgspec.structs import replace


class Level(IntEnum):
    """How bad it is; the worst one is the exit status."""

    OK = 0
    REMARK = 1
    """It works, but should be mended."""
    FAULT = 2
    """Something does not work."""


class Finding(Struct, frozen=True):
    """One line: which check it is of, what was found, and what to do where it is not fine.

    ``nodes``: those that it is about. Until findings are ``merged``, ``{}`` in the text stands for them.
    """

    check: str
    level: Level
    text: str
    todo: str = ""
    nodes: tuple[str, ...] = ()


def fine(check: str, text: str) -> Finding:
    """A finding that is fine."""
    return Finding(check, Level.OK, text)


def remark(check: str, text: str, todo: str, *nodes: str) -> Finding:
    """A finding that should be mended."""
    return Finding(check, Level.REMARK, text, todo, nodes)


def fault(check: str, text: str, todo: str, *nodes: str) -> Finding:
    """A finding that keeps something from working."""
    return Finding(check, Level.FAULT, text, todo, nodes)


def merged(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield one finding for those that say the same of several nodes, at the place of the first."""
    groups: dict[tuple[str, Level, str], list[Finding]] = {}
    for one in findings:
        groups.setdefault((one.check, one.level, one.text), []).append(one)
    for first, *more in groups.values():
        nodes = tuple(dict.fromkeys(node for one in (first, *more) for node in one.nodes))
        text = first.text.replace("{}", some(nodes), 1) if nodes else first.text
        alike = all(one.todo == first.todo for one in more)
        todo = first.todo if alike else f"{first.todo}; and so on the others"
        yield replace(first, text=text, todo=todo, nodes=nodes)


def some(names: Iterable[str], most: int = 6) -> str:
    """Return the first of these names, and how many more there are."""
    shown = list(names)
    rest = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {rest} more" if rest > 0 else "")


def worst(findings: Iterable[Finding]) -> Level:
    """The worst level."""
    return max((finding.level for finding in findings), default=Level.OK)
