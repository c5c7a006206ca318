"""``nodnod events``: its lines, its JSON, and what it does when its agent goes away."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from bench.harness.threaded import Threaded
from doubles.v1_server import V1Server
from doubles.v2_server import V2Server
from nodnod_agent.console.events import event_line, event_lines
from nodnod_agent.console.main import main
from nodnod_client.messages import Event

AT = time.mktime((2026, 11, 30, 16, 40, 2, 0, 0, -1))
WIRE = [
    {"id": "i-1", "at": AT, "node": "kenny", "kind": "joined", "text": "at 10.0.0.7:7070"},
    {"id": "i-2", "at": AT + 60, "node": "stan", "kind": "down", "text": "gone", "instance": "x"},
]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def v2() -> Iterator[Threaded[V2Server]]:
    server = V2Server()
    server.events = WIRE
    with Threaded(server) as threaded:
        yield threaded


def run(agent: Threaded[Any], *flags: str) -> int:
    return main(["events", "--server", agent.address, *flags])


def test_each_event_is_a_line_in_local_time(v2: Threaded[V2Server], capsys: Capture) -> None:
    assert run(v2) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-30 16:40:02  kenny         joined         at 10.0.0.7:7070",
        "2026-11-30 16:41:02  stan          down           gone",
    ]


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (80, ["2026-11-30 16:40:02  db-1          joined         at 10.0.0.7:7070"]),
        (60, ["2026-11-30 16:40:02  db-1          joined", "  at 10.0.0.7:7070"]),
        (40, ["11-30 16:40  db-1          joined", "  at 10.0.0.7:7070"]),
    ],
)
def test_in_a_narrow_terminal_the_text_stands_below_its_event(width: int, lines: list[str]) -> None:
    event = Event("i-1", AT, "db-1", "joined", "at 10.0.0.7:7070")
    assert [line.plain for line in event_lines(event, Console(width=width))] == lines


def test_json_is_the_answer_as_it_came(v2: Threaded[V2Server], capsys: Capture) -> None:
    assert run(v2, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {"host": "kyle", "events": WIRE, "error": ""}


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5 h", 5400), ("3d", 259_200)]
)
def test_nodes_and_a_time_are_asked_for(
    v2: Threaded[V2Server], capsys: Capture, text: str, seconds: float
) -> None:
    before = time.time()
    assert run(v2, "kenny", "db-*", "--since", text) == 0
    (request,) = v2.server.requests
    assert request["nodes"] == ["kenny", "db-*"]
    assert before - seconds <= request["since"] <= time.time() - seconds


@pytest.mark.parametrize("text", ["", "yesterday", "2 years", "-1h", "nan", "9" * 20])
def test_a_time_that_is_none_is_wrong_usage(
    v2: Threaded[V2Server], capsys: Capture, text: str
) -> None:
    assert run(v2, f"--since={text}") == 2
    assert "must be like 90s, 10m, 2h or 3d" in capsys.readouterr().err


def test_names_and_texts_cannot_control_the_terminal() -> None:
    line = event_line(Event("i-1", 1e300, "a\x1b[2J", "up\n", "b\u202e[red]"))
    assert not set("\x1b\n\u202e") & set(line.plain)
    assert line.plain.endswith("b\ufffd[red]")


def test_an_agent_of_2_0_is_too_old_and_one_of_version_1_too(
    v2: Threaded[V2Server], capsys: Capture
) -> None:
    v2.server.refusal = {"error": "`type` must be one of …, got 7", "code": "unknown_type"}
    for flags in ((), ("--follow",)):
        assert run(v2, *flags) == 1
        assert "events need a newer agent than" in capsys.readouterr().err
    with Threaded(V1Server()) as v1:
        assert run(v1) == 1
        assert "events need a version-2 agent" in capsys.readouterr().err


def test_without_an_agent_the_status_is_3(capsys: Capture) -> None:
    for flags in ((), ("--follow",)):
        assert main(["events", "--server", "127.0.0.1:1", *flags]) == 3
        assert "nodnod: " in capsys.readouterr().err
