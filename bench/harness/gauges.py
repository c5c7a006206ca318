"""What each agent's processes take from second to second, and whether it grows."""

from collections.abc import Iterator, Sequence
from statistics import median

import psutil
from msgspec import Struct, field

LONG = 240.0
"""Seconds that a process must have been watched before its growth is judged."""

MOST_POINTS = 200
HEAD = ("agent", "processes", "watched s", "RSS MB", "KB/min", "threads", "/min", "fds", "/min")

LEAP = 5.0
"""Megabytes in a second that are worth a line."""

MEGABYTE = 1024 * 1024
BOUNDS = {"rss": MEGABYTE / 2, "threads": 0.5, "files": 4.0}
"""What may be added in a minute: bytes, threads, open files."""


class Sample(Struct, frozen=True):
    """One look at a process: seconds, bytes, counts."""

    moment: float
    rss: int
    threads: int
    files: int


class Gauge(Struct):
    """All looks at one process."""

    agent: str
    pid: int
    samples: list[Sample] = field(default_factory=list)

    def look(self, moment: float) -> None:
        """Look, if it is there still."""
        try:
            process = psutil.Process(self.pid)
            with process.oneshot():
                sample = Sample(
                    moment,
                    int(process.memory_info().rss),
                    process.num_threads(),
                    process.num_fds(),
                )
        except psutil.Error:
            return
        self.samples.append(sample)

    @property
    def leap(self) -> str:
        """How much more memory it has than a second before, in words; empty if not much more."""
        if len(self.samples) < 2:
            return ""
        before, now = (one.rss / 1e6 for one in self.samples[-2:])
        return f"{before:.1f} to {now:.1f} MB" if now - before > LEAP else ""

    @property
    def watched(self) -> float:
        """Seconds from the first look to the last."""
        return self.samples[-1].moment - self.samples[0].moment if self.samples else 0.0

    def per_minute(self, what: str) -> float:
        """How much of ``what`` is added in a minute, over the second half of its life."""
        late = self.samples[len(self.samples) // 2 :]
        points = [(one.moment, float(getattr(one, what))) for one in late]
        return 60 * slope(points)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The median slope of all pairs of points (Theil-Sen): single leaps do not count."""
    points = points[:: -(-len(points) // MOST_POINTS)] if points else points
    slopes = [
        (y2 - y1) / (x2 - x1)
        for place, (x1, y1) in enumerate(points)
        for x2, y2 in points[place + 1 :]
        if x2 > x1
    ]
    return median(slopes) if slopes else 0.0


def grown(gauges: Sequence[Gauge]) -> Iterator[str]:
    """Which of the long-lived processes have grown more than BOUNDS, in words."""
    for gauge in gauges:
        if gauge.watched < LONG:
            continue
        for what, most in BOUNDS.items():
            found = gauge.per_minute(what)
            if found > most:
                yield f"{gauge.agent} ({gauge.pid}): {what} grew by {found:,.1f} a minute"


def rows(gauges: Sequence[Gauge]) -> Iterator[list[str]]:
    """A line for each agent: that of its processes which lived longest."""
    for agent in dict.fromkeys(gauge.agent for gauge in gauges):
        own = [gauge for gauge in gauges if gauge.agent == agent and gauge.samples]
        if not own:
            continue
        longest = max(own, key=lambda gauge: gauge.watched)
        last = longest.samples[-1]
        yield [
            agent,
            f"{len(own)}",
            f"{longest.watched:.0f}",
            f"{last.rss / 1e6:.1f}",
            f"{longest.per_minute('rss') / 1000:+.1f}",
            f"{last.threads}",
            f"{longest.per_minute('threads'):+.2f}",
            f"{last.files}",
            f"{longest.per_minute('files'):+.2f}",
        ]
