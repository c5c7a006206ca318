"""The command line of ``nodnod``: usage, help, exit statuses, errors of one line."""

import re

import pytest

from bench.harness.threaded import Threaded
from doubles.command import command
from doubles.v1_server import V1Server
from nodnod_agent.console.main import COMMANDS, main


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["stats"], "'stats'"),
        (["--what"], "COMMAND"),
        (["stat", "--what"], "--what"),
        (["members", "extra"], "extra"),
        (["stat", "--local", "kyle"], "--local"),
        (["stat", "--sort", "colour"], "argument --sort: invalid choice: 'colour' (choose from"),
        (["stat", "--sort", "load", "--json"], "--sort"),
        (["stat", "--by", "role", "--sort", "uptime"], "name, cpu, memory, disk"),
        (["stat", "--serv", "x"], "--serv"),
        (["stat", "--server"], "--server"),
        (["stat", "--server", "http://kyle"], "ws://"),
        (["stat", "--server", "kyle:70700"], "port must be 1–65535"),  # noqa: RUF001
        (["stat", "--local", "--nodes", "a"], "--nodes"),
        (["stat", "--json", "--csv"], "--csv"),
        (["stat", "--watch", "0.1"], "between 0.25 and 3600, got '0.1'"),
        (["stat", "--watch", "nan"], "between 0.25 and 3600"),
        (["stat", "--timeout", "x"], "between 0.1 and 3600"),
        (["demo", "--nodes", "0"], "between 1 and 100"),
        (["demo", "--nodes", "1.5"], "between 1 and 100"),
        (["completion"], "shell"),
        (["completion", "tcsh"], "shell"),
    ],
)
def test_wrong_usage_is_one_clear_line_and_status_2(
    argv: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("nodnod")
    assert complaint in err
    assert "--help" in err


def test_without_a_command_there_is_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(None, 1) for line in lines[2:-2]] == [[c.name, c.help] for c in COMMANDS]


def test_a_bad_server_in_the_environment_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NODNOD_SERVER", "kyle:x")
    assert main(["stat"]) == 2
    assert "port" in capsys.readouterr().err


@pytest.mark.parametrize("argv", ["stat", "stat --watch 1", "members", "members --agree"])
def test_a_failure_to_connect_is_status_3(argv: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*argv.split(), "--server", "127.0.0.1:1"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "nodnod: cannot connect to ws://127.0.0.1:1/: connection refused\n"


@pytest.mark.parametrize("argv", ["stat --nodes k*", "members", "members --agree"])
def test_a_request_that_version_1_does_not_know_is_status_1(
    argv: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Threaded(V1Server()) as agent:
        assert main([*argv.split(), "--server", agent.address]) == 1
    assert re.search("needs? a version-2 agent", capsys.readouterr().err)


def test_help_names_the_version_every_command_and_every_status(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("nodnod 2.")
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert "  3  no answer" in text
    for one in COMMANDS:
        assert one.help in text
        assert main([one.name, "--help"]) == 0
        assert f"nodnod {one.name}" in capsys.readouterr().out


def test_a_reader_that_closes_the_pipe_causes_no_error() -> None:
    with command(["-m", "nodnod_agent.console.main", "--version"]) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, err = process.communicate()
    assert (process.returncode, err) == (0, "")
