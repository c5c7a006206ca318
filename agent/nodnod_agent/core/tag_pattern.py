"""Patterns for the tags of nodes: ``tag:role=db``, ``tag:role=d*``, and ``tag:role`` for any value.

``site:eu-1`` is short for ``tag:site=eu-1``.
"""

from collections.abc import Callable, Iterable, Mapping

from nodnod_agent.core.pattern import matcher
from nodnod_client.tags import is_key

_PREFIX = "tag:"

SITE = "site"
"""The key of the tag that names a node's site."""

_SITE_PREFIX = f"{SITE}:"


def is_tag_pattern(node: str) -> bool:
    """Whether an item of ``nodes`` is about tags."""
    return node.startswith((_PREFIX, _SITE_PREFIX))


def tag_pattern_fault(node: str) -> str:
    """What is wrong with an item of ``nodes`` that is about tags; "" if nothing is."""
    if not is_tag_pattern(node):
        return ""
    key, value = _parts(node)
    forms = f"{_SITE_PREFIX}NAME" if node.startswith(_SITE_PREFIX) else "tag:KEY=VALUE or tag:KEY"
    return "" if is_key(key) and value else f"must be {forms}, got {node[:80]!r}"


def tag_matcher(patterns: Iterable[str]) -> Callable[[Mapping[str, str]], bool]:
    """A test whether a node's tags match one of these valid patterns."""
    tests = [(key, matcher([value])) for key, value in map(_parts, patterns)]

    def matches(tags: Mapping[str, str]) -> bool:
        return any(key in tags and fits(tags[key]) for key, fits in tests)

    return matches


def _parts(pattern: str) -> tuple[str, str]:
    """The key, and the pattern of the value."""
    if pattern.startswith(_SITE_PREFIX):
        return SITE, pattern.removeprefix(_SITE_PREFIX)
    key, assigned, value = pattern.removeprefix(_PREFIX).partition("=")
    return key, value if assigned else "*"
