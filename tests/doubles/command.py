"""A command in a process of its own, which neither hangs a test nor outlives it."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

LIMIT = 40.0
"""Seconds after which it is killed, so that whoever reads from it goes on (and fails)."""


@contextmanager
def command(arguments: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run Python with these arguments; output goes to pipes unless said otherwise."""
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
    """Read whole lines of its output until these words have come."""
    assert process.stdout is not None
    text = ""
    while words not in text:
        line = process.stdout.readline()
        assert line, f"ended early: {text}"
        text += line
    return text
