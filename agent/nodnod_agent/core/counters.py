"""Counters of one agent: plain numbers that the metrics read."""

from bisect import bisect_left

from nodnod_client.messages import RequestType

DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of a histogram, in seconds; the core's clock may tick in milliseconds."""

CODES = (
    "bad_json",
    "bad_request",
    "unknown_type",
    "unknown_section",
    "duplicate_id",
    "no_such_stream",
    "too_many_streams",
    "forbidden",
    "no_such_silence",
    "too_many_silences",
)
"""The codes of refused requests in docs/protocol.md, except that of an agent that stops."""


class Histogram:
    """Counts durations by upper bound; the last of ``counts`` is for those above all bounds."""

    def __init__(self) -> None:
        self.counts = [0] * (len(DURATIONS) + 1)
        self.sum = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """Count a value, ``times`` times."""
        self.counts[bisect_left(DURATIONS, value)] += times
        self.sum += value * times


class Counters:
    """Totals since the agent started. Queries, streams and gossip have counters of their own."""

    def __init__(self) -> None:
        self.requests = dict.fromkeys(map(int, RequestType), 0)
        """Requests by ``type``, with those that were refused for another field."""
        self.refusals = dict.fromkeys(CODES, 0)
        """Refused requests by code."""
        self.answered_at_once = 0
        """Questions that were answered from this node's memory."""
        self.pages: dict[tuple[str, int], int] = {}
        """Plain HTTP requests by page (``other`` for unknown paths) and status."""
        self.connections_accepted = 0
        self.connections_refused = 0
        """Refused because too many were open."""
        self.connections_ended = 0
        self.connections_cut = 0
        """Ended by this agent because of the other side's behavior."""
        self.loop_lag = Histogram()
        """Seconds by which a timer of the event loop was late, measured once a second."""

    def refused(self, code: str) -> None:
        """Count a refusal."""
        self.refusals[code] = self.refusals.get(code, 0) + 1

    def page(self, name: str, status: int) -> None:
        """Count an answer to plain HTTP."""
        self.pages[name, status] = self.pages.get((name, status), 0) + 1
