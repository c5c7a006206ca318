"""``python -m nodnod_agent.console.parent_watchdog``: an agent that ends with its starter.

Runs ``nodnod-agent`` with the arguments given, or behind ``--program`` another program, and ends it
when stdin closes. Stdin is a pipe whose other end only the starter holds, so it closes however the
starter ends, even by SIGKILL. Pipes work everywhere; a parent-death signal exists only on Linux.
"""

import os
import signal
import sys
import threading
import time
from typing import NoReturn

STOP_TIMEOUT = 3.0
"""Seconds from SIGTERM to SIGKILL."""

PROGRAM = "--program"


def watch(descriptor: int, timeout: float = STOP_TIMEOUT) -> None:
    """Start a thread that ends this process when this pipe closes."""

    def wait() -> None:
        while os.read(descriptor, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(timeout)
        os.kill(os.getpid(), signal.SIGKILL)

    # A daemon thread: the agent may end before its starter does.
    threading.Thread(target=wait, name="parent-watchdog", daemon=True).start()


def become(command: list[str], timeout: float = STOP_TIMEOUT) -> NoReturn:
    """Become another program, which a child of it ends when stdin closes."""
    program = os.getpid()
    if os.fork():
        os.execv(command[0], command)  # noqa: S606 - the starter's own command
    while os.read(0, 4096):
        pass
    for number in (signal.SIGTERM, signal.SIGKILL):
        if os.getppid() == program:
            os.kill(program, number)
            time.sleep(timeout)
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1:2] == [PROGRAM]:
        become(sys.argv[2:])
    watch(0)
    from nodnod_agent.cli import main  # only now: the import takes time, and is watched too

    sys.exit(main())
