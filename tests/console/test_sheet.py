"""A table and what belongs to it, on a terminal of any height."""

import pytest
from rich.console import Console
from rich.text import Text

from nodnod_agent.console.sheet import Sheet
from nodnod_agent.console.table import headed_table


def sheet(rows: int, *, trouble: int = 0, errors: int = 0, prose: str = "") -> Sheet:
    table = headed_table()
    table.column("Node", least=8)
    table.column("What", leave=1, prose=True)
    for number in range(rows):
        table.add_row(f"n{number}", prose)
    failures = [(f"n{number}", f"fault {number % 2}") for number in range(errors)]
    hint = "a taller terminal"
    return Sheet(table, "the sum", errors=failures, trouble=trouble, noun="node", hint=hint)


def drawn(one: Sheet, height: int | None, width: int = 60) -> list[str]:
    one.height = height
    screen = Console(width=width)
    with screen.capture() as captured:
        screen.print(one)
    return captured.get().splitlines()


def test_without_a_height_all_is_shown() -> None:
    lines = drawn(sheet(40, errors=30), None)
    assert len(lines) == 2 + 40 + 30 + 1
    assert lines[-1] == "the sum"


def test_what_has_room_is_shown_in_full() -> None:
    assert drawn(sheet(5, errors=2), 10) == drawn(sheet(5, errors=2), None)


@pytest.mark.parametrize("height", [6, 10, 15, 23])
def test_titles_errors_and_sum_stay_and_the_rows_that_are_missing_are_counted(height: int) -> None:
    lines = drawn(sheet(40, trouble=2, errors=2), height)
    assert len(lines) <= height
    assert lines[0].startswith("Node")
    assert lines[-1] == "the sum"
    if height > 6:
        assert lines[-3:-1] == ["✗ n0: fault 0", "✗ n1: fault 1"]
        shown = sum(1 for line in lines if line.startswith("n"))
        assert f"… {40 - shown} more nodes: a taller terminal" in lines


def test_nodes_in_trouble_leave_some_room_for_the_others() -> None:
    lines = drawn(sheet(38, trouble=34, errors=34), 14)
    assert lines[2] == "n0"
    assert [line for line in lines if line.startswith("… ")] == [
        "… 30 more nodes: a taller terminal"
    ]
    assert {"n34", "n35", "n36", "n37"} < set(lines)


def test_where_errors_are_too_many_equal_ones_share_a_line() -> None:
    lines = drawn(sheet(34, trouble=34, errors=34), 14)
    assert "✗ n0 and 16 more: fault 0" in lines
    assert "✗ n1 and 16 more: fault 1" in lines


def test_a_row_of_two_lines_is_shown_whole_or_not_at_all() -> None:
    lines = drawn(sheet(9, prose="w" * 30), 8, width=20)
    assert lines[2:6] == ["n0", "  " + "w" * 18, "  " + "w" * 12, "… 8 more nodes: a t…"]


def test_details_stand_below_the_sum_and_share_the_room() -> None:
    one = sheet(3)
    one.details = [Text(f"detail {number}") for number in range(40)]
    lines = drawn(one, 12)
    assert len(lines) == 12
    assert lines[5:7] == ["the sum", "detail 0"]
    assert lines[-1] == "… 35 more lines: a taller terminal"


def test_a_long_sum_takes_several_lines_only_where_rows_and_errors_keep_theirs() -> None:
    one = sheet(9, errors=1)
    assert drawn(one, 16, width=5)[-2:] == ["the ", "sum"]
    assert drawn(one, 7, width=5)[-2:] == ["✗ n0…", "the…"]


def test_without_rows_there_is_only_the_sum() -> None:
    assert drawn(sheet(0), None) == drawn(sheet(0), 10) == ["the sum"]
