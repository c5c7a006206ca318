"""``nodnod stat`` against agents of both versions."""

import csv
import io
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from bench.harness.threaded import Threaded
from doubles.command import command
from doubles.v1_server import V1Server, node_object
from doubles.v2_server import V2Server
from nodnod_agent.console.main import main

FINE = [node_object("kyle"), node_object("stan")]
ERRING = [node_object("kyle"), node_object("kenny", error="connection refused")]


@pytest.fixture(params=[V1Server, V2Server])
def agent(request: pytest.FixtureRequest) -> Iterator[Threaded[V1Server]]:
    with Threaded(request.param(nodes=FINE)) as elsewhere:
        yield elsewhere


@pytest.fixture
def v2() -> Iterator[Threaded[V2Server]]:
    with Threaded(V2Server(nodes=FINE, ticking=True)) as elsewhere:
        yield elsewhere


def test_a_cluster_is_a_table(
    agent: Threaded[V1Server], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stat", "--server", agent.address]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert re.search(r"^kyle +.*66\.4 %.*5\.3/8\.0 GiB", out, re.MULTILINE)
    assert re.search(r"^stan ", out, re.MULTILINE)
    assert "2 nodes · answered by kyle" in out


def test_an_erring_node_is_status_1(
    agent: Threaded[V1Server], capsys: pytest.CaptureFixture[str]
) -> None:
    agent.server.nodes = ERRING
    assert main(["stat", "--server", agent.address]) == 1
    assert "✗ kenny: connection refused" in capsys.readouterr().out


def test_json_is_the_answer(agent: Threaded[V1Server], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stat", "--json", "--server", agent.address]) == 0
    assert json.loads(capsys.readouterr().out) == agent.server.answer({"type": 1})


def test_csv_has_a_line_per_node(
    agent: Threaded[V1Server], capsys: pytest.CaptureFixture[str]
) -> None:
    agent.server.nodes = ERRING
    assert main(["stat", "--csv", "--server", agent.address]) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["name"], row["error"]) for row in rows] == [
        ("kenny", "connection refused"),
        ("kyle", ""),
    ]


def test_local_asks_for_that_node_only(
    agent: Threaded[V1Server], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stat", "--local", "--json", "--server", agent.address]) == 0
    assert list(json.loads(capsys.readouterr().out)["nodes"]) == ["kyle"]


def test_the_server_can_come_from_the_environment(
    agent: Threaded[V1Server], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NODNOD_SERVER", agent.address)
    assert main(["stat", "--json"]) == 0
    assert "kyle" in capsys.readouterr().out


def test_patterns_and_deadline_go_to_the_agent(v2: Threaded[V2Server]) -> None:
    assert main(["stat", "--server", v2.address, "--nodes", "db-*", "kyle", "--timeout", "5"]) == 0
    (request,) = v2.server.requests
    assert (request["nodes"], request["timeout"]) == (["db-*", "kyle"], 4.0)


def test_patterns_for_version_1_are_status_1_and_say_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Threaded(V1Server()) as agent:
        assert main(["stat", "--server", agent.address, "--nodes", "k*"]) == 1
    assert "needs a version-2 agent" in capsys.readouterr().err


def test_a_refusal_is_status_1(v2: Threaded[V2Server], capsys: pytest.CaptureFixture[str]) -> None:
    v2.server.refusal = {"error": "token needed", "code": "forbidden"}
    assert main(["stat", "--server", v2.address]) == 1
    assert capsys.readouterr().err == "nodnod: token needed\n"


def test_no_answer_in_time_is_status_3(
    v2: Threaded[V2Server], capsys: pytest.CaptureFixture[str]
) -> None:
    v2.server.hold()
    assert main(["stat", "--server", v2.address, "--timeout", "0.1"]) == 3
    assert "no answer" in capsys.readouterr().err


# Watching


def watch(address: str, *flags: str) -> AbstractContextManager[subprocess.Popen[str]]:
    nodnod = ("-m", "nodnod_agent.console.main")
    return command([*nodnod, "stat", "--server", address, "--watch", "0.25", *flags])


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_watch_prints_answers_until_a_signal(
    agent: Threaded[V1Server], stop: signal.Signals
) -> None:
    if isinstance(agent.server, V2Server):
        agent.server.ticking = True
    with watch(agent.address, "--json") as process:
        assert process.stdout is not None
        answers = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(stop)
        _, err = process.communicate()
        assert {answer["host"] for answer in answers} == {"kyle"}
        assert process.returncode == 0
        assert err == ""


def test_watch_streams_where_the_agent_can(v2: Threaded[V2Server]) -> None:
    with watch(v2.address, "--csv") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert lines[0].startswith("time,host,name")
        assert len([line for line in lines if "kyle,stan" in line]) == 2
        assert v2.server.requests[0]["every"] == 0.25


def test_watch_polls_an_agent_that_does_not_stream(v2: Threaded[V2Server]) -> None:
    v2.server.streaming = False
    with watch(v2.address, "--json") as process:
        assert process.stdout is not None
        for _ in range(3):
            assert json.loads(process.stdout.readline())["host"] == "kyle"
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert [("every" in request) for request in v2.server.requests[:3]] == [True, False, False]


def test_watch_goes_on_after_a_loss_and_says_so(v2: Threaded[V2Server]) -> None:
    with watch(v2.address, "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        v2.run(v2.server.drop())
        assert "closed the connection" in process.stderr.readline()
        assert json.loads(process.stdout.readline())["host"] == "kyle"
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode == 0


def test_watch_ends_with_the_status_of_the_last_answer(v2: Threaded[V2Server]) -> None:
    v2.server.nodes = ERRING
    with watch(v2.address) as process:
        assert process.stdout is not None
        while "answered by" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode == 1


def test_watch_of_nobody_is_status_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stat", "--server", "127.0.0.1:1", "--watch", "1"]) == 3
    assert "connection refused" in capsys.readouterr().err


def test_watch_into_a_pipe_that_closes_ends_quietly(v2: Threaded[V2Server]) -> None:
    with watch(v2.address, "--json") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        _, err = process.communicate()
        assert process.returncode == 0
        assert err == ""
