"""The last hour of this node's own numbers, in a ring of fixed size.

Time is cut into slots as long as the sample interval; a slot holds the mean of the samples that
fell into it, or nothing: a hole. Memory is 4 bytes for each slot of each series, taken up front:
at an interval of 1 s, an hour of six series is 86,400 bytes; at 0.25 s, 345,600, which is also
the most: below that interval a slot holds several samples.

Which clock says that time has passed? Not the wall's: an operator who sets it forward by an hour
would tear an hour's hole, one who sets it back would fold the past onto itself. Nor the usual
monotonic one, which stands still while the machine sleeps: the line would run straight across the
night. So samples are placed by a clock that only goes forward and also runs during sleep
(``Sample.clock``), and the wall clock only says what time the newest one has. After it was set,
the points keep their distances, and all of them are dated by the new time.
"""

from array import array
from collections.abc import Mapping
from math import ceil, nan
from typing import Any

MOST_SLOTS = 14_400
"""Slots of a series at most: an hour at 0.25 s."""


class HistoryRing:
    """A bounded past. ``every`` and ``span`` are seconds."""

    def __init__(self, every: float, span: float = 3600) -> None:
        self._every = max(every, span / MOST_SLOTS)
        self._slots = max(1, ceil(span / self._every))
        self._series: dict[str, array[float]] = {}
        self._newest = 0  # the number of the newest slot, counted from the first sample on
        self._known = 0  # how many slots up to the newest have a meaning
        self._due = 0.0  # when the newest slot is centred, by the clock
        self._clock = 0.0  # when the newest sample was taken, by the clock
        self._end = 0.0  # and by the wall
        self._sums: dict[str, tuple[float, int]] = {}  # of the newest slot

    def add(self, clock: float, unix: float, series: Mapping[str, float]) -> None:
        """Take in a sample: ``Sample.clock``, ``Sample.time``, ``Sample.series``.

        One that came before (a clock has not moved) is passed over. After a gap of more than
        1.5 slots there is a hole of at least one.
        """
        if not self._known:
            self._due, self._known = clock, 1
        elif clock <= self._clock or unix == self._end:
            return
        else:
            self._advance(clock)
        self._clock, self._end = clock, unix
        for name, value in series.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = (total + value, count + 1)
            self._put(name, self._newest, (total + value) / (count + 1))

    def answer(self, seconds: float, points: int = 600) -> dict[str, Any]:
        """The last ``seconds``, in at most ``points`` points: the wire's ``history`` object.

        ``{"every": s, "end": unixTime, <series>: [...]}``: point ``i`` of ``n`` stands for the
        ``every`` seconds around ``end - (n - 1 - i) * every``. Where there are too many slots,
        ``every`` is a multiple of the slot and a point is the mean of its slots that have a
        value; ``None`` if none has one. The lists begin with the first sample of this process:
        what was before it is not there, rather than ``None``.
        """
        count = min(self._known, max(1, round(seconds / self._every)))
        size = max(1, ceil(count / max(1, points)))
        return {
            "every": self._every * size,
            "end": self._end,
            **{name: _thin(self._last(name, count), size) for name in self._series},
        }

    def _advance(self, clock: float) -> None:
        """Move on to the slot of this moment, clearing those in between."""
        steps = int((clock - self._due) / self._every + 0.5)
        hole = clock - self._clock > 1.5 * self._every
        if hole:
            steps = max(steps, 2)
        if steps < 1:
            return
        self._due += steps * self._every
        for name, ring in self._series.items():
            # Samples that come in time leave no hole, even where their rhythm, shifted against
            # that of the slots, steps over one.
            total, count = self._sums.get(name, (nan, 1))
            filler = nan if hole else total / count
            for step in range(1, min(steps, self._slots) + 1):
                ring[(self._newest + step) % self._slots] = nan if step == steps else filler
        self._newest += steps
        self._known = min(self._known + steps, self._slots)
        self._sums = {}

    def _put(self, name: str, slot: int, value: float) -> None:
        ring = self._series.get(name)
        if ring is None:
            ring = self._series[name] = array("f", [nan]) * self._slots
        ring[slot % self._slots] = value

    def _last(self, name: str, count: int) -> "array[float]":
        """The newest ``count`` slots, oldest first."""
        ring, stop = self._series[name], self._newest % self._slots + 1
        return ring[stop - count : stop] if count <= stop else ring[stop - count :] + ring[:stop]


def _thin(values: "array[float]", size: int) -> list[float | None]:
    """Means of ``size`` values each, counted from the end: the oldest may be of fewer."""
    if size == 1:
        return [None if value != value else round(value, 2) for value in values]
    first = len(values) % size
    starts = range(first, len(values), size)
    means = [_mean(values[start : start + size]) for start in starts]
    return [_mean(values[:first]), *means] if first else means


def _mean(values: "array[float]") -> float | None:
    total, count = sum(values), len(values)
    if total != total:  # a NaN among them: a slot without a value
        known = [value for value in values if value == value]
        total, count = sum(known), len(known)
    return round(total / count, 2) if count else None
