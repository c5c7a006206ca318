"""The condition of a node, derived from its error."""

import re
from enum import StrEnum

from nodnod_client.messages import NodeStats

# The beginnings of these errors are part of the protocol: docs/protocol.md.
_STALE = re.compile(r"stale: last heard (\d+(?:\.\d+)?) s ago")
_DOWN = re.compile(r"(?:^|; )down: ")


class Condition(StrEnum):
    """From good to bad."""

    FINE = "fine"
    STALE = "stale"
    """The node is silent; its numbers are the last ones received."""

    ERROR = "error"
    """The node is up, but could not read something or did not answer in time."""

    DOWN = "down"
    """There is no connection to the node; in push mode its last numbers may be known."""


def condition(node: NodeStats) -> Condition:
    """Return the condition of ``node``."""
    if not node.error:
        return Condition.FINE
    if _DOWN.search(node.error):
        return Condition.DOWN
    return Condition.ERROR if stale_age(node.error) is None else Condition.STALE


def error_detail(node: NodeStats) -> str:
    """Return the error of ``node`` without the part that only names its condition."""
    down = _DOWN.search(node.error)
    return node.error[down.end() :] if down else node.error.removeprefix("stale: ")


def stale_age(error: str) -> float | None:
    """Return the age in seconds of a node's numbers; None if the error does not tell it."""
    found = _STALE.match(error)
    return float(found[1]) if found else None
