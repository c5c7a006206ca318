"""The cluster as a table."""

import io

import msgspec
import pytest
from rich.console import Console

from doubles.members import answer
from nodnod_agent.console.cluster_view import cluster_view, summary
from nodnod_client.messages import Answer, NodeStats

KYLE = NodeStats(
    name="kyle",
    cpu_used=5.0,
    disk_total=249769419776,
    disk_used=66792268800,
    disk_used_percent=26.74,
    memory_total=8589934592,
    memory_used=5699850240,
    memory_used_percent=66.35,
)
DOWN = NodeStats(name="kenny", error="connection refused")


def render(*nodes: NodeStats, width: int = 80, color: bool = False) -> str:
    text = io.StringIO()
    system = "standard" if color else None
    console = Console(file=text, width=width, force_terminal=color, color_system=system)
    console.print(cluster_view(answer(*nodes, host="stan"), width=width))
    return text.getvalue()


@pytest.mark.parametrize(("width", "bars"), [(80, False), (120, True)])
def test_a_row_shows_sizes_and_on_a_wide_terminal_bars(width: int, bars: bool) -> None:
    (row,) = [line for line in render(KYLE, width=width).splitlines() if "kyle" in line]
    for number in ("5.0 %", "66.3 %", "5.3/8.0 GiB", "26.7 %", "62.2/232.6 GiB"):
        assert number in row
    assert ("━━━━━━━───" in row) == bars


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_a_long_name_is_cut_so_that_lines_fit_and_numbers_are_whole(width: int) -> None:
    long = msgspec.structs.replace(KYLE, name="x" * 128)
    failed = NodeStats(name="z" * 128, error="y" * 300)
    lines = render(long, failed, width=width).splitlines()
    assert max(map(len, lines)) <= width
    (row,) = [line for line in lines if "xxx" in line]
    for text in ("x…x", "5.0 %", "66.3 %", "26.7 %"):
        assert text in row


def test_nodes_are_sorted_by_name() -> None:
    names = ["b", "a", "c10", "C"]
    text = render(*(NodeStats(name=name, memory_total=1) for name in names))
    assert [line.split()[0] for line in text.splitlines()[2:6]] == sorted(names)


def test_a_node_with_an_error_is_marked_in_red_and_explained() -> None:
    text = render(KYLE, DOWN)
    (row,) = [line for line in text.splitlines() if line.startswith("✗ kenny  ")]
    assert "%" not in row
    assert "✗ kenny: connection refused" in text
    assert "2 nodes, 1 with an error · answered by stan" in text
    lines = [line for line in render(KYLE, DOWN, color=True).splitlines() if "kenny" in line]
    assert ["\x1b[1;31m" in line for line in lines] == [True, True]


def test_a_stale_node_keeps_its_last_numbers() -> None:
    error = "stale: last heard 3.2 s ago"
    text = render(NodeStats(name="kenny", cpu_used=7.5, memory_total=1, error=error))
    assert "7.5 %" in text
    assert error in text


def test_names_and_errors_are_not_interpreted_as_markup() -> None:
    text = render(NodeStats(name="[red]x[/red]\x1b]0;title\x07", error="[bold]\nsecond line"))
    assert "[red]x[/red]" in text
    assert "\x1b" not in text
    assert "[bold] second line" in text


def test_an_answer_without_nodes_has_a_summary() -> None:
    assert summary(Answer(host="stan"), "12:00:00") == "0 nodes · answered by stan · 12:00:00"
    assert "0 nodes" in render()
