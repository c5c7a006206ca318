"""Numbers and untrusted text in readable form."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodnod_agent.console.units import (
    counted,
    human_bytes,
    human_part,
    human_span,
    level_style,
    meter,
    percent,
    plain,
)


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (human_bytes, 0, "0 B"),
        (human_bytes, 999, "999 B"),
        (human_bytes, 1000, "1.0 KiB"),
        (human_bytes, 1024, "1.0 KiB"),
        (human_bytes, 5699850240, "5.3 GiB"),
        (human_bytes, 249769419776, "232.6 GiB"),
        (human_bytes, 1024**4 - 1, "1.0 TiB"),
        (human_bytes, 2**63, "8.0 EiB"),
        (human_bytes, 2**80, "1048576.0 EiB"),
        (human_span, -5, "0 s"),
        (human_span, 0.9, "0 s"),
        (human_span, 59.9, "59 s"),
        (human_span, 60, "1 min"),
        (human_span, 3599, "59 min"),
        (human_span, 3600, "1 h"),
        (human_span, 86_399, "23 h"),
        (human_span, 86_400, "1 d"),
        (human_span, 400 * 86_400, "400 d"),
        (percent, 0, "0.0 %"),
        (percent, 26.74, "26.7 %"),
        (percent, 100, "100.0 %"),
        (level_style, 0, "green"),
        (level_style, 74.9, "green"),
        (level_style, 75, "yellow"),
        (level_style, 90, "red"),
        (level_style, 250, "red"),
    ],
)
def test_numbers_have_a_short_form(
    function: Callable[[float], str], value: float, text: str
) -> None:
    assert function(value) == text


@pytest.mark.parametrize(
    ("used", "total", "text"),
    [
        (0, 0, "0/0 B"),
        (5, 999, "5/999 B"),
        (5699850240, 8589934592, "5.3/8.0 GiB"),
        (1, 2**40, "0.0/1.0 TiB"),
        (2**40, 2**40, "1.0/1.0 TiB"),
    ],
)
def test_a_part_is_shown_in_the_unit_of_the_whole(used: int, total: int, text: str) -> None:
    assert human_part(used, total) == text


def test_a_count_has_its_noun_in_the_singular_or_plural() -> None:
    assert [counted(count, "node") for count in (0, 1, 2)] == ["0 nodes", "1 node", "2 nodes"]


@pytest.mark.parametrize(
    ("value", "bar"), [(0, "────"), (50, "━━──"), (100, "━━━━"), (400, "━━━━"), (-5, "────")]
)
def test_a_meter_has_a_fixed_width(value: float, bar: str) -> None:
    assert meter(value, 4).plain == bar


@pytest.mark.parametrize(
    ("untrusted", "shown"),
    [
        ("kenny", "kenny"),
        ("Ünïcødé 名", "Ünïcødé 名"),
        ("\x1b[31mred\x07", "\ufffd[31mred\ufffd"),
        ("two\nlines\tand\rmore", "two lines and more"),
        ("abc\u202edef\u200b", "abc\ufffddef\ufffd"),
        ("\ud800", "\ufffd"),
    ],
)
def test_untrusted_text_cannot_control_the_terminal(untrusted: str, shown: str) -> None:
    assert plain(untrusted) == shown


@given(st.text())
def test_plain_text_is_one_printable_line(text: str) -> None:
    shown = plain(text, longest=50)
    assert len(shown) <= 50
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown
