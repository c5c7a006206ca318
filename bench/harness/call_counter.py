"""Runs a script and counts the calls of NodNod's own functions in its main thread.

    python -P bench/harness/call_counter.py SCRIPT [ARGUMENT …]

Each SIGUSR1 writes a line with the number so far to stdout. A generator counts each time that it goes
on. Only the standard library is imported, so that the Python of an older build runs this, too.
"""

import os
import runpy
import signal
import sys
from types import FrameType
from typing import Any

PACKAGES = frozenset({"nodnod_agent", "nodnod_client", "nodnod"})
"""The last is what older builds call ``nodnod_client``."""


class CallCounter:
    """A profile function; it counts in the thread that sets it, and no other."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Count a call."""
        if event == "call":
            self.calls += frame.f_globals.get("__name__", "").partition(".")[0] in PACKAGES

    def write(self, *_: Any) -> None:
        """Write the number so far."""
        os.write(sys.stdout.fileno(), b"calls: %d\n" % self.calls)


def main() -> None:
    """Run the script."""
    counter = CallCounter()
    signal.signal(signal.SIGUSR1, counter.write)
    del sys.argv[0]
    sys.setprofile(counter)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
