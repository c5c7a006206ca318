"""The command nodnod-agent: flags, sources of settings, errors, and its exit status."""

import asyncio
import errno
import importlib
import json
import logging
import os
import re
import runpy
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from nodnod_agent.cli import main, read_flags, usage
from nodnod_agent.config.settings import SETTINGS, Setting, Settings
from nodnod_agent.config.sources import Given
from nodnod_agent.config.validators import ConfigError
from nodnod_client.address import Address

Capture = pytest.CaptureFixture[str]

NAME = "expected 1 to 128 printable characters, no space at either end"
TUTORIAL = '{"nodes": ["127.0.0.1:7070", "127.0.0.1:7071"], "mode": "pull"}'


class FakeDaemon(ModuleType):
    """A fake nodnod_agent.daemon: keeps the settings it was run with, and calls ``act``."""

    def __init__(self) -> None:
        super().__init__("nodnod_agent.daemon")
        self.ran: list[Settings] = []
        self.reload: Callable[[], Settings] = lambda: pytest.fail("not run")
        self.act: Callable[[], object] = lambda: None

    def run(self, settings: Settings, source: Any) -> None:
        self.ran.append(settings)
        self.reload = source.read
        source.announce()
        self.act()


@pytest.fixture(autouse=True)
def daemon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeDaemon:
    daemon = FakeDaemon()
    monkeypatch.setitem(sys.modules, daemon.__name__, daemon)
    monkeypatch.chdir(tmp_path)
    for variable in os.environ:
        if variable.startswith("NODNOD_"):
            monkeypatch.delenv(variable)
    return daemon


# Flags.


def test_the_command_line_of_the_tutorial(daemon: FakeDaemon) -> None:
    Path("config.json").write_text(TUTORIAL)
    argv = ["--listen", "127.0.0.1:7070", "--config", "config.json", "--name", "cartman"]
    assert main(argv) == 0
    nodes = (Address("127.0.0.1", 7070), Address("127.0.0.1", 7071))
    assert daemon.ran == [
        Settings(name="cartman", listen=Address("127.0.0.1", 7070), nodes=nodes, mode="pull")
    ]


@pytest.mark.parametrize(
    "argv",
    [
        ["--name", "kyle", "--debug", "--log-format", "json"],
        ["-name", "kyle", "-debug", "-log-format", "json"],
        ["-name=kyle", "-debug=true", "-log-format=json"],
        ["--name=kyle", "--debug=1", "--log-format=text", "--log-format=json"],
    ],
)
def test_one_dash_equals_two_dashes(argv: list[str], daemon: FakeDaemon) -> None:
    assert main(argv) == 0
    assert daemon.ran == [Settings(name="kyle", debug=True, log_format="json")]


def test_a_value_may_begin_with_a_dash_and_hold_an_equals_sign() -> None:
    assert read_flags(["--name", "-x-", "--config=a=b"]) == {"name": "-x-", "config": "a=b"}


def test_the_flag_of_a_tag_may_be_repeated(daemon: FakeDaemon) -> None:
    assert main(["--name", "x", "--tag", "role=db", "--tag=site=eu-1"]) == 0
    assert daemon.ran == [Settings(name="x", tags={"role": "db", "site": "eu-1"})]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--lisen", "a"], "unknown flag '--lisen' (did you mean --listen?)"),
        (["-conf", "a"], "unknown flag '-conf' (did you mean --config?)"),
        (["--log_format=json"], "unknown flag '--log_format=json' (did you mean --log-format?)"),
        (["-l"], "unknown flag '-l'"),
        (["config.json"], "unexpected argument 'config.json'"),
        (["--debug", "false"], "unexpected argument 'false'"),
        (["--name", "a", ""], "unexpected argument ''"),
        (["--"], "unexpected argument '--'"),
        (["---name"], "unexpected argument '---name'"),
        (["--name"], "--name: expected a value"),
    ],
)
def test_an_error_in_a_flag_points_at_the_help(argv: list[str], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_flags(argv)
    assert str(caught.value) == f"{says}; see nodnod-agent --help"


@pytest.mark.parametrize("argv", [["--help"], ["-help"], ["-h"], ["--name", "x", "-h", "--no"]])
def test_help_is_on_stdout_and_names_every_flag_and_default(
    argv: list[str], capfd: Capture
) -> None:
    assert main(argv) == 0
    out, err = capfd.readouterr()
    assert (out, err) == (usage(), "")
    for row in SETTINGS:
        assert (f"  --{row.flag}" if row.is_flag else f"  {row.variable}") in out
    for text in ("--config path", "--version", '(default "./conf/conf.json")', "(default 1)"):
        assert text in out
    assert "--listen address\n        Address to listen on" in out
    assert '(default "127.0.0.1:7070")' in out
    assert out.isascii()


@pytest.mark.parametrize("flag", ["--version", "-version"])
def test_version_is_printed_in_the_format_of_the_go_agent(flag: str, capfd: Capture) -> None:
    assert main([flag]) == 0
    version = importlib.import_module("nodnod_client").__version__
    assert capfd.readouterr() == (f"NodNod version\t{version}\n", "")


# Sources of settings.


def test_flags_override_the_environment_then_the_file_then_the_defaults(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("c.json").write_text('{"name": "file", "mode": "push", "interval": 5, "debug": true}')
    monkeypatch.setenv("NODNOD_CONFIG", "c.json")
    monkeypatch.setenv("NODNOD_NAME", "environment")
    monkeypatch.setenv("NODNOD_INTERVAL", "2")
    assert main(["--name", "flag", "--debug=false"]) == 0
    assert daemon.ran == [Settings(name="flag", interval=2.0, mode="push")]


def test_the_default_name_is_the_host_name(daemon: FakeDaemon, capfd: Capture) -> None:
    assert main([]) == 0
    assert daemon.ran[0].name == socket.gethostname()
    assert f"Using host name as NodNod name: {socket.gethostname()}" in capfd.readouterr().err


def test_an_invalid_host_name_is_an_error(monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "")
    assert main([]) == 2
    assert capfd.readouterr().err.startswith("host name: expected 1 to 128 printable characters")


@pytest.mark.parametrize(
    ("argv", "join", "alone"),
    [([], (), ": running alone"), (["--join", "127.0.0.1"], (Address("127.0.0.1", 7070),), "")],
)
def test_without_the_default_file_the_agent_logs_it_and_runs_alone_unless_it_joins(
    argv: list[str], join: tuple[Address, ...], alone: str, daemon: FakeDaemon, capfd: Capture
) -> None:
    assert main(["--name", "kyle", *argv]) == 0
    assert daemon.ran == [Settings(name="kyle", join=join)]
    line = f"INFO No configuration file at ./conf/conf.json{alone}\n"
    assert capfd.readouterr().err.endswith(line)


def test_the_default_file_is_read_if_it_exists(daemon: FakeDaemon) -> None:
    Path("conf").mkdir()
    Path("conf/conf.json").write_text('{"name": "stan"}')
    assert main([]) == 0
    assert daemon.ran == [Settings(name="stan")]


def test_the_log_says_which_file_was_read(capfd: Capture) -> None:
    Path("c.json").write_text(TUTORIAL)
    assert main(["--name", "x", "--config", "c.json"]) == 0
    assert capfd.readouterr().err.endswith("INFO Configuration file: c.json\n")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--config", "none.json"], "none.json: no such file or directory"),
        (["--config", "c.json/x"], "c.json/x: not a directory"),
        (["--config", "."], ".: is a directory"),
        (["--config", "a\0b"], "a\\x00b: embedded null byte"),
        (["--config", ""], "--config: expected the path of a file, got ''"),
        (["--config", "/dev/zero"], "/dev/zero: larger than 1 MiB"),
        (["--config", "x\x1b[2J\n.json"], "x\\x1b[2J\\n.json: no such file or directory"),
        (["--config", "c.json"], "c.json: nodes[2]: port must be 1–65535, got 70700"),  # noqa: RUF001
        (["--listen", "ws://a/"], "--listen: expected host:port, not a URL, got 'ws://a/'"),
        (["--nodes", "a"], "--nodes is not a flag: set nodes in the file, or NODNOD_NODES"),
        (["--name", "a\x07\udc80"], f"--name: {NAME}, got 'a\\x07\\udc80'"),
    ],
)
def test_an_error_is_one_line_with_its_place_and_status_2(
    argv: list[str], says: str, daemon: FakeDaemon, capfd: Capture
) -> None:
    Path("c.json").write_text('{"nodes": ["a", "b", "c:70700"]}')
    assert main(argv) == 2
    assert capfd.readouterr() == ("", f"{says}\n")
    assert daemon.ran == []


def test_a_default_file_must_be_readable_and_one_named_in_a_variable_must_exist(
    monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    Path("conf/conf.json").mkdir(parents=True)
    assert main([]) == 2
    assert capfd.readouterr().err == "./conf/conf.json: is a directory\n"
    monkeypatch.setenv("NODNOD_CONFIG", "none.json")
    assert main([]) == 2
    assert capfd.readouterr().err == "none.json: no such file or directory\n"


# All faults at once, and where settings come from.


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command line with faults of every kind; its lines begin with what ``says`` in a test has."""
    document = {
        "nods": [],
        "nodes": ["a:0", "b", "b:7070"],
        "auth": {"secrets": ["env:GONE", "env:GONE_TOO"]},
        "tls": {"cert": "gone.pem", "cart": "x"},
        "limits": {"streams": "x"},
        "backplane": "nats://a",
        "nats": {"token": "env:GONE"},
        "alerts": {"rules": [{"nam": 1}, {"name": "cpu", "above": "x"}]},
    }
    Path("c.json").write_text(json.dumps(document))
    monkeypatch.setenv("NODNOD_MODE", "pul")
    monkeypatch.setenv("NODNOD_ALERTS_HEARTBEAT", "env:GONE")
    return ["--config", "c.json", "--lisen", "x", "--interval", "0", "--debg"]


PLACES = [
    *("unknown flag '--lisen' (did you mean --listen?)", "unknown flag '--debg'"),
    *("c.json: unknown key 'nods' (did you mean nodes?)", "c.json: unknown key 'tls.cart'"),
    *("c.json: nodes[0]: port must be", "c.json: nodes[2]: b:7070 is a duplicate"),
    *("NODNOD_MODE: expected pull or push", "--interval: expected a number of seconds"),
    *("c.json: alerts.rules[0]: unknown field 'nam'", "c.json: alerts.rules[1].above: expected"),
    "c.json: limits.streams: expected a whole number",
    "c.json: auth.secrets[0]: the environment variable GONE is not set",
    "c.json: auth.secrets[1]: the environment variable GONE_TOO is not set",
    "c.json: tls.cert: gone.pem: no such file or directory",
    "c.json: nats.token: the environment variable GONE is not set",
    "NODNOD_ALERTS_HEARTBEAT: the environment variable GONE is not set",
]


def test_the_check_has_a_line_for_each_fault_and_status_2(
    faulty: list[str], daemon: FakeDaemon, capfd: Capture
) -> None:
    assert main(["--check-config", *faulty]) == 2
    out, err = capfd.readouterr()
    lines = err.splitlines()
    assert (out, len(lines)) == ("", len(PLACES))
    assert [line[: len(place)] for line, place in zip(lines, PLACES, strict=True)] == PLACES
    assert daemon.ran == []


def test_without_the_check_only_the_first_fault_is_told(faulty: list[str], capfd: Capture) -> None:
    assert main(faulty) == 2
    assert capfd.readouterr().err == f"{PLACES[0]}; see nodnod-agent --help\n"


def test_the_check_prints_every_setting_in_force_and_where_it_comes_from(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    document = {
        "tags": {"role": "db"},
        "auth": {"secrets": ["env:A"]},
        "interval": 3,
    }
    Path("c.json").write_text(json.dumps(document))
    monkeypatch.setenv("A", "a secret that nobody may see, ever")
    monkeypatch.setenv("NODNOD_INTERVAL", "2")
    argv = ["--check-config", "--config", "c.json", "--tag", "site=eu", "--join", "127.0.0.1"]
    assert main(argv) == 0
    out, err = capfd.readouterr()
    lines = [re.split(" {2,}", line) for line in out.splitlines()]
    rows = {key: rest for key, *rest in lines[1:]}
    assert lines[0] == ["Configuration file: c.json"]
    assert rows.keys() == {row.key for row in SETTINGS}
    assert rows["interval"] == ["2.0", "NODNOD_INTERVAL"]
    assert rows["join"] == ['["127.0.0.1:7070"]', "--join"]
    assert rows["tags"] == ['{"role": "db", "site": "eu"}', "c.json: tags, --tag"]
    assert rows["auth.secrets"] == ['["env:A"]', "c.json: auth.secrets"]
    assert rows["name"] == [json.dumps(socket.gethostname()), "default: the host name"]
    assert rows["listen"][1] == "default: the address that routes to the others"
    assert rows["limits.streams"] == ["16", "default"]
    assert "a secret that" not in out
    assert (err, daemon.ran) == ("", [])


@pytest.mark.parametrize(
    ("argv", "variable", "file"),
    [
        (["--log-format", "json"], "", "{}"),
        (["-log-format=json", "--what"], "", "{}"),
        (["--what", "--log-format=json"], "", "{}"),
        ([], "json", '{"nodes": 1}'),
        ([], "json", "not JSON"),
        (["--lisen"], "", '{"logFormat": "json"}'),
        ([], "", '{"logFormat": "json", "tls": {"ca": "x"}}'),
        (["--check-config"], "", '{"logFormat": "json", "nods": 1}'),
    ],
)
def test_fatal_errors_have_the_format_of_the_log(
    argv: list[str],
    variable: str,
    file: str,
    daemon: FakeDaemon,
    monkeypatch: pytest.MonkeyPatch,
    capfd: Capture,
) -> None:
    daemon.act = lambda: _fail(ConfigError("tls.ca: does nothing without tls.cert"))
    Path("c.json").write_text(file)
    monkeypatch.setenv("NODNOD_LOG_FORMAT", variable)
    assert main(["--config", "c.json", "--name", "x", *argv]) == 2
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert lines[-1].keys() == {"time", "level", "logger", "message"}
    assert lines[-1]["level"] == "error"


def test_an_error_that_nobody_expected_is_a_line_of_the_log_too(
    daemon: FakeDaemon, capfd: Capture
) -> None:
    daemon.act = lambda: _fail(ZeroDivisionError())
    assert main(["--log-format", "json", "--name", "x"]) == 1
    last = json.loads(capfd.readouterr().err.splitlines()[-1])
    assert (last["level"], last["message"]) == ("critical", "The agent ends with an error")
    assert last["traceback"].endswith("ZeroDivisionError")


@pytest.mark.parametrize("row", [row for row in SETTINGS if "." in row.key], ids=lambda r: r.key)
@pytest.mark.parametrize("rest", [": why", "[1]: why"])
def test_a_fault_that_is_found_late_names_where_its_setting_is(row: Setting, rest: str) -> None:
    for place in f"c.json: {row.key}", row.variable:
        given = Given({}, {row.field: place})
        assert given.at_its_place(row.key + rest) == place + rest
    assert Given({}, {}).at_its_place(row.key + rest) == row.key + rest


@pytest.mark.parametrize(
    ("variables", "warned"),
    [
        ({"LISEN": "x"}, ["NODNOD_LISEN: unknown variable (did you mean NODNOD_LISTEN?)"]),
        (
            {"LIMITS_STREAM": "1"},
            ["…STREAM: unknown variable (did you mean NODNOD_LIMITS_STREAMS?)"],
        ),
        ({"XYZZY": ""}, ["NODNOD_XYZZY: unknown variable"]),
        (dict.fromkeys(("SERVER", "TOKEN", "CA", "CERT", "KEY"), "x"), []),
        ({"ALERTS_NOTIFY": "env:NODNOD_URL", "URL": "x"}, []),
        ({"ALERTS_HEARTBEAT": "env:NODNOD_URL", "URL": "x"}, []),
        ({"AUTH_SECRETS": "file:x,env:NODNOD_MY", "MY": "x"}, []),
        ({"SERVICE_HOST": "a", "SERVICE_PORT_WEB": "1", "PORT_7070_TCP": "1", "PORT": "tcp:"}, []),
        ({"PORT": "7070"}, ["NODNOD_PORT: unknown variable"]),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_a_variable_that_is_no_setting_is_warned_of(
    variables: dict[str, str],
    warned: list[str],
    check: bool,
    monkeypatch: pytest.MonkeyPatch,
    capfd: Capture,
) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(f"NODNOD_{name}", text)
    main(["--name", "x", *(["--check-config"] if check else [])])
    begins = "warning: " if check else "WARNING "
    lines = [line for line in capfd.readouterr().err.splitlines() if "unknown variable" in line]
    assert len(lines) == len(warned)
    for line, text in zip(lines, warned, strict=True):
        assert f"{begins}NODNOD_" in line
        assert line.endswith(text.removeprefix("…"))


# Listening.


def _fail(error: BaseException) -> None:
    raise error


def _bind(host: str, port: int) -> None:
    with socket.socket() as other:
        other.bind((host, port))


async def _listen_in_a_loop(host: str, port: int) -> None:
    await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)


def test_a_busy_address_is_a_one_line_error(daemon: FakeDaemon, capfd: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        argv = ["--name", "x", "--listen", f"127.0.0.1:{port}"]
        says = f"--listen: cannot listen on 127.0.0.1:{port}: address already in use"
        for act in (
            lambda: _bind("127.0.0.1", port),
            lambda: asyncio.run(_listen_in_a_loop("127.0.0.1", port)),
        ):
            daemon.act = act
            assert main(argv) == 2
            assert capfd.readouterr().err.splitlines()[-1] == says


def test_the_error_for_a_remote_address_names_the_source(
    daemon: FakeDaemon, capfd: Capture
) -> None:
    Path("c.json").write_text('{"listen": "192.0.2.1:0", "name": "x"}')
    daemon.act = lambda: _bind("192.0.2.1", 0)
    assert main(["--config", "c.json"]) == 2
    says = "c.json: listen: cannot listen on 192.0.2.1:0: not an address of this machine\n"
    assert capfd.readouterr().err.endswith(f"\n{says}")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (socket.gaierror(-2, "Name or service not known"), "name or service not known"),
        (PermissionError(errno.EACCES, "while attempting to bind on …"), "permission denied"),
    ],
)
def test_an_error_of_the_system_keeps_its_words_without_those_of_the_loop(
    error: OSError, says: str, daemon: FakeDaemon, capfd: Capture
) -> None:
    daemon.act = lambda: _fail(error)
    assert main(["--listen", "nowhere", "--name", "x"]) == 2
    line = f"--listen: cannot listen on nowhere:7070: {says}"
    assert capfd.readouterr().err.splitlines()[-1] == line


# Running.


def test_the_package_runs_as_a_module(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["nodnod_agent", "--name", "kyle"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("nodnod_agent", run_name="__main__")
    assert (ended.value.code, daemon.ran) == (0, [Settings(name="kyle")])


def test_an_interrupt_before_the_daemon_handles_it_prints_no_traceback(daemon: FakeDaemon) -> None:
    daemon.act = lambda: _fail(KeyboardInterrupt())
    assert main([]) == 130


def test_the_log_has_the_format_and_level_that_are_set(daemon: FakeDaemon, capfd: Capture) -> None:
    daemon.act = lambda: logging.getLogger("nodnod").debug("details")
    assert main(["--debug", "--log-format", "json", "--name", "x"]) == 0
    assert '"level": "debug", "logger": "nodnod", "message": "details"' in capfd.readouterr().err


def test_reload_reads_the_file_again_under_the_same_flags(daemon: FakeDaemon) -> None:
    Path("c.json").write_text('{"name": "file", "nodes": ["a"]}')
    assert main(["--config", "c.json", "--name", "flag"]) == 0
    Path("c.json").write_text('{"name": "file", "nodes": ["a", "b"]}')
    assert daemon.reload() == Settings(name="flag", nodes=(Address("a", 7070), Address("b", 7070)))


def test_reload_fails_if_the_default_file_has_become_invalid_or_is_gone(daemon: FakeDaemon) -> None:
    Path("conf").mkdir()
    file = Path("conf/conf.json")
    file.write_text('{"nodes": ["a"]}')
    main([])
    file.write_text('{"nodes": ["a"}')
    with pytest.raises(ConfigError, match=r"^\./conf/conf\.json: not JSON: .*, column 15$"):
        daemon.reload()
    file.unlink()
    with pytest.raises(ConfigError, match="no such file"):
        daemon.reload()


def test_reload_reads_a_default_file_that_was_not_there_before(daemon: FakeDaemon) -> None:
    main(["--name", "x"])
    assert daemon.reload() == Settings(name="x")
    Path("conf").mkdir()
    Path("conf/conf.json").write_text('{"mode": "push"}')
    assert daemon.reload() == Settings(name="x", mode="push")
