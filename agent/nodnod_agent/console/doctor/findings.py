"""What an examination finds: a line each, fine or with what to do."""

from collections.abc import Iterable
from enum import IntEnum

from msgspec import Struct


class Level(IntEnum):
    """How bad it is; the worst one is the exit status."""

    OK = 0
    REMARK = 1
    """It works, but should be mended."""
    FAULT = 2
    """Something does not work."""


class Finding(Struct, frozen=True):
    """One line: which check it is of, what was found, and what to do where it is not fine."""

    check: str
    level: Level
    text: str
    todo: str = ""


def fine(check: str, text: str) -> Finding:
    """A finding that is fine."""
    return Finding(check, Level.OK, text)


def remark(check: str, text: str, todo: str) -> Finding:
    """A finding that should be mended."""
    return Finding(check, Level.REMARK, text, todo)


def fault(check: str, text: str, todo: str) -> Finding:
    """A finding that keeps something from working."""
    return Finding(check, Level.FAULT, text, todo)


def worst(findings: Iterable[Finding]) -> Level:
    """The worst level."""
    return max((finding.level for finding in findings), default=Level.OK)
