"""The structs of the protocol: their fields, the order of these, and which are required."""

import json

import msgspec
import pytest

from nodnod_client.codec import encode
from nodnod_client.messages import (
    STAT_SHAPES,
    Answer,
    MemberInfo,
    Members,
    NodeStats,
    Request,
    RequestType,
    StatType,
)

CPU = ["cpuUsed"]
DISK = ["diskTotal", "diskUsed", "diskUsedPercent"]
MEMORY = ["memoryTotal", "memoryUsed", "memoryUsedPercent"]


@pytest.mark.parametrize(
    ("stat_type", "stats"), [(0, [*CPU, *DISK, *MEMORY]), (1, CPU), (2, MEMORY), (3, DISK)]
)
def test_a_node_object_must_have_the_fields_of_version_1_in_its_order(
    stat_type: int, stats: list[str]
) -> None:
    fields = msgspec.structs.fields(STAT_SHAPES[stat_type])
    assert [field.encode_name for field in fields] == ["name", *stats, "error"]
    assert all(field.required for field in fields)


def test_there_is_a_shape_for_every_stat_type() -> None:
    assert [int(stat_type) for stat_type in StatType] == list(range(len(STAT_SHAPES)))


def test_the_types_have_the_numbers_of_the_protocol() -> None:
    assert {kind.name: int(kind) for kind in RequestType} == {
        "STAT": 0,
        "STAT_ALL": 1,
        "STOP": 2,
        "MEMBERS": 3,
        "JOIN": 4,
        "ALERTS": 5,
        "SILENCE": 6,
        "EVENTS": 7,
    }


def test_a_client_can_read_a_granular_answer_as_a_full_one() -> None:
    text = b'{"host":"kyle","nodes":{"kyle":{"name":"kyle","cpuUsed":5,"error":""}},"error":""}'
    node = msgspec.json.decode(text, type=Answer).nodes["kyle"]
    assert node == NodeStats("kyle", cpu_used=5.0)
    assert node.detail is msgspec.UNSET


def test_unknown_values_of_a_member_are_null() -> None:
    row = MemberInfo("kyle", "10.0.0.2:7070", "", "down", None, None, None, "down: gone")
    assert json.loads(encode(Members("own", [row])))["members"][0] == {
        "name": "kyle",
        "address": "10.0.0.2:7070",
        "instance": "",
        "state": "down",
        "since": None,
        "rtt": None,
        "version": None,
        "error": "down: gone",
    }


def test_messages_are_immutable() -> None:
    request = Request()
    with pytest.raises(AttributeError):
        request.type = 1  # type: ignore[misc]
