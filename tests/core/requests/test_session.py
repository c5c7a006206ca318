"""One client: what it may ask, the order of its answers, and its limits."""

from typing import Any

import pytest

from bench.harness.invariants.form import FIELDS
from core.harness import CoreHarness, FakeClient
from nodnod_agent.core.limits import Limits

MAX_IN_FLIGHT = Limits().in_flight


@pytest.fixture
def client(harness: CoreHarness) -> FakeClient:
    return harness.client()


# What a valid request gets.


@pytest.mark.parametrize("stat_type", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", [0, 1])
def test_an_answer_has_the_fields_of_version_1_in_their_order(
    harness: CoreHarness, client: FakeClient, kind: int, stat_type: int
) -> None:
    client.ask(type=kind, statType=stat_type)
    harness.clock.turn()
    assert list(client.answer) == ["host", "nodes", "error"]
    assert client.answer["host"] == "own"
    assert list(client.nodes) == ["own"]
    assert tuple(client.nodes["own"]) == FIELDS[stat_type]
    assert (client.nodes["own"]["error"], client.answer["error"]) == ("", "")


@pytest.mark.parametrize(
    "text", [b"{}", b' {"type":null, "statType": null}\n', b'{"colour":"red"}']
)
def test_an_absent_type_means_this_node(client: FakeClient, text: bytes) -> None:
    client.say(text)
    assert tuple(client.nodes["own"]) == FIELDS[0]


@pytest.mark.parametrize(
    "id_", [0, -1, 1, 2**53 - 1, -(2**53) + 1, "", "x", "☃" * 64, '"\\\n', "1"]
)
@pytest.mark.parametrize("kind", [0, 1])
def test_an_id_comes_back_last_and_unchanged(
    harness: CoreHarness, client: FakeClient, kind: int, id_: object
) -> None:
    client.ask(type=kind, id=id_)
    harness.clock.turn()
    assert list(client.answer) == ["host", "nodes", "error", "id"]
    assert client.answer["id"] == id_
    assert type(client.answer["id"]) is type(id_)


def test_an_id_of_null_counts_as_absent(client: FakeClient) -> None:
    client.ask(id=None)
    assert "id" not in client.answer


def test_requests_with_the_same_id_are_all_answered(
    harness: CoreHarness, client: FakeClient
) -> None:
    client.ask(type=1, id=1)
    client.ask(type=0, id=1)
    harness.clock.turn()
    assert [answer["id"] for answer in client.answers] == [1, 1]


# Order.


def test_answers_without_id_come_in_the_order_of_the_requests(
    harness: CoreHarness, client: FakeClient
) -> None:
    peer = harness.peer("kyle")
    for kind, stat_type in [(0, 1), (1, 0), (0, 2), (1, 0), (0, 3), (0, 0)]:
        client.ask(type=kind, statType=stat_type)
    client.say(b"nonsense")
    harness.clock.turn()
    assert len(client.answers) == 1
    peer.answer()
    found = [tuple(next(iter(answer["nodes"].values()), ())) for answer in client.answers]
    assert found == [*(FIELDS[n] for n in (1, 0, 2, 0, 3, 0)), ()]
    assert [len(answer["nodes"]) for answer in client.answers] == [1, 2, 1, 2, 1, 1, 0]
    assert client.answers[-1]["code"] == "bad_json"


def test_a_short_deadline_behind_a_long_one_waits_for_its_turn(
    harness: CoreHarness, client: FakeClient
) -> None:
    harness.peer("frozen")
    client.ask(type=1, timeout=1)
    client.ask(type=1, timeout=0.1)
    harness.clock.advance(0.9)
    assert client.answers == []
    harness.clock.advance(0.2)
    errors = [answer["nodes"]["frozen"]["error"] for answer in client.answers]
    assert errors == ["no answer within 1 s", "no answer within 0.1 s"]


def test_the_last_answer_that_a_client_waits_for_is_sent_at_once_the_others_are_joined(
    harness: CoreHarness, client: FakeClient
) -> None:
    peer = harness.peer("kyle")
    for number in range(3):
        client.ask(type=1, id=number)
    client.ask(type=1)
    harness.clock.turn()
    peer.answer()
    harness.clock.turn()
    assert len(client.wire.sent) == 4
    assert client.wire.sent_now == client.wire.sent[3:]


def test_answers_with_id_wait_for_no_others(harness: CoreHarness, client: FakeClient) -> None:
    harness.peer("frozen")
    client.ask(type=1)
    client.ask(type=1, id="slow")
    client.ask(type=1, id="hasty", timeout=0.1)
    client.ask(id="at once")
    client.ask(type=99, id="bad")
    harness.clock.advance(3)
    ids = [answer.get("id") for answer in client.answers]
    assert ids[:3] == ["at once", "bad", "hasty"]
    assert sorted(map(str, ids[3:])) == ["None", "slow"]


# Clients that send no more.


def test_after_the_end_of_its_input_a_client_is_owed_what_it_has_asked(
    harness: CoreHarness, client: FakeClient
) -> None:
    peer = harness.peer("kyle")
    client.ask(type=1)
    client.ask(type=1, id=1)
    assert client.session.input_ended()

    harness.clock.turn()
    peer.answer()
    harness.clock.turn()

    assert len(client.answers) == 2
    assert not client.session.input_ended()


def test_after_the_end_of_its_input_a_client_gets_no_more_ticks(
    harness: CoreHarness, client: FakeClient
) -> None:
    client.ask(type=0, every=1, id="s")
    harness.clock.turn()
    assert len(client.answers) == 1

    assert not client.session.input_ended()
    harness.clock.advance(5)

    assert len(client.answers) == 1


# Limits.


def test_a_session_is_full_with_so_many_unanswered_requests(
    harness: CoreHarness, client: FakeClient
) -> None:
    harness.peer("frozen")
    for number in range(MAX_IN_FLIGHT):
        assert not client.session.full
        client.ask(type=1, id=number)
    assert client.session.full
    harness.clock.advance(2.1)
    assert not client.session.full
    assert len(client.answers) == MAX_IN_FLIGHT


@pytest.mark.parametrize("request_", [{"type": 0}, {"type": 99}, {"type": 1, "timeout": 0.1}])
def test_an_answer_that_waits_for_its_turn_counts_as_unanswered(
    harness: CoreHarness, client: FakeClient, request_: dict[str, Any]
) -> None:
    harness.peer("frozen")
    client.ask(type=1, timeout=30)
    sent = 1
    while not client.session.full:
        client.ask(**request_) if sent % 9 else client.ask()
        harness.clock.advance(0.02)
        sent += 1
        assert sent <= MAX_IN_FLIGHT
    harness.clock.advance(31)
    assert len(client.answers) == sent
    assert not client.session.full
    assert not client.session.in_flight


def test_requests_that_are_answered_at_once_never_fill_a_session(client: FakeClient) -> None:
    for number in range(10 * MAX_IN_FLIGHT):
        client.ask(type=0, id=number)
        client.ask(type=0)
    assert not client.session.full


# The end.


def test_nothing_is_sent_to_a_client_that_is_gone(harness: CoreHarness, client: FakeClient) -> None:
    peer = harness.peer("kyle")
    client.ask(type=1)
    client.ask(type=1, id=1)
    harness.clock.turn()
    client.session.ended()
    peer.answer()
    harness.clock.advance(3)
    assert client.answers == []
    assert client.session not in harness.node.sessions


def test_a_stopping_agent_answers_what_is_in_flight_once_before_it_closes(
    harness: CoreHarness, client: FakeClient
) -> None:
    peer = harness.peer("frozen")
    client.ask(type=1)
    client.ask(type=0, statType=1)
    client.ask(type=1, id="mine")
    harness.clock.turn()
    harness.node.stop()
    assert client.wire.closed == (1001, "shutting down")
    peer.answer()
    harness.clock.advance(5)
    answers = sorted(client.answers, key=lambda answer: "id" in answer)
    assert [answer.get("code") for answer in answers] == ["shutting_down", None, "shutting_down"]
    assert answers[2]["id"] == "mine"
