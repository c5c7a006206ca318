"""Memory, threads and open files of each agent's processes, every second, and their growth."""

from collections.abc import Iterator, Sequence
from statistics import median

import psutil
from msgspec import Struct, field

LONG = 240.0
"""Seconds that a process must have been measured before its growth is judged."""

FLAT = 1800.0
"""Seconds at the end of a long life in which memory must not grow any more."""

WARM = 600.0
"""Seconds of a life before that, in which what has bounds grows up to them."""

MOST_POINTS = 200
HEAD = (
    *("agent", "processes", "measured s", "RSS MB", "KB/min", "last 30 min"),
    *("threads", "/min", "fds", "/min"),
)

LEAP = 5.0
"""Megabytes in a second that are reported."""

MEGABYTE = 1024 * 1024
BOUNDS = {"rss": MEGABYTE / 2, "threads": 0.5, "files": 4.0}
"""The growth allowed in a minute: bytes, threads, open files."""

FLAT_BOUND = 16 * 1024
"""Bytes of growth allowed in a minute of FLAT."""


class Sample(Struct, frozen=True):
    """One reading of a process: seconds, bytes, counts."""

    moment: float
    rss: int
    threads: int
    files: int


class Gauge(Struct):
    """All readings of one process."""

    agent: str
    pid: int
    samples: list[Sample] = field(default_factory=list)

    def read(self, moment: float) -> None:
        """Read it, if it still runs."""
        try:
            process = psutil.Process(self.pid)
            with process.oneshot():
                sample = Sample(
                    moment, int(process.memory_info().rss), process.num_threads(), process.num_fds()
                )
        except psutil.Error:
            return
        self.samples.append(sample)

    @property
    def leap(self) -> str:
        """The growth of its memory in the last second, in words; empty if there is little."""
        if len(self.samples) < 2:
            return ""
        before, now = (one.rss / 1e6 for one in self.samples[-2:])
        return f"{before:.1f} to {now:.1f} MB" if now - before > LEAP else ""

    @property
    def seconds(self) -> float:
        """Seconds from the first reading to the last."""
        return self.samples[-1].moment - self.samples[0].moment if self.samples else 0.0

    def per_minute(self, what: str) -> float:
        """The growth of ``what`` in a minute, over the second half of its life."""
        late = self.samples[len(self.samples) // 2 :]
        points = [(one.moment, float(getattr(one, what))) for one in late]
        return 60 * slope(points)

    @property
    def final(self) -> float | None:
        """The growth of its memory in a minute of FLAT; ``None`` for a shorter life."""
        if self.seconds < WARM + FLAT:
            return None
        since = self.samples[-1].moment - FLAT
        return 60 * slope(
            [(one.moment, float(one.rss)) for one in self.samples if one.moment >= since]
        )


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The median slope of all pairs of points (Theil-Sen), which single leaps do not change."""
    points = points[:: -(-len(points) // MOST_POINTS)] if points else points
    slopes = [
        (y2 - y1) / (x2 - x1)
        for place, (x1, y1) in enumerate(points)
        for x2, y2 in points[place + 1 :]
        if x2 > x1
    ]
    return median(slopes) if slopes else 0.0


def grown(gauges: Sequence[Gauge]) -> Iterator[str]:
    """The long-lived processes that grew more than BOUNDS, in words."""
    for gauge in gauges:
        if gauge.seconds < LONG:
            continue
        for what, most in BOUNDS.items():
            found = gauge.per_minute(what)
            if found > most:
                yield f"{gauge.agent} ({gauge.pid}): {what} grew by {found:,.1f} a minute"
        if (final := gauge.final) is not None and final > FLAT_BOUND:
            yield (
                f"{gauge.agent} ({gauge.pid}): memory grew by {final:,.0f} bytes a minute in the "
                f"last {FLAT / 60:g} minutes"
            )


def rows(gauges: Sequence[Gauge]) -> Iterator[list[str]]:
    """A row for each agent: that of its longest-lived process."""
    for agent in dict.fromkeys(gauge.agent for gauge in gauges):
        own = [gauge for gauge in gauges if gauge.agent == agent and gauge.samples]
        if not own:
            continue
        longest = max(own, key=lambda gauge: gauge.seconds)
        last = longest.samples[-1]
        yield [
            agent,
            f"{len(own)}",
            f"{longest.seconds:.0f}",
            f"{last.rss / 1e6:.1f}",
            f"{longest.per_minute('rss') / 1000:+.1f}",
            "" if longest.final is None else f"{longest.final / 1000:+.1f}",
            f"{last.threads}",
            f"{longest.per_minute('threads'):+.2f}",
            f"{last.files}",
            f"{longest.per_minute('files'):+.2f}",
        ]
