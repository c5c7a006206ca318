"""The command line of ``nodnod``: usage, help, exit statuses, errors of one line."""

import os
import re
from argparse import ArgumentParser
from pathlib import Path

import pytest

from bench.harness.threaded import Threaded
from doubles.certificates import Authority
from doubles.command import command
from doubles.v1_server import V1Server
from doubles.v2_server import V2Server
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
        (["stat", "--server", "ftp://kyle"], "ws://"),
        (["stat", "--server", "kyle:70700"], "port must be 1–65535"),  # noqa: RUF001
        (["stat", "--local", "--nodes", "a"], "--nodes"),
        (["stat", "--json", "--csv"], "--csv"),
        (["stat", "--every", "0.1"], "between 0.25 and 3600, got '0.1'"),
        (["stat", "--every", "nan"], "between 0.25 and 3600"),
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


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        ({"SERVER": "kyle:x"}, "NODNOD_SERVER: port must be "),
        ({"TOKEN": "a b"}, "NODNOD_TOKEN: a token consists of "),
        ({"CA": "gone"}, "NODNOD_CA: 'gone': no such file"),
        ({"CERT": "gone"}, "NODNOD_CERT: 'gone': no such file"),
        ({"KEY": "gone"}, "NODNOD_KEY: 'gone': no such file"),
        ({"KEY": os.devnull}, "NODNOD_KEY: needs NODNOD_CERT"),
        ({"CERT": os.devnull}, f"NODNOD_CERT '{os.devnull}': no certificate in PEM form"),
    ],
)
@pytest.mark.parametrize(
    ("command", "status", "begins"),
    [
        ("stat", 2, "nodnod: "),
        ("members", 2, "nodnod: "),
        ("alerts", 3, "nodnod: "),
        ("silence --list", 2, "nodnod: "),
        ("check", 3, "NODNOD UNKNOWN: "),
        ("doctor", 3, "nodnod: "),
    ],
)
def test_a_fault_in_a_variable_is_one_line_that_names_the_variable(
    command: str,
    status: int,
    begins: str,
    variables: dict[str, str],
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(f"NODNOD_{name}", text)
    assert main(command.split()) == status
    line = "".join(capsys.readouterr())
    assert line.startswith(f"{begins}{fault}")
    assert line.count("\n") == 1


def test_a_server_that_goes_with_no_ca_names_where_it_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NODNOD_CA", Authority(tmp_path).ca)
    monkeypatch.setenv("NODNOD_SERVER", "ws://kyle")
    for flags, place in ([], "NODNOD_SERVER"), (["--server", "ws://stan"], "--server"):
        assert main(["stat", *flags]) == 2
        err = capsys.readouterr().err
        assert err.startswith(
            f"nodnod: {place}: expected host:port or a wss:// URL, because NODNOD_CA"
        )


def test_a_flag_stands_before_a_variable_with_a_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NODNOD_SERVER", "kyle:x")
    assert main(["stat", "--server", "127.0.0.1:1"]) == 3
    assert "connection refused" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("NODNOD_SEVER", "SERVER"),
        ("NODNOD_TOKENS", "TOKEN"),
        ("NODNOD_SECRET", ""),
        ("SERVERS", ""),
    ],
)
def test_a_variable_that_is_nearly_one_of_ours_is_warned_of(
    variable: str, meant: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, "x")
    main(["stat", "--server", "127.0.0.1:1"])
    hint = f"warning: {variable}: unknown variable (did you mean NODNOD_{meant}?)"
    assert [line for line in capsys.readouterr().err.splitlines() if "warning" in line] == (
        [f"nodnod: {hint}"] if meant else []
    )


@pytest.mark.parametrize("form", ["http://{}/", "http://{}/#/node/kyle?range=60", "ws://{}/", "{}"])
def test_a_server_may_be_given_as_it_stands_in_the_browser(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Threaded(V2Server()) as agent:
        assert main(["stat", "--server", form.format(agent.address)]) == 0
    assert "kyle" in capsys.readouterr().out


@pytest.mark.parametrize("argv", ["stat", "stat --every 1", "members", "members --agree"])
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


def flags_of(name: str) -> set[str]:
    parser = ArgumentParser()
    next(command for command in COMMANDS if command.name == name).add_flags(parser)
    return {flag for action in parser._actions for flag in action.option_strings or [action.dest]}


def test_one_thing_has_one_name_in_all_commands() -> None:
    asking = ("stat", "top", "members", "events", "alerts", "silence", "check", "doctor")
    for name in asking:
        assert {"--server", "--token", "--ca", "--cert", "--key", "--timeout"} <= flags_of(name)
    for name in ("stat", "top", "events", "alerts", "check"):
        assert {"names", "--nodes"} <= flags_of(name)
    for name in ("stat", "top", "alerts"):  # and as it was called
        assert {"--every", "--watch"} <= flags_of(name)


@pytest.mark.parametrize("flags", ["a* b", "--nodes a* b", "a* --nodes b"])
@pytest.mark.parametrize("command", ["stat", "events", "alerts", "check"])
def test_nodes_are_named_with_or_without_the_flag(command: str, flags: str) -> None:
    with Threaded(V2Server()) as agent:
        main([command, *flags.split(), "--server", agent.address])
    assert agent.server.requests[-1]["nodes"] == ["a*", "b"]


def test_the_client_runs_as_a_module_too() -> None:
    with command(["-m", "nodnod_client", "--version"]) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert out.startswith("nodnod 2.")


def test_a_reader_that_closes_the_pipe_causes_no_error() -> None:
    with command(["-m", "nodnod_agent.console.main", "--version"]) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, err = process.communicate()
    assert (process.returncode, err) == (0, "")
