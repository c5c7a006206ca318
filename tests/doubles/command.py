"""Runs a command as a process that ends with its test, on pipes or on a pseudo-terminal."""

import io
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

LIMIT = 120.0
"""Seconds after which the process is killed, so that a test that reads from it fails."""


@contextmanager
def command(arguments: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run Python with these arguments; the output goes to pipes by default."""
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    process = subprocess.Popen([sys.executable, *arguments], text=True, **piped)
    timer = threading.Timer(LIMIT, process.kill)
    timer.start()
    try:
        with process:
            try:
                yield process
            finally:
                process.kill()
    finally:
        timer.cancel()
        timer.join()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """Read lines of the output until they contain these words."""
    assert process.stdout is not None
    text = ""
    while words not in text:
        line = process.stdout.readline()
        assert line, f"ended early: {text}"
        text += line
    return text


@contextmanager
def on_terminal(code: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], io.FileIO]]:
    """Run Python code on a terminal; gives its process and the other side of the terminal.

    It is the controlling terminal of a new session, so that closing it hangs up.
    """
    master, slave = pty.openpty()
    control = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    options = dict.fromkeys(("stdin", "stdout", "stderr"), slave)
    env = {**os.environ, "TERM": "xterm-256color"}
    with (
        io.FileIO(master, "r+") as terminal,
        command(
            ["-c", control + code, *arguments], env=env, start_new_session=True, **options
        ) as process,
    ):
        os.close(slave)  # else the end of the process is not seen
        yield process, terminal


def read_terminal(terminal: io.FileIO, words: bytes) -> str:
    """Read the output on a terminal until it contains these words."""
    seen = b""
    while words not in seen:
        seen += terminal.read(4096) or b""
    return seen.decode(errors="replace")
