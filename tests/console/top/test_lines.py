"""One node in one line, at any width; the banner."""

import pytest
from rich.cells import cell_len

from doubles.alert_rows import alert_row
from nodnod_agent.console.top.header import ConnectionState, banner
from nodnod_agent.console.top.history import RecentHistory
from nodnod_agent.console.top.lines import (
    columns,
    node_line,
    short_names,
    sparkline,
    text_of,
    title_line,
)
from nodnod_agent.console.top.view_model import Row
from nodnod_client.messages import NodeStats

FINE = NodeStats("kyle", 53.04, 2**38, 2**36, 25.0, 2**33, 2**32, 50.0)


def line(node: NodeStats, width: int, since: float | None = None) -> str:
    history = RecentHistory(5.0)
    history.add(100.0, (53.0, 50.0, 25.0))
    row = Row(node, history, since, received=2.0**20, sent=2.0**11)
    layout = columns(width)
    short = short_names([row], layout[0].width)[node.name]
    cells = node_line(row, layout, short, now=100.0, wall=1000.0)
    assert sum(cell.width for cell in cells) == cell_len(text_of(cells))
    return text_of(cells)


@pytest.mark.parametrize("width", [40, 59, 75, 80, 113, 140, 201])
@pytest.mark.parametrize(
    "name",
    ["kyle", "a-rather-long-name.of-a-node.example.com", "日本語" * 10, "\x1b[2J"],
    ids=["short", "long", "wide", "control"],
)
@pytest.mark.parametrize("error", ["", "down: connection refused", "stale: last heard 4.0 s ago"])
def test_a_line_is_as_wide_as_the_terminal(width: int, name: str, error: str) -> None:
    node = NodeStats(name, 53.04, 2**38, 2**36, 25.0, 2**33, 2**32, 50.0, error)
    text = line(node, width, since=100.0)
    assert cell_len(text) == width
    assert "\x1b" not in text
    assert cell_len(title_line(columns(width), "cpu", reverse=False)) == width


@pytest.mark.parametrize(
    ("width", "present", "missing"),
    [
        (44, ["53.0%", "50.0%", "25.0%"], ["━", "▅", "GiB"]),
        (60, ["53.0%", "▅"], ["━", "GiB"]),
        (80, ["━━━─── ", " 53.0%", "▅"], ["GiB", "MiB"]),
        (100, ["━━━─── ", "1.0 MiB", "2.0 KiB"], ["GiB"]),
        (150, ["━━━━──── ", "4.0/8.0 GiB", "64.0/256.0 GiB", "1.0 MiB"], []),
    ],
)
def test_a_wider_terminal_shows_more(width: int, present: list[str], missing: list[str]) -> None:
    text = line(FINE, width)
    assert all(part in text for part in present)
    assert not any(part in text for part in missing)


def test_a_node_with_a_problem_shows_the_reason_its_age_and_the_last_numbers() -> None:
    down = line(NodeStats("a", error="down: no sign of life"), 120, 100.0)
    assert "  DOWN  15 min  no sign of life" in down
    assert "last" not in down
    error = "stale: last heard 4.0 s ago"
    stale = NodeStats("a", 84.4, memory_total=9, memory_used_percent=3, error=error)
    assert line(stale, 120).rstrip().endswith("· last CPU 84%, memory 3%, disk 0%")


def test_names_that_begin_alike_stay_distinct_beside_marks_of_alerts() -> None:
    names = [f"production-database-{number}" for number in range(30)]
    history = RecentHistory(5.0)
    rows = [Row(NodeStats(name), history, alerts=[alert_row(name)]) for name in names]
    layout = columns(60)
    short = short_names(rows, layout[0].width)
    assert len(set(short.values())) == 30
    cells = node_line(rows[29], layout, short[names[29]], now=100.0, wall=1000.0)
    first = text_of(cells[:1])
    assert first.endswith("29 ▲1")
    assert cell_len(first) == layout[0].width


@pytest.mark.parametrize(
    ("values", "top", "text"),
    [
        ([0, 12, 13, 50, 99, 100, 250], 100.0, "▁▁▂▅███"),
        ([None, 5, None], 10.0, " ▅ "),
        ([0, 0], 0.0, "▁▁"),
        ([-5], 100.0, "▁"),
        ([], 100.0, ""),
    ],
)
def test_a_sparkline_has_a_character_for_each_value(
    values: list[float | None], top: float, text: str
) -> None:
    assert sparkline(values, top) == text


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (ConnectionState(age=0.5), None),
        (ConnectionState(age=3.9), None),
        (ConnectionState(url="ws://x/"), "waiting for the first answer of ws://x/"),
        (ConnectionState(age=70.0), "NO NEWS  the last answer came 1 min ago"),
        (ConnectionState(age=70.0, every=60.0), None),
        (
            ConnectionState(error="refused", age=7.0),
            "CONNECTION LOST  refused · numbers are 7 s old · retry",
        ),
        (ConnectionState(error="refused"), "CONNECTION LOST  refused · retrying"),
        (ConnectionState(age=0.0, paused=True), "PAUSED  0 s ago"),
        (ConnectionState(age=70.0, paused=True), "PAUSED  1 min ago"),
        (ConnectionState(age=0.0, pattern="db", shown=2), "filter 'db': 2 shown"),
    ],
)
def test_the_banner_says_what_is_unusual(state: ConnectionState, words: str | None) -> None:
    text = banner(state)
    assert (text is None) if words is None else (text is not None and words in str(text))
