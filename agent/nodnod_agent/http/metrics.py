"""The metrics, in Prometheus' text format: what Prometheus reads of this node, of this agent, and of the cluster.

Imported with the first scrape, not before: the library costs an agent that nobody scrapes nothing.
Label values are names of the machine's own things, of members, or of a closed set in the code:
never what a client sends.
"""

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
import psutil
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from nodnod_agent.collectors.machine import Timing
from nodnod_agent.core.counters import Histogram
from nodnod_agent.core.membership.link import LinkState
from nodnod_agent.core.node import Node
from nodnod_agent.core.question import Question
from nodnod_agent.http.metric_table import STATS, NodeSections, gauges
from nodnod_client import __version__
from nodnod_client.codec import decode_node, decode_peer_answer
from nodnod_client.messages import SECTIONS, FullStats, RequestType
from nodnod_client.sections import SHAPES

STALE = "stale:"
"""How the error of a node begins whose numbers are old; docs/protocol.md has the words."""

_ALL_SECTIONS = Question(here=True, detail=tuple(sorted(SECTIONS)))

_readers = {name: msgspec.json.Decoder(shape | None) for name, shape in SHAPES.items()}
_unreadable = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


class _Told(msgspec.Struct, frozen=True):
    """The part of a node object that nobody has checked yet."""

    detail: dict[str, msgspec.Raw] = {}


_told = msgspec.json.Decoder(_Told)


class Metrics:
    """Both pages of one agent; ``timings`` is the sampler's. A collector of prometheus_client."""

    def __init__(self, cluster: Node, timings: Callable[[], Mapping[str, Timing]]) -> None:
        self._cluster = cluster
        self._timings = timings
        self._process = psutil.Process()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def own(self) -> bytes:
        """This node, with all sections that are at hand, and this agent."""
        return generate_latest(self._registry)

    def of_cluster(self, body: bytes) -> bytes:
        """The nodes in an answer to type 1.

        A node with an error is not up. It keeps those of its numbers that are of now; what is
        down, or stale, has none. A name that nobody has is left out: a client made it up.
        """
        roster = self._cluster.peers.roster
        known = {roster.name, *(member.listed for member in roster.listing())}
        up: dict[str, bool] = {}
        nodes = []
        for name, raw in decode_peer_answer(body).nodes.items():
            if name not in known:
                continue
            stats = decode_node(raw)
            up[name] = not stats.error
            if not stats.error or (any(_numbers(stats)) and not stats.error.startswith(STALE)):
                nodes.append(NodeSections(name, _sections(stats, raw)))
        registry = CollectorRegistry()
        registry.register(_ClusterCollector(up, nodes))
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client's Collector."""
        raw = msgspec.Raw(self._cluster.local.entry(_ALL_SECTIONS))
        node = NodeSections("", _sections(decode_node(raw), raw))
        yield from _families([node], by_node=False)
        yield from self._requests()
        yield from self._peers()
        yield from self._clients()
        yield from self._machinery()

    def _requests(self) -> Iterator[Metric]:
        cluster, counters = self._cluster, self._cluster.counters
        yield _counter(
            "nodnod_requests",
            "Requests over WebSockets, from clients and agents.",
            {kind.name.lower(): counters.requests[kind] for kind in RequestType},
            "type",
        )
        yield _counter(
            "nodnod_bad_requests", "Requests that were refused.", counters.refusals, "code"
        )
        yield _histogram(
            "nodnod_request_duration_seconds",
            "From a question (a request for stats, a tick of streams, a page) to its answer; "
            "0 if it was at hand.",
            cluster.responder.queries.durations,
            zeros=counters.answered_at_once,
        )
        pages = CounterMetricFamily(
            "nodnod_http_requests", "Plain HTTP requests.", labels=("page", "code")
        )
        for (page, status), count in counters.pages.items():
            pages.add_metric((page, str(status)), count)
        yield pages
        yield _counter(
            "nodnod_broadcasts",
            "Questions that were put to all peers at once.",
            cluster.responder.queries.broadcasts,
        )

    def _peers(self) -> Iterator[Metric]:
        peers = self._cluster.peers
        links = Counter(one.link.state for one in peers.roster.members.values() if one.link)
        yield _gauge(
            "nodnod_links",
            "Connections that this agent keeps to others, or tries to.",
            {state.value: links[state] for state in LinkState if state is not LinkState.RETIRED},
            "state",
        )
        members = Counter(member.state for member in peers.members())
        yield _gauge(
            "nodnod_members",
            "Nodes of the cluster, this one among them, as this agent sees them.",
            {state: members[state] for state in ("up", "down", "left")},
            "state",
        )
        yield _counter(
            "nodnod_gossip_exchanges",
            "Exchanges about the membership that this agent began.",
            peers.gossip.exchanges,
        )

    def _clients(self) -> Iterator[Metric]:
        cluster, counters = self._cluster, self._cluster.counters
        agents = sum(session.from_agent for session in cluster.sessions)
        yield _gauge(
            "nodnod_clients",
            "WebSockets that others have opened to this agent.",
            {"client": len(cluster.sessions) - agents, "agent": agents},
            "kind",
        )
        yield _gauge("nodnod_streams", "Streams that run.", len(cluster.responder.streams))
        yield _counter(
            "nodnod_stream_ticks_skipped",
            "Ticks that a client was too slow to take.",
            cluster.responder.streams.skipped,
        )
        yield _gauge(
            "nodnod_connections",
            "Accepted connections that are open, this one among them.",
            counters.connections_accepted - counters.connections_ended,
        )
        yield _counter(
            "nodnod_connections_accepted", "Accepted connections.", counters.connections_accepted
        )
        yield _counter(
            "nodnod_connections_refused",
            "Connections turned away because too many were open.",
            counters.connections_refused,
        )
        yield _counter(
            "nodnod_connections_cut",
            "Connections that this agent ended for what the other side did or did not do.",
            counters.connections_cut,
        )

    def _machinery(self) -> Iterator[Metric]:
        yield _histogram(
            "nodnod_event_loop_lag_seconds",
            "By how much a call came late that was due, looked at once a second.",
            self._cluster.counters.loop_lag,
        )
        timings = self._timings()
        yield _gauge(
            "nodnod_collector_duration_seconds",
            "What the newest reading of a section took.",
            {name: timing.seconds for name, timing in timings.items() if timing.seconds},
            "collector",
        )
        yield _counter(
            "nodnod_collector_failures",
            "Readings of a section that failed.",
            {name: timing.failures for name, timing in timings.items()},
            "collector",
        )
        build = GaugeMetricFamily(
            "nodnod_build_info", "What runs here, in labels.", labels=("version", "python_version")
        )
        build.add_metric((__version__, platform.python_version()), 1)
        yield build
        with self._process.oneshot():
            times = self._process.cpu_times()
            yield _counter(
                "process_cpu_seconds", "CPU time of the agent.", times.user + times.system
            )
            yield _gauge(
                "process_resident_memory_bytes",
                "Memory of the agent.",
                self._process.memory_info().rss,
            )
            yield _gauge(
                "process_start_time_seconds",
                "When the agent started, in Unix seconds.",
                self._process.create_time(),
            )


class _ClusterCollector:
    """What one answer of the cluster holds."""

    def __init__(self, up: Mapping[str, bool], nodes: list[NodeSections]) -> None:
        self._up = up
        self._nodes = nodes

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client's Collector."""
        yield _gauge("nodnod_up", "1 if the node has answered, and without an error.",
                     self._up, "node")  # fmt: skip
        yield from _families(self._nodes, by_node=True)


def _numbers(stats: FullStats) -> Iterable[float]:
    return stats.cpu_used, stats.memory_total, stats.disk_total


def _sections(stats: FullStats, raw: msgspec.Raw) -> dict[str, Any]:
    """All that a node tells; what cannot be read is as if it were not there."""
    sections: dict[str, Any] = {STATS: stats}
    try:
        told = _told.decode(raw).detail
    except _unreadable:
        return sections
    for name, text in told.items():
        reader = _readers.get(name)
        if reader is not None:
            try:
                sections[name] = reader.decode(text)
            except _unreadable:  # ``{"error": ...}`` among others
                continue
    return sections


def _families(nodes: list[NodeSections], *, by_node: bool) -> Iterator[Metric]:
    for gauge in gauges(nodes, by_node=by_node):
        family = GaugeMetricFamily(gauge.name, gauge.help, labels=gauge.labels)
        for labels, value in gauge.values.items():
            family.add_metric(labels, value)
        yield family


def _gauge(name: str, text: str, values: float | Mapping[str, float], label: str = "") -> Metric:
    return _filled(GaugeMetricFamily(name, text, labels=(label,) if label else ()), values)


def _counter(name: str, text: str, values: float | Mapping[str, float], label: str = "") -> Metric:
    return _filled(CounterMetricFamily(name, text, labels=(label,) if label else ()), values)


def _filled(
    family: GaugeMetricFamily | CounterMetricFamily, values: float | Mapping[str, float]
) -> Metric:
    if isinstance(values, Mapping):
        for value_of, value in values.items():
            family.add_metric((value_of,), value)
    else:
        family.add_metric((), values)
    return family


def _histogram(name: str, text: str, histogram: Histogram, *, zeros: int = 0) -> Metric:
    """Cumulative, as Prometheus wants them; ``zeros`` were counted elsewhere."""
    total = zeros
    buckets = []
    for bound, count in zip((*histogram.bounds, "+Inf"), histogram.counts, strict=True):
        total += count
        buckets.append((str(bound), float(total)))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=histogram.sum)
