"""Hypothesis strategies for input from others: valid, nearly valid, and arbitrary."""

import json
import re
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

Strategy = st.SearchStrategy

json_values: Strategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
"""All JSON values, with NaN and infinity, which are no JSON."""

odd_values: Strategy[Any] = st.sampled_from(
    [
        *(0, -1, 1, 2**53 - 1, 2**53, 2**63, 2**64, -(2**63) - 1, 10**400),
        *(-0.0, 0.05, 1e-320, 1e308, float("nan"), float("inf")),
        *("", "x" * 65, "x" * 300, "\0\x1b[2J\u202e", "\ud800", "☃" * 70, "*", "own", "kyle"),
        *(None, True, [], {}, [[]], [{}], {"": {}}),
    ]
)
"""Values at and beyond limits, and values that are easily forgotten."""

_FIELD = re.compile(rb'"\w+": ')
_PIECES = (b"", b",", b'"', b"}", b"[" * 600, b"1" * 5000, b"NaN", b"\xff", b"\xed\xa0\x80", b"\0")


def examples(count: int) -> Callable[[Any], Any]:
    """Try ``count`` examples; more in proportion under a profile with more than 100."""
    return settings(max_examples=count * settings.default.max_examples // 100)


@st.composite
def with_wrong_fields(draw: st.DrawFn, valid: Strategy[dict[str, Any]]) -> dict[str, Any]:
    """A document with wrong values in some fields."""
    document = draw(valid)
    names = [*document, "more"]
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=2)):
        document = document | {name: draw(odd_values | json_values)}
    return document


@st.composite
def corrupted(draw: st.DrawFn, texts: Strategy[bytes]) -> bytes:
    """A text with a part that is missing, doubled or replaced."""
    text = draw(texts)
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 40)))
    middle = draw(st.sampled_from([*_PIECES, text[start:end] * 2]) | st.binary(max_size=5))
    return text[:start] + middle + text[end:]


@st.composite
def with_duplicate_field(draw: st.DrawFn, texts: Strategy[bytes]) -> bytes:
    """A document with a duplicate field, at any depth."""
    text = draw(texts)
    fields = list(_FIELD.finditer(text))
    if not fields:
        return text
    field = draw(st.sampled_from(fields))
    value = draw(st.sampled_from([b"0", b'"kyle"', b"{}"]))
    return text[: field.start()] + field[0] + value + b", " + text[field.start() :]


def documents(valid: Strategy[dict[str, Any]]) -> Strategy[bytes]:
    """Documents as bytes: valid, nearly valid, and arbitrary."""
    right = valid.map(_encode)
    wrong = with_wrong_fields(valid).map(_encode)
    # JSON has no infinity, but it has numbers beyond all floats.
    large = wrong.map(lambda text: text.replace(b"Infinity", b"1e999"))
    broken = corrupted(right | wrong) | json_values.map(_encode) | st.binary(max_size=50)
    return right | wrong | large | with_duplicate_field(right) | broken


def _encode(value: object) -> bytes:
    return json.dumps(value).encode()
