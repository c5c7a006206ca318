"""The metrics pages: which number becomes which series, and what an error leaves out."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from core.harness import CoreHarness, FakePeer
from doubles.samples import GIB, Scrape, full_sample
from nodnod_agent.collectors.machine import Timing
from nodnod_agent.core.counters import CODES
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.http.metrics import Metrics

TIMINGS = {"cpu": Timing(0.0005, 0), "gpu": Timing(0.25, 3), "sensors": Timing(0.0, 0)}

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "examples" / "grafana-dashboard.json"
MANUAL = ROOT / "docs" / "metrics.md"


@pytest.fixture
def harness() -> CoreHarness:
    harness = CoreHarness()
    harness.cluster.sampled(full_sample())
    return harness


def scrape(harness: CoreHarness) -> Scrape:
    """The page of the node."""
    return Scrape(Metrics(harness.cluster, lambda: TIMINGS).of_node())


@pytest.fixture
def own(harness: CoreHarness) -> Scrape:
    return scrape(harness)


def scrape_cluster(harness: CoreHarness, *answering: FakePeer, **request: Any) -> Scrape:
    """The page of the cluster; the other peers do not answer."""
    client = harness.ask_all(**request)
    for peer in answering:
        peer.answer()
    harness.clock.advance(3)
    return Scrape(Metrics(harness.cluster, dict).of_cluster(client.wire.sent[-1]))


def scrape_peer(harness: CoreHarness, **fields: Any) -> Scrape:
    """The page of the cluster where the one peer, kyle, answers with these fields."""
    peer = harness.peer("kyle")
    client = harness.ask_all(detail=["load", "filesystems", "cpu"])
    peer.answer(**fields)
    return Scrape(Metrics(harness.cluster, dict).of_cluster(client.wire.sent[-1]))


# This node.


OWN = [
    ("nodnod_cpu_used_ratio", {}, 0.125),
    ("nodnod_memory_total_bytes", {}, 16 * GIB),
    ("nodnod_memory_used_bytes", {}, 4 * GIB),
    ("nodnod_memory_used_ratio", {}, 0.25),
    ("nodnod_disk_total_bytes", {}, 1000),
    ("nodnod_disk_used_bytes", {}, 250),
    ("nodnod_disk_used_ratio", {}, 0.25),
    ("nodnod_boot_time_seconds", {}, 1.7e9),
    ("nodnod_cpu_logical_cores", {}, 4),
    ("nodnod_cpu_physical_cores", {}, 2),
    ("nodnod_cpu_limit_cores", {}, 1.5),
    ("nodnod_memory_limit_bytes", {}, 8 * GIB),
    (
        "nodnod_system_info",
        {"os": "Debian", "kernel": "6.1", "architecture": "x86_64", "scope": "container"},
        1,
    ),
    ("nodnod_cpu_frequency_hertz", {}, 2.4e9),
    ("nodnod_cpu_mode_ratio", {"mode": "user"}, 0.08),
    ("nodnod_cpu_mode_ratio", {"mode": "system"}, 0.04),
    ("nodnod_cpu_mode_ratio", {"mode": "iowait"}, 0.005),
    ("nodnod_cpu_mode_ratio", {"mode": "steal"}, 0.0025),
    ("nodnod_cpu_core_used_ratio", {"core": "2"}, 0.2),
    ("nodnod_load1", {}, 0.5),
    ("nodnod_load5", {}, 0.25),
    ("nodnod_load15", {}, 0.125),
    ("nodnod_memory_available_bytes", {}, 12 * GIB),
    ("nodnod_memory_cached_bytes", {}, 3 * GIB),
    ("nodnod_memory_buffers_bytes", {}, GIB),
    ("nodnod_swap_total_bytes", {}, 2 * GIB),
    ("nodnod_swap_used_bytes", {}, GIB),
    ("nodnod_disk_read_bytes_per_second", {"device": "vda"}, 1000),
    ("nodnod_disk_written_bytes_per_second", {"device": "vda"}, 2000),
    ("nodnod_disk_reads_per_second", {"device": "vda"}, 10),
    ("nodnod_disk_writes_per_second", {"device": "vda"}, 20),
    ("nodnod_disk_busy_ratio", {"device": "vda"}, 0.5),
    ("nodnod_network_receive_bytes_per_second", {"interface": "eth0"}, 100),
    ("nodnod_network_transmit_bytes_per_second", {"interface": "eth0"}, 200),
    ("nodnod_network_packets_per_second", {"interface": "eth0"}, 3),
    ("nodnod_network_errors_per_second", {"interface": "eth0"}, 0.5),
    ("nodnod_network_drops_per_second", {"interface": "eth0"}, 0.25),
    ("nodnod_pressure_some_ratio", {"resource": "io"}, 0.5),
    ("nodnod_pressure_full_ratio", {"resource": "memory"}, 0.025),
    ("nodnod_pressure_full_ratio", {"resource": "io"}, None),
    ("nodnod_temperature_critical_celsius", {"sensor": "coretemp Core 0"}, 100),
    ("nodnod_fan_speed_rpm", {"fan": "thinkpad"}, 2500),
    ("nodnod_battery_charge_ratio", {}, 0.5),
    ("nodnod_battery_plugged_in", {}, 1),
    ("nodnod_battery_left_seconds", {}, 3600),
    ("nodnod_processes", {}, 123),
    ("nodnod_gpu_used_ratio", {"gpu": "0", "model": "Tesla"}, 0.75),
    ("nodnod_gpu_memory_total_bytes", {"gpu": "0", "model": "Tesla"}, 4 * GIB),
    ("nodnod_gpu_memory_used_bytes", {"gpu": "0", "model": "Tesla"}, GIB),
    ("nodnod_gpu_temperature_celsius", {"gpu": "0", "model": "Tesla"}, 70),
    ("nodnod_gpu_power_watts", {"gpu": "0", "model": "Tesla"}, 150.5),
]


@pytest.mark.parametrize(("name", "labels", "value"), OWN)
def test_each_number_of_the_node_is_a_series_in_base_units(
    own: Scrape, name: str, labels: dict[str, str], value: float | None
) -> None:
    assert own(name, **labels) == value


@pytest.mark.parametrize(
    ("mount", "device", "fstype", "total", "stuck"),
    [
        ("/", "/dev/vda1", "ext4", 100, 0),
        ("/mnt/old", "nas:/y", "nfs", 10, 1),
        ("/mnt/lost", "nas:/x", "nfs", None, 1),
    ],
)
def test_a_filesystem_has_its_numbers_once_it_has_answered_and_says_whether_it_is_stuck(
    own: Scrape, mount: str, device: str, fstype: str, total: int | None, stuck: int
) -> None:
    labels = {"mountpoint": mount, "device": device, "fstype": fstype}

    assert own("nodnod_filesystem_total_bytes", **labels) == total
    assert own("nodnod_filesystem_stuck", **labels) == stuck


def test_two_sensors_with_one_name_are_two_series(own: Scrape) -> None:
    assert own("nodnod_temperature_celsius", sensor="coretemp Core 0") == 60
    assert own("nodnod_temperature_celsius", sensor="coretemp Core 0 #2") == 61


def test_a_filesystem_that_is_listed_twice_is_one_series(harness: CoreHarness) -> None:
    one = b'{"mount":"/","device":"d","type":"t","total":%d,"used":1,"free":1,'
    one += b'"inodesUsedPercent":null,"counted":true}'
    harness.cluster.sampled(full_sample(sections={"filesystems": b"[%b,%b]" % (one % 1, one % 2)}))

    labels = {"mountpoint": "/", "device": "d", "fstype": "t"}
    assert scrape(harness)("nodnod_filesystem_total_bytes", **labels) == 2


@pytest.mark.parametrize("section", [b"null", b'{"error":"no"}', b"[]", b"5"])
def test_an_invalid_section_has_no_series_and_leaves_the_others(
    harness: CoreHarness, section: bytes
) -> None:
    load = b'{"load1":1,"load5":2,"load15":3}'
    harness.cluster.sampled(full_sample(sections={"cpu": section, "load": load}))

    own = scrape(harness)

    assert own("nodnod_cpu_mode_ratio", mode="user") is None
    assert own("nodnod_cpu_used_ratio") == 0.125
    assert own("nodnod_load1") == 1


def test_names_and_types_follow_the_rules_of_prometheus(own: Scrape) -> None:
    for family in own.families:
        assert re.fullmatch("(nodnod|process)_[a-z0-9_]+", family.name)
        assert family.documentation.endswith(".")
        assert not re.search("percent|milli|mhz|_kb|_total_total", family.name)
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter")


# The agent itself.


def test_requests_are_counted_by_type(harness: CoreHarness) -> None:
    client = harness.client()
    for request in ({}, {"type": 0}, {"type": 1}, {"type": 3}, {"type": 2, "id": 1}):
        client.ask(**request)

    own = scrape(harness)

    kinds = ("stat", "stat_all", "stop", "members", "join")
    counts = [own("nodnod_requests_total", type=kind) for kind in kinds]
    assert counts == [2, 1, 1, 1, 0]


BAD = {
    "bad_json": b"{",
    "bad_request": b'{"timeout":-1}',
    "unknown_type": b'{"type":99}',
    "unknown_section": b'{"detail":["colour"]}',
    "no_such_stream": b'{"type":2,"id":"x"}',
    "forbidden": b'{"type":4}',
}


@pytest.mark.parametrize(("code", "text"), BAD.items())
def test_refused_requests_are_counted_by_code(harness: CoreHarness, code: str, text: bytes) -> None:
    harness.client().say(text)

    own = scrape(harness)

    counts = {known: own("nodnod_bad_requests_total", code=known) for known in CODES}
    assert counts == dict.fromkeys(CODES, 0) | {code: 1}


def test_no_label_value_comes_from_a_client(harness: CoreHarness) -> None:
    word = "zx81"
    client = harness.client(Hello(2, word, word, word))
    for request in (
        {"type": 1, "nodes": [word, f"*{word}"], "id": word},
        {"detail": [word]},
        {"type": word},
        {word: word},
        {"every": 1, "id": word},
        {"every": 1, "id": word},
        {"type": 2, "id": word},
    ):
        client.ask(**request)
    client.say(word.encode())
    harness.clock.advance(3)
    metrics = Metrics(harness.cluster, lambda: TIMINGS)
    answer = next(text for text in client.wire.sent if b"unknown node" in text)

    assert word not in metrics.of_node().decode()
    assert word not in metrics.of_cluster(answer).decode()


def test_the_duration_of_a_request_ends_with_its_answer(harness: CoreHarness) -> None:
    peer = harness.peer("kyle")
    client = harness.client()
    for _ in range(3):
        client.ask(type=1)
    harness.clock.advance(0.3)
    client.ask(type=1)
    peer.answer()
    harness.clock.turn()
    harness.clock.advance(0.03)
    peer.answer()
    client.ask()

    own = scrape(harness)

    def at_most(seconds: str) -> float | None:
        return own("nodnod_request_duration_seconds_bucket", le=seconds)

    assert [at_most(le) for le in ("0.001", "0.025", "0.05", "0.25", "0.5")] == [1, 1, 2, 2, 5]
    assert at_most("+Inf") == own("nodnod_request_duration_seconds_count") == 5
    assert own("nodnod_request_duration_seconds_sum") == pytest.approx(0.93)


def test_the_duration_of_a_request_ends_at_its_deadline_without_an_answer(
    harness: CoreHarness,
) -> None:
    harness.peer("frozen")
    client = harness.client()
    client.ask(type=1, timeout=0.1)
    client.ask(type=1, timeout=0.2)
    harness.clock.advance(1)

    own = scrape(harness)

    assert own("nodnod_request_duration_seconds_bucket", le="0.1") == 1
    assert own("nodnod_request_duration_seconds_sum") == pytest.approx(0.3)


def test_in_push_mode_the_duration_of_a_request_is_zero() -> None:
    harness = CoreHarness(mode="push")
    harness.ask_all()

    own = scrape(harness)

    assert own("nodnod_request_duration_seconds_bucket", le="0.001") == 1
    assert own("nodnod_broadcasts_total") == 0


def test_links_and_members_are_counted_by_state(harness: CoreHarness) -> None:
    harness.peer("kyle")
    harness.peer("stan")
    harness.attempt(harness.configure()).refuse()
    harness.configure()

    own = scrape(harness)

    states = ("idle", "dialling", "up", "waiting")
    assert [own("nodnod_links", state=state) for state in states] == [0, 1, 2, 1]
    states = ("up", "down", "left")
    assert [own("nodnod_members", state=state) for state in states] == [3, 2, 0]
    assert (own("nodnod_gossip_exchanges_total") or 0) >= 2


def test_clients_and_dialing_agents_are_counted_apart(harness: CoreHarness) -> None:
    harness.client()
    gone = harness.client()
    harness.client(Hello(2, "kyle", "instance of kyle", "10.0.0.9:7070"))
    gone.session.ended()

    own = scrape(harness)

    assert own("nodnod_clients", kind="client") == 1
    assert own("nodnod_clients", kind="agent") == 1


def test_streams_and_skipped_ticks_are_counted(harness: CoreHarness) -> None:
    client = harness.client()
    client.ask(every=1, id="a")
    client.ask(every=1, id="b")
    harness.clock.turn()
    client.wire.unsent = 1 << 20
    harness.clock.advance(2.5)

    own = scrape(harness)

    assert own("nodnod_streams") == 2
    assert own("nodnod_stream_ticks_skipped_total") == 4


def test_a_connection_closed_for_ten_bad_requests_in_a_row_is_counted(
    harness: CoreHarness,
) -> None:
    client = harness.client()
    for _ in range(10):
        client.say(b"nonsense")

    assert scrape(harness)("nodnod_connections_cut_total") == 1


def test_a_broadcast_for_several_requests_is_counted_once(harness: CoreHarness) -> None:
    harness.peer("kyle")
    for _ in range(5):
        harness.client().ask(type=1)
    harness.clock.turn()

    assert scrape(harness)("nodnod_broadcasts_total") == 1


def test_pages_are_counted_by_name_and_status_and_loop_lag_by_seconds(
    harness: CoreHarness,
) -> None:
    counters = harness.cluster.counters
    for name, status in (("/stat", 200), ("/stat", 200), ("other", 404)):
        counters.page(name, status)
    for lag in (0.0, 0.0, 0.3):
        counters.loop_lag.add(lag)

    own = scrape(harness)

    assert own("nodnod_http_requests_total", page="/stat", code="200") == 2
    assert own("nodnod_http_requests_total", page="other", code="404") == 1
    assert own("nodnod_event_loop_lag_seconds_bucket", le="0.25") == 2
    assert own("nodnod_event_loop_lag_seconds_count") == 3


def test_durations_and_failures_of_collectors_are_series(own: Scrape) -> None:
    assert own("nodnod_collector_duration_seconds", collector="gpu") == 0.25
    assert own("nodnod_collector_duration_seconds", collector="sensors") is None, "never read"
    assert own("nodnod_collector_failures_total", collector="gpu") == 3


def test_the_process_and_its_version_are_series(own: Scrape) -> None:
    assert (own("process_resident_memory_bytes") or 0) > 1e6
    assert (own("process_cpu_seconds_total") or 0) > 0
    assert (own("process_start_time_seconds") or 0) > 1.6e9
    assert own.of("python_version") == [".".join(map(str, sys.version_info[:3]))]


def test_the_global_registry_stays_unused(harness: CoreHarness) -> None:
    scrape(harness)

    assert not [family.name for family in REGISTRY.collect() if "nodnod" in family.name]


def test_an_agent_that_is_not_scraped_does_not_load_the_library() -> None:
    code = "import sys, nodnod_agent.cli, nodnod_agent.daemon; print('prometheus_client' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


# The cluster.


def test_every_node_has_a_series_and_a_silent_one_is_not_up(harness: CoreHarness) -> None:
    harness.peer("frozen")
    page = scrape_cluster(harness, harness.peer("kyle"), harness.peer("stan"))

    nodes = ["frozen", "kyle", "own", "stan"]
    assert page.of("node") == nodes
    assert [page("nodnod_up", node=node) for node in nodes] == [0, 1, 1, 1]
    assert page("nodnod_memory_total_bytes", node="frozen") is None


def test_each_node_has_its_own_numbers(harness: CoreHarness) -> None:
    page = scrape_peer(harness, memoryTotal=5 * GIB, cpuUsed=50.0)

    assert page("nodnod_up", node="kyle") == 1
    assert page("nodnod_memory_total_bytes", node="kyle") == 5 * GIB
    assert page("nodnod_cpu_used_ratio", node="kyle") == 0.5
    assert page("nodnod_memory_total_bytes", node="own") == 16 * GIB


def test_the_cluster_page_has_only_the_stats_unless_sections_are_requested(
    harness: CoreHarness,
) -> None:
    plain, more = scrape_cluster(harness), scrape_cluster(harness, detail=["load"])

    sizes = {f"nodnod_{what}_bytes" for what in ("memory_total", "memory_used")}
    sizes |= {f"nodnod_{what}_bytes" for what in ("disk_total", "disk_used")}
    ratios = {f"nodnod_{what}_used_ratio" for what in ("cpu", "memory", "disk")}
    assert plain.names == {"nodnod_up"} | sizes | ratios
    assert more.names - plain.names == {"nodnod_load1", "nodnod_load5", "nodnod_load15"}
    assert more("nodnod_load1", node="own") == 0.5


def test_a_node_that_is_down_has_no_numbers(harness: CoreHarness) -> None:
    harness.attempt(harness.configure("10.0.0.9")).refuse()

    page = scrape_cluster(harness)

    assert page("nodnod_up", node="10.0.0.9:7070") == 0
    assert page("nodnod_cpu_used_ratio", node="10.0.0.9:7070") is None


def test_a_node_with_an_error_is_not_up_and_keeps_its_current_numbers(
    harness: CoreHarness,
) -> None:
    page = scrape_peer(harness, error="disk: /mnt does not answer", cpuUsed=50.0)

    assert page("nodnod_up", node="kyle") == 0
    assert page("nodnod_cpu_used_ratio", node="kyle") == 0.5


def test_in_push_mode_a_stale_node_has_no_numbers() -> None:
    harness = CoreHarness(mode="push")
    peer = harness.peer("kyle")
    peer.answer(peer.queries[-1], cpuUsed=50.0)
    fresh = scrape_cluster(harness)
    harness.clock.advance(60)
    client = harness.ask_all()
    stale = scrape_cluster(harness)

    assert client.nodes["kyle"]["error"].startswith("stale: last heard")
    assert client.nodes["kyle"]["cpuUsed"] == 50.0
    assert stale("nodnod_up", node="kyle") == 0
    assert stale("nodnod_cpu_used_ratio", node="kyle") is None
    assert stale("nodnod_up", node="own") == 1
    assert fresh("nodnod_up", node="kyle") is not None


def test_an_unknown_name_in_a_request_is_not_a_node(harness: CoreHarness) -> None:
    assert scrape_cluster(harness, nodes=["own", "nobody"]).of("node") == ["own"]


HOSTILE = [
    '"',
    "\\",
    'a"} 1\nnodnod_up{node="b',
    "\n# TYPE nodnod_up counter\n",
    "{}",
    "a,b=c",
    "\u2028\u0085\x00\r\t",
    "☃" * 40,
    "<script>alert(1)</script>",
    "$(reboot)",
    " ",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_a_label_value(harness: CoreHarness, name: str) -> None:
    page = scrape_cluster(harness, harness.peer(name), harness.peer("kyle"))

    assert page("nodnod_up", node=name) == 1
    assert page.of("node") == sorted(["own", "kyle", name])


INVALID_DETAILS = [
    5,
    [],
    {"load": 5},
    {"load": {"load1": "x"}},
    {"load": {"load1": 10**400, "load5": 1, "load15": 1}},
    {"load": None, "colour": {}},
    {"filesystems": [{"mount": "/"}]},
    {"cpu": {"cores": [[]]}},
    {"load": [[[[[[[[]]]]]]]]},
]


@pytest.mark.parametrize("detail", INVALID_DETAILS)
def test_an_invalid_section_of_a_peer_leaves_its_other_numbers(
    harness: CoreHarness, detail: object
) -> None:
    page = scrape_peer(harness, detail=detail, cpuUsed=50.0)

    assert page("nodnod_up", node="kyle") == 1
    assert page("nodnod_cpu_used_ratio", node="kyle") == 0.5
    assert page("nodnod_load1", node="own") == 0.5


def test_numbers_that_no_float_can_hold_are_left_out(harness: CoreHarness) -> None:
    labels = {"mountpoint": "/", "device": "sda", "fstype": "ext4", "node": "kyle"}
    disk = {"mount": "/", "device": "sda", "type": "ext4", "total": 10**400, "used": 1, "free": 1}
    rest = {"inodesUsedPercent": None, "counted": True}
    page = scrape_peer(harness, detail={"filesystems": [disk | rest]})

    assert page("nodnod_filesystem_total_bytes", **labels) is None
    assert page("nodnod_filesystem_used_bytes", **labels) == 1


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
_sections = st.dictionaries(
    st.sampled_from(["cpu", "load", "filesystems", "diskio", "network", "sensors", "gpu"]), _json
)


@settings(derandomize=True, database=None, deadline=None, max_examples=50)
@given(_json | _sections)
def test_any_detail_of_a_peer_gives_a_valid_page(detail: object) -> None:
    harness = CoreHarness()
    harness.cluster.sampled(full_sample())

    page = scrape_peer(harness, detail=detail)

    assert page("nodnod_up", node="own") == 1


# Examples and documents.


def test_every_metric_in_the_grafana_dashboard_exists(harness: CoreHarness, own: Scrape) -> None:
    text = DASHBOARD.read_text()
    named = set(re.findall(r"\b(?:nodnod|process)_[a-z0-9_]+", json.dumps(json.loads(text))))
    everything = own.names | scrape_cluster(harness).names

    assert named - everything == set()
    assert len(named) > 20


def test_the_document_lists_every_metric_and_no_other(harness: CoreHarness, own: Scrape) -> None:
    text = MANUAL.read_text()
    _, _, tables = text.partition("## All metrics")
    tables, _, _ = tables.partition("## Things to be told of")
    named = set(re.findall(r"`((?:nodnod|process)_[a-z0-9_]+)`", tables))

    families = [*own.families, *scrape_cluster(harness).families]
    there = {one.name + "_total" * (one.type == "counter") for one in families}
    assert named == there
