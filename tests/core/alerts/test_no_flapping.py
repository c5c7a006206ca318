"""A day of values that hover around a threshold, and any values at all: alerts keep their promises."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.alerts.watched_node import WatchedNode
from nodnod_client.alerts import Alert

DAY = 86400


def a_day(rule: dict[str, Any], metric: str, value: Any) -> list[Alert]:
    """The changes of alerts in a day of values, ``value`` by second."""
    node = WatchedNode(rule).start()
    for second in range(DAY):
        node.sample(1, **{metric: value(second)})
    return node.changes


@pytest.mark.parametrize("spread", [0.01, 4.5])
def test_noise_around_a_threshold_within_its_hysteresis_makes_one_alert_a_day(
    spread: float,
) -> None:
    rng = random.Random(1)
    rule = {"name": "memory", "for": 0, "keep": 0, "above": 90}
    found = a_day(rule, "memoryUsedPercent", lambda _: 90 + rng.uniform(-spread, spread))
    assert [one.state for one in found] == ["firing"]


@pytest.mark.parametrize("spread", [5.0, 40.0])
def test_noise_of_any_size_makes_no_built_in_rule_flap(spread: float) -> None:
    rng = random.Random(2)
    found = a_day({"name": "memory"}, "memoryUsedPercent", lambda _: rng.gauss(90, spread))
    assert len(found) <= 1
    rng = random.Random(3)
    assert a_day({"name": "cpu"}, "cpuUsed", lambda _: rng.gauss(95, spread)) == []


def test_a_slow_wave_across_all_levels_is_told_once_each_way() -> None:
    def wave(second: int) -> float:
        return 100.0 - abs(second - DAY / 2) / (DAY / 2) * 50

    found = a_day({"name": "memory"}, "memoryUsedPercent", wave)
    assert [(one.state, one.severity) for one in found] == [
        ("firing", "warning"),
        ("firing", "critical"),
        ("firing", "warning"),
        ("resolved", "warning"),
    ]


values = st.none() | st.floats(80, 100)
runs = st.lists(st.tuples(values, st.integers(1, 40)), max_size=30)


@settings(deadline=None)
@given(runs, st.integers(0, 60), st.integers(0, 60))
def test_any_values_change_an_alert_no_sooner_than_its_times_allow(
    values: list[tuple[float | None, int]], hold: int, keep: int
) -> None:
    rule = {"name": "memory", "above": 90, "clear": 86, "for": hold, "keep": keep}
    node = WatchedNode(rule).start()
    past: list[float | None] = []
    for value, seconds in values:
        for _ in range(seconds):
            past.append(value)
            for alert in node.sample(1, **({} if value is None else {"memoryUsedPercent": value})):
                firing = alert.state == "firing"
                lasting = past[-(hold if firing else keep) - 1 :]
                assert all(
                    one is not None and (one > 90 if firing else one <= 86) for one in lasting
                )
    states = [alert.state for alert in node.changes]
    assert states == ["firing", "resolved"] * (len(states) // 2) + ["firing"] * (len(states) % 2)
    epochs = [alert.epoch for alert in node.changes]
    assert epochs == sorted(set(epochs))
