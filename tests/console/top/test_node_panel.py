"""One node on a whole screen, whatever it tells."""

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from nodnod_agent.console.top.node_panel import body, head
from nodnod_client.messages import SECTIONS, NodeStats

DETAIL: dict[str, Any] = {
    "cpu": {
        "used": 53.0,
        "user": 40.0,
        "system": 13.0,
        "iowait": 1.5,
        "steal": None,
        "cores": [100.0, 6.0, 51.0],
        "frequency": 2600.0,
    },
    "load": {"load1": 3.13, "load5": 2.5, "load15": 1.25},
    "memory": {
        "total": 2**33,
        "used": 2**32,
        "available": 2**32,
        "cached": 2**30,
        "buffers": None,
        "swapTotal": 2**30,
        "swapUsed": 2**29,
    },
    "filesystems": [
        {
            "mount": "/",
            "device": "/dev/sda1",
            "type": "ext4",
            "total": 100,
            "used": 95,
            "free": 5,
            "inodesUsedPercent": None,
            "counted": True,
        },
        {
            "mount": "/net",
            "device": "nas:/x",
            "type": "nfs4",
            "total": 100,
            "used": 10,
            "free": 90,
            "inodesUsedPercent": 1.0,
            "counted": False,
            "stuckSince": 940.0,
        },
        {
            "mount": "/bad",
            "device": "x",
            "type": "y",
            "total": 0,
            "used": 0,
            "free": 0,
            "inodesUsedPercent": None,
            "counted": False,
            "error": "i/o error",
        },
    ],
    "network": {
        "eth0": {
            "recvBytes": 5300.0,
            "sentBytes": 10.0,
            "packets": 4.0,
            "errors": 0.0,
            "drops": 2.0,
        }
    },
    "diskio": {
        "sda": {
            "readBytes": 1024.0,
            "writeBytes": 0.0,
            "reads": 1.0,
            "writes": 0.0,
            "busyPercent": None,
        }
    },
    "pressure": {"cpu": {"some": 20.7, "full": None}, "memory": None, "io": {"some": 0, "full": 0}},
    "processes": {
        "count": 112,
        "byCpu": [{"pid": 7, "name": "[red]x\x1b[2J", "user": "root", "cpu": 250.0, "rss": 2**20}],
        "byMemory": [],
    },
    "sensors": {
        "temperatures": [{"name": "core", "value": 61.0, "critical": 60.0}],
        "fans": [{"name": "fan1", "rpm": 1200.0}],
        "battery": {"percent": 80.0, "pluggedIn": True, "secondsLeft": None},
    },
    "gpu": [
        {
            "name": "A100",
            "utilisation": 40.0,
            "memoryTotal": 2**33,
            "memoryUsed": 2**32,
            "temperature": 50.0,
            "power": 250.0,
        }
    ],
    "system": {
        "os": "Debian",
        "kernel": "6.1",
        "architecture": "x86_64",
        "cores": {"logical": 3, "physical": None},
        "bootTime": 100.0,
        "agentVersion": "2.0.0",
        "pythonVersion": "3.11",
        "scope": "container",
        "cpuLimit": 1.5,
        "memoryLimit": 2**30,
    },
}

HISTORY = {
    "every": 1.0,
    "end": 1000.0,
    "cpuUsed": [50.0] * 300,
    "memoryUsedPercent": [5.0] * 300,
    "recvBytes": [0.0] * 299 + [2048.0],
    "sentBytes": [None] * 300,
}


def drawn(what: RenderableType, width: int) -> str:
    text = io.StringIO()
    Console(file=text, width=width, markup=False, emoji=False).print(what)
    return text.getvalue()


def node(**fields: Any) -> NodeStats:
    return NodeStats("kyle", 53.0, memory_total=8, memory_used_percent=50.0, **fields)


def shown(width: int = 78, **fields: Any) -> str:
    return drawn(
        body(node(**({"detail": DETAIL, "history": HISTORY} | fields)), width, 1000.0), width
    )


def test_the_samples_hold_every_section() -> None:
    assert set(DETAIL) == SECTIONS


@pytest.mark.parametrize("width", [38, 78, 118, 148, 198])
def test_everything_fits_every_width(width: int) -> None:
    lines = shown(width).splitlines()
    assert max(map(len, lines)) <= width
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(
    "words",
    [
        "user 40.0 %   system 13.0 %   iowait 1.5 %   2.6 GHz",
        "0 ━━━━ 100%   1 ────   6%   2 ━━──  51%",
        "3.13   2.50   1.25",
        "swap  ━━━━━━━━━━──────────  50.0 %  0.5/1.0 GiB",
        "available 4.0 GiB   cached 1.0 GiB",
        "/dev/sda1 (ext4)  ━━━━━━━━  95.0 %",
        "STUCK 1 min",
        "i/o error",
        "5.2 KiB/s",
        "1.0 KiB/s",
        "cpu          20.7 %",
        "112 processes",
        "[red]x\ufffd[2J",
        "250%",
        "core 61 °C",
        "battery 80.0 %, plugged in",
        "A100  40.0 %  4.0/8.0 GiB  50 °C  250 W",
        "3 cores, up for 15 min",
        "in a container limited to 1.5 cores and 1.0 GiB",
        "received ",
        "2.0 KiB/s",
    ],
)
def test_every_section_is_told(words: str) -> None:
    assert words in shown()


def test_a_wide_screen_has_two_columns() -> None:
    line = next(line for line in shown(148).splitlines() if line.startswith("The last 5 min"))
    assert "Filesystems" in line


def test_what_a_machine_lacks_is_left_out() -> None:
    text = shown(detail={"cpu": None, "load": DETAIL["load"]})
    assert "CPU ─" not in text
    assert "Load ─" in text


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"error": "no such file"}, "no such file"),
        ({"load1": "x"}, "cannot be read"),
        (7, "cannot"),
    ],
)
def test_a_section_that_failed_says_so_and_harms_no_other(section: Any, words: str) -> None:
    text = shown(detail={"load": section, "cpu": DETAIL["cpu"]})
    assert words in text
    assert "user 40.0 %" in text


@pytest.mark.parametrize(
    "history", [7, {}, {"every": 0, "end": 1}, {"every": 1, "end": 1, "cpuUsed": "x"}]
)
def test_a_history_of_nonsense_is_left_out(history: Any) -> None:
    text = shown(history=history)
    assert "The last" not in text
    assert "user 40.0 %" in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [({}, "No details: the node speaks version 1"), ({"error": "down: x"}, "No details now")],
)
def test_without_details_it_says_why(fields: dict[str, Any], words: str) -> None:
    assert words in drawn(body(node(**fields), 78, 1000.0), 78)


def test_the_head_tells_the_numbers() -> None:
    text = str(head(node(), None, 1000.0))
    assert text.startswith("kyle\nCPU ━━━━──── 53.0 %   memory ━━━━──── 50.0 %")


def test_the_head_of_a_node_in_trouble_tells_why_since_when_and_its_last_numbers() -> None:
    text = str(head(node(error="stale: last heard 9.0 s ago"), 990.0, 1000.0))
    assert text.startswith("kyle   STALE  10 s  last heard 9.0 s ago\nlast  CPU")
    bare = NodeStats("kyle", error="down: connection refused")
    assert str(head(bare, None, 1000.0)) == "kyle   DOWN   connection refused\nno numbers"
