"""The recent history of one node, as means of time slots."""

from collections.abc import Sequence
from math import ceil, floor

import msgspec

from nodnod_agent.console.units import human_span, plain
from nodnod_client.messages import History

FIELDS = ("cpu_used", "memory_used_percent", "disk_used_percent")
"""The metrics kept: fields of NodeStats and of History."""

SLOTS = 60

SHORTEST_SLOT = 5.0
"""Seconds: 60 of them are five minutes."""


def slot_length(every: float) -> float:
    """Return the seconds of a slot that gets at least one answer, if they come at ``every``."""
    return max(SHORTEST_SLOT, every)


class RecentHistory:
    """Means per slot of ``slot`` seconds; times are those of any monotonic clock."""

    def __init__(self, slot: float) -> None:
        self._slot = slot
        self._means: dict[int, tuple[int, tuple[float | None, ...]]] = {}
        """By slot number: the number of samples and their means."""

    def add(self, now: float, values: Sequence[float | None]) -> None:
        """Add the values at ``now``, in the order of FIELDS."""
        number = floor(now / self._slot)
        count, means = self._means.get(number, (0, values))
        self._means[number] = (
            count + 1,
            tuple(map(_updated, means, values, [count] * len(values))),
        )
        for old in [known for known in self._means if known <= number - SLOTS]:
            del self._means[old]

    def backfill(self, now: float, history: History) -> None:
        """Fill the empty slots from the node's own history.

        Its newest point is taken as being of ``now``: the clocks of machines differ. Of a node that
        is down, that moment has passed.
        """
        before = RecentHistory(self._slot)
        columns = [getattr(history, metric) for metric in FIELDS]
        count = max(map(len, columns))
        for index in range(max(0, count - ceil(self._slot * SLOTS / history.every)), count):
            values = [column[index] if index < len(column) else None for column in columns]
            moment = now - (count - 1 - index) * history.every
            for slot in range(max(1, round(history.every / self._slot))):
                before.add(moment - slot * self._slot, values)
        self._means = dict(sorted({**before._means, **self._means}.items()))

    def cells(self, metric: int, width: int, now: float) -> list[float | None]:
        """Return at most ``width`` means up to ``now``; None where nothing is known."""
        last = floor(now / self._slot)
        slots = [self._means.get(number) for number in range(last - SLOTS + 1, last + 1)]
        return downsample([slot and slot[1][metric] for slot in slots], width, last)

    def copy(self) -> "RecentHistory":
        """Return a copy that later values do not change."""
        same = RecentHistory(self._slot)
        same._means = dict(self._means)
        return same


def downsample(values: Sequence[float | None], width: int, newest: int) -> list[float | None]:
    """Return at most ``width`` means of equally many values each.

    ``newest`` is the number of the last value, counted from any fixed start: the same values are
    grouped together each time, however many have been added, so a drawn sparkline only moves.
    """
    size = max(1, ceil(len(values) / width))
    start = newest - len(values) + 1
    groups: dict[int, list[float | None]] = {}
    for offset, value in enumerate(values):
        groups.setdefault((start + offset) // size, []).append(value)
    return [_mean(group) for group in groups.values()][-width:]


def parse_history(raw: object) -> History | None:
    """Return a node's history; None if there is none or it is invalid."""
    try:
        history = msgspec.convert(raw, History)
    except msgspec.ValidationError:
        return None
    return history if history.every > 0 else None


def kept_text(keeper: str, end: float, now: float) -> str:
    """Return what to add to the title of a history that another agent has kept; else nothing."""
    return (
        f" until {human_span(max(0.0, now - end))} ago, kept by {plain(keeper)}" if keeper else ""
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _updated(mean: float | None, value: float | None, count: int) -> float | None:
    if mean is None or value is None:
        return value if mean is None else mean
    return mean + (value - mean) / (count + 1)
