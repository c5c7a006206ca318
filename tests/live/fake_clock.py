"""The time of day of an agent, as a test sets it."""

from glob import glob
from pathlib import Path


def fake_clock() -> str:
    """Debian's library that fakes the time of day; empty if it is not installed."""
    return next(iter(glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), "")


class Clock:
    """The time of day of agents that run with ``prefix``; their monotonic clocks are real."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "clock"
        self.set(0)

    @property
    def prefix(self) -> list[str]:
        return [
            "env",
            f"LD_PRELOAD={fake_clock()}",
            f"FAKETIME_TIMESTAMP_FILE={self._file}",
            "FAKETIME_NO_CACHE=1",
            "DONT_FAKE_MONOTONIC=1",
            "FAKETIME_FORCE_MONOTONIC_FIX=0",  # else waiting threads never wake
        ]

    def set(self, hours: int) -> None:
        """Set the time of day so many hours ahead."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{hours:+}h\n")
        new.rename(self._file)
