"""The setting alerts.rules: changes of the built-in rules, rules of one's own, and what is wrong."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodnod_agent.config.alert_rules import MAX_RULES, rules
from nodnod_agent.config.sources import gather
from nodnod_agent.config.validators import ConfigError
from nodnod_agent.core.alerts.metrics import find, known
from nodnod_agent.core.alerts.rules import BUILT_IN, Level, Rule, named
from strategies import examples, json_values, odd_values, with_wrong_fields

LOAD = {"name": "load", "metric": "load.load5", "above": 4}


def the(name: str, *items: dict[str, Any]) -> Rule:
    """The rule of this name."""
    found = named(rules(list(items), "alerts.rules"), name)
    assert found is not None
    return found


def error_for(*items: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        rules(list(items), "alerts.rules")
    return str(caught.value)


# What is right.


def test_without_any_setting_the_built_in_rules_are_in_force() -> None:
    found = rules([], "alerts.rules")
    assert [rule.name for rule in found] == [rule["name"] for rule in BUILT_IN]
    assert named(found, "filesystem") == Rule(
        name="filesystem",
        metric="filesystems.counted.usedPercent",
        side="above",
        levels=(Level("warning", 85.0, 80.75), Level("critical", 95.0, 90.25)),
        hold=30.0,
        keep=30.0,
    )


def test_a_rule_of_ones_own_has_every_field() -> None:
    item = {
        "name": "errors of the network",
        "enabled": True,
        "metric": "network.errors",
        "above": {"warning": 1, "critical": 100},
        "clear": {"warning": 0, "critical": 50.5},
        "for": 90,
        "keep": 600,
        "nodes": ["db-*", "kyle"],
        "objects": ["eth*", "!eth1"],
    }
    assert the("errors of the network", item) == Rule(
        name="errors of the network",
        metric="network.errors",
        levels=(Level("warning", 1.0, 0.0), Level("critical", 100.0, 50.5)),
        hold=90.0,
        keep=600.0,
        nodes=("db-*", "kyle"),
        objects=("eth*", "!eth1"),
    )


@pytest.mark.parametrize(
    ("item", "level"),
    [
        ({"above": 90}, Level("warning", 90.0, 85.5)),
        ({"above": 90, "clear": 90}, Level("warning", 90.0, 90.0)),
        ({"above": 90, "clear": 10, "severity": "critical"}, Level("critical", 90.0, 10.0)),
        ({"above": {"critical": 90}}, Level("critical", 90.0, 85.5)),
        ({"above": 0}, Level("warning", 0.0, 0.0)),
        ({"above": -40}, Level("warning", -40.0, -42.0)),
        ({"below": 20}, Level("warning", 20.0, 21.0)),
        ({"below": -40}, Level("warning", -40.0, -38.0)),
        ({"below": 20, "clear": 30}, Level("warning", 20.0, 30.0)),
    ],
)
def test_a_value_is_clear_5_percent_of_the_way_back_unless_clear_says_where(
    item: dict[str, Any], level: Level
) -> None:
    found = the("own", {"name": "own", "metric": "cpuUsed", **item})
    assert found.levels == (level,)
    assert found.side in item


def test_one_clear_may_serve_both_levels() -> None:
    found = the("memory", {"name": "memory", "clear": 70})
    assert found.levels == (Level("warning", 90.0, 70.0), Level("critical", 95.0, 70.0))


def test_a_built_in_rule_is_changed_by_name_field_by_field() -> None:
    built_in = the("memory")
    changed = the("memory", {"name": "memory", "for": 5, "nodes": "web-*"})
    assert (changed.hold, changed.nodes) == (5.0, ("web-*",))
    assert (changed.levels, changed.keep, changed.metric) == (
        built_in.levels,
        built_in.keep,
        built_in.metric,
    )


def test_a_threshold_of_ones_own_replaces_all_of_a_built_in_rule() -> None:
    item = {"name": "memory", "metric": "memoryUsedPercent", "above": 80, "severity": "critical"}
    assert the("memory", item).levels == (Level("critical", 80.0, 76.0),)
    hotter = the("temperature", {"name": "temperature", "above": {"warning": 80, "critical": 90}})
    assert hotter.levels == (Level("warning", 80.0, 76.0), Level("critical", 90.0, 85.5))
    assert the("mount", {"name": "mount", "severity": "warning"}).severity == "warning"


def test_rules_are_switched_off_by_name() -> None:
    items = [{"name": name, "enabled": False} for name in ("cpu", "down", "load")]
    items[2] = LOAD | items[2]
    found = rules(items, "alerts.rules")
    assert not {rule.name for rule in found} & {"cpu", "down", "load"}
    assert len(found) == len(BUILT_IN) - 2


def test_every_metric_that_is_suggested_can_be_had() -> None:
    for path in known():
        assert the("own", {"name": "own", "metric": path, "above": 1}).metric == path


@pytest.mark.parametrize(
    "path",
    [
        *("cpuUsed", "memoryUsedPercent", "diskUsedPercent", "load.load5", "pressure.io.some"),
        *("filesystems.usedPercent", "sensors.temperatures.celsius", "network.errors"),
        *("diskio.busyPercent", "gpu.temperature", "containers.containers.cpuOfLimit"),
        *("custom.backup_age_seconds", "custom.app:errors", "services.failed", "cpu.cores"),
    ],
)
def test_metrics_of_every_kind(path: str) -> None:
    assert find(path) is not None


@pytest.mark.parametrize(
    "path",
    [
        *("", "load", "load.", "load.load5.x", ".load5", "cpu.cores.0", "filesystems.counted"),
        *(
            "processes.byCpu.cpu",
            "services.byCpu.cpu",
            "processes.sums.cpu",
            "custom.",
            "custom.a-b",
        ),
        *("filesystems.mount", "filesystems.stuckSince", "agent.", "system.os", "containers.cpu"),
    ],
)
def test_what_is_no_metric(path: str) -> None:
    assert find(path) is None


# What is wrong.


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (5, ": expected an object, got 5"),
        ({}, ".name: is missing"),
        (
            {"name": ""},
            ".name: expected 1 to 64 printable characters, no space at either end, got ''",
        ),
        (
            {"name": "a\nb"},
            ".name: expected 1 to 64 printable characters, no space at either end, got 'a\\nb'",
        ),
        (
            {"name": 5},
            ".name: expected 1 to 64 printable characters, no space at either end, got 5",
        ),
        (LOAD | {"abve": 1}, ": unknown field 'abve' (did you mean above?)"),
        (LOAD | {"enabled": "no"}, ".enabled: expected true or false, got 'no'"),
        # Metrics.
        ({"name": "xyz"}, ".metric: is missing, and no built-in rule is called 'xyz'"),
        (
            {"name": "memry", "above": 90},
            ".metric: is missing, and no built-in rule is called 'memry' (did you mean memory?)",
        ),
        (
            LOAD | {"metric": "memoryUsedPercnt"},
            ".metric: unknown metric 'memoryUsedPercnt' (did you mean memoryUsedPercent?)",
        ),
        (
            LOAD | {"metric": "filesystem.usedPercent"},
            ".metric: unknown metric 'filesystem.usedPercent' (did you mean filesystems.usedPercent?)",
        ),
        (LOAD | {"metric": "☃"}, ".metric: unknown metric '☃'"),
        (LOAD | {"metric": ["cpuUsed"]}, ".metric: expected the name of a metric, got an array"),
        (
            {"name": "swap", "metric": "cpuUsed"},
            ".metric: the built-in rule swap is about memory.swapUsedPercent; give this one another name",
        ),
        # Thresholds.
        ({"name": "own", "metric": "cpuUsed"}, ".above: is missing, and below too"),
        (LOAD | {"below": 1}, ".below: expected above or below, not both"),
        (LOAD | {"above": "4"}, ".above: expected a number, got '4'"),
        (LOAD | {"above": True}, ".above: expected a number, got true"),
        (LOAD | {"above": float("nan")}, ".above: expected a number, got nan"),
        (LOAD | {"above": 10**400}, ".above: expected a number, got 1" + "0" * 76 + "…"),
        (LOAD | {"above": {}}, ".above: expected a number, or an object of warning and critical"),
        (
            LOAD | {"above": {"warn": 1}},
            ".above: unknown severity 'warn' (did you mean warning?)",
        ),
        (LOAD | {"above": {"warning": None}}, ".above.warning: expected a number, got null"),
        (
            LOAD | {"above": {"warning": 8, "critical": 4}},
            ".above.critical: expected more than the 8 of the warning, got 4",
        ),
        (
            {"name": "own", "metric": "cpuUsed", "below": {"warning": 4, "critical": 4}},
            ".below.critical: expected less than the 4 of the warning, got 4",
        ),
        # The way back.
        (LOAD | {"clear": 5}, ".clear: expected at most 4, above which the rule fires, got 5"),
        (
            {"name": "own", "metric": "cpuUsed", "below": 4, "clear": 3.5},
            ".clear: expected at least 4, below which the rule fires, got 3.5",
        ),
        (
            {"name": "memory", "clear": 92},
            ".clear: expected at most 90, above which the rule fires, got 92",
        ),
        (
            {"name": "memory", "clear": {"warning": 80, "critical": 96}},
            ".clear.critical: expected at most 95, above which the rule fires, got 96",
        ),
        (
            {"name": "memory", "clear": {"warning": 80}},
            ".clear: expected warning and critical, as in above",
        ),
        # Times and severities.
        (LOAD | {"for": -1}, ".for: expected a number of seconds from 0 to 604800, got -1"),
        (LOAD | {"for": "60s"}, ".for: expected a number of seconds from 0 to 604800, got '60s'"),
        (LOAD | {"keep": -0.5}, ".keep: expected a number of seconds from 0 to 604800, got -0.5"),
        (LOAD | {"severity": "fatal"}, ".severity: expected warning or critical, got 'fatal'"),
        (
            {"name": "memory", "severity": "warning"},
            ".severity: above has a threshold for each severity",
        ),
        # Patterns.
        (LOAD | {"nodes": []}, ".nodes: expected at least one pattern, got an empty array"),
        (
            LOAD | {"nodes": {"a": 1}},
            ".nodes: expected a pattern, or an array of patterns, got an object",
        ),
        (
            LOAD | {"nodes": ["db-*", ""]},
            ".nodes[1]: expected 1 to 128 printable characters, no space at either end, got ''",
        ),
        (LOAD | {"nodes": "tag:"}, ".nodes: must be tag:KEY=VALUE or tag:KEY, got 'tag:'"),
        (LOAD | {"objects": ["*"] * 65}, ".objects: expected at most 64 patterns, got 65"),
        # Rules that others judge.
        ({"name": "down", "metric": "cpuUsed"}, ".metric: the built-in rule down has none"),
        ({"name": "cut-off", "keep": 5}, ".keep: the built-in rule cut-off has none"),
    ],
)
def test_an_error_names_the_field_and_what_is_wrong_with_it(item: Any, says: str) -> None:
    assert error_for({"name": "cpu"}, {"name": "mount"}, item) == f"alerts.rules[2]{says}"


def test_no_two_rules_have_one_name() -> None:
    assert error_for(LOAD, {"name": "cpu"}, LOAD) == (
        "alerts.rules[2].name: 'load' is a duplicate of [0]"
    )


def test_a_rule_that_is_switched_off_is_checked_all_the_same() -> None:
    assert error_for(LOAD | {"enabled": False, "for": -1}).startswith("alerts.rules[0].for: ")


def test_there_may_be_so_many_rules() -> None:
    items = [LOAD | {"name": str(number)} for number in range(MAX_RULES + 1)]
    assert error_for(*items) == "alerts.rules: expected at most 200 rules, got 201"
    assert len(rules(items[1:], "alerts.rules")) == len(BUILT_IN) + MAX_RULES


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ('{"alerts": {"rules": {}}}', "alerts.rules: expected an array of rules, got an object"),
        ('{"alerts": {"rules": [{"name": "cpu", "for": -1}]}}', "alerts.rules[0].for: expected"),
        ('{"alerts": {"rule": []}}', "unknown key 'alerts.rule' (did you mean alerts.rules?)"),
        ('{"alerts": {"rules": [{"name": "a", "name": "b"}]}}', "duplicate key 'name'"),
    ],
)
def test_an_error_in_the_file_names_the_place(file: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        gather({}, {}, file.encode(), "conf.json")
    assert str(caught.value).startswith(f"conf.json: {says}")


def test_a_variable_holds_the_rules_as_json() -> None:
    variables = {"NODNOD_ALERTS_RULES": json.dumps([LOAD])}
    found = gather({}, variables, None, "conf.json").values["alerts_rules"]
    assert found == rules([LOAD], "")
    with pytest.raises(ConfigError, match=r"^NODNOD_ALERTS_RULES: expected an array of rules, got"):
        gather({}, {"NODNOD_ALERTS_RULES": "[{"}, None, "conf.json")


rule = st.fixed_dictionaries(
    {"name": st.sampled_from([*(one["name"] for one in BUILT_IN), "own", "other"])},
    optional={
        "metric": st.sampled_from([*known(), "custom.jobs", "load.lod5", ""]),
        "above": st.floats(-100, 100) | st.fixed_dictionaries({"critical": st.floats(-100, 100)}),
        "below": st.floats(-100, 100),
        "clear": st.floats(-100, 100),
        "for": st.integers(-5, 700_000),
        "severity": st.sampled_from(["warning", "critical", "fatal"]),
        "nodes": st.text() | st.lists(st.text()),
    },
)


def tried(items: Any) -> tuple[tuple[Rule, ...], str]:
    """The rules, or the error in them."""
    try:
        return rules(items, "alerts.rules"), ""
    except ConfigError as error:
        return (), str(error)


@examples(300)
@given(st.lists(rule | with_wrong_fields(rule) | odd_values | json_values, max_size=4))
def test_any_rules_are_in_force_or_give_one_short_line_that_names_the_place(items: Any) -> None:
    found, fault = tried(items)
    assert fault.isprintable()
    assert len(fault) < 250
    assert not fault or fault.startswith("alerts.rules")
    for one in found:
        worse = [level.threshold for level in one.levels]
        assert worse == sorted(worse, reverse=one.side == "below")
        for level in one.levels:
            assert level.clear <= level.threshold or one.side == "below"
