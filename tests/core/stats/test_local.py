"""This node's own part of every answer."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from nodnod_agent.core.encoding import PLAIN_LIMIT
from nodnod_agent.core.question import Question
from nodnod_agent.core.stats.local import MAX_MATCHES, WANTED_FOR, LocalNode, shortened
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.sections import truncated
from simulation.clock import FakeClock

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


class Sampler:
    """Notes which sections it was asked for."""

    def __init__(self) -> None:
        self.wanted: list[tuple[tuple[str, ...], float]] = []

    def want(self, sections: Iterable[str], seconds: float) -> None:
        self.wanted.append((tuple(sections), seconds))


@pytest.fixture
def sampler() -> Sampler:
    return Sampler()


@pytest.fixture
def empty(sampler: Sampler, clock: FakeClock) -> LocalNode:
    return LocalNode("kyle", interval=1.0, want=sampler.want, clock=clock)


@pytest.fixture
def local(empty: LocalNode) -> LocalNode:
    empty.update(SAMPLE)
    return empty


def entry(local: LocalNode, **question: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(local.entry(Question(**question)))
    return found


def test_the_newest_sample_is_given_with_its_percentages(local: LocalNode) -> None:
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


def test_before_the_first_sample_there_is_an_error_instead_of_numbers(empty: LocalNode) -> None:
    node = entry(empty)
    assert (node["error"], node["memoryTotal"]) == ("no sample yet", 0)


def test_the_error_of_a_sample_stands_beside_its_numbers(local: LocalNode) -> None:
    local.update(Sample(time=1001.0, memory_total=5, error="cpu: no such file"))
    assert entry(local)["error"] == "cpu: no such file"
    assert entry(local)["memoryTotal"] == 5


def test_many_faults_of_a_sample_are_counted_behind_the_first() -> None:
    faults = [f"disk: /mnt/{number} does not answer" for number in range(1000)]
    text = shortened("; ".join(faults))
    told, _, more = text.rpartition("; and ")
    named = told.split("; ")
    assert named == faults[: len(named)]
    assert more == f"{1000 - len(named)} more"
    assert len(text) < 1020
    assert shortened("x" * 5000) == "x" * 1000 + "…"


def test_any_error_of_a_sample_leaves_an_object_that_other_agents_accept(local: LocalNode) -> None:
    local.update(Sample(time=1001.0, error="\x01" * 100_000))
    assert len(local.entry(Question())) < PLAIN_LIMIT


def test_sections_are_cut_to_the_room_that_the_receiver_has(local: LocalNode) -> None:
    rows = [{"mount": f"/{number}"} for number in range(1000)]
    local.update(Sample(time=1001.0, sections={"filesystems": json.dumps(rows).encode()}))
    question = Question(detail=("filesystems",))
    assert entry(local, detail=("filesystems",))["detail"]["filesystems"] == rows

    cut = local.entry(question._replace(room=2000))

    assert len(cut) <= 2000
    kept = json.loads(cut)["detail"]["filesystems"]
    assert len(kept) + truncated(kept) == 1000


def test_sections_are_spliced_in_as_they_were_sampled(local: LocalNode) -> None:
    node = entry(local, stat_type=1, detail=("gpu", "load", "processes"))
    assert list(node) == ["name", "cpuUsed", "error", "detail"]
    assert node["detail"] == {
        "gpu": None,
        "load": {"load1": 0.5},
        "processes": {"error": "not sampled in time"},
    }


def test_the_history_begins_with_the_first_sample(local: LocalNode) -> None:
    local.update(Sample(time=1001.0, clock=11.0, series={"cpuUsed": 50.0}))
    assert entry(local, history=60.0)["history"] == {
        "every": 1.0,
        "end": 1001.0,
        "cpuUsed": [12.5, 50.0],
    }


def test_a_sample_that_comes_again_with_more_sections_counts_once_in_the_history(
    local: LocalNode,
) -> None:
    sections = SAMPLE.sections | {"processes": b'{"count":3}'}
    local.update(Sample(time=1000.0, clock=10.0, sections=sections, series={"cpuUsed": 12.5}))
    node = entry(local, detail=("processes",), history=60.0)
    assert node["detail"]["processes"] == {"count": 3}
    assert node["history"]["cpuUsed"] == [12.5]


def test_an_entry_is_encoded_once_per_question_and_sample(local: LocalNode) -> None:
    question = Question(detail=("load",))
    first = local.entry(question)
    assert local.entry(question) is first
    local.update(SAMPLE)
    assert local.entry(question) is not first


def test_memory_is_bounded_however_many_questions_are_asked(local: LocalNode) -> None:
    for number in range(1000):
        local.entry(Question(history=float(number + 1)))
    assert len(local._entries) < 100


# On-demand sections.


def test_a_question_without_sections_is_always_ready(local: LocalNode, sampler: Sampler) -> None:
    assert local.ready(Question())
    assert local.ready(Question(history=60.0))
    assert sampler.wanted == []


def test_sections_asked_for_are_sampled_for_a_while_even_if_they_are_there(
    local: LocalNode, sampler: Sampler
) -> None:
    assert local.ready(Question(detail=("load",)))
    assert not local.ready(Question(detail=("load", "sensors")))
    assert sampler.wanted == [(("load",), WANTED_FOR), (("load", "sensors"), WANTED_FOR)]

    local.update(Sample(time=1001.0, sections={"load": b"{}", "sensors": b"null"}))

    assert local.ready(Question(detail=("load", "sensors")))


def test_processes_that_match_are_sampled_for_themselves(
    local: LocalNode, sampler: Sampler
) -> None:
    question = Question(detail=("load", "processes"), match="p*")
    sections = SAMPLE.sections | {"processes": b'"all"'}
    local.update(Sample(time=1001.0, sections=sections))
    assert not local.ready(question)
    assert sampler.wanted == [(("load", "processes?match=p*"), WANTED_FOR)]

    local.update(Sample(time=1002.0, sections=sections | {"processes?match=p*": b'"some"'}))

    assert local.ready(question)
    assert json.loads(local.entry(question))["detail"]["processes"] == "some"
    assert entry(local, detail=("processes",))["detail"] == {"processes": "all"}


def test_a_pattern_too_many_is_an_error_until_another_is_not_wanted_any_more(
    local: LocalNode, sampler: Sampler, clock: FakeClock
) -> None:
    def ready(number: int) -> bool:
        return local.ready(Question(detail=("processes",), match=f"p{number}"))

    assert [ready(number) for number in range(MAX_MATCHES)] == [False] * MAX_MATCHES

    assert ready(99)
    assert sampler.wanted[-1] == ((), WANTED_FOR)
    error = entry(local, detail=("processes",), match="p99")["detail"]["processes"]["error"]
    assert error == "more than 16 different `match` within 5 s"
    assert not ready(3), "one that is sampled already"

    clock.advance(WANTED_FOR)

    assert not ready(99)
    assert sampler.wanted[-1] == (("processes?match=p99",), WANTED_FOR)
