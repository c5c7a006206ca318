"""Shell-style patterns for the names of nodes."""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from functools import lru_cache

from nodnod_client.address import parse_address
from nodnod_client.errors import AddressError

MAX_PATTERNS = 32
"""Patterns in one request; to learn a new one takes 0.2 ms, and nobody else is served meanwhile."""

KNOWN = 256
"""Patterns that are remembered; clients choose what they ask, so that there is an end to it."""

_WILD = frozenset("*?[")


def is_pattern(name: str) -> bool:
    """Whether it may fit other names than itself; an address of IPv6 has brackets, and does not."""
    return not _WILD.isdisjoint(name) and not (name.startswith("[") and _is_address(name))


def matcher(names: Iterable[str]) -> Callable[[str], bool]:
    """Tells whether a name is one of these, or fits one of them."""
    literal = frozenset(names)
    patterns = [_compiled(name) for name in literal if is_pattern(name)]

    def fits(name: str) -> bool:
        return name in literal or any(pattern.match(name) for pattern in patterns)

    return fits


def _is_address(name: str) -> bool:
    try:
        parse_address(name)
    except AddressError:
        return False
    return True


@lru_cache(maxsize=KNOWN)
def _compiled(pattern: str) -> "re.Pattern[str]":
    return re.compile(translate(pattern))
