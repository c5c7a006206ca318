"""Anything at all: what is thrown at those who read what others sent."""

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
"""What JSON can say, and NaN and infinity, which it cannot."""

odd_values: Strategy[Any] = st.sampled_from(
    [
        *(0, -1, 1, 2**53 - 1, 2**53, 2**63, 2**64, -(2**63) - 1, 10**400),
        *(-0.0, 0.05, 1e-320, 1e308, float("nan"), float("inf")),
        *("", "x" * 65, "x" * 300, "\0\x1b[2J\u202e", "\ud800", "☃" * 70, "*", "own", "kyle"),
        *(None, True, [], {}, [[]], [{}], {"": {}}),
    ]
)
"""What is just beyond a limit, and what somebody may have forgotten."""

_FIELD = re.compile(rb'"\w+": ')
_PIECES = (b"", b",", b'"', b"}", b"[" * 600, b"1" * 5000, b"NaN", b"\xff", b"\xed\xa0\x80", b"\0")


def examples(count: int) -> Callable[[Any], Any]:
    """Try so many; more under a profile that tries more than the usual hundred."""
    return settings(max_examples=count * settings.default.max_examples // 100)


@st.composite
def spoilt(draw: st.DrawFn, valid: Strategy[dict[str, Any]]) -> dict[str, Any]:
    """A document some of whose fields hold what they should not."""
    document = draw(valid)
    names = [*document, "more"]
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=2)):
        document = document | {name: draw(odd_values | json_values)}
    return document


@st.composite
def torn(draw: st.DrawFn, texts: Strategy[bytes]) -> bytes:
    """A text of which a part is missing, stands there twice, or is something else."""
    text = draw(texts)
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 40)))
    middle = draw(st.sampled_from([*_PIECES, text[start:end] * 2]) | st.binary(max_size=5))
    return text[:start] + middle + text[end:]


@st.composite
def doubled(draw: st.DrawFn, texts: Strategy[bytes]) -> bytes:
    """A document in which a field stands twice, at whatever depth."""
    text = draw(texts)
    fields = list(_FIELD.finditer(text))
    if not fields:
        return text
    field = draw(st.sampled_from(fields))
    value = draw(st.sampled_from([b"0", b'"kyle"', b"{}"]))
    return text[: field.start()] + field[0] + value + b", " + text[field.start() :]


def documents(valid: Strategy[dict[str, Any]]) -> Strategy[bytes]:
    """Documents as bytes: such as are right, such as are nearly so, and anything."""
    right = valid.map(_encode)
    wrong = spoilt(valid).map(_encode)
    # JSON has no word for infinity, but numbers that no float can hold.
    large = wrong.map(lambda text: text.replace(b"Infinity", b"1e999"))
    broken = torn(right | wrong) | json_values.map(_encode) | st.binary(max_size=50)
    return right | wrong | large | doubled(right) | broken


def _encode(value: object) -> bytes:
    return json.dumps(value).encode()
