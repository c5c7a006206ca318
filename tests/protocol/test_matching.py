"""Which answer belongs to whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodnod_client.errors import WireError
from nodnod_client.matching import ById, ByOrder
from nodnod_client.messages import Answer


def test_an_id_finds_its_asker_in_any_order() -> None:
    matcher = ById[str]()
    first, second = matcher.expect("first"), matcher.expect("second")
    assert matcher.match(Answer(id=second)) == "second"
    assert matcher.match(Answer(id=first)) == "first"


def test_an_answer_with_an_unknown_id_or_none_is_nobodys() -> None:
    matcher = ById[str]()
    ticket = matcher.expect("asker")
    assert matcher.match(Answer(id=ticket + 1)) is None
    assert matcher.match(Answer(id="1")) is None
    assert matcher.match(Answer()) is None
    assert matcher.drain() == ["asker"]


def test_an_id_is_answered_once() -> None:
    matcher = ById[str]()
    ticket = matcher.expect("asker")
    matcher.match(Answer(id=ticket))
    assert matcher.match(Answer(id=ticket)) is None


def test_what_lasts_is_answered_until_forgotten() -> None:
    matcher = ById[str]()
    ticket = matcher.expect("stream", lasting=True)
    assert [matcher.match(Answer(id=ticket)) for _ in range(3)] == ["stream"] * 3
    assert matcher.forget(ticket)
    assert matcher.match(Answer(id=ticket)) is None


@pytest.mark.parametrize("last", [Answer(id=1, error="no"), Answer(id=1, done=True)])
def test_an_error_or_done_is_the_last_answer_of_what_lasts(last: Answer) -> None:
    matcher = ById[str]()
    ticket = matcher.expect("stream", lasting=True)
    assert matcher.match(last) == "stream"
    assert not matcher.forget(ticket)


def test_the_nth_answer_answers_the_nth_question() -> None:
    matcher = ByOrder[str]()
    matcher.expect("first")
    matcher.expect("second")
    assert matcher.match(Answer()) == "first"
    assert matcher.match(Answer()) == "second"


def test_a_late_answer_is_counted_off_and_not_handed_to_the_next_question() -> None:
    matcher = ByOrder[str]()
    gone = matcher.expect("gave up")
    matcher.expect("waits")
    matcher.forget(gone)
    assert matcher.match(Answer()) is None
    assert matcher.match(Answer()) == "waits"


def test_an_answer_to_no_question_breaks_the_protocol() -> None:
    matcher = ByOrder[str]()
    matcher.expect("asker")
    matcher.match(Answer())
    with pytest.raises(WireError):
        matcher.match(Answer())


@pytest.mark.parametrize("kind", [ById, ByOrder])
def test_all_who_still_wait_are_drained_in_order(kind: type[ById[str]]) -> None:
    matcher = kind()
    tickets = [matcher.expect(name) for name in "abc"]
    matcher.forget(tickets[1])
    assert matcher.drain() == ["a", "c"]
    assert matcher.drain() == []


@given(st.lists(st.sampled_from(["ask", "answer", "give up oldest", "give up newest"])))
def test_by_order_never_hands_an_answer_to_another(steps: list[str]) -> None:
    matcher = ByOrder[int]()
    asked = answered = 0
    waiting: dict[int, int] = {}
    for step in steps:
        if step == "ask":
            waiting[matcher.expect(asked)] = asked
            asked += 1
        elif step == "answer" and answered < asked:
            expected = waiting.pop(answered, None)
            assert matcher.match(Answer()) == expected
            answered += 1
        elif step.startswith("give up") and waiting:
            ticket = min(waiting) if step.endswith("oldest") else max(waiting)
            matcher.forget(ticket)
            del waiting[ticket]
    assert matcher.drain() == list(waiting.values())
