"""What ties a process to the one that started it: on Linux it is killed with it, frozen or not."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def leash() -> Callable[[], None] | None:
    """What a new process is to do before anything else (``preexec_fn``); elsewhere nothing.

    It ends with the *thread* that has started it, so start it on one that lasts.
    """
    if sys.platform != "linux":
        return None
    starter, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != starter:  # it has ended before this
            os.kill(os.getpid(), signal.SIGKILL)

    return tie
