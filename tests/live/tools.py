"""Other programs that a test runs: found, or the test is skipped, and always ended."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

# Where a system keeps its daemons, which is not on every user's path.
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
# What pip and uv say.
_OFFLINE = re.compile(
    r"ConnectionError|Temporary failure|No matching distribution|timed out|error sending request"
)


def tool(command: str, package: str) -> str:
    """The path of a program; without it the test is skipped, or fails in CI, which installs it."""
    found = shutil.which(command, path=_PATH)
    if found is None:
        missing(f"{command} is not installed (on Debian: apt install {package})")
    return found


def missing(what: str) -> NoReturn:
    """Skip the test; in CI, which installs all tools, fail it."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(what)


def system_python() -> None:
    """Skip the test where the Python that comes with the system is too old."""
    python = "/usr/bin/python3"
    check = "import sys, venv; sys.exit(sys.version_info < (3, 11))"
    if subprocess.run([python, "-c", check], check=False).returncode:
        pytest.skip(f"{python} is older than 3.11")


def install(command: str | Sequence[str], **options: Any) -> str:
    """What pip or uv prints; without an index of packages the test is skipped, or fails in CI."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode and _OFFLINE.search(done.stderr):
        missing(f"no index of packages is reached: {done.stderr}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def start(command: Sequence[str], log: Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start a program that writes to ``log``, and reads nothing; ``options`` are Popen's."""
    with log.open("wb") as file:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, **options
        )


def wait_until(
    ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, limit: float = 30.0
) -> None:
    """Block until a program is ready. Raises AssertionError with its log if it ends before."""
    deadline = time.monotonic() + limit
    while not ready():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end; kill it if it does not."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
