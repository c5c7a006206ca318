"""Long names in few characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from nodnod_agent.console.shortening import shorten


@pytest.mark.parametrize(
    ("texts", "width", "short"),
    [
        (["kyle"], 4, ["kyle"]),
        (["db-eu-west-1-host-0001"], 11, ["db-eu…-0001"]),
        (["/var/lib/data/mail", "/var/lib/data/news"], 9, ["/var…mail", "/var…news"]),
        (["a-one-same-end", "a-two-same-end"], 8, ["a-on…end", "a-tw…end"]),
        (["日本語日本語1", "日本語日本語2"], 7, ["日…語1", "日…語2"]),
        (["aaaa-one-same-end", "aaaa-two-same-end"], 8, ["aaaa-o…d", "aaaa-t…d"]),
        (["abcdef"], 2, ["ab"]),
        (["abcdef"], 0, [""]),
    ],
)
def test_the_middle_is_left_out(texts: list[str], width: int, short: list[str]) -> None:
    assert shorten(texts, width) == short


def test_what_differs_in_the_middle_stays_distinct() -> None:
    texts = ["a" * 30 + one + "b" * 30 for one in "XYZ"]
    assert shorten(texts, 12) == [f"aaa…{one}bbbbbb…" for one in "XYZ"]


def test_the_ellipsis_may_have_several_characters() -> None:
    assert shorten(["db-eu-west-1-host-0001"], 11, "...") == ["db-e...0001"]


def test_the_same_text_is_shortened_the_same() -> None:
    assert len(set(shorten(["x" * 30, "y", "x" * 30], 10))) == 2


@given(st.lists(st.text(max_size=20)), st.integers(0, 12), st.sampled_from(["…", "..."]))
def test_no_text_is_wider_than_its_room(texts: list[str], width: int, ellipsis: str) -> None:
    assert all(cell_len(one) <= width for one in shorten(texts, width, ellipsis))
