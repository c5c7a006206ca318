"""Expensive questions wait for each other, and no other question waits for them."""

import pytest

from core.harness import CoreHarness, FakeClient, FakePeer
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.requests.pacing import EXPENSIVE_SPACING, MAX_WAITING, TOO_MANY


@pytest.fixture
def kyle(harness: CoreHarness) -> FakePeer:
    return harness.peer("kyle")


def ask(harness: CoreHarness, history: float, **fields: float) -> FakeClient:
    client = harness.client()
    client.ask(type=1, history=history, **fields)
    return client


def asked(peer: FakePeer) -> list[float]:
    """How much of its past a peer was asked for, in order."""
    return [query["history"] for query in peer.queries if "history" in query]


def test_different_questions_go_out_one_at_a_time_the_first_at_once(
    harness: CoreHarness, kyle: FakePeer
) -> None:
    for seconds in (1, 2, 3):
        ask(harness, seconds)
    harness.clock.turn()
    assert asked(kyle) == [1]
    harness.clock.advance(1.5 * EXPENSIVE_SPACING)
    assert asked(kyle) == [1, 2]
    harness.clock.advance(EXPENSIVE_SPACING)
    assert asked(kyle) == [1, 2, 3]
    harness.clock.advance(20 * EXPENSIVE_SPACING)
    ask(harness, 500)
    harness.clock.turn()
    assert asked(kyle)[-1] == 500


def test_equal_questions_share_a_broadcast(harness: CoreHarness, kyle: FakePeer) -> None:
    clients = [ask(harness, seconds) for seconds in (1, 2, 2, 2)]
    harness.clock.advance(2 * EXPENSIVE_SPACING)
    for query in kyle.queries:
        kyle.answer(query, history={})
    assert asked(kyle) == [1, 2]
    assert [len(client.answers) for client in clients] == [1, 1, 1, 1]


def ask_many(harness: CoreHarness, number: int, **fields: float) -> FakeClient:
    """One client with so many different questions."""
    client = harness.client(Hello(2))
    for one in range(number):
        client.ask(type=1, id=one, history=100 + one, **fields)
    return client


def test_clients_take_turns(harness: CoreHarness, kyle: FakePeer) -> None:
    ask_many(harness, 20)
    harness.clock.turn()
    ask(harness, 1)
    ask(harness, 2)
    harness.clock.advance(4.5 * EXPENSIVE_SPACING)
    assert asked(kyle) == [100, 101, 1, 2, 102]


def test_who_joins_a_question_of_another_client_waits_for_its_own_turn_only(
    harness: CoreHarness, kyle: FakePeer
) -> None:
    ask_many(harness, 20)
    client = ask(harness, 119)
    harness.clock.advance(2.5 * EXPENSIVE_SPACING)
    assert asked(kyle) == [100, 101, 119]
    for query in kyle.queries:
        kyle.answer(query, history={})
    assert client.nodes["kyle"]["error"] == ""
    harness.clock.advance(20 * EXPENSIVE_SPACING)
    assert asked(kyle).count(119) == 1


def test_a_client_with_many_streams_does_not_delay_the_requests_of_others(
    harness: CoreHarness, kyle: FakePeer
) -> None:
    client = harness.client(Hello(2))
    for one in range(10):
        client.ask(type=1, id=one, history=100 + one, every=0.1)
    harness.clock.turn()
    ask(harness, 1)
    harness.clock.advance(3.5 * EXPENSIVE_SPACING)
    assert asked(kyle).index(1) < 4


def test_a_stream_that_waits_may_end(harness: CoreHarness, kyle: FakePeer) -> None:
    clients = [harness.client(Hello(2)) for _ in range(2)]
    for client in clients:
        for one in range(3):
            client.ask(type=1, id=one, history=100 + one, every=0.1)
    harness.clock.advance(0.11)
    clients[0].session.ended()
    harness.clock.advance(5 * EXPENSIVE_SPACING)
    ask(harness, 1)
    harness.clock.advance(5 * EXPENSIVE_SPACING)
    assert 1 in asked(kyle)


def test_one_client_does_not_take_the_places_of_others(
    harness: CoreHarness, kyle: FakePeer
) -> None:
    greedy = ask_many(harness, MAX_WAITING + 1)
    harness.clock.turn()
    assert greedy.answers == []
    modest = ask(harness, 1)
    harness.clock.turn()
    assert modest.answers == []
    assert [answer["id"] for answer in greedy.answers] == [MAX_WAITING]
    assert greedy.nodes["kyle"]["error"] == TOO_MANY
    harness.clock.advance(3 * EXPENSIVE_SPACING)
    assert 1 in asked(kyle)


def test_of_equal_requests_of_one_client_one_may_expire_before_the_other(
    harness: CoreHarness, kyle: FakePeer
) -> None:
    ask_many(harness, 5, timeout=30)
    client = harness.client(Hello(2))
    client.ask(type=1, id=1, history=3000, timeout=0.05)
    harness.clock.turn()
    for number in range(5):
        ask(harness, number + 1, timeout=30)
    client.ask(type=1, id=2, history=3000, timeout=30)
    harness.clock.advance(15 * EXPENSIVE_SPACING)
    assert asked(kyle).count(3000) == 1
    assert sorted(asked(kyle)) == [1, 2, 3, 4, 5, 100, 101, 102, 103, 104, 3000]


def test_other_questions_do_not_wait_for_them(harness: CoreHarness, kyle: FakePeer) -> None:
    for seconds in range(1, 40):
        ask(harness, seconds)
    client = harness.ask_all()
    kyle.answer()
    assert client.nodes["kyle"]["error"] == ""


def test_a_question_beyond_the_limit_is_answered_without_asking(
    harness: CoreHarness, kyle: FakePeer
) -> None:
    waiting = [ask(harness, 1 + seconds) for seconds in range(MAX_WAITING + 1)]
    harness.clock.turn()
    one_more = ask(harness, 3000)

    assert one_more.nodes["kyle"]["error"] == TOO_MANY
    assert one_more.nodes["own"]["error"] == ""
    assert one_more.nodes["own"]["cpuUsed"] == 5.0
    assert "history" not in one_more.nodes["own"]
    assert not any(client.answers for client in waiting)


def test_a_request_that_expires_before_its_turn_is_answered_by_its_deadline(
    harness: CoreHarness, kyle: FakePeer
) -> None:
    for seconds in range(1, MAX_WAITING):
        ask(harness, seconds, timeout=30)
    client = ask(harness, 3000, timeout=0.1)
    patient = ask(harness, 3000, timeout=30)

    harness.clock.advance(0.1 + EXPENSIVE_SPACING)

    assert client.nodes["kyle"]["error"] == "no answer within 0.1 s"
    assert patient.answers == []
    harness.clock.advance(MAX_WAITING * EXPENSIVE_SPACING)
    assert asked(kyle)[-1] == 3000


def test_after_the_last_waiting_request_has_expired_the_next_goes_out_at_once(
    harness: CoreHarness, kyle: FakePeer
) -> None:
    for seconds in (1, 2, 3):
        ask(harness, seconds)
    client = ask(harness, 4, timeout=0.05)
    harness.clock.advance(5 * EXPENSIVE_SPACING)
    assert client.nodes["kyle"]["error"] == "no answer within 0.05 s"
    ask(harness, 5)
    harness.clock.turn()
    assert asked(kyle) == [1, 2, 3, 5]


def test_a_question_about_this_node_alone_does_not_wait(
    harness: CoreHarness, kyle: FakePeer
) -> None:
    for seconds in range(1, 20):
        ask(harness, seconds)
    client = harness.client()
    client.ask(type=0, history=60)
    assert "history" in client.nodes["own"]


def test_a_stopping_agent_answers_those_that_wait(harness: CoreHarness, kyle: FakePeer) -> None:
    clients = [ask(harness, seconds) for seconds in range(1, 20)]
    harness.node.stop()
    harness.clock.advance(1)
    assert [client.answer["code"] for client in clients] == ["shutting_down"] * 19
