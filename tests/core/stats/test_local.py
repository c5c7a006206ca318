"""This node's own share of every answer."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from nodnod_agent.core.question import Question
from nodnod_agent.core.stats.local import WANTED_FOR, LocalNode
from nodnod_agent.core.stats.sample import Sample

SAMPLE = Sample(
    time=1000.0,
    clock=10.0,
    cpu_used=12.5,
    disk_total=200,
    disk_used=50,
    memory_total=1000,
    memory_used=100,
    sections={"load": b'{"load1":0.5}', "gpu": b"null"},
    series={"cpuUsed": 12.5},
)


class Wants:
    """What the sampler was asked for."""

    def __init__(self) -> None:
        self.all: list[tuple[tuple[str, ...], float]] = []

    def __call__(self, sections: Iterable[str], seconds: float) -> None:
        self.all.append((tuple(sections), seconds))


@pytest.fixture
def wants() -> Wants:
    return Wants()


@pytest.fixture
def local(wants: Wants) -> LocalNode:
    local = LocalNode("kyle", interval=1.0, want=wants)
    local.update(SAMPLE)
    return local


def entry(local: LocalNode, **question: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(local.entry(Question(**question)))
    return found


def test_the_newest_sample_is_told_with_its_percentages(local: LocalNode) -> None:
    assert entry(local) == {
        "name": "kyle",
        "cpuUsed": 12.5,
        "diskTotal": 200,
        "diskUsed": 50,
        "diskUsedPercent": 25.0,
        "memoryTotal": 1000,
        "memoryUsed": 100,
        "memoryUsedPercent": 10.0,
        "error": "",
    }


def test_before_the_first_sample_there_is_an_error_instead_of_numbers(wants: Wants) -> None:
    node = entry(LocalNode("kyle", interval=1.0, want=wants))

    assert (node["error"], node["memoryTotal"]) == ("no sample yet", 0)


def test_a_machine_without_disks_has_no_share_of_them(wants: Wants) -> None:
    local = LocalNode("kyle", interval=1.0, want=wants)
    local.update(Sample(time=1.0))

    assert entry(local)["diskUsedPercent"] == 0.0


def test_what_could_not_be_read_is_told_beside_the_numbers(local: LocalNode) -> None:
    local.update(Sample(time=1001.0, memory_total=5, error="cpu: no such file"))

    assert entry(local)["error"] == "cpu: no such file"
    assert entry(local)["memoryTotal"] == 5


@pytest.mark.parametrize(
    ("stat_type", "fields"),
    [
        (1, ["name", "cpuUsed", "error"]),
        (2, ["name", "memoryTotal", "memoryUsed", "memoryUsedPercent", "error"]),
        (3, ["name", "diskTotal", "diskUsed", "diskUsedPercent", "error"]),
    ],
)
def test_a_granular_question_gets_its_fields_and_nothing_else(
    local: LocalNode, stat_type: int, fields: list[str]
) -> None:
    assert list(entry(local, stat_type=stat_type)) == fields


def test_sections_are_spliced_in_as_they_were_sampled(local: LocalNode) -> None:
    node = entry(local, stat_type=1, detail=("gpu", "load"))

    assert list(node) == ["name", "cpuUsed", "error", "detail"]
    assert node["detail"] == {"gpu": None, "load": {"load1": 0.5}}


def test_a_section_that_is_not_there_yet_says_so(local: LocalNode) -> None:
    node = entry(local, detail=("load", "processes"))

    assert node["detail"]["processes"] == {"error": "not sampled in time"}
    assert node["detail"]["load"] == {"load1": 0.5}


def test_the_past_begins_with_the_first_sample(local: LocalNode) -> None:
    local.update(Sample(time=1001.0, clock=11.0, series={"cpuUsed": 50.0}))

    assert entry(local, history=60.0)["history"] == {
        "every": 1.0,
        "end": 1001.0,
        "cpuUsed": [12.5, 50.0],
    }


def test_a_sample_that_comes_again_with_more_sections_is_told_and_not_counted_twice(
    local: LocalNode,
) -> None:
    sections = SAMPLE.sections | {"processes": b'{"count":3}'}
    local.update(Sample(time=1000.0, clock=10.0, sections=sections, series={"cpuUsed": 12.5}))

    node = entry(local, detail=("processes",), history=60.0)

    assert node["detail"]["processes"] == {"count": 3}
    assert node["history"]["cpuUsed"] == [12.5]


def test_a_question_is_encoded_once_for_each_sample(local: LocalNode) -> None:
    question = Question(detail=("load",))
    first = local.entry(question)
    assert local.entry(question) is first

    local.update(SAMPLE)

    assert local.entry(question) is not first


def test_memory_is_bounded_however_many_questions_are_asked(local: LocalNode) -> None:
    for number in range(1000):
        local.entry(Question(history=float(number + 1)))

    assert len(local._entries) < 100


# What is at hand.


def test_a_question_without_detail_is_answered_from_what_is_there(
    local: LocalNode, wants: Wants
) -> None:
    assert local.ready(Question())
    assert local.ready(Question(history=60.0))
    assert wants.all == []


def test_what_is_asked_for_is_wanted_for_a_while_even_if_it_is_at_hand(
    local: LocalNode, wants: Wants
) -> None:
    assert local.ready(Question(detail=("load",)))
    assert not local.ready(Question(detail=("load", "processes")))

    assert wants.all == [(("load",), WANTED_FOR), (("load", "processes"), WANTED_FOR)]


def test_what_was_missing_is_at_hand_once_it_is_sampled(local: LocalNode) -> None:
    question = Question(detail=("sensors",))
    assert not local.ready(question)

    local.update(Sample(time=1001.0, sections={"sensors": b"null"}))

    assert local.ready(question)
