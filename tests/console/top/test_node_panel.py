"""The text of the screen of one node, whatever its detail holds."""

import io
import re
from typing import Any

import msgspec
import pytest
from msgspec import structs
from rich.console import Console, RenderableType

from doubles.samples import SECTIONS as SAMPLES
from nodnod_agent.console.top.node_panel import body, head, panel
from nodnod_client.messages import NodeStats
from nodnod_client.sections import SECTIONS, Filesystem, Gpu, Pressure, Process, Processes, Stall

NOW = 1.7e9 + 900

DETAIL: dict[str, Any] = msgspec.to_builtins(
    {
        **SAMPLES,
        "cpu": structs.replace(SAMPLES["cpu"], steal=None, cores=[100.0, None, 6.0, 51.0]),
        "filesystems": [
            Filesystem("/", "/dev/sda1", "ext4", 100, 95, 5, None, True),
            Filesystem("/net", "nas:/x", "nfs4", 100, 10, 90, 1.0, False, stuck_since=NOW - 60),
            Filesystem("/bad", "x", "y", 0, 0, 0, None, False, error="i/o error"),
            Filesystem("/auto", "z", "nfs", 10, 1, 9, None, False, measured_at=NOW - 120),
        ],
        "pressure": Pressure(Stall(20.7, None), None, Stall(0, 0)),
        "processes": Processes(112, [Process(7, "[red]x\x1b[2J", "root", 250.0, 2**20)], []),
    }
)

HISTORY = {
    "every": 1.0,
    "end": NOW,
    "cpuUsed": [50.0] * 300,
    "memoryUsedPercent": [5.0] * 300,
    "recvBytes": [0.0] * 299 + [3072.0],
    "sentBytes": [None] * 300,
}


def drawn(renderable: RenderableType, width: int) -> str:
    text = io.StringIO()
    Console(file=text, width=width, markup=False, emoji=False).print(renderable)
    return text.getvalue()


def node(**fields: Any) -> NodeStats:
    return NodeStats("kyle", 53.0, memory_total=8, memory_used_percent=50.0, **fields)


def shown(width: int = 78, **fields: Any) -> str:
    shown = node(**({"detail": DETAIL, "history": HISTORY} | fields))
    return drawn(body(shown, width, NOW), width)


@pytest.mark.parametrize("width", [38, 78, 118, 148, 198])
def test_every_section_fits_every_width(width: int) -> None:
    assert set(DETAIL) == SECTIONS
    lines = shown(width).splitlines()
    assert max(map(len, lines)) <= width
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(
    "words",
    [
        "user 8.0 %   system 4.0 %   iowait 0.5 %   2.4 GHz",
        "0 ━━━━ 100%◆  2 ────   6%   3 ━━──  51%",
        "0.50   0.25   0.12",
        "swap  ━━━━━━━━━━──────────  50.0 %   1.0/2.0 GiB",
        "available 12.0 GiB   cached 3.0 GiB",
        "/dev/sda1 (ext4)  ━━━━━━━━  95.0 %",
        "STUCK 1 min",
        "i/o error",
        "2 min old",
        "100 B/s",
        "2.0 KiB/s",
        "20.7 %",
        "112 processes",
        "[red]x\ufffd[2J",
        "250%",
        "coretemp Core 0 61 °C",
        "thinkpad 2500 rpm",
        "battery 50.0 %, plugged in",
        "control groups: odd",
        "90 services, 1 failed",
        "exit-code (3)",
        "signal (signal 9)",
        "no such",
        "db.service",
        "jobs (node=a, queue=mail)      3  jobs.prom",
        "jobs.prom  line 7 is no metric",
        "old.json  STALE, written 1157 d ago",
        "link.prom  not a regular file",
        "Tesla  75.0 % ▲  1.0/4.0 GiB  70 °C  150 W",
        "4 cores (2 physical), up for 15 min",
        "in a container limited to 1.5 cores and 8.0 GiB",
        "received ",
        "3.0 KiB/s",
    ],
)
def test_every_section_is_shown(words: str) -> None:
    assert words in shown()


def test_a_wide_screen_has_two_columns() -> None:
    line = next(line for line in shown(148).splitlines() if line.startswith("The last 5 min"))
    assert "Filesystems" in line


def test_a_section_that_the_machine_lacks_is_not_shown() -> None:
    text = shown(detail={"cpu": None, "load": DETAIL["load"]})
    assert "CPU ─" not in text
    assert "Load ─" in text


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"error": "no such file"}, "no such file"),
        ({"load1": "x"}, "cannot be read"),
        (7, "cannot be read"),
        ({"load1": 10**400, "load5": 1, "load15": 1}, "cannot be read"),
    ],
)
def test_a_section_that_failed_shows_its_error_and_affects_no_other(
    section: Any, words: str
) -> None:
    text = shown(detail={"load": section, "cpu": DETAIL["cpu"]})
    assert words in text
    assert "user 8.0 %" in text


def test_a_lost_gpu_shows_its_error_at_its_place() -> None:
    lost = Gpu("", None, None, None, None, None, error="GPU is lost")
    text = shown(detail={"gpu": msgspec.to_builtins([*SAMPLES["gpu"], lost])})
    assert "\nTesla  75.0 %" in text
    assert "\nGPU 1  GPU is lost" in text


def test_rows_that_the_node_left_out_are_counted() -> None:
    rows = [*DETAIL["filesystems"][:2], DETAIL["filesystems"][2] | {"truncated": 312}]
    text = shown(detail={"filesystems": rows, "cpu": DETAIL["cpu"]})
    assert "and 312 more, too many for one answer" in text
    assert "more, too many" not in shown()


def test_the_use_of_a_filesystem_is_that_of_df() -> None:
    row = DETAIL["filesystems"][0] | {"used": 93, "free": 0, "usedPercent": 100}
    assert "100.0 %" in shown(detail={"filesystems": [row]})
    assert "94.0 %" in shown(detail={"filesystems": [row | {"free": 6, "usedPercent": None}]})


def test_many_custom_numbers_are_cut() -> None:
    numbers = [{"file": "a", "name": f"n{number}", "value": 1} for number in range(300)]
    text = shown(detail={"custom": {"files": [], "numbers": numbers}})
    assert len(re.findall(r"^n\d+ ", text, re.MULTILINE)) == 200
    assert "and 100 more numbers" in text


def test_an_invalid_history_is_not_shown() -> None:
    text = shown(history={"every": 1, "end": 1, "cpuUsed": "x"})
    assert "The last" not in text
    assert "user 8.0 %" in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [({}, "No details: the node speaks version 1"), ({"error": "down: x"}, "No details now")],
)
def test_a_node_without_details_shows_why(fields: dict[str, Any], words: str) -> None:
    assert words in drawn(body(node(**fields), 78, NOW), 78)


def test_the_head_shows_the_numbers() -> None:
    text = str(head(node(), None, NOW))
    assert text.startswith("kyle\nCPU ━━── 53.0 %   memory ━━── 50.0 %   disk")


def test_the_head_of_a_node_with_an_error_shows_the_reason_and_the_last_numbers() -> None:
    text = str(head(node(error="stale: last heard 9.0 s ago"), NOW - 10, NOW))
    assert text.startswith("kyle   STALE  10 s  last heard 9.0 s ago\nlast  CPU")
    down = NodeStats("kyle", error="down: connection refused")
    assert str(head(down, None, NOW)) == "kyle   DOWN   connection refused\nno numbers"


def test_containers_have_a_row_each_and_the_note_says_what_is_missing() -> None:
    section = structs.replace(SAMPLES["containers"], note="/run/docker.sock: permission denied")
    text = shown(detail={"containers": msgspec.to_builtins(section)})
    assert "2 containers\n/run/docker.sock: permission denied" in text
    assert re.search(r"web +running healthy +12\.5 % +1\.0 GiB +3 B/s +4 B/s", text)
    assert re.search(r"ba9876543210 +- +- +- +-", text)


def test_a_wide_terminal_shows_all_numbers_of_a_container() -> None:
    section = msgspec.to_builtins(SAMPLES["containers"])
    text = drawn(panel("containers", section, 200, NOW), 200)
    row = ["web", "running healthy", "nginx:1", "12.5 %", "100.0 %", "1.0 GiB", "2.0 GiB"]
    row += ["3 B/s", "4 B/s", "1 B/s", "2 B/s", "5", "6", "15 min"]
    assert re.search(" +".join(map(re.escape, row)), text)


def test_the_past_of_a_dead_node_is_shown_and_says_who_has_kept_it() -> None:
    past = {"every": 10.0, "end": NOW - 600, "keptBy": "stan", "cpuUsed": [70.0] * 30}
    text = drawn(body(node(error="down: x", history=past), 78, NOW), 78)
    assert "The last 5 min until 10 min ago, kept by stan" in text
    assert "70.0 %" in text
    assert "No details now" in text
