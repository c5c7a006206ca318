"""Answers are matched to their requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodnod_client.errors import WireError
from nodnod_client.matching import IdMatcher, OrderMatcher
from nodnod_client.messages import Answer


def test_an_answer_with_an_unknown_id_or_none_is_ignored() -> None:
    matcher = IdMatcher[str]()
    request_id = matcher.add("receiver")
    assert matcher.match(Answer(id=request_id + 1)) is None
    assert matcher.match(Answer(id="1")) is None
    assert matcher.match(Answer()) is None
    assert matcher.drain() == ["receiver"]


def test_an_id_is_answered_once() -> None:
    matcher = IdMatcher[str]()
    request_id = matcher.add("receiver")
    matcher.match(Answer(id=request_id))
    assert matcher.match(Answer(id=request_id)) is None


def test_a_stream_gets_answers_until_it_is_removed() -> None:
    matcher = IdMatcher[str]()
    request_id = matcher.add("stream", stream=True)
    assert [matcher.match(Answer(id=request_id)) for _ in range(3)] == ["stream"] * 3
    assert matcher.remove(request_id)
    assert matcher.match(Answer(id=request_id)) is None


@pytest.mark.parametrize("last", [Answer(id=1, error="no"), Answer(id=1, done=True)])
def test_an_error_or_done_is_the_last_answer_of_a_stream(last: Answer) -> None:
    matcher = IdMatcher[str]()
    request_id = matcher.add("stream", stream=True)
    assert matcher.match(last) == "stream"
    assert not matcher.remove(request_id)


@pytest.mark.parametrize("kind", [IdMatcher, OrderMatcher])
def test_pending_receivers_are_drained_in_order(kind: type[IdMatcher[str]]) -> None:
    matcher = kind()
    ids = [matcher.add(name) for name in "abc"]
    matcher.remove(ids[1])
    assert matcher.drain() == ["a", "c"]
    assert matcher.drain() == []


@given(st.lists(st.sampled_from(["ask", "answer", "give up oldest", "give up newest"])))
def test_matching_by_order_never_gives_an_answer_to_another_request(steps: list[str]) -> None:
    matcher = OrderMatcher[int]()
    sent = answered = 0
    waiting: dict[int, int] = {}
    for step in steps:
        if step == "ask":
            waiting[matcher.add(sent)] = sent
            sent += 1
        elif step == "answer" and answered < sent:
            answered += 1
            assert matcher.match(Answer()) == waiting.pop(answered, None)
        elif step.startswith("give up") and waiting:
            request_id = min(waiting) if step.endswith("oldest") else max(waiting)
            matcher.remove(request_id)
            del waiting[request_id]
    assert matcher.drain() == list(waiting.values())
    for _ in range(sent - answered):
        assert matcher.match(Answer()) is None
    with pytest.raises(WireError):
        matcher.match(Answer())
