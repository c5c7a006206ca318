"""The last minutes of one node, as means of slots of time."""

from collections.abc import Sequence
from math import ceil, floor

import msgspec

from nodnod_client.messages import History

METRICS = ("cpu_used", "memory_used_percent", "disk_used_percent")
"""What is kept: fields of NodeStats and of History."""

SLOTS = 60

SHORTEST_SLOT = 5.0
"""Seconds: 60 of them are five minutes."""


def slot_of(every: float) -> float:
    """How many seconds a slot is for answers that come every so many: each has one at least."""
    return max(SHORTEST_SLOT, every)


class RecentHistory:
    """``slot`` is in seconds; moments are those of any clock that only goes forward."""

    def __init__(self, slot: float) -> None:
        self._slot = slot
        self._means: dict[int, tuple[int, tuple[float | None, ...]]] = {}
        """By the number of the slot: how many samples, and their means."""

    def add(self, now: float, values: Sequence[float | None]) -> None:
        """Take in the numbers of this moment, in the order of METRICS."""
        number = floor(now / self._slot)
        count, means = self._means.get(number, (0, values))
        self._means[number] = (count + 1, tuple(map(_mixed, means, values, [count] * len(values))))
        for old in [known for known in self._means if known <= number - SLOTS]:
            del self._means[old]

    def recall(self, now: float, history: History) -> None:
        """Fill what is missing with what the node remembers, its newest point being of ``now``.

        By its own clock that point may be of any time: clocks of machines differ.
        """
        before = RecentHistory(self._slot)
        columns = [getattr(history, metric) for metric in METRICS]
        count = max(map(len, columns))
        for index in range(max(0, count - ceil(self._slot * SLOTS / history.every)), count):
            values = [column[index] if index < len(column) else None for column in columns]
            before.add(now - (count - 1 - index) * history.every, values)
        self._means = dict(sorted({**before._means, **self._means}.items()))

    def cells(self, metric: int, width: int, now: float) -> list[float | None]:
        """The past up to ``now`` in at most ``width`` means; None where nothing is known.

        Which slots go together does not depend on ``now``: so what was drawn once only moves.
        """
        size = ceil(SLOTS / width)
        last = floor(now / self._slot) // size
        first = last - SLOTS // size + 1
        return [self._mean(metric, range(k * size, (k + 1) * size)) for k in range(first, last + 1)]

    def copy(self) -> "RecentHistory":
        """The same past, which goes on no more."""
        same = RecentHistory(self._slot)
        same._means = dict(self._means)
        return same

    def _mean(self, metric: int, numbers: range) -> float | None:
        slots = (self._means[number][1] for number in numbers if number in self._means)
        known = [value for means in slots if (value := means[metric]) is not None]
        return sum(known) / len(known) if known else None


def fit(values: Sequence[float | None], width: int, newest: int) -> list[float | None]:
    """At most ``width`` means of equally many values each.

    ``newest`` is the number of the last value, counted from anywhere: the same values go together
    each time, however many have come since.
    """
    size = max(1, ceil(len(values) / width))
    start = newest - len(values) + 1
    groups: dict[int, list[float]] = {}
    for offset, value in enumerate(values):
        known = groups.setdefault((start + offset) // size, [])
        if value is not None:
            known.append(value)
    means = [sum(known) / len(known) if known else None for known in groups.values()]
    return means[-width:]


def _mixed(mean: float | None, value: float | None, count: int) -> float | None:
    if mean is None or value is None:
        return value if mean is None else mean
    return mean + (value - mean) / (count + 1)


def read_history(raw: object) -> History | None:
    """A node's history; None where it has none, or none that can be used."""
    try:
        history = msgspec.convert(raw, History)
    except msgspec.ValidationError:
        return None
    return history if history.every > 0 else None
