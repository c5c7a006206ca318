"""Plain HTTP: which path gives what, which questions are refused, and who waits for whom."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from core.harness import CoreHarness
from doubles.samples import Scrape, full_sample
from nodnod_agent.http.metrics import Metrics
from nodnod_agent.http.pages import Pages

ROUTES = ["/stat", "/stat/all", "/members", "/healthz", "/sd", "/metrics", "/metrics/cluster"]


class Browser:
    """Asks for pages; ``answers`` are what came, in its order."""

    def __init__(self, stage: CoreHarness) -> None:
        self.pages = Pages(stage.cluster, dict, self._later)
        self.answers: list[Response] = []
        self._stage = stage

    def _later(self, work: Callable[[], None]) -> None:
        clock = self._stage.clock
        clock.call_at(clock.time(), work)

    def ask(self, path: str, method: str = "GET") -> None:
        self.pages(Request(path, Headers(), method), self.answers.append)

    def get(self, path: str, method: str = "GET") -> Response:
        """The answer, which must come within this turn of the loop, and once."""
        before = len(self.answers)
        self.ask(path, method)
        self._stage.clock.turn()
        (answer,) = self.answers[before:]
        return answer

    def read(self, path: str) -> Any:
        """The JSON of a good answer."""
        answer = self.get(path)
        assert answer.status_code == 200, answer
        return json.loads(answer.body)


@pytest.fixture
def stage() -> CoreHarness:
    stage = CoreHarness()
    stage.cluster.sampled(full_sample())
    return stage


@pytest.fixture
def browser(stage: CoreHarness) -> Browser:
    return Browser(stage)


# Paths and methods.


@pytest.mark.parametrize("path", ROUTES)
def test_each_page_says_what_it_is_and_may_do_nothing_else(browser: Browser, path: str) -> None:
    answer = browser.get(path)

    kind = "text/plain; version=0.0.4; charset=utf-8" if "metrics" in path else "application/json"
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
@pytest.mark.parametrize("path", ["/", "/stat", "/metrics/cluster", "/nowhere"])
def test_another_method_than_get_and_head_is_not_allowed(
    browser: Browser, path: str, method: str
) -> None:
    answer = browser.get(path, method)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path",
    ["/nowhere", "/stat/", "/Stat", "/metrics/", "/../etc/passwd", "/%2e%2e/cli.py", "//", "*",
     "/__init__.py", "/.", "", "/stat%00"],
)  # fmt: skip
def test_an_unknown_path_is_not_found(browser: Browser, path: str) -> None:
    assert browser.get(path).status_code == 404


def test_a_path_that_is_none_is_a_bad_request(browser: Browser) -> None:
    assert browser.get("//[").status_code == 400


def test_a_path_may_be_a_whole_url(browser: Browser) -> None:
    assert browser.get("http://any.example:7070/healthz").status_code == 200


def test_pages_are_counted_by_their_own_names(stage: CoreHarness, browser: Browser) -> None:
    for path in ("/stat", "/stat?timeout=0", "/zx81", "/zx82"):
        browser.get(path)
    browser.get("/stat", "BREW")

    assert stage.cluster.counters.pages == {
        ("/stat", 200): 1,
        ("/stat", 400): 1,
        ("other", 404): 2,
        ("/stat", 405): 1,
    }


# The stats.


def test_stat_is_the_answer_to_type_0(stage: CoreHarness, browser: Browser) -> None:
    client = stage.client()
    client.ask()

    assert browser.get("/stat").body == client.wire.sent[0]


def test_stat_all_is_the_answer_to_type_1(stage: CoreHarness, browser: Browser) -> None:
    peer = stage.peer("kyle")
    browser.ask("/stat/all")
    client = stage.ask_all()
    peer.answer()

    (answer,) = browser.answers
    assert answer.body == client.wire.sent[0]
    assert list(client.nodes) == ["kyle", "own"]


@pytest.mark.parametrize(
    "query",
    ["detail=load,cpu", "detail=load&detail=cpu", "detail=,load,,cpu,", "detail=load%2Ccpu"],
)
def test_sections_are_asked_for_by_name(browser: Browser, query: str) -> None:
    node = browser.read(f"/stat?{query}")["nodes"]["own"]

    assert sorted(node["detail"]) == ["cpu", "load"]
    assert node["detail"]["load"]["load1"] == 0.5


@pytest.mark.parametrize("query", ["nodes=own", "nodes=o*", "nodes=own,o%3Fn", "nodes=%6Fwn"])
def test_nodes_are_asked_for_by_name_or_pattern(
    stage: CoreHarness, browser: Browser, query: str
) -> None:
    stage.peer("kyle")

    assert list(browser.read(f"/stat/all?{query}")["nodes"]) == ["own"]


def test_a_page_waits_no_longer_than_it_was_told_to(stage: CoreHarness, browser: Browser) -> None:
    stage.peer("frozen")
    browser.ask("/stat/all?timeout=0.5")
    browser.ask("/stat/all")

    stage.clock.advance(0.4)
    assert browser.answers == []
    stage.clock.advance(0.2)
    (answer,) = browser.answers
    assert json.loads(answer.body)["nodes"]["frozen"]["error"] == "no answer within 0.5 s"
    stage.clock.advance(2)
    assert len(browser.answers) == 2


def test_what_else_stands_in_a_query_is_passed_over(browser: Browser) -> None:
    assert browser.get("/stat?_=123&colour=red&every=1&id=x&type=4&detail=").status_code == 200


BAD = [
    ("timeout=0", "bad_request", "`timeout` must be between 0.05 and 30, got 0"),
    ("timeout=-1", "bad_request", "`timeout` must be between 0.05 and 30, got -1"),
    ("timeout=31", "bad_request", "`timeout` must be between 0.05 and 30, got 31"),
    ("timeout=soon", "bad_request", '`timeout` must be between 0.05 and 30, got "soon"'),
    ("timeout=nan", "bad_request", '`timeout` must be between 0.05 and 30, got "nan"'),
    ("timeout=1e999", "bad_request", '`timeout` must be between 0.05 and 30, got "1e999"'),
    ("timeout=1&timeout=99", "bad_request", "`timeout` must be between 0.05 and 30, got 99"),
    ("detail=colour", "unknown_section", "`detail` must name sections (cpu, diskio,"),
    ("detail=" + "cpu," * 65, "bad_request", "`detail` must be a list of at most 64"),
    ("nodes=" + "x" * 129, "bad_request", "`nodes` must be a list of at most 256 node names"),
    ("nodes=" + "x," * 257, "bad_request", "`nodes` must be a list of at most 256 node names"),
]


@pytest.mark.parametrize("path", ["/stat", "/stat/all", "/metrics/cluster"])
@pytest.mark.parametrize(("query", "code", "error"), BAD)
def test_a_bad_parameter_is_refused_by_name(
    browser: Browser, path: str, query: str, code: str, error: str
) -> None:
    answer = browser.get(f"{path}?{query}")

    body = json.loads(answer.body)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/json"
    assert (body["code"], body["error"][: len(error)]) == (code, error)
    assert len(answer.body) < 500, "little of what was sent is repeated"


# The others.


def test_members_is_the_answer_to_type_3(stage: CoreHarness, browser: Browser) -> None:
    stage.peer("kyle")

    members = browser.read("/members")["members"]

    assert [member["name"] for member in members] == ["own", "kyle"]


def test_discovery_names_every_member_that_prometheus_can_scrape(
    stage: CoreHarness, browser: Browser
) -> None:
    stage.peer("kyle")
    stage.peer("original", version=1)
    stage.attempt(stage.configure("10.0.0.9")).refuse()

    assert browser.read("/sd") == [
        {"targets": ["10.0.0.1:7070"], "labels": {"node": "own"}},
        {"targets": ["10.0.0.9:7070"], "labels": {"node": "10.0.0.9:7070"}},
        {"targets": ["10.0.0.2:7070"], "labels": {"node": "kyle"}},
    ]


# Metrics.


def test_the_metrics_of_the_node_need_no_peer(stage: CoreHarness, browser: Browser) -> None:
    stage.peer("frozen")

    page = Scrape(browser.get("/metrics").body)

    assert page("nodnod_cpu_used_ratio") == 0.125
    assert page("nodnod_build_info", **_build(page)) == 1


def test_the_metrics_of_the_cluster_wait_as_long_as_told(
    stage: CoreHarness, browser: Browser
) -> None:
    stage.peer("frozen")
    browser.ask("/metrics/cluster?timeout=0.3")
    stage.clock.advance(0.2)
    assert browser.answers == []
    stage.clock.advance(0.2)

    page = Scrape(browser.answers[0].body)

    assert page("nodnod_up", node="own") == 1
    assert page("nodnod_up", node="frozen") == 0


def test_the_metrics_of_the_cluster_may_be_of_some_nodes(
    stage: CoreHarness, browser: Browser
) -> None:
    peer = stage.peer("kyle")
    browser.ask("/metrics/cluster?nodes=k*,nobody")
    stage.clock.turn()
    peer.answer()
    stage.clock.turn()

    page = Scrape(browser.answers[0].body)

    assert page.of("node") == ["kyle"]


def test_a_costly_section_is_waited_for_where_it_is_asked_for() -> None:
    wanted: list[str] = []
    stage = CoreHarness(want=lambda names, seconds: wanted.extend(names))
    browser = Browser(stage)

    plain = Scrape(browser.get("/metrics").body)
    assert wanted == []
    browser.ask("/metrics?detail=sensors&timeout=10")
    stage.clock.advance(1)
    assert len(browser.answers) == 1, "it waits"
    assert "sensors" in wanted
    stage.cluster.sampled(full_sample())
    stage.clock.turn()

    page = Scrape(browser.answers[1].body)
    assert plain("nodnod_fan_speed_rpm", fan="thinkpad") is None
    assert page("nodnod_fan_speed_rpm", fan="thinkpad") == 2500


def test_a_section_that_does_not_come_in_time_holds_up_no_other() -> None:
    stage = CoreHarness()
    browser = Browser(stage)
    browser.ask("/metrics?detail=gpu&timeout=0.5")
    stage.clock.advance(0.6)

    assert Scrape(browser.answers[0].body)("nodnod_cpu_used_ratio") == 0.05


def test_a_fault_in_the_metrics_is_told_and_logged_and_hurts_nobody_else(
    stage: CoreHarness,
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(Metrics, "of_cluster", fail)
    browser.ask("/metrics/cluster")
    browser.ask("/stat/all")
    client = stage.ask_all()

    assert sorted(answer.status_code for answer in browser.answers) == [200, 500]
    assert len(client.answers) == 1
    assert "Could not write the page /metrics/cluster" in caplog.text


# The end.


def test_who_waits_is_told_when_the_agent_stops(stage: CoreHarness, browser: Browser) -> None:
    stage.peer("frozen")
    browser.ask("/stat/all?timeout=30")
    browser.ask("/metrics/cluster?timeout=30")
    stage.clock.advance(1)

    stage.cluster.stop()
    browser.pages.stop()

    assert [answer.status_code for answer in browser.answers] == [503, 503]
    assert {json.loads(answer.body)["code"] for answer in browser.answers} == {"shutting_down"}
    stage.clock.advance(60)
    assert len(browser.answers) == 2


def test_nothing_is_kept_of_pages_that_were_answered(stage: CoreHarness, browser: Browser) -> None:
    stage.peer("frozen")
    for path in ROUTES:
        browser.ask(path)
    stage.clock.advance(5)

    assert len(browser.answers) == len(ROUTES)
    assert browser.pages.waiting == set()


def _build(page: Scrape) -> dict[str, str]:
    return {label: page.of(label)[0] for label in ("version", "python_version")}
