"""``nodnod stat`` against agents of both versions."""

import csv
import io
import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bench.harness.threaded import Threaded
from doubles.command import command, read_until
from doubles.v1_server import V1Server, node_object
from doubles.v2_server import V2Server
from nodnod_agent.console.main import main
from nodnod_agent.core.encoding import NO_UNTIL

FINE = [node_object("kyle"), node_object("stan")]
FAILING = [node_object("kyle"), node_object("kenny", error="connection refused")]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(params=[V1Server, V2Server])
def agent(request: pytest.FixtureRequest) -> Iterator[Threaded[V1Server]]:
    with Threaded(request.param(nodes=FINE)) as running:
        yield running


@pytest.fixture
def v2() -> Iterator[Threaded[V2Server]]:
    with Threaded(V2Server(nodes=FINE, ticking=True)) as running:
        yield running


def test_a_cluster_is_a_table(agent: Threaded[V1Server], capsys: Capture) -> None:
    assert main(["stat", "--server", agent.address]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert re.search(r"^kyle +.*66\.4 %.*5\.3/8\.0 GiB", out, re.MULTILINE)
    assert re.search(r"^stan ", out, re.MULTILINE)
    assert "2 nodes · answered by kyle" in out


def test_a_node_with_an_error_makes_the_status_1(
    agent: Threaded[V1Server], capsys: Capture
) -> None:
    agent.server.nodes = FAILING
    assert main(["stat", "--server", agent.address]) == 1
    assert "✗ kenny: connection refused" in capsys.readouterr().out
    assert main(["stat", "--csv", "--server", agent.address]) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["name"], row["error"]) for row in rows] == [
        ("kenny", "connection refused"),
        ("kyle", ""),
    ]


def test_json_is_the_answer_of_the_server_in_the_environment(
    agent: Threaded[V1Server], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("NODNOD_SERVER", agent.address)
    assert main(["stat", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == agent.server.answer({"type": 1})
    assert main(["stat", "--local", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["nodes"]) == ["kyle"]


@pytest.mark.parametrize("command", ["stat", "check"])
def test_patterns_and_deadline_are_sent_to_the_agent(v2: Threaded[V2Server], command: str) -> None:
    assert main([command, "--server", v2.address, "--nodes", "db-*", "kyle", "--timeout", "5"]) == 0
    (request,) = v2.server.requests
    assert (request["nodes"], request["timeout"]) == (["db-*", "kyle"], 4.0)


def test_names_are_sent_with_and_without_a_flag(v2: Threaded[V2Server]) -> None:
    flags = ["kyle", "db-*", "--server", v2.address, "--nodes", "stan"]
    assert main(["stat", *flags]) == 0
    assert v2.server.requests[0]["nodes"] == ["kyle", "db-*", "stan"]


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ([], ["kenny", "kyle", "stan"]),
        (["--reverse"], ["kenny", "stan", "kyle"]),
        (["--sort", "cpu"], ["kenny", "stan", "kyle"]),
        (["--sort", "cpu", "--reverse"], ["kenny", "kyle", "stan"]),
    ],
)
def test_nodes_in_trouble_come_first_in_every_order(
    v2: Threaded[V2Server], capsys: Capture, flags: list[str], names: list[str]
) -> None:
    v2.server.nodes = [
        node_object("kyle"),
        node_object("stan", cpuUsed=80.0),
        node_object("kenny", error="down: x"),
    ]
    assert main(["stat", "--server", v2.address, *flags]) == 1
    rows = capsys.readouterr().out.splitlines()[2:5]
    assert [line.removeprefix("✗ ").split()[0] for line in rows] == names
    if flags:
        main(["stat", "--server", v2.address, "--csv", *flags])
        rows = capsys.readouterr().out.splitlines()[1:]
        assert [line.split(",")[2] for line in rows] == names


def test_what_nodes_are_sorted_by_is_asked_for_and_shown(
    v2: Threaded[V2Server], capsys: Capture
) -> None:
    load = {"load1": 0.5, "load5": 0.25, "load15": 1}
    v2.server.nodes = [node_object("kyle"), node_object("stan") | {"detail": {"load": load}}]
    assert main(["stat", "--server", v2.address, "--sort", "load"]) == 0
    assert v2.server.requests[0]["detail"] == ["load"]
    lines = [line.split()[:3] for line in capsys.readouterr().out.splitlines()]
    assert lines[0][:2] == ["Node", "Load"]
    assert [line[:2] for line in lines[2:4]] == [["stan", "0.50"], ["kyle", "-"]]
    assert len(lines) == 5  # the section itself was not asked for
    main(["stat", "--server", v2.address, "--sort", "network", "--history", "60"])
    main(["stat", "--server", v2.address, "--sort", "network"])
    assert [one["history"] for one in v2.server.requests[1:]] == [60, 5]


def test_output_to_a_pipe_is_not_cut(v2: Threaded[V2Server], capsys: Capture) -> None:
    long = "x" * 128
    v2.server.nodes = [node_object(long, error="y" * 200)]
    assert main(["stat", "--server", v2.address]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[:2] == ["✗", long]
    assert lines[3] == f"✗ {long}: {'y' * 200}"


def test_a_pattern_of_processes_is_sent_and_their_sums_are_shown(
    v2: Threaded[V2Server], capsys: Capture
) -> None:
    argv = ["stat", "--server", v2.address, "--detail", "processes", "--match", "post*"]
    sums = {"count": 0, "cpu": 0, "rss": 0, "threads": 0, "readBytes": 0, "writeBytes": 0}
    found = {"count": 99, "byCpu": [], "byMemory": [], "matching": [], "sums": sums}
    v2.server.nodes = [node_object("kyle", detail={"processes": found})]
    assert main(argv) == 0
    assert v2.server.requests[0]["match"] == "post*"
    assert "0 of 99 processes match" in capsys.readouterr().out


def test_top_processes_are_no_answer_to_a_pattern(v2: Threaded[V2Server], capsys: Capture) -> None:
    older = {"count": 99, "byCpu": [], "byMemory": []}
    v2.server.nodes = [node_object("kyle", detail={"processes": older})]
    assert main(["stat", "--server", v2.address, "--detail", "processes", "--match", "x"]) == 0
    assert "the agent of this node does not know `match`" in capsys.readouterr().out


def test_a_pattern_without_processes_is_a_wrong_command_line(capsys: Capture) -> None:
    assert main(["stat", "--match", "x", "--detail", "load"]) == 2
    assert "--match needs --detail processes" in capsys.readouterr().err


def test_a_refusal_is_status_1(v2: Threaded[V2Server], capsys: Capture) -> None:
    v2.server.refusal = {"error": "token needed", "code": "forbidden"}
    assert main(["stat", "--server", v2.address]) == 1
    assert capsys.readouterr().err == "nodnod: token needed\n"


@pytest.mark.usefixtures("all_time_to_connect")
def test_no_answer_in_time_is_status_3(v2: Threaded[V2Server], capsys: Capture) -> None:
    v2.server.hold()
    assert main(["stat", "--server", v2.address, "--timeout", "0.1"]) == 3
    assert "no answer" in capsys.readouterr().err


# Sections and the past


def with_detail(**detail: Any) -> dict[str, Any]:
    past = {"every": 2.0, "end": 1.7e9, "cpuUsed": [10.0, None, 30.0], "recvBytes": [0.0, 2048.0]}
    past |= {"load1": [0.5], "temperature": [None]}
    return node_object("kyle") | {"detail": detail, "history": past}


def test_sections_are_shown_below_the_table_in_the_order_asked_for(
    v2: Threaded[V2Server], capsys: Capture
) -> None:
    load = {"load1": 0.5, "load5": 0.25, "load15": 1}
    v2.server.nodes = [with_detail(load=load, gpu=None), node_object("stan")]
    assert main(["stat", "--server", v2.address, "--detail", "load", "gpu", "load"]) == 0
    assert v2.server.requests[0]["detail"] == ["load", "gpu", "load"]
    _, _, details = capsys.readouterr().out.partition("\n\n")
    lines = [line.rstrip("─ ") for line in details.splitlines()]
    assert lines == [
        "kyle",
        "Load",
        "0.50   0.25   1.00   (1, 5, 15 minutes)",
        "GPUs",
        "not on this machine",
        "",
        "stan",
        "No details: the node speaks version 1.",
    ]


def test_the_past_is_a_line_for_each_series_and_a_hole_is_blank(
    v2: Threaded[V2Server], capsys: Capture
) -> None:
    v2.server.nodes = [with_detail(), node_object("stan", error="down: x")]
    assert main(["stat", "--server", v2.address, "--history", "3600"]) == 1
    assert v2.server.requests[0]["history"] == 3600
    _, _, details = capsys.readouterr().out.partition("\n\n")
    lines = [line.split() for line in details.splitlines()]
    assert lines[:3] == [["stan"], ["No", "history", "now."], []]
    assert lines[4][:3] == ["The", "last", "6"]
    assert lines[6:] == [
        ["cpuUsed", "▁", "▃", "10.0", "%", "20.0", "%", "30.0", "%", "30.0", "%"],
        ["recvBytes", "▁█", "0", "B/s", "1.0", "KiB/s", "2.0", "KiB/s", "2.0", "KiB/s"],
        ["load1", "█", "0.50", "0.50", "0.50", "0.50"],
    ]


def test_the_highest_of_a_long_past_are_those_that_the_agent_knows(
    v2: Threaded[V2Server], capsys: Capture
) -> None:
    past = {"every": 1020.0, "end": 1e9, "cpuUsed": [10.0] * 593, "cpuUsedMax": [99.0] * 593}
    v2.server.nodes = [node_object("kyle") | {"history": past | {"ioPressure": [2.5]}}]
    assert main(["stat", "--server", v2.address, "--history", "604800"]) == 0
    _, _, details = capsys.readouterr().out.partition("\n\n")
    lines = [line.split() for line in details.splitlines()]
    assert lines[1][:7] == ["The", "last", "7", "d", "by", "17", "min"]
    assert [line[0] for line in lines[3:]] == ["cpuUsed", "ioPressure"]
    assert lines[3][-8:] == ["10.0", "%", "10.0", "%", "99.0", "%", "10.0", "%"]


def test_a_narrow_terminal_shows_the_numbers_of_the_past_without_sparklines(
    v2: Threaded[V2Server], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    v2.server.nodes = [with_detail()]
    assert main(["stat", "--server", v2.address, "--history", "3600"]) == 0
    _, _, details = capsys.readouterr().out.partition("\n\n")
    lines = [line.split() for line in details.splitlines()]
    assert lines[3] == ["cpuUsed", "10.0", "%", "20.0", "%", "30.0", "%", "30.0", "%"]


@pytest.mark.parametrize(
    "past", [{"every": 0, "end": 1, "load1": [1]}, {"every": 1, "end": 1, "load1": ["x"]}, {}]
)
def test_a_past_that_makes_no_sense_is_none(
    v2: Threaded[V2Server], capsys: Capture, past: Any
) -> None:
    v2.server.nodes = [node_object("kyle") | {"history": past}]
    assert main(["stat", "--server", v2.address, "--history", "3600"]) == 0
    assert "No history: " in capsys.readouterr().out


def test_json_has_sections_and_past_as_they_came(v2: Threaded[V2Server], capsys: Capture) -> None:
    v2.server.nodes = [with_detail(custom=[])]
    flags = ["--detail", "custom", "--history", "60", "--json"]
    assert main(["stat", "--server", v2.address, *flags]) == 0
    assert json.loads(capsys.readouterr().out)["nodes"]["kyle"] == v2.server.nodes[0]


def test_the_past_of_a_dead_node_says_who_has_kept_it_and_when_it_ends(
    v2: Threaded[V2Server], capsys: Capture
) -> None:
    past = {"every": 10.0, "end": time.time() - 190, "keptBy": "st\x1ban", "cpuUsed": [50.0] * 30}
    dead = node_object("kyle", error="down: connection refused") | {"history": past}
    v2.server.nodes = [dead]
    assert main(["stat", "--server", v2.address, "--history", "3600"]) == 1
    _, _, details = capsys.readouterr().out.partition("\n\n")
    assert "The last 5 min until 3 min ago, kept by st" in details
    assert "\x1b" not in details
    assert "50.00" in details or "50.0" in details


def test_the_past_that_ended_at_a_moment_says_how_long_ago_that_was(
    v2: Threaded[V2Server], capsys: Capture
) -> None:
    moment = time.time() - 86_400
    past = {"every": 10.0, "end": moment - 5, "until": moment, "cpuUsed": [50.0] * 60}
    v2.server.nodes = [
        node_object("kyle") | {"history": past},
        node_object("kenny") | {"history": past | {"cpuUsed": []}},
        node_object("stan") | {"history": {"every": 1.0, "end": moment + 86_400, "cpuUsed": [1]}},
        node_object("eric") | {"history": {"error": "no \x1bknowledge"}},
    ]
    flags = ["--history", "600", "--until", "1d"]
    assert main(["stat", "--server", v2.address, *flags]) == 0
    assert v2.server.requests[0]["history"] == 600
    assert v2.server.requests[0]["until"] == pytest.approx(moment, abs=60)
    _, _, details = capsys.readouterr().out.partition("\n\n")
    parts = [[line.split() for line in part.splitlines()] for part in details.split("\n\n")]
    eric, kenny, kyle, stan = parts
    assert eric[1] == ["No", "history:", "no", "�knowledge"]
    assert " ".join(kenny[1]) == "No history: nothing so old is known any more."
    assert kyle[1][:6] == ["10", "min", "until", "1", "d", "ago"]
    assert kyle[3][0] == "cpuUsed"
    assert " ".join(stan[1]) == f"No history: {NO_UNTIL}"


@pytest.mark.parametrize("flags", [[], ["--history", "60", "--every", "1"]])
def test_an_end_without_a_past_or_of_a_watch_is_wrong_usage(
    flags: list[str], capsys: Capture
) -> None:
    assert main(["stat", "--until", "1d", *flags]) == 2
    assert "--until needs --history" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--detail", "cpu"], ["--history", "60"]])
def test_csv_of_sections_or_past_is_wrong_usage(flags: list[str], capsys: Capture) -> None:
    assert main(["stat", "--csv", *flags]) == 2
    assert "--csv has the stats only" in capsys.readouterr().err


def test_an_unknown_section_is_wrong_usage_and_names_the_known_ones(capsys: Capture) -> None:
    assert main(["stat", "--detail", "colour"]) == 2
    assert "'cpu', 'custom'," in capsys.readouterr().err


# Watching


@contextmanager
def watch(
    agent: Threaded[V1Server], *flags: str, end: signal.Signals | None = signal.SIGINT
) -> Iterator[subprocess.Popen[str]]:
    """Run ``stat --every`` and end it with a signal; it prints no error that is not read here."""
    nodnod = ("-m", "nodnod_agent.console.main", "stat", "--every", "0.25")
    with command([*nodnod, "--server", agent.address, *flags]) as process:
        yield process
        if end is not None:
            process.send_signal(end)
        _, err = process.communicate()
        assert err == ""


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_watch_prints_answers_until_a_signal(
    agent: Threaded[V1Server], end: signal.Signals
) -> None:
    if isinstance(agent.server, V2Server):
        agent.server.ticking = True
    with watch(agent, "--json", end=end) as process:
        assert {json.loads(line(process))["host"] for _ in range(3)} == {"kyle"}
    assert process.returncode == 0


def test_watch_streams_if_the_agent_can(v2: Threaded[V2Server]) -> None:
    with watch(v2, "--csv") as process:
        lines = [line(process) for _ in range(5)]
        assert lines[0].startswith("time,host,name")
        assert sum("kyle,stan" in line for line in lines) == 2
        assert v2.server.requests[0]["every"] == 0.25


def test_watch_polls_an_agent_that_cannot_stream(v2: Threaded[V2Server]) -> None:
    v2.server.streaming = False
    with watch(v2, "--json") as process:
        assert {json.loads(line(process))["host"] for _ in range(3)} == {"kyle"}
        assert [("every" in request) for request in v2.server.requests[:3]] == [True, False, False]


def test_watch_reports_a_lost_connection_and_continues(v2: Threaded[V2Server]) -> None:
    with watch(v2, "--json") as process:
        line(process)
        v2.run(v2.server.drop())
        assert process.stderr is not None
        assert "closed the connection" in process.stderr.readline()
        assert json.loads(line(process))["host"] == "kyle"
    assert process.returncode == 0


def test_watch_ends_with_the_status_of_the_last_answer(v2: Threaded[V2Server]) -> None:
    v2.server.nodes = FAILING
    with watch(v2) as process:
        read_until(process, "answered by")
    assert process.returncode == 1


def test_watch_ends_quietly_when_its_reader_closes_the_pipe(v2: Threaded[V2Server]) -> None:
    with watch(v2, "--json", end=None) as process:
        line(process)
        assert process.stdout is not None
        process.stdout.close()
    assert process.returncode == 0
