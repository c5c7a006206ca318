"""Numbers and foreign text for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodnod_agent.console.units import (
    human_bytes,
    human_part,
    human_span,
    level,
    meter,
    percent,
    plain,
)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1024, "1.0 KiB"),
        (5699850240, "5.3 GiB"),
        (249769419776, "232.6 GiB"),
        (1024**4 - 1, "1.0 TiB"),
        (2**63, "8.0 EiB"),
        (2**80, "1048576.0 EiB"),
    ],
)
def test_bytes_are_read_in_powers_of_1024(size: int, text: str) -> None:
    assert human_bytes(size) == text


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
def test_a_part_is_read_in_the_unit_of_the_whole(used: int, total: int, text: str) -> None:
    assert human_part(used, total) == text


def test_percent_has_one_decimal() -> None:
    assert [percent(value) for value in (0, 26.74, 100)] == ["0.0 %", "26.7 %", "100.0 %"]


@pytest.mark.parametrize(
    ("value", "style"), [(0, "green"), (74.9, "green"), (75, "yellow"), (90, "red"), (250, "red")]
)
def test_levels_go_green_yellow_red(value: float, style: str) -> None:
    assert level(value) == style


@pytest.mark.parametrize(
    ("value", "bar"), [(0, "────"), (50, "━━──"), (100, "━━━━"), (400, "━━━━"), (-5, "────")]
)
def test_a_meter_is_always_as_wide_as_asked(value: float, bar: str) -> None:
    assert meter(value, 4).plain == bar


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("kenny", "kenny"),
        ("Ünïcødé 名", "Ünïcødé 名"),
        ("\x1b[31mred\x07", "\ufffd[31mred\ufffd"),
        ("two\nlines\tand\rmore", "two lines and more"),
        ("abc\u202edef\u200b", "abc\ufffddef\ufffd"),
        ("\ud800", "\ufffd"),
    ],
)
def test_foreign_text_cannot_steer_the_terminal(foreign: str, shown: str) -> None:
    assert plain(foreign) == shown


@given(st.text())
def test_plain_text_is_one_printable_line(text: str) -> None:
    shown = plain(text, longest=50)
    assert len(shown) <= 50
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86_399, "23 h"),
        (86_400, "1 d"),
        (400 * 86_400, "400 d"),
    ],
)
def test_a_length_of_time_has_one_unit(seconds: float, text: str) -> None:
    assert human_span(seconds) == text
