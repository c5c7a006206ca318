"""Programs of others that a test runs: found, or the test is skipped, and ended for sure."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

# Where a system keeps its daemons, which is not on everybody's path.
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def tool(command: str, package: str) -> str:
    """The path of a program; without one the test is skipped, or in CI, which brings it, fails."""
    found = shutil.which(command, path=_PATH)
    if found is None:
        missing(f"{command} is not installed (on Debian: apt install {package})")
    return found


def missing(what: str) -> NoReturn:
    """Skip the test; in CI, which brings all that is wanted, fail it."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(what)


def start(command: Sequence[str], log: Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start a program that writes to ``log``, and reads nothing; ``options`` are Popen's."""
    with log.open("wb") as file:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, **options
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end; kill it if it does not."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
