"""Shell-style patterns for node names."""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from functools import lru_cache

from nodnod_client.address import parse_address
from nodnod_client.errors import AddressError

MAX_PATTERNS = 32
"""Patterns in one request; compiling one takes 0.2 ms, in which no other request is served."""

CACHED = 256
"""Compiled patterns that are kept; clients choose the patterns, so the number is bounded."""

_WILDCARDS = frozenset("*?[")


def is_pattern(name: str) -> bool:
    """Whether ``name`` has wildcards. The brackets of an IPv6 address are none."""
    return not _WILDCARDS.isdisjoint(name) and not (name.startswith("[") and _is_address(name))


def matcher(names: Iterable[str]) -> Callable[[str], bool]:
    """A test whether a name equals one of ``names`` or matches one of the patterns among them."""
    literal = frozenset(names)
    patterns = [_compiled(name) for name in literal if is_pattern(name)]

    def matches(name: str) -> bool:
        return name in literal or any(pattern.match(name) for pattern in patterns)

    return matches


def _is_address(name: str) -> bool:
    try:
        parse_address(name)
    except AddressError:
        return False
    return True


@lru_cache(maxsize=CACHED)
def _compiled(pattern: str) -> "re.Pattern[str]":
    return re.compile(translate(pattern))
