"""Tags of a node, as ``{"role": "db"}``: what they may be, and the labels that they become."""

import re
from collections.abc import Mapping

MAX_TAGS = 16
MAX_TAG_LENGTH = 64
"""Characters of ``key=value``."""

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NODE = "node"
"""The label that has a node's name in metrics."""


def is_key(text: str) -> bool:
    """Whether a text is written like the key of a tag."""
    return _KEY.fullmatch(text) is not None


def label(key: str) -> str:
    """The Prometheus label of a tag."""
    return key.replace("-", "_")


def tags_fault(tags: Mapping[str, str]) -> str:
    """What is wrong with these tags of one node, in a few words; "" if nothing is."""
    if len(tags) > MAX_TAGS:
        return f"at most {MAX_TAGS} tags, got {len(tags)}"
    labels: dict[str, str] = {}
    for key, value in tags.items():
        if fault := _fault(key, value):
            return fault
        if (other := labels.setdefault(label(key), key)) != key:
            return f"keys that differ in more than - and _, got {other} and {key}"
    return ""


def _fault(key: str, value: str) -> str:
    if not is_key(key):
        return f"letters, digits, _ and - in a key, no digit or - first, got {key!r:.60}"
    if label(key) == _NODE:
        return f"another key than {_NODE}, which stands for the name of the node"
    if label(key).startswith("__"):
        return f"a key that does not start with two of _ and -, got {key!r:.60}"
    if len(key) + 1 + len(value) > MAX_TAG_LENGTH:
        return f"at most {MAX_TAG_LENGTH} characters of key=value, got {len(key) + 1 + len(value)}"
    if not value or not value.isprintable() or value != value.strip():
        what = "a value of printable characters, no space at either end"
        return f"{what}, got {value!r:.60} for {key}"
    return ""
