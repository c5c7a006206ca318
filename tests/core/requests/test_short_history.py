"""A peer of an older version, which refuses to answer more than an hour of history."""

from typing import Any

import pytest

from core.harness import CoreHarness, FakeClient, FakePeer
from nodnod_client.messages import MAX_HISTORY

PAST = {"every": 1.0, "end": 1.0, "cpuUsed": [5.0]}
REFUSAL = "`history` must be seconds, above 0 and at most 3600, got 604800.0"


@pytest.fixture
def kyle(harness: CoreHarness) -> FakePeer:
    return harness.peer("kyle")


def refuse(peer: FakePeer, query: dict[str, Any] | None = None, why: str = REFUSAL) -> None:
    peer.answer_nodes({}, query, error=why, code="bad_request")


def ask(harness: CoreHarness, seconds: float = MAX_HISTORY, **fields: Any) -> FakeClient:
    client = harness.ask_all(history=seconds, **fields)
    harness.clock.advance(0.1)
    return client


def asked(peer: FakePeer) -> list[float]:
    return [query["history"] for query in peer.queries if "history" in query]


def test_it_is_asked_again_for_an_hour(harness: CoreHarness, kyle: FakePeer) -> None:
    stan = harness.peer("stan")
    client = ask(harness, detail=["load"], nodes=["kyle", "stan"])
    stan.answer(history=PAST)
    refuse(kyle)
    assert asked(kyle) == [MAX_HISTORY, 3600]
    assert kyle.queries[-1]["detail"] == ["load"]
    assert client.answers == []
    kyle.answer(history=PAST)
    assert client.errors == {"kyle": "", "stan": ""}
    assert client.nodes["kyle"]["history"] == PAST
    assert asked(stan) == [MAX_HISTORY]


def test_from_then_on_it_is_asked_for_no_more(harness: CoreHarness, kyle: FakePeer) -> None:
    ask(harness)
    refuse(kyle)
    kyle.answer(history=PAST)
    for seconds in (86_400, 7200, 60):
        client = ask(harness, seconds)
        kyle.answer(history=PAST)
        assert client.errors["kyle"] == ""
    assert asked(kyle) == [MAX_HISTORY, 3600, 3600, 3600, 60]


def test_questions_that_it_refuses_at_the_same_time_are_asked_again_too(
    harness: CoreHarness, kyle: FakePeer
) -> None:
    clients = [ask(harness, seconds) for seconds in (86_400, 90_000)]
    first, second = kyle.queries[-2:]
    refuse(kyle, first)
    refuse(kyle, second)
    for query in kyle.queries[-2:]:
        kyle.answer(query, history=PAST)
    assert [client.errors["kyle"] for client in clients] == ["", ""]


def test_what_it_refuses_twice_is_its_error(harness: CoreHarness, kyle: FakePeer) -> None:
    client = ask(harness)
    refuse(kyle)
    refuse(kyle, why="no")
    assert client.errors == {"kyle": "no", "own": ""}
    assert len(asked(kyle)) == 2


def test_a_refusal_of_an_hour_is_its_error_at_once(harness: CoreHarness, kyle: FakePeer) -> None:
    client = ask(harness, 3600)
    refuse(kyle, why="no")
    assert client.errors == {"kyle": "no", "own": ""}


def test_one_that_is_silent_after_its_refusal_costs_no_more_than_the_deadline(
    harness: CoreHarness, kyle: FakePeer
) -> None:
    client = ask(harness)
    refuse(kyle)
    harness.clock.advance(2)
    assert client.errors == {"kyle": "no answer within 2 s", "own": ""}


def test_it_is_asked_for_all_again_on_a_new_connection(
    harness: CoreHarness, kyle: FakePeer
) -> None:
    ask(harness)
    refuse(kyle)
    kyle.answer(history=PAST)
    kyle.hang_up()
    harness.await_dial(kyle.address)
    kyle = harness.welcome("kyle", kyle.address)
    client = ask(harness)
    kyle.answer(history=PAST)
    assert client.errors["kyle"] == ""
    assert asked(kyle) == [MAX_HISTORY]
