"""What makes two requests the same question, and what a peer is asked."""

import json
from typing import Any

import pytest

from nodnod_agent.core.pattern import MAX_PATTERNS
from nodnod_agent.core.question import V1_REQUEST, Question
from nodnod_client.errors import RequestError
from nodnod_client.messages import Request


def test_a_request_without_anything_asks_for_all_stats_of_this_node() -> None:
    assert Question.of(Request()) == Question(local=True, stat_type=0)


def test_null_is_as_good_as_absent() -> None:
    blank = Request(type=None, stat_type=None, detail=None, history=None, nodes=None)
    assert Question.of(blank) == Question.of(Request())


def test_an_empty_list_of_sections_asks_for_none() -> None:
    assert Question.of(Request(type=1, detail=[])) == Question.of(Request(type=1))


def test_an_empty_list_of_nodes_asks_for_no_node() -> None:
    assert Question.of(Request(type=1, nodes=[])).nodes == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"nodes": ["a", "b"]}, {"nodes": ["b", "a", "b"]}),
        ({"detail": ["cpu", "load"]}, {"detail": ["load", "cpu", "cpu"]}),
        ({"timeout": 1.0}, {"timeout": 5.0}),
        ({"id": 1}, {"id": "x"}),
    ],
)
def test_requests_that_ask_the_same_share_a_question(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert Question.of(Request(type=1, **one)) == Question.of(Request(type=1, **other))


@pytest.mark.parametrize(
    "fields", [{"stat_type": 1}, {"nodes": ["a"]}, {"detail": ["cpu"]}, {"history": 60.0}]
)
def test_requests_that_ask_something_else_do_not(fields: dict[str, Any]) -> None:
    assert Question.of(Request(type=1, **fields)) != Question.of(Request(type=1))


def test_nodes_mean_nothing_where_only_this_node_is_asked() -> None:
    assert Question.of(Request(nodes=["a"])) == Question.of(Request())


def test_an_unknown_section_is_refused_by_its_name() -> None:
    with pytest.raises(
        RequestError, match=r"`detail` must name sections .*cpu.*got 'weather'"
    ) as e:
        Question.of(Request(detail=["cpu", "weather"], id=7))
    assert e.value.code == "unknown_section"
    assert e.value.id == 7


def test_a_peer_is_asked_for_itself_under_the_id_of_the_query() -> None:
    request = json.loads(Question(stat_type=2, nodes=("a",)).to_peer(17, 1.5))
    assert request == {"type": 0, "statType": 2, "id": 17}


def test_a_peer_is_told_the_deadline_only_where_it_may_have_to_gather() -> None:
    request = json.loads(Question(detail=("cpu",), history=60.0).to_peer(1, 1.5))
    assert request == {
        "type": 0,
        "id": 1,
        "detail": ["cpu"],
        "history": 60.0,
        "timeout": 1.5,
    }


@pytest.mark.parametrize(("left", "told"), [(-0.1, 0.05), (0.01, 0.05), (99.0, 30.0)])
def test_the_deadline_that_a_peer_is_told_is_one_that_it_accepts(left: float, told: float) -> None:
    assert json.loads(Question(detail=("cpu",)).to_peer(1, left))["timeout"] == told


def test_a_version_1_agent_is_asked_in_the_words_of_version_1() -> None:
    assert json.loads(V1_REQUEST) == {"type": 0, "statType": 0}


def test_more_patterns_than_can_be_read_in_time_are_refused() -> None:
    names = [f"name-{n}" for n in range(200)]
    patterns = [f"db-{n}-*" for n in range(MAX_PATTERNS)]
    assert len(Question.of(Request(type=1, nodes=names + patterns)).nodes or ()) == 232

    with pytest.raises(
        RequestError, match="`nodes` may hold at most 32 patterns, got 33"
    ) as caught:
        Question.of(Request(type=1, nodes=[*patterns, "?"], id="q"))

    assert (caught.value.code, caught.value.id) == ("bad_request", "q")
