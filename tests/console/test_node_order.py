"""The order of nodes by what one asks for."""

from typing import Any

import pytest

from nodnod_agent.console.node_order import KEYS, Order
from nodnod_client.messages import NodeStats

LOADS = {"load1": 2.0, "load5": 9.0, "load15": 9.0}
SYSTEM = {
    "os": "",
    "kernel": "",
    "architecture": "",
    "agentVersion": "",
    "pythonVersion": "",
    "cores": {"logical": 1, "physical": None},
    "scope": "host",
}


def past(received: list[float | None], sent: list[float | None]) -> dict[str, Any]:
    return {"every": 1.0, "end": 1.0, "recvBytes": received, "sentBytes": sent}


NODES = [
    NodeStats("a", cpu_used=1, memory_used_percent=9, disk_used_percent=5),
    NodeStats(
        "b",
        cpu_used=3,
        memory_used_percent=7,
        detail={"load": LOADS, "system": SYSTEM | {"bootTime": 900.0}},
        history=past([1.0, 2.0], [1.0, 2.0]),
    ),
    NodeStats(
        "c",
        cpu_used=2,
        disk_used_percent=6,
        detail={"load": LOADS | {"load1": 3.0}, "system": SYSTEM | {"bootTime": 100.0}},
        history=past([9.0, 3.0, None], [9.0, 3.0, None]),
    ),
    NodeStats("odd", cpu_used=99, detail={"load": "x"}, error="stale: last heard 3.0 s ago"),
    NodeStats("gone", error="down: connection refused"),
]


def names(by: str, *, reverse: bool = False) -> str:
    return " ".join(node.name for node in Order(by, reverse).sorted(NODES, 1000.0))


@pytest.mark.parametrize(
    ("by", "order"),
    [
        ("name", "a b c"),
        ("cpu", "b c a"),
        ("memory", "a b c"),
        ("disk", "c a b"),
        ("network", "c b a"),
        ("load", "c b a"),
        ("uptime", "c b a"),
        ("state", "a b c"),
    ],
)
def test_numbers_are_from_high_to_low_below_those_in_trouble(by: str, order: str) -> None:
    assert names(by) == f"gone odd {order}"


def test_every_key_has_been_tried() -> None:
    assert list(KEYS) == ["name", "cpu", "memory", "disk", "network", "load", "uptime", "state"]


@pytest.mark.parametrize(
    ("by", "order"), [("name", "c b a"), ("cpu", "a c b"), ("load", "b c a"), ("state", "a b c")]
)
def test_reversed_those_in_trouble_stay_first_and_those_without_a_number_last(
    by: str, order: str
) -> None:
    assert names(by, reverse=True) == f"gone odd {order}"
