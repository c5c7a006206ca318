"""Notices when somebody sets the wall clock."""

STEP = 1.0
"""Seconds; less is a correction as NTP makes it all the time."""


class ClockSteps:
    """Compares the wall clock with one that never goes back and also runs while the machine sleeps."""

    def __init__(self) -> None:
        self._offset: float | None = None
        self._candidate: float | None = None
        """An offset that was seen once: the process may have stood still between two readings."""
        self._clock = 0.0

    def step(self, wall: float, clock: float) -> float | None:
        """Take both readings of a moment; the seconds by which the wall clock was set, if it was."""
        if clock <= self._clock:  # the same moment again
            return None
        self._clock = clock
        offset = wall - clock
        if self._offset is None or abs(offset - self._offset) <= STEP:
            self._offset, self._candidate = offset, None
        elif self._candidate is None or abs(offset - self._candidate) > STEP:
            self._candidate = offset
        else:
            step = offset - self._offset
            self._offset, self._candidate = offset, None
            return step
        return None
