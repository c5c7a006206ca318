"""Origins of an agent: the names under which pages of it may have been opened.

One is a host (``stats.example``: at the agent's own port), a host with a port, or what browsers call
an origin (``https://stats.example``).
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

MAX_ORIGINS = 16
MAX_ORIGIN_LENGTH = 128

_ORIGIN = re.compile(
    r"(?:(https?)://)?(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?))"
    r"(?::([0-9]{1,5}))?"
)


class ToldOrigin(NamedTuple):
    """An origin in its parts; the scheme may be empty and the port 0, the host has no brackets."""

    scheme: str
    host: str
    port: int


def parse_origin(text: str) -> ToldOrigin | None:
    """The parts of an origin; None if it is none."""
    parts = _ORIGIN.fullmatch(text) if len(text) <= MAX_ORIGIN_LENGTH else None
    if parts is None or int(parts[4] or 0) > 65535:
        return None
    return ToldOrigin(parts[1] or "", parts[2] or parts[3], int(parts[4] or 0))


def origins_fault(origins: Iterable[str]) -> str:
    """What is wrong with these origins of an agent, in a few words; "" if nothing is."""
    wrong = next((one for one in origins if parse_origin(one) is None), None)
    return "" if wrong is None else f"host, host:port or https://host:port, got {wrong!r:.60}"
