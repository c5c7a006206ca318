"""What an agent counts of itself: plain numbers, added to where it happens, read by the metrics."""

from bisect import bisect_left

from nodnod_client.messages import RequestType

DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histograms, in seconds; the core's clock may tick in milliseconds."""

CODES = (
    "bad_json",
    "bad_request",
    "unknown_type",
    "unknown_section",
    "duplicate_id",
    "no_such_stream",
    "too_many_streams",
    "forbidden",
)
"""Why requests are refused, as docs/protocol.md has them; an agent that stops counts no more."""


class Histogram:
    """How often a value was at most so much; ``counts`` has one more than ``bounds``: the rest."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...] = DURATIONS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """Count a value, or the same value several times."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times


class Counters:
    """Since the agent started. What the queries, streams and gossip count stands with them."""

    __slots__ = (
        "answered_at_once",
        "connections_accepted",
        "connections_cut",
        "connections_ended",
        "connections_refused",
        "loop_lag",
        "pages",
        "refusals",
        "requests",
    )

    def __init__(self) -> None:
        self.requests = [0] * len(RequestType)
        """Requests by ``type``, those among them too that were refused for another field."""
        self.refusals = dict.fromkeys(CODES, 0)
        """Refused requests by code: words of our own, never a client's."""
        self.answered_at_once = 0
        """Questions whose answer was at hand: they waited for nobody."""
        self.pages: dict[tuple[str, int], int] = {}
        """Plain HTTP requests by page (ours, or a word for all others) and status."""
        self.connections_accepted = 0
        self.connections_refused = 0
        """Turned away because too many were open."""
        self.connections_ended = 0
        self.connections_cut = 0
        """Ended by us, for what the other side did or did not do."""
        self.loop_lag = Histogram()
        """Seconds by which a call of the event loop came late, looked at once a second."""

    def refused(self, code: str) -> None:
        """Count a refusal."""
        self.refusals[code] = self.refusals.get(code, 0) + 1

    def page(self, name: str, status: int) -> None:
        """Count an answer to plain HTTP."""
        self.pages[name, status] = self.pages.get((name, status), 0) + 1
