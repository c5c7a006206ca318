"""``python -m nodnod_agent.console.parent_watchdog``: an agent that does not outlive whoever started it.

Runs ``nodnod-agent`` with the arguments given, and ends it when stdin does. Stdin is a pipe
whose other end only the starter holds, so it ends however the starter ends, SIGKILL included.
Works wherever there are pipes; a parent-death signal would be Linux's alone.
"""

import os
import signal
import sys
import threading
import time

PATIENCE = 3.0
"""Seconds to end in good order."""


def hold(descriptor: int, patience: float = PATIENCE) -> None:
    """Start a thread that waits for the end of this pipe, and then ends this process."""

    def wait() -> None:
        while os.read(descriptor, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(patience)
        os.kill(os.getpid(), signal.SIGKILL)

    # Daemon: the agent may end before its starter does.
    threading.Thread(target=wait, name="leash", daemon=True).start()


if __name__ == "__main__":
    hold(0)
    from nodnod_agent.cli import main  # after the leash is on, however long this takes

    sys.exit(main())
