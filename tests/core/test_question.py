"""Questions: which requests ask the same, and what a peer is asked."""

import json
from typing import Any

import pytest

from nodnod_agent.core.pattern import MAX_PATTERNS
from nodnod_agent.core.question import Question, split_key
from nodnod_client.errors import RequestError
from nodnod_client.messages import Request


def test_a_request_without_fields_asks_for_all_stats_of_this_node() -> None:
    assert Question.of(Request()) == Question(local=True, stat_type=0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"nodes": ["a", "b"]}, {"nodes": ["b", "a", "b"]}),
        ({"detail": ["cpu", "load"]}, {"detail": ["load", "cpu", "cpu"]}),
        ({"timeout": 1.0}, {"timeout": 5.0}),
        ({"id": 1}, {"id": "x"}),
        ({"detail": []}, {}),
        ({"stat_type": None, "detail": None, "history": None, "nodes": None}, {}),
        ({"type": None, "nodes": ["a"]}, {"type": 0}),
        ({"match": "x", "detail": ["cpu"]}, {"detail": ["cpu"]}),
    ],
)
def test_requests_that_ask_the_same_share_a_question(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert Question.of(Request(**{"type": 1, **one})) == Question.of(
        Request(**{"type": 1, **other})
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"stat_type": 1},
        {"nodes": ["a"]},
        {"nodes": []},
        {"detail": ["cpu"]},
        {"history": 60.0},
    ],
)
def test_requests_that_ask_something_else_have_another_question(fields: dict[str, Any]) -> None:
    assert Question.of(Request(type=1, **fields)) != Question.of(Request(type=1))


# The end of a history


@pytest.mark.parametrize(
    ("seconds", "until", "rounded"),
    [
        (0.5, 1000.9, 1000),
        (600, 1000.9, 1000),
        (601, 1001, 1000),
        (3600, 1001.5, 996),
        (604_800, 604_800, 600 * 1008),
        (60, 0, 0),
    ],
)
def test_the_end_is_rounded_down_to_the_distance_of_the_points(
    seconds: float, until: float, rounded: float
) -> None:
    question = Question.of(Request(type=1, history=seconds, until=until))
    assert question.until == rounded
    assert until - max(1, seconds / 500) <= rounded <= until


def test_those_who_look_at_nearly_the_same_time_ask_the_same() -> None:
    asked = [Request(type=1, history=3600, until=6000 + more) for more in (0, 0.4, 5.9)]
    assert len({*map(Question.of, asked)}) == 1
    assert Question.of(Request(type=1, history=3600, until=6006)) != Question.of(asked[0])
    assert Question.of(Request(type=1, history=3600)) != Question.of(asked[0])


@pytest.mark.parametrize("kind", [0, 1, None])
@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({}, "`until` needs `history`, whose end it is"),
        ({"history": 60.0, "every": 1.0}, "`until` needs a request without `every`"),
    ],
)
def test_an_end_of_no_history_or_of_a_stream_is_refused(
    kind: int | None, fields: dict[str, Any], fault: str
) -> None:
    with pytest.raises(RequestError, match=fault) as caught:
        Question.of(Request(type=kind, until=5.0, id="q", **fields))
    assert (caught.value.code, caught.value.id) == ("bad_request", "q")


def test_an_end_has_no_effect_on_another_type() -> None:
    assert Question.of(Request(type=5, until=5.0)).until is None


def test_a_peer_is_told_how_long_ago_the_end_is_for_its_clock_may_differ() -> None:
    request = json.loads(Question(history=60.0, until=1000.0).to_peer(1, 1.5, 86_400.5))
    assert request == {"type": 0, "id": 1, "history": 60.0, "ago": 86_400.5, "timeout": 1.5}


def test_how_long_ago_is_for_questions_about_the_past() -> None:
    assert Question.of(Request(history=60, ago=5.0)).ago == 5
    assert Question.of(Request(type=1, history=60, ago=5.0)).ago == 5
    assert Question.of(Request(type=1, history=60, ago=5.0, until=9.0)).ago is None
    assert Question.of(Request(ago=5.0)) == Question.of(Request())


def test_what_processes_must_match_is_part_of_the_question() -> None:
    asked = [Request(type=1, detail=["processes"], match=match) for match in (None, "a*", "b*")]
    assert len({*map(Question.of, asked)}) == 3


def test_a_peer_is_told_what_processes_must_match() -> None:
    request = json.loads(Question(detail=("processes",), match="a*").to_peer(1, 1.5))
    assert request["match"] == "a*"


@pytest.mark.parametrize("match", [None, "postgres*", "?match=", "a:b c"])
def test_a_key_names_its_section_and_its_pattern(match: str | None) -> None:
    question = Question(detail=("gpu", "processes"), match=match)
    assert split_key(question.key("processes")) == ("processes", match)
    assert question.key("gpu") == "gpu"


def test_a_peer_is_asked_for_itself_with_the_id_of_the_query() -> None:
    request = json.loads(Question(stat_type=2, nodes=("a",)).to_peer(17, 1.5))
    assert request == {"type": 0, "statType": 2, "id": 17}


def test_a_question_that_may_need_sampling_tells_the_peer_the_timeout() -> None:
    request = json.loads(Question(detail=("cpu",), history=60.0).to_peer(1, 1.5))
    assert request == {
        "type": 0,
        "id": 1,
        "detail": ["cpu"],
        "history": 60.0,
        "timeout": 1.5,
    }


@pytest.mark.parametrize(("timeout", "sent"), [(-0.1, 0.05), (0.01, 0.05), (99.0, 30.0)])
def test_the_timeout_for_a_peer_stays_in_the_range_of_the_protocol(
    timeout: float, sent: float
) -> None:
    assert json.loads(Question(detail=("cpu",)).to_peer(1, timeout))["timeout"] == sent


def test_too_many_patterns_are_refused() -> None:
    names = [f"name-{n}" for n in range(200)]
    patterns = [f"db-{n}-*" for n in range(MAX_PATTERNS)]
    assert len(Question.of(Request(type=1, nodes=names + patterns)).nodes or ()) == 232

    with pytest.raises(
        RequestError, match="`nodes` may hold at most 32 patterns, got 33"
    ) as caught:
        Question.of(Request(type=1, nodes=[*patterns, "?"], id="q"))

    assert (caught.value.code, caught.value.id) == ("bad_request", "q")


def test_patterns_of_tags_are_patterns_and_no_names() -> None:
    question = Question.of(Request(type=1, nodes=["tag:role=db", "kyle", "db-*", "tag:role"]))
    assert question.names == ["kyle"]
    assert question.name_patterns == ["db-*", "kyle"]
    assert question.tag_patterns == ["tag:role", "tag:role=db"]
    with pytest.raises(RequestError, match="`nodes` may hold at most 32 patterns, got 33"):
        Question.of(Request(type=1, nodes=[f"tag:role={n}" for n in range(MAX_PATTERNS + 1)]))


@pytest.mark.parametrize("node", ["tag:", "tag:=x", "tag:role=", "tag:a b"])
def test_a_malformed_pattern_of_tags_is_refused(node: str) -> None:
    with pytest.raises(
        RequestError, match=r"^`nodes` must be tag:KEY=VALUE or tag:KEY, got"
    ) as caught:
        Question.of(Request(type=1, nodes=["kyle", node], id="q"))
    assert (caught.value.code, caught.value.id) == ("bad_request", "q")
