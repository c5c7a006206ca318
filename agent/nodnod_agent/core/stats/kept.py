"""The last hour of another node: a ring of what the node has told, and the form that is checked."""

from itertools import groupby
from math import ceil, nan
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from nodnod_agent.core.encoding import RICH_LIMIT
from nodnod_agent.core.stats.history import Series
from nodnod_client.codec import decode
from nodnod_client.errors import WireError

EVERY = 10.0
"""Seconds of a slot."""

SPAN = 3600.0

SLOTS = int(SPAN / EVERY)

MAX_MEANS = 15

HIGHEST = ("cpuUsed", "memoryUsedPercent")
"""The series whose highest samples are kept too. Seventeen lists of 360 slots of 4 bytes are
24,480 bytes for a node."""

STEP = 15.0
"""Seconds by which the clock of a node, against ours, must differ from before to have been set. Less
is drift, or an answer that came late."""

_Name = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_.]{0,31}\Z")]
_Number = Annotated[float, Meta(ge=-1e30, le=1e30)]
"""A 4-byte float has no larger ones."""
_Points = Annotated[list[_Number | None], Meta(max_length=600)]
_Fields = Annotated[
    dict[_Name, float | _Points | str | bool | dict[str, Any] | None], Meta(max_length=32)
]

_fields = msgspec.json.Decoder(_Fields)


class Past(Struct, frozen=True):
    """A history object: its times, and those of its fields that are lists."""

    every: float
    end: float
    series: dict[str, list[float | None]]
    until: float | None = None

    @property
    def points(self) -> int:
        """Points of the longest series."""
        return max(map(len, self.series.values()), default=0)

    def last(self, seconds: float) -> "Past":
        """Its newest points, for so many seconds; one at least."""
        count = max(1, round(seconds / self.every))
        series = {name: values[-count:] for name, values in self.series.items()}
        return Past(self.every, self.end, series, self.until)

    def known_since(self, moment: float) -> int:
        """How many points after ``moment``, in Unix seconds, the best known series has."""
        count = round((self.end - moment) / self.every)
        if count <= 0:
            return 0
        newest = (values[-count:] for values in self.series.values())
        return max((len(values) - values.count(None) for values in newest), default=0)

    def fields(self, **more: object) -> dict[str, object]:
        """The history object, with ``more`` fields."""
        if self.until is not None:
            more["until"] = self.until
        return {"every": self.every, "end": self.end, **more, **self.series}


def decode_past(raw: bytes) -> Past:
    """Decode a history object that another node sent. Raises WireError."""
    if len(raw) > RICH_LIMIT:
        raise WireError(f"a history of more than {RICH_LIMIT} bytes")
    fields = decode(_fields, raw)
    every, end = fields.get("every"), fields.get("end")
    if not isinstance(every, float) or not 0.01 <= every <= SPAN:
        raise WireError("`every` of a history must be seconds, from 0.01 to 3600")
    if not isinstance(end, float) or not 0 <= end <= 2**40:
        raise WireError("`end` of a history must be a time")
    until = fields.get("until")
    if until is not None and not isinstance(until, float):
        raise WireError("`until` of a history must be a time")
    series = {name: one for name, one in fields.items() if isinstance(one, list)}
    return Past(every, end, series, until)


class KeptHour:
    """The last hour of a node, in means of 10 s, as the node has told it bit by bit.

    Points are placed by the clock of this agent, and dated by that of the node: where that is set,
    its whole past is dated anew, as its own history is.
    """

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}
        self._oldest = self._newest = 0
        """The numbers of slots, which count on beyond the length of the ring."""
        self._moment = 0.0
        """When the newest point was taken, in seconds since any fixed moment."""
        self._end = 0.0
        """The same by the clock of the node."""
        self._heard = 0.0
        """When it was heard, by the clock of this agent."""

    def take(self, past: Past, now: float, *, linked: bool) -> None:
        """Take what is new in a history that came at ``now``.

        ``linked`` tells whether the link to the node has held since the last call. Where it has not,
        only the node's own clock can tell how long the hole is: this machine may have slept.
        """
        if past.end == self._end:  # the node has no newer sample
            return
        moved, elapsed = past.end - self._end, now - self._heard
        if not self._series:
            moved = 2 * SPAN
        elif linked and abs(moved - elapsed) > STEP:  # its clock was set
            moved = elapsed
        elif moved < 0:
            moved = EVERY
        self._moment += min(moved, 2 * SPAN)
        self._end, self._heard = past.end, now
        new = min(past.points, round(moved / past.every))
        slots = [int((self._moment - n * past.every) // EVERY) for n in range(new - 1, -1, -1)]
        for slot, places in groupby(range(new), slots.__getitem__):
            of_slot = list(places)
            self._add(slot, past, of_slot[0] - new, of_slot[-1] + 1 - new)

    def last(self, seconds: float, moment: float | None = None) -> Past | None:
        """The last ``seconds`` before its newest point; None where nothing is known.

        ``moment`` asks, by the clock of this agent, for those that end then.
        """
        until, newest = None, self._newest
        if moment is not None:
            until = round(self._end + moment - self._heard, 3)
            newest -= ceil(max(0.0, self._end - until) / EVERY)
        if not self._series or newest < self._oldest:
            return None
        count = min(newest - self._oldest + 1, max(1, round(seconds / EVERY)))
        slots = [number % SLOTS for number in range(newest - count + 1, newest + 1)]
        series = {}
        for name, one in self._series.items():
            series[name] = [_number(one.means[slot]) for slot in slots]
        for name, one in self._series.items():
            if (highest := one.highest) is not None:
                means = series[name]
                series[f"{name}Max"] = [
                    None if mean is None else _number(highest[slot])
                    for slot, mean in zip(slots, means, strict=True)
                ]
        return Past(EVERY, self._end - (self._newest - newest) * EVERY, series, until)

    def _add(self, slot: int, past: Past, start: int, stop: int) -> None:
        """Add the points of a slot, which are counted from the end of their lists.

        Where the node is sampled rarely, a point stands for the slots before it too.
        """
        first = slot + 1 - max(1, round(past.every / EVERY))
        for number in range(max(first, self._newest), slot + 1):
            self._advance(number)
            for name, values in past.series.items():
                known = [one for one in values[start : stop or None] if one is not None]
                if known and not name.endswith("Max"):
                    highest = past.series.get(f"{name}Max", values)[start : stop or None]
                    self._put(number % SLOTS, name, known, highest)

    def _advance(self, slot: int) -> None:
        if slot == self._newest:
            return
        first = max(self._newest + 1, slot - SLOTS + 1)
        passed = [number % SLOTS for number in range(first, slot + 1)]
        for one in self._series.values():
            one.clear(passed, nan)
        self._oldest = max(self._oldest or slot, slot - SLOTS + 1)
        self._newest = slot

    def _put(self, slot: int, name: str, values: list[float], highest: list[float | None]) -> None:
        one = self._series.get(name)
        if one is None:
            if len(self._series) == MAX_MEANS:
                return
            one = self._series[name] = Series(SLOTS, highest=name in HIGHEST)
        one.total += sum(values)
        one.count += len(values)
        one.means[slot] = one.total / one.count
        if one.highest is not None:
            known = [top for top in highest if top is not None]
            one.highest[slot] = max(one.highest[slot], *values, *known)


def _number(value: float) -> float | None:
    return None if value != value else (value * 100 + 0.5) // 1 / 100
