"""A table in terminals of any width."""

import io

import pytest
from rich.console import Console
from rich.text import Text

from nodnod_agent.console.fitted_table import FittedTable
from nodnod_agent.console.table import panel_table

NAMES = [f"db-production-eu-west-1-host-00000{number}" for number in (1, 2)]
SENTENCE = "the filesystem is full beyond any doubt"


def example(*, dense: bool = False) -> FittedTable:
    table = FittedTable(rule=True, dense=dense)
    table.column("Node", least=8)
    table.column("", right=True)
    table.column("CPU", right=True)
    table.column("Size", leave=1)
    table.column("What", leave=2, prose=True)
    for name in NAMES:
        table.add_row(name, "", Text("12.5 %"), "1.0/2.0 GiB", SENTENCE)
    return table


def drawn(table: FittedTable, width: int, encoding: str = "utf-8") -> list[str]:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    screen = Console(file=file, width=width)
    with screen.capture() as captured:
        screen.print(table)
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [5, 20, 40, 60, 80, 100, 200, 10_000])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = drawn(example(), width)
    assert max(map(len, lines)) <= width
    wrapped = [line for line in lines if line.startswith("  ")]
    assert len(lines) - len(wrapped) == 4


def test_with_enough_room_all_is_shown_and_an_empty_column_takes_none() -> None:
    titles, rule, first, _ = drawn(example(), 200)
    assert titles == f"{'Node':35}     CPU  Size         What"
    assert first == f"{NAMES[0]}  12.5 %  1.0/2.0 GiB  {SENTENCE}"
    assert rule == "─" * len(first)


def test_columns_are_left_out_in_their_order_and_prose_goes_below() -> None:
    assert "Size" in drawn(example(), 80)[0]
    assert drawn(example(), 70)[0].split() == ["Node", "CPU", "What"]
    lines = drawn(example(), 60)
    assert lines[0].split() == ["Node", "CPU"]
    assert lines[2:4] == [f"{NAMES[0]}  12.5 %", f"  {SENTENCE}"]


def test_names_with_a_common_beginning_stay_distinct() -> None:
    lines = [line for line in drawn(example(), 20) if "%" in line]
    assert lines == ["db-pro…00001  12.5 %", "db-pro…00002  12.5 %"]


def test_in_a_dense_table_a_column_is_worth_more_than_a_long_name() -> None:
    table = example(dense=True)
    assert drawn(table, 67)[2] == f"db-p…001 12.5 % 1.0/2.0 GiB {SENTENCE}"


def test_an_ellipsis_of_three_characters_fits_too() -> None:
    lines = drawn(example(), 24, "ascii")
    assert lines[2] == "db-prod...000001  12.5 %"
    assert max(map(len, lines)) <= 24


def test_a_panel_leaves_out_a_bar_first_and_keeps_its_note() -> None:
    table = panel_table("Mount", right=("", "Used", "Free", ""))
    table.add_row("/var/lib/data/mail", "━━━━━───", "50.0 %", "63.9 GiB", "STUCK 3 min")
    assert drawn(table, 40)[1] == "/var…mail  50.0 %  63.9 GiB  STUCK 3 min"
    assert drawn(table, 30)[1] == "/var…mail  50.0 %  STUCK 3 min"
