"""What is read for the rules, and when: no section more often than it is needed."""

from typing import Any

import pytest

from core.alerts.watched_node import WatchedNode, told
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.codec import encode
from nodnod_client.sections import Sensors, Temperature

LOAD = {"name": "load", "metric": "load.load5", "above": 4}
HOT = {"name": "hot", "metric": "sensors.temperatures.celsius", "above": 80}


def sensors(celsius: float) -> dict[str, Any]:
    return {"sensors": Sensors([Temperature("cpu", celsius)], [], None)}


def read_again(node: WatchedNode, sections: dict[str, Any]) -> None:
    """The newest sample comes again, with on-demand sections."""
    encoded = {name: encode(section) for name, section in sections.items()}
    node.watch.sampled(Sample(time=node.clock.now, sections=encoded))


def test_a_section_is_read_every_five_seconds() -> None:
    node = WatchedNode(LOAD).start()
    load = {"load1": 9.0, "load5": 1.0, "load15": 1.0}
    assert node.sample(1, {"load": load}) == []
    assert node.sample(4, {"load": load | {"load5": 9.0}}) == []
    assert told(node.sample(1, {"load": load | {"load5": 9.0}})) == [
        ("load", "", "warning", "firing")
    ]


def test_sections_without_a_rule_are_not_looked_at() -> None:
    node = WatchedNode(LOAD).start()
    node.watch.sampled(Sample(time=node.clock.now, sections={"network": b"no JSON at all"}))


def test_an_on_demand_section_is_asked_for_every_30_seconds_and_only_briefly() -> None:
    node = WatchedNode(HOT).start()
    node.sample(60)
    assert [(names, seconds) for _, names, seconds in node.wanted] == [(("sensors",), 0.9)] * 2
    assert node.wanted[1][0] - node.wanted[0][0] == 30


def test_an_on_demand_section_is_judged_when_it_comes() -> None:
    node = WatchedNode(HOT).start()
    node.sample(1)
    read_again(node, sensors(90.0))
    assert told(node.changes) == [("hot", "cpu", "warning", "firing")]
    assert node.sample(28, sensors(20.0)) == []  # a client asks for it; it is not due
    node.sample(2, sensors(20.0))
    assert told(node.changes[1:]) == [("hot", "cpu", "warning", "resolved")]
    assert len(node.wanted) == 1


def test_a_sample_that_comes_again_with_more_sections_counts_once() -> None:
    node = WatchedNode({"name": "cpu", "for": 0}).start()
    node.sample(1, cpuUsed=50.0)
    node.watch.sampled(Sample(time=node.clock.now, series={"cpuUsed": 99.0}))
    assert node.changes == []


def test_an_on_demand_section_is_not_asked_for_without_a_rule_that_needs_it() -> None:
    node = WatchedNode(HOT, LOAD).start()
    node.use(LOAD)
    node.sample(60)
    assert node.wanted == []


@pytest.mark.parametrize(
    ("metric", "section", "objects"),
    [
        ("custom.jobs", {"files": [], "numbers": []}, []),
        (
            "custom.jobs",
            {
                "files": [{"name": "old.prom", "modified": 1.0, "stale": True}],
                "numbers": [
                    {"file": "a.prom", "name": "jobs", "value": 5.0, "labels": {"queue": "mail"}},
                    {"file": "a.prom", "name": "others", "value": 5.0},
                    {"file": "old.prom", "name": "jobs", "value": 5.0},
                ],
            },
            ["queue=mail"],
        ),
        (
            "sensors.temperatures.value",
            {
                "temperatures": [{"name": "core", "value": 50.0}, {"name": "core", "value": 60.0}],
                "fans": [],
                "battery": None,
            },
            ["core", "core #2"],
        ),
        ("sensors.battery.percent", {"temperatures": [], "fans": [], "battery": None}, []),
    ],
)
def test_the_objects_of_a_metric(metric: str, section: Any, objects: list[str]) -> None:
    node = WatchedNode({"name": "some", "metric": metric, "above": 0}).start()
    node.sample(1, {metric.partition(".")[0]: section})
    assert sorted(alert.object for alert in node.changes) == objects
