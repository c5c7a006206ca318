"""Moments, and how long readings take."""

import time
from typing import NamedTuple


class Moment(NamedTuple):
    """One moment on three clocks, in seconds.

    ``mono`` is monotonic, for rates. ``clock`` is monotonic too, and also runs while the machine
    is suspended. ``unix`` is the wall clock.
    """

    mono: float
    clock: float
    unix: float


class Timing(NamedTuple):
    """The duration of a section's last reading, in seconds, and the number of its failures."""

    seconds: float
    failures: int


# The monotonic clock of Linux stops during suspend, and so does Python's on macOS.
_SUSPEND_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def moment() -> Moment:
    """The current moment."""
    return Moment(time.monotonic(), time.clock_gettime(_SUSPEND_CLOCK), time.time())
