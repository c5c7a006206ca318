"""Which answer belongs to whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodnod_client.errors import WireError
from nodnod_client.matching import IdMatcher, OrderMatcher
from nodnod_client.messages import Answer


def test_an_id_finds_its_asker_in_any_order() -> None:
    matcher = IdMatcher[str]()
    first, second = matcher.add("first"), matcher.add("second")
    assert matcher.match(Answer(id=second)) == "second"
    assert matcher.match(Answer(id=first)) == "first"


def test_an_answer_with_an_unknown_id_or_none_is_nobodys() -> None:
    matcher = IdMatcher[str]()
    ticket = matcher.add("asker")
    assert matcher.match(Answer(id=ticket + 1)) is None
    assert matcher.match(Answer(id="1")) is None
    assert matcher.match(Answer()) is None
    assert matcher.drain() == ["asker"]


def test_an_id_is_answered_once() -> None:
    matcher = IdMatcher[str]()
    ticket = matcher.add("asker")
    matcher.match(Answer(id=ticket))
    assert matcher.match(Answer(id=ticket)) is None


def test_what_lasts_is_answered_until_forgotten() -> None:
    matcher = IdMatcher[str]()
    ticket = matcher.add("stream", stream=True)
    assert [matcher.match(Answer(id=ticket)) for _ in range(3)] == ["stream"] * 3
    assert matcher.remove(ticket)
    assert matcher.match(Answer(id=ticket)) is None


@pytest.mark.parametrize("last", [Answer(id=1, error="no"), Answer(id=1, done=True)])
def test_an_error_or_done_is_the_last_answer_of_what_lasts(last: Answer) -> None:
    matcher = IdMatcher[str]()
    ticket = matcher.add("stream", stream=True)
    assert matcher.match(last) == "stream"
    assert not matcher.remove(ticket)


def test_the_nth_answer_answers_the_nth_question() -> None:
    matcher = OrderMatcher[str]()
    matcher.add("first")
    matcher.add("second")
    assert matcher.match(Answer()) == "first"
    assert matcher.match(Answer()) == "second"


def test_a_late_answer_is_counted_off_and_not_handed_to_the_next_question() -> None:
    matcher = OrderMatcher[str]()
    gone = matcher.add("gave up")
    matcher.add("waits")
    matcher.remove(gone)
    assert matcher.match(Answer()) is None
    assert matcher.match(Answer()) == "waits"


def test_an_answer_to_no_question_breaks_the_protocol() -> None:
    matcher = OrderMatcher[str]()
    matcher.add("asker")
    matcher.match(Answer())
    with pytest.raises(WireError):
        matcher.match(Answer())


@pytest.mark.parametrize("kind", [IdMatcher, OrderMatcher])
def test_all_who_still_wait_are_drained_in_order(kind: type[IdMatcher[str]]) -> None:
    matcher = kind()
    tickets = [matcher.add(name) for name in "abc"]
    matcher.remove(tickets[1])
    assert matcher.drain() == ["a", "c"]
    assert matcher.drain() == []


@given(st.lists(st.sampled_from(["ask", "answer", "give up oldest", "give up newest"])))
def test_by_order_never_hands_an_answer_to_another(steps: list[str]) -> None:
    matcher = OrderMatcher[int]()
    asked = answered = 0
    waiting: dict[int, int] = {}
    for step in steps:
        if step == "ask":
            waiting[matcher.add(asked)] = asked
            asked += 1
        elif step == "answer" and answered < asked:
            answered += 1
            assert matcher.match(Answer()) == waiting.pop(answered, None)
        elif step.startswith("give up") and waiting:
            ticket = min(waiting) if step.endswith("oldest") else max(waiting)
            matcher.remove(ticket)
            del waiting[ticket]
    assert matcher.drain() == list(waiting.values())
