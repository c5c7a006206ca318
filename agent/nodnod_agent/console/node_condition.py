"""What is the matter with a node, as far as its error tells."""

import re
from enum import StrEnum

from nodnod_client.messages import NodeStats

# How agents begin these errors: docs/protocol.md.
_STALE = re.compile(r"stale: last heard (\d+(?:\.\d+)?) s ago")
_DOWN = re.compile(r"(?:^|; )down: ")


class Condition(StrEnum):
    """From good to bad."""

    FINE = "fine"
    STALE = "stale"
    """It is not heard just now; its numbers are the last ones."""

    ERROR = "error"
    """It is there, but something could not be read, or it did not answer in time."""

    DOWN = "down"
    """There is no connection to it; in push mode it may still have its last numbers."""


def condition(node: NodeStats) -> Condition:
    """What is the matter with ``node``."""
    if not node.error:
        return Condition.FINE
    if _DOWN.search(node.error):
        return Condition.DOWN
    return Condition.ERROR if stale_age(node.error) is None else Condition.STALE


def reason(node: NodeStats) -> str:
    """Its error, without what its condition says already: of one that is down only why."""
    down = _DOWN.search(node.error)
    return node.error[down.end() :] if down else node.error.removeprefix("stale: ")


def stale_age(error: str) -> float | None:
    """How many seconds old a node's numbers are, by its error; None where it does not say."""
    found = _STALE.match(error)
    return float(found[1]) if found else None
