"""Runs a command as a process that ends with its test."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

LIMIT = 40.0
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
