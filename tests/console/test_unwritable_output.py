"""The commands where standard output is full, closed or a pipe that ended: a status, no traceback."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.harness.threaded import Threaded
from doubles.members import row, wire
from doubles.v1_server import node_object
from doubles.v2_server import V2Server

FULL = ">/dev/full"
CLOSED = ">&-"
ENDED = "| (exec 0<&-)"
UNBUFFERED = {"PYTHONUNBUFFERED": "1"}

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """An agent whose answers are larger than a pipe takes."""
    server = V2Server(
        "kyle", nodes=[node_object(f"node-{number}") for number in range(1000)], ticking=True
    )
    server.members = wire(*(row(f"node-{number}") for number in range(3000)))
    with Threaded(server) as agent:
        yield agent.address


def run(
    command: str, redirection: str = "", module: str = "console.main", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell, which gives the status of the command and not of the pipe."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("NODNOD_")}
    kept.pop("PYTHONUNBUFFERED", None)
    python = f"{sys.executable} -m nodnod_agent.{module}"
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {python} {command} {redirection}"],
        capture_output=True,
        text=True,
        env=kept | environment,
        timeout=60,
        check=False,
    )


COMMAND_LINES = [
    *("", "--help", "--version", "secret", "completion bash"),
    *("stat", "stat --json", "stat --every 1", "members", "alerts", "silence --list"),
]


@pytest.mark.parametrize(
    ("line", "environment"),
    [*((line, {}) for line in COMMAND_LINES), ("--help", UNBUFFERED), ("members", UNBUFFERED)],
)
def test_an_answer_that_cannot_be_written_is_one_line_and_status_3(
    server: str, line: str, environment: dict[str, str]
) -> None:
    done = run(line, FULL, NODNOD_SERVER=server, **environment)
    says = "nodnod: cannot write to standard output: no space left on device\n"
    assert (done.returncode, done.stderr) == (3, says)


@pytest.mark.parametrize("name", ["stat", "check"])
def test_so_is_the_help_of_each_command(name: str) -> None:
    done = run(f"{name} --help", CLOSED)
    says = "cannot write to standard output: it is closed\n"
    assert done.returncode == 3
    assert done.stderr == (f"NODNOD UNKNOWN: {says}" if name == "check" else f"nodnod: {says}")


@pytest.mark.parametrize("redirection", [FULL, CLOSED, ENDED, "<&- >&-"])
@pytest.mark.parametrize(("flags", "environment"), [("", {}), ("--what", UNBUFFERED)])
def test_a_check_that_nobody_can_read_is_unknown(
    server: str, flags: str, redirection: str, environment: dict[str, str]
) -> None:
    done = run(f"check {flags}", redirection, NODNOD_SERVER=server, **environment)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert done.stderr.startswith("NODNOD UNKNOWN: cannot write to standard output: ")


@pytest.mark.parametrize(
    ("line", "environment"),
    [("stat --json", {}), ("stat", UNBUFFERED), ("members", {}), ("members", UNBUFFERED)],
)
def test_a_reader_that_has_enough_is_no_error(
    server: str, line: str, environment: dict[str, str]
) -> None:
    done = run(line, "| head -1", NODNOD_SERVER=server, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "status"),
    [("stat", 2), ("stat --server 127.0.0.1:1", 3), ("check --what", 3), ("demo --nodes 0", 2)],
)
@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", ">&- 2>&- <&-"])
def test_an_error_that_cannot_be_told_keeps_its_status(
    line: str, status: int, redirection: str
) -> None:
    done = run(line, redirection, NODNOD_SERVER="no:port")
    assert (done.returncode, done.stderr) == (status, "")


def test_top_without_a_terminal_says_so_even_where_all_are_closed() -> None:
    assert run("top", ">&- <&-").returncode == 2
    assert run("top", ">&- 2>&- <&-").returncode == 2


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_the_agents_help_is_no_traceback_either(flag: str) -> None:
    for redirection, why in ((FULL, "no space left on device"), (CLOSED, "it is closed")):
        done = run(flag, redirection, module="cli")
        says = f"nodnod-agent: cannot write to standard output: {why}\n"
        assert (done.returncode, done.stderr) == (1, says)
    assert run(flag, ENDED, module="cli").stderr == ""
