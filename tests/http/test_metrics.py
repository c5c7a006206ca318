"""The metrics of the node and its agent: which number becomes which series."""

import platform
import re
import subprocess
import sys

import pytest
from prometheus_client import REGISTRY

from core.harness import CoreHarness
from doubles.samples import GIB, SECTIONS, TIMINGS, Scrape, full_sample, scrape
from nodnod_agent.core.counters import CODES
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.http.metrics import Metrics
from nodnod_client import __version__
from nodnod_client.codec import encode
from nodnod_client.sections import Gpu

WEB = {"container": "web", "id": "0123456789ab", "engine": "docker"}
UNNAMED = {"container": "ba9876543210", "id": "ba9876543210", "engine": "containerd"}

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
    ("nodnod_cpu_core_used_ratio", {"core": "1"}, None),
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
    ("nodnod_temperature_celsius", {"sensor": "coretemp Core 0"}, 60),
    ("nodnod_temperature_celsius", {"sensor": "coretemp Core 0 #2"}, 61),
    ("nodnod_temperature_critical_celsius", {"sensor": "coretemp Core 0"}, 100),
    ("nodnod_fan_speed_rpm", {"fan": "thinkpad"}, 2500),
    ("nodnod_battery_charge_ratio", {}, 0.5),
    ("nodnod_battery_plugged_in", {}, 1),
    ("nodnod_battery_left_seconds", {}, 3600),
    ("nodnod_processes", {}, 123),
    ("nodnod_processes_matched", {}, 3),
    ("nodnod_processes_matched_cpu_ratio", {}, 2.5),
    ("nodnod_processes_matched_memory_bytes", {}, GIB),
    ("nodnod_processes_matched_threads", {}, 12),
    ("nodnod_processes_matched_read_bytes_per_second", {}, 100),
    ("nodnod_processes_matched_written_bytes_per_second", {}, 50),
    ("nodnod_services", {}, 90),
    ("nodnod_services_failed", {}, 1),
    ("nodnod_service_problem", {"service": "loop.service", "state": "auto-restart"}, 1),
    ("nodnod_service_problem", {"service": "gone.service", "state": "failed"}, 1),
    (
        "nodnod_service_problem_since_seconds",
        {"service": "web.service", "state": "failed"},
        1.7e9,
    ),
    ("nodnod_service_problem_restarts", {"service": "web.service", "state": "failed"}, 5),
    ("nodnod_service_cpu_ratio", {"service": "db.service"}, 2.5),
    ("nodnod_service_memory_bytes", {"service": "big.service"}, 2 * GIB),
    ("nodnod_gpu_used_ratio", {"gpu": "0", "model": "Tesla"}, 0.75),
    ("nodnod_gpu_memory_total_bytes", {"gpu": "0", "model": "Tesla"}, 4 * GIB),
    ("nodnod_gpu_memory_used_bytes", {"gpu": "0", "model": "Tesla"}, GIB),
    ("nodnod_gpu_temperature_celsius", {"gpu": "0", "model": "Tesla"}, 70),
    ("nodnod_gpu_power_watts", {"gpu": "0", "model": "Tesla"}, 150.5),
    ("nodnod_containers", {}, 2),
    ("nodnod_container_cpu_ratio", WEB, 0.125),
    ("nodnod_container_cpu_limit_cores", WEB, 0.5),
    ("nodnod_container_cpu_limit_used_ratio", WEB, 1),
    ("nodnod_container_memory_used_bytes", WEB, GIB),
    ("nodnod_container_memory_limit_bytes", WEB, 2 * GIB),
    ("nodnod_container_read_bytes_per_second", WEB, 1),
    ("nodnod_container_written_bytes_per_second", WEB, 2),
    ("nodnod_container_receive_bytes_per_second", WEB, 3),
    ("nodnod_container_transmit_bytes_per_second", WEB, 4),
    ("nodnod_container_processes", WEB, 5),
    ("nodnod_container_restarts", WEB, 6),
    ("nodnod_container_start_time_seconds", WEB, 1.7e9),
    (
        "nodnod_container_info",
        {**WEB, "image": "nginx:1", "state": "running", "health": "healthy"},
        1,
    ),
    ("nodnod_container_info", {**UNNAMED, "image": "", "state": "", "health": ""}, 1),
    ("nodnod_custom_file_modified_seconds", {"file": "old.json"}, 1.6e9),
    ("nodnod_custom_file_modified_seconds", {"file": "link.prom"}, None),
    ("nodnod_custom_file_stale", {"file": "jobs.prom"}, 0),
    ("nodnod_custom_file_stale", {"file": "old.json"}, 1),
    ("nodnod_custom_file_faulty", {"file": "jobs.prom"}, 1),
    ("nodnod_custom_file_faulty", {"file": "old.json"}, 0),
    ("jobs", {"node": "a", "queue": "mail"}, 3),
    ("backup_age", {}, None),
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


def test_a_filesystem_has_its_used_share_as_in_df(own: Scrape) -> None:
    labels = {"mountpoint": "/", "device": "/dev/vda1", "fstype": "ext4"}
    assert own("nodnod_filesystem_used_ratio", **labels) == 0.45


def test_a_filesystem_that_is_listed_twice_is_one_series(harness: CoreHarness) -> None:
    one = b'{"mount":"/","device":"d","type":"t","total":%d,"used":1,"free":1,'
    one += b'"inodesUsedPercent":null,"counted":true}'
    harness.node.sampled(full_sample(sections={"filesystems": b"[%b,%b]" % (one % 1, one % 2)}))

    labels = {"mountpoint": "/", "device": "d", "fstype": "t"}
    assert scrape(harness)("nodnod_filesystem_total_bytes", **labels) == 2


def test_a_lost_gpu_has_no_series_and_leaves_the_others_their_numbers(
    harness: CoreHarness,
) -> None:
    lost = Gpu("", None, None, None, None, None, error="GPU is lost")
    harness.node.sampled(full_sample(sections={"gpu": encode([lost, *SECTIONS["gpu"]])}))

    own = scrape(harness)

    assert own("nodnod_gpu_power_watts", gpu="1", model="Tesla") == 150.5
    assert own.of("gpu") == ["1"]


@pytest.mark.parametrize("section", [b"null", b'{"error":"no"}', b"[]", b"5"])
def test_an_invalid_section_leaves_the_others(harness: CoreHarness, section: bytes) -> None:
    load = b'{"load1":1,"load5":2,"load15":3}'
    harness.node.sampled(full_sample(sections={"cpu": section, "load": load}))

    own = scrape(harness)

    assert own("nodnod_cpu_mode_ratio", mode="user") is None
    assert own("nodnod_cpu_used_ratio") == 0.125
    assert own("nodnod_load1") == 1


def test_names_and_types_follow_the_rules_of_prometheus(own: Scrape) -> None:
    for family in own.families:
        if family.name == "jobs":  # of a custom file
            continue
        assert re.fullmatch("(nodnod|process)_[a-z0-9_]+", family.name)
        assert family.documentation.endswith(".")
        assert not re.search("percent|milli|mhz|_kb|_total_total", family.name)
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter")


# The agent itself.


def test_requests_are_counted_by_type(harness: CoreHarness) -> None:
    client = harness.client()
    for request in ({}, {"type": 0}, {"type": 1}, {"type": 3}, {"type": 2, "id": 1}, {"type": 7}):
        client.ask(**request)

    own = scrape(harness)

    kinds = ("stat", "stat_all", "stop", "members", "join", "events")
    counts = [own("nodnod_requests_total", type=kind) for kind in kinds]
    assert counts == [2, 1, 1, 1, 0, 1]


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
    metrics = Metrics(harness.node, lambda: TIMINGS)
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


def test_the_duration_of_an_unanswered_request_ends_at_its_deadline(harness: CoreHarness) -> None:
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


def test_a_connection_closed_for_ten_bad_requests_in_a_row_is_counted(harness: CoreHarness) -> None:
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


def test_pages_are_counted_by_name_and_status_and_loop_lag_by_seconds(harness: CoreHarness) -> None:
    counters = harness.node.counters
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
    build = {"version": __version__, "python_version": platform.python_version()}
    assert own("nodnod_build_info", **build) == 1


def test_the_ends_of_certificates_are_series_by_setting(harness: CoreHarness) -> None:
    ends = {"tls.cert": 1.8e9, "tls.ca": 2.1e9}
    page = Scrape(Metrics(harness.node, dict, lambda: ends).of_node())
    name = "nodnod_certificate_expiry_timestamp_seconds"
    assert {setting: page(name, setting=setting) for setting in ends} == ends


def test_the_global_registry_stays_unused(harness: CoreHarness) -> None:
    scrape(harness)

    assert not [family.name for family in REGISTRY.collect() if "nodnod" in family.name]


def test_an_agent_that_is_not_scraped_does_not_load_the_library() -> None:
    code = "import sys, nodnod_agent.cli, nodnod_agent.daemon; print('prometheus_client' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
