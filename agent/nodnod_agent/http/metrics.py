"""The metrics of this node, of this agent and of the cluster, in Prometheus' text format.

Imported with the first scrape: an agent that is never scraped does not pay for the library. Label
values are names of the machine's own parts, names and tags of members, from a fixed set in the code,
or from the files of custom.directory. They never come from a client.
"""

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
import psutil
from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from nodnod_agent.collectors.moment import Timing
from nodnod_agent.core.counters import DURATIONS, Histogram
from nodnod_agent.core.membership.link import LinkState
from nodnod_agent.core.node import Node
from nodnod_agent.core.question import Question
from nodnod_agent.http.custom_metrics import custom_metrics
from nodnod_agent.http.metric_table import STATS, TRUNCATED, NodeSections, gauges
from nodnod_client import __version__
from nodnod_client.alerts import AlertInfo
from nodnod_client.codec import decode_node, decode_peer_answer, section_decoder
from nodnod_client.messages import FullStats, RequestType
from nodnod_client.sections import SECTIONS, SHAPES, truncated
from nodnod_client.tags import label

STALE = "stale:"
"""How the error of a node with old numbers begins; docs/protocol.md defines it."""

_ALL_SECTIONS = Question(local=True, detail=tuple(sorted(SECTIONS)))

_decode_errors = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


class _Detail(msgspec.Struct, frozen=True):
    """The sections of a node object, which are not validated yet."""

    detail: dict[str, msgspec.Raw] = {}


_detail = msgspec.json.Decoder(_Detail)


class Metrics:
    """Both pages of metrics of one agent; ``timings`` is the sampler's, ``expiries`` as in Pages."""

    def __init__(
        self,
        node: Node,
        timings: Callable[[], Mapping[str, Timing]],
        expiries: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self._node = node
        self._timings = timings
        self._expiries = expiries
        self._process = psutil.Process()

    def of_node(self, match: str | None = None) -> bytes:
        """Return the metrics of this node, with all sections that are known, and of this agent.

        With ``match`` the processes are those whose names match.
        """
        return generate_latest(_Page(self._own(match)))

    def of_cluster(self, body: bytes) -> bytes:
        """Return the metrics of the nodes in an answer to type 1.

        A node with an error is not up. It keeps its current numbers; a node that is down or stale
        has none. Names that no node has are left out, because a client made them up.
        """
        members = self._node.peers.members()
        tags = {member.name: member.tags for member in members if member.state != "left"}
        up: dict[str, bool] = {}
        nodes = []
        for name, raw in decode_peer_answer(body).nodes.items():
            if name not in tags:
                continue
            stats = decode_node(raw)
            up[name] = not stats.error
            has_numbers = any((stats.cpu_used, stats.memory_total, stats.disk_total))
            if not stats.error or (has_numbers and not stats.error.startswith(STALE)):
                nodes.append(NodeSections(name, _sections(stats, raw)))
        is_up = _gauge("nodnod_up", "1 if the node answered without an error.", up, "node")
        info = _node_info(({"node": name}, tags[name]) for name in up)
        rows = self._node.alert_view.rows
        alerts = _alerts(row.alert for row in rows if row.alert.node in up)
        return generate_latest(_Page([is_up, info, alerts, *_node_metrics(nodes, by_node=True)]))

    def _own(self, match: str | None) -> Iterator[Metric]:
        raw = msgspec.Raw(self._node.local.entry(_ALL_SECTIONS._replace(match=match)))
        yield from _node_metrics([NodeSections("", _sections(decode_node(raw), raw))])
        yield _node_info([({}, self._node.peers.gossip.table.own.tags)])
        own = self._node.peers.gossip.table.own.address
        rows = self._node.alert_view.rows
        yield _alerts(row.alert for row in rows if row.address == own)
        yield from self._requests()
        yield from self._peers()
        yield from self._backplane()
        yield from self._clients()
        yield from self._runtime()

    def _requests(self) -> Iterator[Metric]:
        counters, queries = self._node.counters, self._node.responder.queries
        requests = {kind.name.lower(): counters.requests[kind] for kind in RequestType}
        text = "Requests over WebSockets, from clients and agents."
        yield _counter("nodnod_requests", text, requests, "type")
        yield _counter("nodnod_bad_requests", "Refused requests.", counters.refusals, "code")
        text = (
            "Time from a request for stats, a tick of streams or a page to its answer; "
            "0 if it was known already."
        )
        yield _histogram(
            "nodnod_request_duration_seconds",
            text,
            queries.durations,
            zeros=counters.answered_at_once,
        )
        pages = {(page, str(status)): count for (page, status), count in counters.pages.items()}
        yield _counter("nodnod_http_requests", "Plain HTTP requests.", pages, "page", "code")
        text = "Questions that were sent to all peers at once."
        yield _counter("nodnod_broadcasts", text, queries.broadcasts)

    def _peers(self) -> Iterator[Metric]:
        peers = self._node.peers
        links = Counter(one.link.state for one in peers.roster.members.values() if one.link)
        states = {
            state.value: links[state] for state in LinkState if state is not LinkState.RETIRED
        }
        text = "Connections that this agent keeps, or tries to open, to other agents."
        yield _gauge("nodnod_links", text, states, "state")
        members = Counter(member.state for member in peers.members())
        counts = {state: members[state] for state in ("up", "down", "left")}
        text = "Nodes of the cluster, including this one, as this agent sees them."
        yield _gauge("nodnod_members", text, counts, "state")
        text = "Exchanges about the membership that this agent started."
        yield _counter("nodnod_gossip_exchanges", text, peers.gossip.exchanges)

    def _backplane(self) -> Iterator[Metric]:
        """Without a backplane these have no series."""
        presence = self._node.presence
        connected, reconnects, messages, octets, lost = _NO_BACKPLANE
        if presence is not None:
            counters = presence.bus.counters
            connected, reconnects = presence.bus.up, max(0, counters.connections - 1)
            messages, octets, lost = counters.messages, counters.bytes, counters.lost
        text = "1 if this agent is connected to a NATS server."
        yield _gauge("nodnod_backplane_connected", text, connected)
        text = "Connections to NATS servers that were lost and came back."
        yield _counter("nodnod_backplane_reconnects", text, reconnects)
        yield _counter("nodnod_backplane_messages", "Messages over NATS.", messages, "direction")
        text = "Bytes of messages over NATS, without their subjects."
        yield _counter("nodnod_backplane_bytes", text, octets, "direction")
        text = (
            "Lost messages: they came in faster than they were handled (slow), the server took "
            "nothing (stalled), or they were larger than its max_payload (large)."
        )
        yield _counter("nodnod_backplane_lost", text, lost, "reason")
        site = presence.site if presence is not None else None
        text = "1 if this agent speaks for its site on the backplane."
        speaks = {site.name: site.election.speaks} if site is not None else {}
        yield _gauge("nodnod_site_speaker", text, speaks, "site")

    def _clients(self) -> Iterator[Metric]:
        node, counters, streams = self._node, self._node.counters, self._node.responder.streams
        agents = sum(session.from_agent for session in node.sessions)
        clients = {"client": len(node.sessions) - agents, "agent": agents}
        text = "WebSocket connections that others opened to this agent."
        yield _gauge("nodnod_clients", text, clients, "kind")
        responder = self._node.responder
        running = len(streams) + len(responder.alert_streams) + len(responder.event_streams)
        yield _gauge("nodnod_streams", "Running streams.", running)
        text = "Ticks that a slow client skipped."
        skipped = streams.skipped + responder.alert_streams.skipped
        yield _counter("nodnod_stream_ticks_skipped", text, skipped)
        accepted = counters.connections_accepted
        text = "Open accepted connections, including this one."
        yield _gauge("nodnod_connections", text, accepted - counters.connections_ended)
        yield _counter("nodnod_connections_accepted", "Accepted connections.", accepted)
        text = "Connections refused because too many were open."
        yield _counter("nodnod_connections_refused", text, counters.connections_refused)
        text = "Connections that this agent closed because the other side broke a limit."
        yield _counter("nodnod_connections_cut", text, counters.connections_cut)

    def _runtime(self) -> Iterator[Metric]:
        text = "How late a timer of the event loop fired, measured once a second."
        yield _histogram("nodnod_event_loop_lag_seconds", text, self._node.counters.loop_lag)
        timings = self._timings()
        seconds = {name: timing.seconds for name, timing in timings.items() if timing.seconds}
        text = "Duration of the newest reading of a section."
        yield _gauge("nodnod_collector_duration_seconds", text, seconds, "collector")
        failures = {name: timing.failures for name, timing in timings.items()}
        text = "Failed readings of a section."
        yield _counter("nodnod_collector_failures", text, failures, "collector")
        build = {(__version__, platform.python_version()): 1}
        text = "The running version, in labels."
        yield _gauge("nodnod_build_info", text, build, "version", "python_version")
        text = "When a certificate expires, in Unix seconds, by the setting that names it."
        ends = self._expiries()
        yield _gauge("nodnod_certificate_expiry_timestamp_seconds", text, ends, "setting")
        with self._process.oneshot():
            times = self._process.cpu_times()
            yield _counter("process_cpu_seconds", "CPU time of the agent.", sum(times[:2]))
            memory = self._process.memory_info().rss
            yield _gauge("process_resident_memory_bytes", "Memory of the agent.", memory)
            text = "Start of the agent, in Unix seconds."
            yield _gauge("process_start_time_seconds", text, self._process.create_time())


class _Page(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """Return the metrics, for ``generate_latest``."""
        return self._metrics


def _sections(stats: FullStats, raw: msgspec.Raw) -> dict[str, Any]:
    """Return the sections of a node; a section that cannot be decoded counts as absent."""
    sections: dict[str, Any] = {STATS: stats}
    try:
        detail = _detail.decode(raw).detail
    except _decode_errors:
        return sections
    counts: dict[str, int] = {}
    for name, text in detail.items():
        if name in SHAPES:
            try:
                sections[name] = section_decoder(name).decode(text)
                if b'"truncated":' in bytes(text):
                    counts[name] = truncated(msgspec.json.decode(text))
            except _decode_errors:  # ``{"error": ...}`` among others
                continue
    return sections | {TRUNCATED: counts}


def _node_metrics(nodes: list[NodeSections], *, by_node: bool = False) -> Iterator[Metric]:
    for gauge in gauges(nodes, by_node=by_node):
        yield _gauge(gauge.name, gauge.help, gauge.values, *gauge.labels)
    yield from custom_metrics(nodes, by_node=by_node)


def _node_info(nodes: Iterable[tuple[dict[str, str], Mapping[str, str]]]) -> Metric:
    """Return one series for each node: its labels, and those of its tags."""
    family = GaugeMetricFamily("nodnod_node_info", "The tags of the node, in labels.")
    for labels, tags in nodes:
        family.add_sample(
            family.name, labels | {label(key): value for key, value in tags.items()}, 1
        )
    return family


def _alerts(alerts: Iterable[AlertInfo]) -> Metric:
    values = {(one.node, one.rule, one.object, one.severity): 1.0 for one in alerts if one.firing}
    labels = ("node", "rule", "object", "severity")
    return _gauge("nodnod_alert", "An alert that fires.", values, *labels)


Values = float | Mapping[Any, float]
"""One value, or values by the value of the one label, or by a tuple of the values of all labels."""

_NO_BACKPLANE: tuple[Values, ...] = ({},) * 5


def _gauge(name: str, text: str, values: Values, *labels: str) -> Metric:
    return _filled(GaugeMetricFamily(name, text, labels=labels), values)


def _counter(name: str, text: str, values: Values, *labels: str) -> Metric:
    return _filled(CounterMetricFamily(name, text, labels=labels), values)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: Values) -> Metric:
    by_labels = values if isinstance(values, Mapping) else {(): values}
    for labels, value in by_labels.items():
        family.add_metric((labels,) if isinstance(labels, str) else labels, value)
    return family


def _histogram(name: str, text: str, histogram: Histogram, *, zeros: int = 0) -> Metric:
    """Return cumulative buckets, as Prometheus has them; ``zeros`` were counted elsewhere."""
    total = zeros
    buckets = []
    for bound, count in zip((*DURATIONS, "+Inf"), histogram.counts, strict=True):
        total += count
        buckets.append((str(bound), float(total)))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=histogram.sum)
