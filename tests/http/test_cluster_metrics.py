"""The metrics of the cluster: which nodes are up, which numbers they have, and hostile answers."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.alerts.alerted_node import alert, judge, known
from core.harness import CoreHarness
from doubles.samples import GIB, Scrape, full_sample, scrape, scrape_cluster, scrape_peer
from nodnod_client.sections import SECTIONS
from strategies import examples, json_values

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "examples" / "grafana-dashboard.json"
MANUAL = ROOT / "docs" / "metrics.md"


def test_every_node_has_a_series_and_one_that_is_silent_or_down_is_not_up_and_has_no_numbers(
    harness: CoreHarness,
) -> None:
    harness.attempt(harness.configure("10.0.0.9")).refuse()
    harness.peer("frozen")
    page = scrape_cluster(harness, harness.peer("kyle"), harness.peer("stan"))

    nodes = ["10.0.0.9:7070", "frozen", "kyle", "own", "stan"]
    assert page.of("node") == nodes
    assert [page("nodnod_up", node=node) for node in nodes] == [0, 0, 1, 1, 1]
    assert [page("nodnod_cpu_used_ratio", node=node) for node in nodes[:2]] == [None, None]


def test_each_node_has_its_own_numbers(harness: CoreHarness) -> None:
    page = scrape_peer(harness, memoryTotal=5 * GIB, cpuUsed=50.0)

    assert page("nodnod_up", node="kyle") == 1
    assert page("nodnod_memory_total_bytes", node="kyle") == 5 * GIB
    assert page("nodnod_cpu_used_ratio", node="kyle") == 0.5
    assert page("nodnod_memory_total_bytes", node="own") == 16 * GIB


def test_the_cluster_page_has_sections_only_if_requested(harness: CoreHarness) -> None:
    plain, more = scrape_cluster(harness), scrape_cluster(harness, detail=["load"])

    sizes = {"memory_total_bytes", "memory_used_bytes", "disk_total_bytes", "disk_used_bytes"}
    ratios = {"cpu_used_ratio", "memory_used_ratio", "disk_used_ratio"}
    assert plain.names == {f"nodnod_{name}" for name in {"up", "node_info"} | sizes | ratios}
    assert more.names - plain.names == {"nodnod_load1", "nodnod_load5", "nodnod_load15"}
    assert more("nodnod_load1", node="own") == 0.5


def test_a_node_with_an_error_is_not_up_and_keeps_its_current_numbers(harness: CoreHarness) -> None:
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


TAGGED = {"role": "db", "data-center": 'a"b\\c'}


def test_every_node_has_its_tags_as_labels_also_while_it_is_down() -> None:
    harness = CoreHarness(tags=TAGGED)
    harness.peer("kyle").hang_up()
    page = scrape_cluster(harness)

    labels = {"role": "db", "data_center": 'a"b\\c'}
    assert page("nodnod_node_info", node="own", **labels) == 1
    assert page("nodnod_node_info", node="kyle") == 1
    assert scrape(harness)("nodnod_node_info", **labels) == 1


def test_the_cluster_page_may_be_about_the_nodes_with_a_tag() -> None:
    harness = CoreHarness(tags=TAGGED)
    harness.peer("kyle")
    page = scrape_cluster(harness, nodes=["tag:role=d*"])

    assert page.of("node") == ["own"]


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
def test_an_invalid_section_of_a_peer_leaves_the_rest(harness: CoreHarness, detail: object) -> None:
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


def test_rows_that_a_node_left_out_are_counted_by_section(harness: CoreHarness) -> None:
    row = {"total": 1, "used": 1, "free": 0, "inodesUsedPercent": None, "counted": True}
    names = {"mount": "/", "device": "sda", "type": "ext4"}
    page = scrape_peer(harness, detail={"filesystems": [names | row | {"truncated": 312}]})

    name = "nodnod_section_truncated_rows"
    assert page(name, section="filesystems", node="kyle") == 312
    assert page(name, section="filesystems", node="own") is None
    assert (
        page(
            "nodnod_filesystem_total_bytes",
            node="kyle",
            mountpoint="/",
            device="sda",
            fstype="ext4",
        )
        == 1
    )


def test_custom_numbers_have_their_node_and_an_own_label_of_that_name_another(
    harness: CoreHarness,
) -> None:
    files = [{"name": "x", "modified": 1.0, "stale": False}]
    jobs = {"file": "x", "name": "jobs", "value": 7, "labels": {"node": "a", "queue": "mail"}}
    page = scrape_peer(harness, detail={"custom": {"files": files, "numbers": [jobs]}})

    labels = {"exported_node": "a", "queue": "mail"}
    assert page("jobs", node="kyle", **labels) == 7
    assert page("nodnod_custom_file_stale", file="x", node="kyle") == 0


@pytest.mark.parametrize(
    "number",
    [
        {"name": "nodnod_up", "value": 0, "labels": {}},
        {"name": "process_start_time_seconds", "value": 0},
        {"name": "a b", "value": 0},
        {"name": "a\nnodnod_up", "value": 0},
        {"name": "", "value": 0},
        {"name": "a", "value": 0, "labels": {"x y": ""}},
        {"name": "a", "value": 0, "labels": {"__name__": "nodnod_up"}},
    ],
)
def test_a_custom_number_of_a_peer_that_no_agent_reads_is_left_out(
    harness: CoreHarness, number: dict[str, object]
) -> None:
    numbers = [number | {"file": "x"}, {"file": "x", "name": "b", "value": 1}]
    page = scrape_peer(harness, detail={"custom": {"files": [], "numbers": numbers}})

    assert page("b", node="kyle") == 1
    assert page("nodnod_up", node="kyle") == 1
    assert page.names & {"a", "a b", "process_start_time_seconds", ""} == set()


_sections = st.dictionaries(
    st.sampled_from(sorted(SECTIONS)),
    json_values,
)


@examples(50)
@given(json_values | _sections)
def test_any_detail_of_a_peer_gives_a_valid_page(detail: object) -> None:
    harness = CoreHarness()
    harness.node.sampled(full_sample())

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
    tables, _, _ = tables.partition("## Alerting rules")
    named = set(re.findall(r"`((?:nodnod|process)_[a-z0-9_]+)`", tables))

    families = [*own.families, *scrape_cluster(harness).families]
    listed = {one.name + "_total" * (one.type == "counter") for one in families}
    assert named == {name for name in listed if name.startswith(("nodnod_", "process_"))}


def test_each_alert_that_fires_is_a_series(harness: CoreHarness) -> None:
    known(harness, "kyle", "10.0.0.8:7070", "instance of kyle")
    harness.peer("kyle", address="10.0.0.8:7070")
    judge(
        harness,
        alert("filesystem", object="/var", severity="critical"),
        alert("swap", state="resolved"),
        alert("down", node="kyle", address="10.0.0.8:7070"),
    )
    cluster, own = scrape_cluster(harness), scrape(harness)
    var = {"node": "own", "rule": "filesystem", "object": "/var", "severity": "critical"}
    kyle = {"node": "kyle", "rule": "down", "object": "", "severity": "warning"}
    assert (cluster("nodnod_alert", **var), cluster("nodnod_alert", **kyle)) == (1, 1)
    assert (own("nodnod_alert", **var), own("nodnod_alert", **kyle)) == (1, None)
    assert own.of("rule") == ["filesystem"]
    assert scrape_cluster(harness, nodes=["own"]).of("rule") == ["filesystem"]
