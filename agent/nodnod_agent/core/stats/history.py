"""A week of this node's own numbers, in rings of fixed size that differ in their steps.

Each ring takes every sample, and a slot holds the mean of its samples; a slot without samples is a
gap. Where a slot is longer than the interval, the highest samples of some series are kept too.
Memory is 4 bytes for each slot and series, allocated with the first sample: 1.64 MB for fifteen
series at an interval of 1 s, 1.84 MB at 0.25 s, where there is one ring more.

Samples are placed by ``Sample.clock``: a wall clock that is set would make gaps or write over the
past, and the usual monotonic clock would leave none for a night of sleep. The wall clock only dates
the newest sample: after it was set, all points are dated by the new time.
"""

from array import array
from collections.abc import Iterable, Mapping
from itertools import chain
from math import ceil, nan
from typing import Any

from nodnod_client.messages import MAX_POINTS

TIERS = ((1.0, 3600.0), (10.0, 86_400.0), (60.0, 604_800.0))
"""The step and the span of each ring, in seconds. A step is never shorter than the interval."""

SHORT_SPAN = 600.0
"""Seconds of a ring whose step is an interval below 1 s."""

HIGHEST = ("cpuUsed", "memoryUsedPercent", "recvBytes", "sentBytes")
"""The series whose highest samples are kept: a mean hides a short peak."""

MISSED = 1.5
"""Intervals without a sample after which one was missed."""

_NO_HIGHEST = -1.0
"""In place of NaN, which ``max`` does not see; no number of a sample is negative."""


class Series:
    """One series of a ring: its slots, and the samples of the newest slot."""

    __slots__ = ("count", "highest", "means", "total")

    def __init__(self, slots: int, *, highest: bool) -> None:
        self.means = array("f", [nan]) * slots
        self.highest = array("f", [_NO_HIGHEST]) * slots if highest else None
        self.total = 0.0
        self.count = 0

    def add(self, slot: int, value: float) -> None:
        """Take a sample of the newest slot."""
        self.total += value
        self.count += 1
        self.means[slot] = self.total / self.count
        if self.highest is not None and value > self.highest[slot]:
            self.highest[slot] = value

    def clear(self, slots: Iterable[int], filler: float) -> None:
        """Begin these slots anew, the last of them as the newest."""
        for slot in slots:
            self.means[slot] = filler
            if self.highest is not None:
                self.highest[slot] = _NO_HIGHEST if filler != filler else filler
        self.means[slot] = nan
        if self.highest is not None:
            self.highest[slot] = _NO_HIGHEST
        self.total, self.count = 0.0, 0


class HistoryRing:
    """The past of several series, in steps of ``every`` over ``span`` seconds.

    ``interval`` is that of the samples, by default ``every``.
    """

    def __init__(self, every: float, span: float, interval: float = 0.0) -> None:
        self.every = every
        self.slots = max(1, ceil(span / every))
        self.series: dict[str, Series] = {}
        self.newest = 0
        """The number of the newest slot, counted from the first sample."""
        self.known = 0
        """How many slots up to the newest are valid."""
        self.due = 0.0
        """The center of the newest slot, by the samples' clock."""
        self.clock = 0.0
        """When the newest sample was taken, by the samples' clock."""
        self.end = 0.0
        """When the newest sample was taken, by the wall clock."""
        self._interval = interval or every
        self.coarse = every > self._interval
        """Whether a slot has several samples."""

    def add(self, clock: float, unix: float, series: Mapping[str, float]) -> None:
        """Take a sample: ``Sample.clock``, ``Sample.time``, ``Sample.series``.

        A repeated sample is ignored: one of its clocks has not moved. If a slot is an interval
        long, a missed sample is a gap of at least one slot; of several in a row, as much of a gap
        as they took.
        """
        if not self.known:
            self.due, self.known = clock, 1
        elif clock <= self.clock or unix == self.end:
            return
        else:
            self._advance(clock)
        self.clock, self.end = clock, unix
        slot = self.newest % self.slots
        for name, value in series.items():
            one = self.series.get(name)
            if one is None:
                one = self.series[name] = self.new_series(name)
            one.add(slot, value)

    def reach(self) -> tuple[float, float]:
        """The seconds of the past that it holds for sure, and at most."""
        return (self.known - 1.5) * self.every, self.known * self.every

    def answer(
        self, seconds: float, points: int = MAX_POINTS, until: float | None = None
    ) -> dict[str, Any]:
        """The last ``seconds`` in at most ``points`` points, see ``History.answer``."""
        ahead = self.due - self.clock if self.coarse else 0.0
        later = 0
        """Slots that are newer than what is asked for."""
        if until is not None and until < self.end:
            later = ceil((self.end + ahead - until) / self.every)
        count = max(0, min(self.known - later, max(1, round(seconds / self.every))))
        size = max(1, ceil(count / max(1, points)))
        every = self.every * size
        answer: dict[str, Any] = {
            "every": every,
            "end": self.end + ahead - (later + (size - 1) / 2) * self.every,
        }
        if until is not None:
            answer["until"] = until
        for name, one in self.series.items():
            answer[name] = _thin_means(self.last(one.means, count, later), size)
        if every > self._interval:
            for name in HIGHEST:
                if name in self.series:
                    highest = self._last_highest(self.series[name], count, later)
                    answer[f"{name}Max"] = _thin_highest(highest, size)
        return answer

    def last(self, ring: "array[float]", count: int, later: int = 0) -> "array[float]":
        """The newest ``count`` slots but the ``later`` newest ones, oldest first."""
        stop = (self.newest - later) % self.slots + 1
        return ring[stop - count : stop] if count <= stop else ring[stop - count :] + ring[:stop]

    def _last_highest(self, one: Series, count: int, later: int) -> "array[float]":
        if one.highest is not None:
            return self.last(one.highest, count, later)
        means = self.last(one.means, count, later)  # of one sample each
        return array("f", [_NO_HIGHEST if mean != mean else mean for mean in means])

    def new_series(self, name: str) -> Series:
        """A series without samples."""
        return Series(self.slots, highest=self.coarse and name in HIGHEST)

    def _advance(self, clock: float) -> None:
        """Move on to the slot of this moment, and fill those in between."""
        steps = int((clock - self.due) / self.every + 0.5)
        gap = clock - self.clock > MISSED * self._interval
        # Not if the slots are ahead of the time already: all samples may come late.
        if gap and not self.coarse and clock - self.due >= self.every:
            steps = max(steps, 2)
        if steps < 1:
            return
        self.due += steps * self.every
        first = self.newest + max(1, steps - self.slots + 1)
        self.newest += steps
        self.known = min(self.known + steps, self.slots)
        passed = [number % self.slots for number in range(first, self.newest + 1)]
        for one in self.series.values():
            # Samples in time leave no gap, even if their interval is a little longer than the slots
            # and they step over one.
            one.clear(passed, nan if gap or not one.count else one.total / one.count)


class History:
    """The past of this node; ``interval`` is the seconds between two samples."""

    def __init__(self, interval: float) -> None:
        spans = {interval: SHORT_SPAN} if interval < TIERS[0][0] else {}
        for step, span in TIERS:
            spans[max(step, interval)] = span  # of equal steps the longest span
        self.rings = [HistoryRing(every, span, interval) for every, span in spans.items()]

    def add(self, clock: float, unix: float, series: Mapping[str, float]) -> None:
        """Take a sample: ``Sample.clock``, ``Sample.time``, ``Sample.series``."""
        for ring in self.rings:
            ring.add(clock, unix, series)

    def answer(
        self, seconds: float, points: int = MAX_POINTS, until: float | None = None
    ) -> dict[str, Any]:
        """The last ``seconds`` in at most ``points`` points: the ``history`` object of an answer.

        ``{"every": s, "end": unixTime, <series>: [...]}``: point ``i`` of ``n`` covers ``every``
        seconds around ``end - (n - 1 - i) * every``. The finest steps are taken that reach as far
        back as any do. With too many slots for the points, ``every`` is a multiple of the slot, and
        a point is the mean of those of its slots that have a value, or ``None``. Where ``every`` is
        longer than the interval, ``<series>Max`` are the highest samples of those in HIGHEST.

        ``until`` asks, in Unix seconds, for those that end at that moment: ``end`` is that of the
        newest point not after it. The answer repeats it. The lists are empty if all that is known is
        newer.
        """
        back = 0.0 if until is None else max(0.0, self.rings[0].end - until)
        asked = min(seconds + back, max(ring.reach()[0] for ring in self.rings))
        enough = (ring for ring in self.rings if ring.reach()[1] >= asked)
        return next(enough, self.rings[-1]).answer(seconds, points, until)


# Rounded to hundredths without round(), which takes most of the time.


def _thin_means(values: "array[float]", size: int) -> list[float | None]:
    """Means of ``size`` values each, counted from the end; the oldest may have fewer."""
    first = len(values) % size
    scale = 100 / size
    sums = map(sum, zip(*[iter(values[first:])] * size, strict=True)) if size > 1 else values
    means = [
        (total * scale + 0.5) // 1 / 100
        if total == total
        else _mean(values[first + at * size : first + (at + 1) * size])
        for at, total in enumerate(sums)
    ]
    return [_mean(values[:first]), *means] if first else means


def _mean(values: "array[float]") -> float | None:
    """The mean of those that are not NaN: slots with a value."""
    known = [value for value in values if value == value]
    return (sum(known) / len(known) * 100 + 0.5) // 1 / 100 if known else None


def _thin_highest(values: "array[float]", size: int) -> list[float | None]:
    """The highest of ``size`` values each, counted from the end; the oldest may have fewer."""
    first = len(values) % size
    oldest = (max(values[:first]),) if first else ()
    groups = map(max, zip(*[iter(values[first:])] * size, strict=True)) if size > 1 else values
    return [
        None if value < 0 else (value * 100 + 0.5) // 1 / 100 for value in chain(oldest, groups)
    ]
