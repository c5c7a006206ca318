"""Runs a program with a mount table of its own, for tests. Needs Linux and root.

The mounts of a process that has called ``enter`` end with it, and are not visible outside it.
"""

import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000


def call(function: str, *arguments: object) -> None:
    """A function of the C library. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def mount(source: str, target: str, type_: str, flags: int = 0, options: str = "") -> None:
    """mount(2). Raises OSError."""
    words = [word.encode() for word in (source, target, type_)]
    call("mount", *words, ctypes.c_ulong(flags), options.encode())


def enter() -> None:
    """Give this process a mount table of its own. Raises OSError."""
    call("unshare", _CLONE_NEWNS)
    mount("none", "/", "none", _MS_REC | _MS_PRIVATE)


def own_network() -> None:
    """Give this process a network of its own, without interfaces. Raises OSError."""
    call("unshare", _CLONE_NEWNET)


def bind(source: str) -> str:
    """Mount ``source`` a second time; returns the new mount point."""
    target = tempfile.mkdtemp()
    mount(source, target, "none", _MS_BIND)
    return target


def unmount(target: str) -> None:
    """umount(2). Raises OSError."""
    call("umount", target.encode())


@contextmanager
def on_loop(size: int, *mkfs: str) -> Iterator[str]:
    """A loop device with a new filesystem of so many bytes; it ends with its last mount."""
    with tempfile.NamedTemporaryFile() as image:
        image.truncate(size)
        subprocess.run([*mkfs, image.name], check=True, stdout=subprocess.DEVNULL)
        losetup = ["losetup", "--find", "--show", image.name]
        done = subprocess.run(losetup, check=True, capture_output=True, text=True)
        device = done.stdout.strip()
        try:
            yield device
        finally:
            subprocess.run(["losetup", "--detach", device], check=True)


def run(script: str, *, timeout: float = 20) -> subprocess.CompletedProcess[str]:
    """Run Python code in a new process that has called ``enter``; skips the test if not allowed."""
    probe = "from collectors.private_mounts import enter; enter()"
    if sys.platform != "linux" or _python(probe, timeout).returncode != 0:
        pytest.skip("needs Linux and the right to mount")
    return _python(f"{probe}\n{script}", timeout)


def need_fuse() -> None:
    """Skip the test if FUSE cannot be used."""
    if not Path("/dev/fuse").exists() or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/fuse")


def _python(script: str, timeout: float) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    # The mounts end with the process; their mount points are removed here.
    with tempfile.TemporaryDirectory() as scratch:
        return subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env={**os.environ, "PYTHONPATH": path, "TMPDIR": scratch},
        )
