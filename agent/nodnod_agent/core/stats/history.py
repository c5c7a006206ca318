"""The last hour of this node's own numbers, in a ring of fixed size.

A slot holds the mean of its samples; a slot without samples is a gap. Memory is 4 bytes for each slot
of each series, allocated up front: at an interval of 1 s, an hour of six series takes 86,400 bytes.

Samples are placed by ``Sample.clock``: a wall clock that is set would make gaps or write over the
past, and the usual monotonic clock would leave none for a night of sleep. The wall clock only dates
the newest sample: after it was set, all points are dated by the new time.
"""

from array import array
from collections.abc import Mapping
from math import ceil, nan
from typing import Any

MAX_SLOTS = 14_400
"""Slots of a series: an hour at 0.25 s."""


class HistoryRing:
    """The past of several series. ``every`` and ``span`` are seconds."""

    def __init__(self, every: float, span: float = 3600) -> None:
        self._every = max(every, span / MAX_SLOTS)
        self._slots = max(1, ceil(span / self._every))
        self._series: dict[str, array[float]] = {}
        self._newest = 0  # the number of the newest slot, counted from the first sample
        self._known = 0  # how many slots up to the newest are valid
        self._due = 0.0  # the center of the newest slot, by the samples' clock
        self._clock = 0.0  # when the newest sample was taken, by the samples' clock
        self._end = 0.0  # when the newest sample was taken, by the wall clock
        self._sums: dict[str, tuple[float, int]] = {}  # sum and count of the newest slot

    def add(self, clock: float, unix: float, series: Mapping[str, float]) -> None:
        """Take a sample: ``Sample.clock``, ``Sample.time``, ``Sample.series``.

        A repeated sample is ignored: one of its clocks has not moved. More than 1.5 slots between
        two samples are a gap of at least one slot.
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
        """The last ``seconds`` in at most ``points`` points: the ``history`` object of an answer.

        ``{"every": s, "end": unixTime, <series>: [...]}``: point ``i`` of ``n`` covers ``every``
        seconds around ``end - (n - 1 - i) * every``. With too many slots for the points, ``every``
        is a multiple of the slot, and a point is the mean of those of its slots that have a value,
        or ``None``. The lists begin with the first sample of this process.
        """
        count = min(self._known, max(1, round(seconds / self._every)))
        size = max(1, ceil(count / max(1, points)))
        return {
            "every": self._every * size,
            "end": self._end,
            **{name: _thin(self._last(name, count), size) for name in self._series},
        }

    def _advance(self, clock: float) -> None:
        """Move on to the slot of this moment, and fill those in between."""
        steps = int((clock - self._due) / self._every + 0.5)
        gap = clock - self._clock > 1.5 * self._every
        if gap:
            steps = max(steps, 2)
        if steps < 1:
            return
        self._due += steps * self._every
        for name, ring in self._series.items():
            # Samples in time leave no gap, even if their interval is a little longer than the slots
            # and they step over one.
            total, count = self._sums.get(name, (nan, 1))
            filler = nan if gap else total / count
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
    """Means of ``size`` values each, counted from the end; the oldest may have fewer."""
    if size == 1:
        return [None if value != value else round(value, 2) for value in values]
    first = len(values) % size
    starts = range(first, len(values), size)
    means = [_mean(values[start : start + size]) for start in starts]
    return [_mean(values[:first]), *means] if first else means


def _mean(values: "array[float]") -> float | None:
    total, count = sum(values), len(values)
    if total != total:  # one is NaN: a slot without a value
        known = [value for value in values if value == value]
        total, count = sum(known), len(known)
    return round(total / count, 2) if count else None
