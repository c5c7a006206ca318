"""The condition of a node, derived from its error."""

import re
from enum import StrEnum

from nodnod_client.messages import NodeStats

# The beginnings of these errors are part of the protocol: docs/protocol.md.
_STALE = re.compile(r"stale: last heard (\d+(?:\.\d+)?) s ago")
_DOWN = re.compile(r"(?:^|; )down: |^(?:not connected yet|left|unknown node)$")
_LATE = re.compile(r"stale: |no answer within ")


class Condition(StrEnum):
    """From good to bad."""

    FINE = "fine"
    STALE = "stale"
    """The node has not answered in time; its numbers, if it has any, are the last ones received."""

    ERROR = "error"
    """The node is up, but could not read something."""

    DOWN = "down"
    """There is no connection to the node; in push mode its last numbers may be known."""


def condition(node: NodeStats) -> Condition:
    """Return the condition of ``node``."""
    if not node.error:
        return Condition.FINE
    if _DOWN.search(node.error):
        return Condition.DOWN
    return Condition.STALE if _LATE.match(node.error) else Condition.ERROR


def is_current(node: NodeStats) -> bool:
    """Whether ``node`` has numbers of now; one that reports a fault may have some."""
    kind = condition(node)
    has_numbers = bool(node.memory_total or node.disk_total)
    return kind is Condition.FINE or (kind is Condition.ERROR and has_numbers)


def error_detail(node: NodeStats) -> str:
    """Return the error of ``node`` without the part that only names its condition."""
    down = _DOWN.search(node.error)
    return (down and node.error[down.end() :]) or node.error.removeprefix("stale: ")


def stale_age(error: str) -> float | None:
    """Return the age in seconds of a node's numbers; None if the error does not tell it."""
    found = _STALE.match(error)
    return float(found[1]) if found else None
