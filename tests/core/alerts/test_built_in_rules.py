"""Each built-in rule: the value from which it fires, at which it does not, and what it says."""

from typing import Any

import pytest
from msgspec import UNSET, Struct

from core.alerts.watched_node import WatchedNode, texts
from nodnod_agent.config.alert_rules import rules as read_rules
from nodnod_agent.core.alerts.rules import BUILT_IN, JUDGED_BY_OTHERS, is_about, named
from nodnod_client.sections import Filesystem, Memory, Sensors, Temperature


def memory(swap_used: int | None, swap_total: int | None = 1000) -> dict[str, Any]:
    return {"memory": Memory(100, 1, 99, None, None, swap_total, swap_used)}


def disk(
    used: int | None = 50,
    *,
    inodes: float | None = None,
    counted: bool = True,
    stuck: bool = False,
    error: str = "",
) -> dict[str, Any]:
    row = Filesystem(
        *("/var", "/dev/vda1", "ext4", 100, 0, 100, inodes, counted, used),
        stuck_since=1.7e9 if stuck else UNSET,
        error=error or UNSET,
    )
    return {"filesystems": [row]}


def sensor(value: float, critical: float | None) -> dict[str, Any]:
    return {"sensors": Sensors([Temperature("coretemp Core 0", value, critical)], [], None)}


class Case(Struct):
    """What a rule says after some seconds; nothing if it does not fire."""

    rule: str
    seconds: float
    given: dict[str, Any]
    severity: str = ""
    text: str = ""


CASES = [
    Case("cpu", 300, {"cpuUsed": 100.0}),
    Case("cpu", 301, {"cpuUsed": 95.0}),
    Case("cpu", 301, {"cpuUsed": 95.1}, "warning", "CPU is 95.1 % busy (above 95 %) for 5 min"),
    Case("memory", 60, {"memoryUsedPercent": 99.0}),
    Case("memory", 61, {"memoryUsedPercent": 90.0}),
    Case(
        *("memory", 61, {"memoryUsedPercent": 90.5}, "warning"),
        "memory is 90.5 % used (above 90 %) for 60 s",
    ),
    Case(
        *("memory", 61, {"memoryUsedPercent": 95.5}, "critical"),
        "memory is 95.5 % used (above 95 %) for 60 s",
    ),
    Case("swap", 120, {"sections": memory(800)}),
    Case("swap", 120, {"sections": memory(0, 0)}),
    Case("swap", 120, {"sections": memory(None, None)}),
    Case(
        *("swap", 70, {"sections": memory(810)}, "warning"),
        "swap is 81 % used (above 80 %) for 60 s",
    ),
    Case("filesystem", 120, {"sections": disk(85)}),
    Case("filesystem", 120, {"sections": disk(None)}),
    Case("filesystem", 120, {"sections": disk(100, counted=False)}),
    Case("filesystem", 120, {"sections": disk(100, error="OSError: I/O error")}),
    Case("filesystem", 25, {"sections": disk(100)}),
    Case(
        *("filesystem", 40, {"sections": disk(86)}, "warning"),
        "/var is 86 % full (above 85 %) for 30 s",
    ),
    Case(
        *("filesystem", 40, {"sections": disk(97)}, "critical"),
        "/var is 97 % full (above 95 %) for 30 s",
    ),
    Case("inodes", 120, {"sections": disk(inodes=85.0)}),
    Case(
        *("inodes", 40, {"sections": disk(inodes=99.9)}, "critical"),
        "/var has 99.9 % of its inodes in use (above 95 %) for 30 s",
    ),
    Case("mount", 25, {"sections": disk(stuck=True)}),
    Case("mount", 120, {"sections": disk(counted=False)}),
    Case(
        *("mount", 40, {"sections": disk(counted=False, stuck=True)}, "critical"),
        "/var does not answer",
    ),
    Case("temperature", 120, {"sections": sensor(99.9, 100.0)}),
    Case("temperature", 120, {"sections": sensor(200.0, None)}),
    Case("temperature", 29, {"sections": sensor(110.0, 100.0)}),
    Case(
        *("temperature", 61, {"sections": sensor(100.0, 100.0)}, "critical"),
        "coretemp Core 0 is at 100 % of its critical temperature (above 99 %) for 30 s",
    ),
    Case("stale", 60, {"known": {"staleFor": 0.0}}),
    Case("stale", 30, {"known": {"staleFor": 9.0}}),
    Case(
        *("stale", 40, {"known": {"staleFor": 45.2}}, "critical"),
        "no sample of this machine for 45.2 s",
    ),
    Case("certificate", 60, {"known": {"certificateDays": 14.0}}),
    Case("certificate", 60, {"known": {"certificateDays": None}}),
    Case(
        *("certificate", 10, {"known": {"certificateDays": 13.9}}, "warning"),
        "the certificate of the agent expires in 13.9 days (below 14 days)",
    ),
    Case(
        *("certificate", 10, {"known": {"certificateDays": -1.0}}, "critical"),
        "the certificate of the agent has expired",
    ),
    Case("clock", 120, {"known": {"clockOffset": 5.0}}),
    Case(
        *("clock", 70, {"known": {"clockOffset": 7.25}}, "warning"),
        "the clock differs by 7.2 s from the median of the other nodes (above 5 s) for 60 s",
    ),
    Case("names", 120, {"known": {"sameName": 0}}),
    Case(
        *("names", 40, {"known": {"sameName": 2}}, "warning"),
        "other nodes with the name of this one: 2",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.text or 'nothing'}")
def test_a_built_in_rule_fires_from_its_threshold_on(case: Case) -> None:
    node = WatchedNode(built_in=True).start()
    given = dict(case.given)
    node.knows(**given.pop("known", {}))
    found = node.sample(case.seconds, **given)
    assert [(one.rule, one.severity, one.text) for one in found] == (
        [(case.rule, case.severity, case.text)] if case.text else []
    )


def test_each_built_in_rule_has_a_case_in_which_it_fires() -> None:
    fires = {case.rule for case in CASES if case.text}
    assert fires | set(JUDGED_BY_OTHERS) == {rule["name"] for rule in BUILT_IN}


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (disk(stuck=True), disk(), "/var answers again"),
        (disk(stuck=True), {"filesystems": []}, "/var is no longer measured"),
        (disk(97), disk(50), "/var is 50 % full, no longer above 95 %"),
    ],
)
def test_the_end_of_a_problem_says_what_is_now(
    before: dict[str, Any], after: dict[str, Any], text: str
) -> None:
    node = WatchedNode(built_in=True).start()
    assert len(node.sample(60, before)) == 1
    assert texts(node.sample(60, after)) == [text]


@pytest.mark.parametrize(
    ("metric", "problem", "over", "text"),
    [
        ("staleFor", 40.0, 0.0, "the machine is sampled again"),
        ("sameName", 1, 0, "no other node has the name of this one"),
        (
            *("certificateDays", 3.0, 90.0),
            "the certificate of the agent expires in 90 days, no longer below 14 days",
        ),
    ],
)
def test_the_end_of_a_problem_of_the_agent_says_what_is_now(
    metric: str, problem: float, over: float, text: str
) -> None:
    node = WatchedNode(built_in=True).start()
    node.knows(**{metric: problem})
    assert len(node.sample(60)) == 1
    node.knows(**{metric: over})
    assert texts(node.sample(60)) == [text]


def test_that_no_sample_comes_is_judged_without_one() -> None:
    node = WatchedNode(built_in=True).start()
    node.knows(staleFor=9.0)
    node.clock.advance(40)
    assert [one.rule for one in node.changes] == ["stale"]


def test_down_and_cut_off_are_rules_that_others_judge() -> None:
    rules = read_rules([{"name": "down", "for": 90, "nodes": "db-*"}], "rules")
    down = named(rules, "down")
    assert down is not None
    assert (down.hold, down.severity) == (90, "critical")
    assert (is_about(down, "db-1", {}), is_about(down, "web-1", {})) == (True, False)
    assert named(rules, "cut-off") is not None
    off = [{"name": name, "enabled": False} for name in JUDGED_BY_OTHERS]
    assert named(read_rules(off, "rules"), "down") is None
