"""The last hour of another node: a ring of what the node has told, and the form that is checked."""

from array import array
from math import nan
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from nodnod_agent.core.encoding import RICH_LIMIT
from nodnod_client.codec import decode
from nodnod_client.errors import WireError

EVERY = 10.0
"""Seconds of a slot."""

SPAN = 3600.0

SLOTS = int(SPAN / EVERY)

MAX_SERIES = 13
"""With 360 slots of 4 bytes, 18,720 bytes for a node."""

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

    @property
    def points(self) -> int:
        """Points of the longest series."""
        return max(map(len, self.series.values()), default=0)

    def last(self, seconds: float) -> "Past":
        """Its newest points, for so many seconds; one at least."""
        count = max(1, round(seconds / self.every))
        series = {name: values[-count:] for name, values in self.series.items()}
        return Past(self.every, self.end, series)

    def known_since(self, moment: float) -> int:
        """How many points after ``moment``, in Unix seconds, the best known series has."""
        count = round((self.end - moment) / self.every)
        if count <= 0:
            return 0
        newest = (values[-count:] for values in self.series.values())
        return max((len(values) - values.count(None) for values in newest), default=0)

    def fields(self, **more: object) -> dict[str, object]:
        """The history object, with ``more`` fields."""
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
    return Past(every, end, {name: one for name, one in fields.items() if isinstance(one, list)})


class KeptHour:
    """The last hour of a node, in means of 10 s, as the node has told it bit by bit.

    Points are placed by the clock of this agent, and dated by that of the node: where that is set,
    its whole past is dated anew, as its own history is.
    """

    def __init__(self) -> None:
        self._series: dict[str, array[float]] = {}
        self._sums: dict[str, tuple[float, int]] = {}
        """Sum and count of the newest slot."""
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
        moved, elapsed, before = past.end - self._end, now - self._heard, self._moment
        if not self._series:
            moved = 2 * SPAN
        elif linked and abs(moved - elapsed) > STEP:  # its clock was set
            moved = elapsed
        elif moved < 0:
            moved = EVERY
        self._moment += min(moved, 2 * SPAN)
        self._end, self._heard = past.end, now
        for back in range(past.points - 1, -1, -1):
            moment = self._moment - back * past.every
            if moment > before:
                values = {n: one[-1 - back] for n, one in past.series.items() if back < len(one)}
                self._add(moment, past.every, values)

    def last(self, seconds: float) -> Past | None:
        """The last ``seconds`` before its newest point; None where nothing is known."""
        if not self._series:
            return None
        count = min(self._newest - self._oldest + 1, max(1, round(seconds / EVERY)))
        slots = [number % SLOTS for number in range(self._newest - count + 1, self._newest + 1)]
        series = {
            name: [_rounded(ring[slot]) for slot in slots] for name, ring in self._series.items()
        }
        return Past(EVERY, self._end, series)

    def _add(self, moment: float, every: float, values: dict[str, float | None]) -> None:
        """Add a point to the slots that it covers: one, unless the node is sampled rarely."""
        last = int(moment // EVERY)
        first = min(last, int((moment - every) // EVERY) + 1)
        for slot in range(max(first, self._newest), last + 1):
            self._advance(slot)
            for name, value in values.items():
                if value is not None:
                    self._put(name, value)

    def _advance(self, slot: int) -> None:
        if slot == self._newest:
            return
        for ring in self._series.values():
            for number in range(max(self._newest + 1, slot - SLOTS + 1), slot + 1):
                ring[number % SLOTS] = nan
        self._oldest = max(self._oldest or slot, slot - SLOTS + 1)
        self._newest, self._sums = slot, {}

    def _put(self, name: str, value: float) -> None:
        ring = self._series.get(name)
        if ring is None:
            if len(self._series) == MAX_SERIES:
                return
            ring = self._series[name] = array("f", [nan]) * SLOTS
        total, count = self._sums.get(name, (0.0, 0))
        self._sums[name] = (total + value, count + 1)
        ring[self._newest % SLOTS] = (total + value) / (count + 1)


def _rounded(value: float) -> float | None:
    return None if value != value else round(value, 2)
