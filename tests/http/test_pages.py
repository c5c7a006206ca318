"""Plain HTTP: the page at each path, refused requests, and requests that wait."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from core.alerts.alerted_node import alert, judge
from core.harness import CoreHarness
from core.unverified import TELLER, A, entry, tell
from doubles.samples import Scrape, full_sample
from nodnod_agent.core.question import Question
from nodnod_agent.http.metrics import Metrics
from nodnod_agent.http.pages import Pages
from nodnod_client.codec import encode
from nodnod_client.sections import Processes, ProcessSums

JSON, TEXT = "application/json", "text/plain; version=0.0.4; charset=utf-8"
ROUTES = dict.fromkeys(("/stat", "/stat/all", "/members", "/events", "/alerts", "/healthz"), JSON)
ROUTES["/sd"] = JSON
ROUTES |= dict.fromkeys(("/metrics", "/metrics/cluster"), TEXT)
"""The type of the page at each path."""


class Browser:
    """Requests pages; ``responses`` are in the order of their arrival."""

    def __init__(self, harness: CoreHarness, *scraped: str) -> None:
        self.pages = Pages(harness.node, dict, self._later, scraped)
        self.responses: list[Response] = []
        self.harness = harness

    def _later(self, work: Callable[[], None]) -> None:
        clock = self.harness.clock
        clock.call_at(clock.time(), work)

    def request(self, path: str, method: str = "GET") -> None:
        self.pages(Request(path, Headers(), method), self.responses.append)

    def get(self, path: str, method: str = "GET") -> Response:
        """The one response, which must arrive within this turn of the loop."""
        before = len(self.responses)
        self.request(path, method)
        self.harness.clock.turn()
        (response,) = self.responses[before:]
        return response

    def read(self, path: str) -> Any:
        """The JSON of a response with status 200."""
        response = self.get(path)
        assert response.status_code == 200, response
        return json.loads(response.body)


@pytest.fixture
def browser(harness: CoreHarness) -> Browser:
    return Browser(harness)


# Paths and methods.


@pytest.mark.parametrize(("path", "kind"), ROUTES.items())
def test_every_page_states_its_type_and_restricts_the_browser(
    browser: Browser, path: str, kind: str
) -> None:
    response = browser.get(path)

    assert response.status_code == 200
    assert response.headers["Content-Type"] == kind
    assert response.headers["Content-Length"] == str(len(response.body))
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
@pytest.mark.parametrize("path", ["/", "/stat", "/metrics/cluster", "/nowhere"])
def test_only_get_and_head_are_allowed(browser: Browser, path: str, method: str) -> None:
    response = browser.get(path, method)

    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"


UNKNOWN = ["/nowhere", "/stat/", "/Stat", "/metrics/", "//", "*", "/.", "", "/stat%00"]
OUTSIDE = ["/../etc/passwd", "/%2e%2e/cli.py", "/__init__.py"]
STATUS = dict.fromkeys((*UNKNOWN, *OUTSIDE), 404)
STATUS |= {"//[": 400, "http://any.example:7070/healthz": 200}


@pytest.mark.parametrize(("path", "status"), STATUS.items())
def test_a_path_is_known_or_unknown_or_invalid_and_may_be_a_whole_url(
    browser: Browser, path: str, status: int
) -> None:
    assert browser.get(path).status_code == status


def test_pages_are_counted_by_known_names_only(browser: Browser) -> None:
    for path in ("/", "/stat", "/stat?timeout=0", "/zx81", "/zx82"):
        browser.get(path)
    browser.get("/stat", "BREW")

    assert browser.harness.node.counters.pages == {
        ("dashboard", 200): 1,
        ("/stat", 200): 1,
        ("/stat", 400): 1,
        ("other", 404): 2,
        ("/stat", 405): 1,
    }


# The stats.


def test_stat_is_the_answer_to_type_0(browser: Browser) -> None:
    client = browser.harness.client()
    client.ask()

    assert browser.get("/stat").body == client.wire.sent[0]


def test_stat_all_is_the_answer_to_type_1(browser: Browser) -> None:
    peer = browser.harness.peer("kyle")
    browser.request("/stat/all")
    client = browser.harness.ask_all()
    peer.answer()

    (response,) = browser.responses
    assert response.body == client.wire.sent[0]
    assert list(client.nodes) == ["kyle", "own"]


@pytest.mark.parametrize(
    "query",
    ["detail=load,cpu", "detail=load&detail=cpu", "detail=,load,,cpu,", "detail=load%2Ccpu"],
)
def test_sections_are_requested_by_name(browser: Browser, query: str) -> None:
    node = browser.read(f"/stat?{query}")["nodes"]["own"]

    assert sorted(node["detail"]) == ["cpu", "load"]
    assert node["detail"]["load"]["load1"] == 0.5


def test_processes_are_requested_by_name_or_pattern(browser: Browser) -> None:
    sample = full_sample()
    key = Question(detail=("processes",), match="p*").key("processes")
    browser.harness.node.sampled(replace(sample, sections=sample.sections | {key: b'"some"'}))

    def processes(path: str) -> object:
        return browser.read(path)["nodes"]["own"]["detail"]["processes"]

    assert processes("/stat?detail=processes&match=p*") == "some"
    assert processes("/stat/all?detail=processes&match=x&match=p*") == "some"


def test_metrics_have_the_sums_of_the_processes_that_match(browser: Browser) -> None:
    sums = ProcessSums(2, 50.0, 1 << 20, 4, None, 7.0)
    found = encode(Processes(99, [], [], matching=[], sums=sums))
    key = Question(detail=("processes",), match="p*").key("processes")
    sample = full_sample()
    sections = sample.sections | {"processes": encode(Processes(98, [], [])), key: found}
    browser.harness.node.sampled(replace(sample, sections=sections))

    def cpu(path: str, **labels: str) -> list[float | None]:
        page = Scrape(browser.get(path).body)
        names = ("nodnod_processes", "nodnod_processes_matched_cpu_ratio")
        return [page(name, **labels) for name in names]

    query = "detail=processes&match=p*"
    assert cpu(f"/metrics?{query}") == [99, 0.5]
    assert cpu(f"/metrics/cluster?{query}", node="own") == [99, 0.5]
    assert cpu("/metrics?match=p*&detail=load") == cpu("/metrics") == [98, None]
    assert b"p*" not in browser.get(f"/metrics?{query}").body


def test_the_past_is_requested_in_seconds_and_has_no_effect_on_metrics(browser: Browser) -> None:
    nodes = browser.read("/stat?history=604800")["nodes"]

    assert nodes["own"]["history"]["every"] == 1.0
    assert "history" in browser.read("/stat/all?history=60")["nodes"]["own"]
    assert b"history" not in browser.get("/metrics/cluster?history=60&until=5").body


@pytest.mark.parametrize("path", ["/stat", "/stat/all"])
def test_the_past_may_end_at_a_moment(browser: Browser, path: str) -> None:
    past = browser.read(f"{path}?history=60&until=1000.5")["nodes"]["own"]["history"]

    assert past["until"] == 1000


@pytest.mark.parametrize("query", ["nodes=own", "nodes=o*", "nodes=own,o%3Fn", "nodes=%6Fwn"])
def test_nodes_are_requested_by_name_or_pattern(browser: Browser, query: str) -> None:
    browser.harness.peer("kyle")

    assert list(browser.read(f"/stat/all?{query}")["nodes"]) == ["own"]


def test_a_page_waits_no_longer_than_its_timeout(browser: Browser) -> None:
    browser.harness.peer("frozen")
    browser.request("/stat/all?timeout=0.5")
    browser.request("/stat/all")

    browser.harness.clock.advance(0.4)
    assert browser.responses == []
    browser.harness.clock.advance(0.2)
    (response,) = browser.responses
    assert json.loads(response.body)["nodes"]["frozen"]["error"] == "no answer within 0.5 s"
    browser.harness.clock.advance(2)
    assert len(browser.responses) == 2


def test_other_query_parameters_are_ignored(browser: Browser) -> None:
    assert browser.get("/stat?_=123&colour=red&every=1&id=x&type=4&detail=").status_code == 200


BAD = [
    ("timeout=0", "bad_request", "`timeout` must be between 0.05 and 30, got 0"),
    ("timeout=-1", "bad_request", "`timeout` must be between 0.05 and 30, got -1"),
    ("timeout=31", "bad_request", "`timeout` must be between 0.05 and 30, got 31"),
    ("timeout=soon", "bad_request", '`timeout` must be between 0.05 and 30, got "soon"'),
    ("timeout=nan", "bad_request", '`timeout` must be between 0.05 and 30, got "nan"'),
    ("timeout=1e999", "bad_request", '`timeout` must be between 0.05 and 30, got "1e999"'),
    ("timeout=1&timeout=99", "bad_request", "`timeout` must be between 0.05 and 30, got 99"),
    ("history=604801", "bad_request", "`history` must be seconds, above 0 and at most 604800"),
    ("history=x", "bad_request", "`history` must be seconds, above 0 and at most 604800"),
    ("history=60&until=-1", "bad_request", "`until` must be Unix seconds, 0 or later, got -1"),
    ("history=60&until=nan", "bad_request", '`until` must be Unix seconds, 0 or later, got "nan"'),
    ("history=60&until=x", "bad_request", '`until` must be Unix seconds, 0 or later, got "x"'),
    ("until=5", "bad_request", "`until` needs `history`, whose end it is"),
    ("detail=colour", "unknown_section", "`detail` must name sections (containers, cpu,"),
    ("detail=" + "cpu," * 65, "bad_request", "`detail` must be a list of at most 64"),
    ("match=" + "x" * 129, "bad_request", "`match` must be a name or pattern of 1 to 128"),
    ("nodes=" + "x" * 129, "bad_request", "`nodes` must be a list of at most 256 node names"),
    ("nodes=" + "x," * 257, "bad_request", "`nodes` must be a list of at most 256 node names"),
]


@pytest.mark.parametrize("path", ["/stat", "/stat/all", "/metrics/cluster"])
@pytest.mark.parametrize(("query", "code", "error"), BAD)
def test_an_invalid_parameter_is_refused_by_name(
    browser: Browser, path: str, query: str, code: str, error: str
) -> None:
    response = browser.get(f"{path}?{query}")

    body = json.loads(response.body)
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/json"
    assert (body["code"], body["error"][: len(error)]) == (code, error)
    assert len(response.body) < 500, "a long value is not repeated"


# Other pages.


def test_members_is_the_answer_to_type_3(browser: Browser) -> None:
    browser.harness.peer("kyle")

    members = browser.read("/members")["members"]

    assert [member["name"] for member in members] == ["own", "kyle"]


def test_alerts_is_the_answer_to_type_5(browser: Browser) -> None:
    judge(browser.harness, alert())

    assert [one["rule"] for one in browser.read("/alerts")["alerts"]] == ["cpu"]
    assert browser.read("/alerts?nodes=kyle,st*")["alerts"] == []
    assert browser.get("/alerts?nodes=tag:=").status_code == 400


def test_service_discovery_lists_the_members_that_are_known_to_serve_metrics(
    browser: Browser,
) -> None:
    harness = browser.harness
    harness.peer("kyle")
    harness.peer("original", version=1)
    harness.attempt(harness.configure("10.0.0.9")).refuse()  # of either version
    tell(harness, entry("stan", A))

    assert browser.read("/sd") == [
        {"targets": ["10.0.0.1:7070"], "labels": {"node": "own"}},
        {"targets": ["10.0.0.2:7070"], "labels": {"node": "kyle"}},
        {"targets": [str(A)], "labels": {"node": "stan"}},
        {"targets": [TELLER.address], "labels": {"node": TELLER.name}},
    ]


def test_service_discovery_has_the_tags_of_a_member(browser: Browser) -> None:
    browser.harness.node.peers.retag({"role": "db", "data-center": "a,b"})

    (group,) = browser.read("/sd")
    assert group["labels"] == {
        "node": "own",
        "__meta_nodnod_tag_role": "db",
        "__meta_nodnod_tag_data_center": "a,b",
    }
    assert browser.read("/members")["members"][0]["tags"] == {"role": "db", "data-center": "a,b"}
    assert list(browser.read("/stat/all?nodes=tag:role=db,kyle*")["nodes"]) == ["own"]


def test_a_malformed_pattern_of_tags_is_answered_with_400(browser: Browser) -> None:
    response = browser.get("/stat/all?nodes=tag:=db")

    assert response.status_code == 400
    assert b"`nodes` must be tag:KEY=VALUE or tag:KEY" in response.body


def test_service_discovery_keeps_a_member_that_is_down(browser: Browser) -> None:
    browser.harness.peer("kyle").hang_up()

    assert [group["labels"]["node"] for group in browser.read("/sd")] == ["own", "kyle"]


# Metrics.


def test_the_metrics_of_the_node_do_not_wait_for_peers(browser: Browser) -> None:
    browser.harness.peer("frozen")

    assert Scrape(browser.get("/metrics").body)("nodnod_cpu_used_ratio") == 0.125


def test_the_metrics_of_the_cluster_wait_for_the_requested_nodes_until_the_timeout(
    browser: Browser,
) -> None:
    for name in ("frozen", "kyle"):
        browser.harness.peer(name)
    browser.request("/metrics/cluster?timeout=0.3&nodes=f*,own,nobody")
    browser.harness.clock.advance(0.2)
    assert browser.responses == []
    browser.harness.clock.advance(0.2)

    page = Scrape(browser.responses[0].body)

    assert page.of("node") == ["frozen", "own"]
    assert page("nodnod_up", node="own") == 1
    assert page("nodnod_up", node="frozen") == 0


def test_an_expensive_section_is_waited_for_only_if_requested() -> None:
    wanted: list[str] = []
    harness = CoreHarness(want=lambda names, seconds: wanted.extend(names))
    browser = Browser(harness)

    plain = Scrape(browser.get("/metrics").body)
    assert wanted == []
    browser.request("/metrics?detail=sensors&timeout=10")
    harness.clock.advance(1)
    assert len(browser.responses) == 1, "it waits"
    assert "sensors" in wanted
    harness.node.sampled(full_sample())
    harness.clock.turn()

    page = Scrape(browser.responses[1].body)
    assert plain("nodnod_fan_speed_rpm", fan="thinkpad") is None
    assert page("nodnod_fan_speed_rpm", fan="thinkpad") == 2500


def test_a_scrape_of_an_agent_with_custom_files_waits_for_them_and_for_what_it_names() -> None:
    wanted: set[str] = set()
    harness = CoreHarness(want=lambda names, seconds: wanted.update(names))
    browser = Browser(harness, "custom")
    browser.request("/metrics")
    harness.clock.turn()
    assert wanted == {"custom"}
    browser.request("/metrics?detail=gpu")
    harness.clock.turn()
    assert wanted == {"custom", "gpu"}
    assert browser.responses == []
    harness.node.sampled(full_sample())
    harness.clock.turn()

    pages = [Scrape(response.body) for response in browser.responses]
    assert [page("jobs", node="a", queue="mail") for page in pages] == [3, 3]


def test_a_section_that_misses_the_timeout_leaves_the_others() -> None:
    browser = Browser(CoreHarness())
    browser.request("/metrics?detail=gpu&timeout=0.5")
    browser.harness.clock.advance(0.6)

    assert Scrape(browser.responses[0].body)("nodnod_cpu_used_ratio") == 0.05


def test_an_error_in_the_metrics_is_logged_and_affects_no_other_page(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(Metrics, "of_cluster", fail)
    browser.request("/metrics/cluster")
    browser.request("/stat/all")
    client = browser.harness.ask_all()

    assert sorted(response.status_code for response in browser.responses) == [200, 500]
    assert len(client.answers) == 1
    assert "Could not write the page /metrics/cluster" in caplog.text


# Stopping.


def test_waiting_requests_are_refused_when_the_agent_stops(browser: Browser) -> None:
    browser.harness.peer("frozen")
    browser.request("/stat/all?timeout=30")
    browser.request("/metrics/cluster?timeout=30")
    browser.harness.clock.advance(1)

    browser.harness.node.stop()
    browser.pages.stop()

    assert [response.status_code for response in browser.responses] == [503, 503]
    codes = [json.loads(response.body)["code"] for response in browser.responses]
    assert codes == ["shutting_down"] * 2
    browser.harness.clock.advance(60)
    assert len(browser.responses) == 2


def test_finished_requests_are_not_kept(browser: Browser) -> None:
    browser.harness.peer("frozen")
    for path in ROUTES:
        browser.request(path)
    browser.harness.clock.advance(5)

    assert len(browser.responses) == len(ROUTES)
    assert browser.pages.waiting == set()


def test_events_are_selected_by_time_and_nodes_under_the_rules_of_a_request(
    browser: Browser,
) -> None:
    events = browser.harness.node.events
    for name in ("kyle", "stan", "kenny"):
        events.write("down", name, "", instance=name, at=float(len(name)))
    page = browser.read("/events?nodes=k*,stan&since=4")
    assert [event["node"] for event in page["events"]] == ["kenny"]
    assert len(browser.read("/events")["events"]) == 3
    refused = browser.get("/events?since=yesterday")
    assert refused.status_code == 400
    assert json.loads(refused.body)["code"] == "bad_request"
