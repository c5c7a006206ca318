"""The command nodnod-agent as a process: its output and status wherever stdout and stderr go."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eventually import SLACK

DRIVER = """
import logging, sys, types
daemon = types.ModuleType("nodnod_agent.daemon")
def run(settings, source):
    own = open("own", "wb")  # would be descriptor 2 if stderr is closed
    for number in range(20_000):
        logging.getLogger("nodnod").info("line %d %s", number, "x" * 100)
    print(own.fileno() > 2, flush=True)
daemon.run = run
sys.modules[daemon.__name__] = daemon
from nodnod_agent.cli import main
sys.exit(main())
"""


COMMAND = [sys.executable, "-c", DRIVER]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("NODNOD_")},
    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
}


@pytest.fixture(autouse=True)
def directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def run(redirection: str, *argv: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command from a shell, with descriptors redirected."""
    if "full" in redirection and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, *argv],
        capture_output=True,
        env=ENVIRONMENT,
        timeout=20,
        check=False,
    )


def test_a_stderr_without_a_reader_delays_neither_run_nor_exit() -> None:
    with subprocess.Popen(
        COMMAND,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"True\n"
        began = time.monotonic()
        assert process.wait(timeout=20) == 0
        assert time.monotonic() - began < 2 + SLACK


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "0<&- 2>&-", "2>/dev/null"])
def test_a_stderr_that_cannot_be_written_delays_neither_run_nor_exit(redirection: str) -> None:
    done = run(redirection)
    assert (done.returncode, done.stdout) == (0, b"True\n")
    assert Path("own").read_bytes() == b""


@pytest.mark.parametrize(
    ("redirection", "stderr"),
    [
        ("", b"none.json: no such file or directory\n"),
        *((redirection, b"") for redirection in ("2>/dev/full", "2>&-", ">&- 2>&-")),
    ],
)
def test_an_error_is_status_2_without_traceback_wherever_stderr_goes(
    redirection: str, stderr: bytes
) -> None:
    done = run(redirection, "--config", "none.json")
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", stderr)


def test_help_on_a_full_disk_is_status_1_without_traceback() -> None:
    done = run(">/dev/full", "--help")
    says = b"nodnod-agent: cannot write to standard output: no space left on device\n"
    assert (done.returncode, done.stderr) == (1, says)
