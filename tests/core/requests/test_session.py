"""One client: what it may ask, in which order it is answered, and how much of it is borne."""

from typing import Any

import pytest

from bench.harness.invariants.form import FIELDS
from core.harness import CoreHarness, FakeClient
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.limits import Limits

MAX_IN_FLIGHT = Limits().in_flight


@pytest.fixture
def stage() -> CoreHarness:
    return CoreHarness()


@pytest.fixture
def client(stage: CoreHarness) -> FakeClient:
    return stage.client()


def kinds(client: FakeClient) -> list[tuple[str, ...]]:
    """The fields of the first node of each answer: they tell which question it answers."""
    return [tuple(next(iter(answer["nodes"].values()), ())) for answer in client.answers]


# What a good request gets.


def test_a_version_1_answer_to_the_letter(client: FakeClient) -> None:
    client.ask(type=0, statType=0)
    assert list(client.answer) == ["host", "nodes", "error"]
    assert client.answer["host"] == "own"
    assert list(client.nodes) == ["own"]
    assert tuple(client.nodes["own"]) == FIELDS[0]
    assert (client.nodes["own"]["error"], client.answer["error"]) == ("", "")


@pytest.mark.parametrize(
    "text", [b"{}", b' {"type":null, "statType": null}\n', b'{"colour":"red"}']
)
def test_an_absent_type_means_this_node(client: FakeClient, text: bytes) -> None:
    client.say(text)
    assert list(client.nodes) == ["own"]


@pytest.mark.parametrize("stat_type", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", [0, 1])
def test_granular_stats(stage: CoreHarness, client: FakeClient, kind: int, stat_type: int) -> None:
    client.ask(type=kind, statType=stat_type)
    stage.clock.turn()
    assert tuple(client.nodes["own"]) == FIELDS[stat_type]


@pytest.mark.parametrize(
    "id_", [0, -1, 1, 2**53 - 1, -(2**53) + 1, "", "x", "☃" * 64, '"\\\n', "1"]
)
@pytest.mark.parametrize("kind", [0, 1])
def test_an_id_comes_back_last_and_as_it_was(
    stage: CoreHarness, client: FakeClient, kind: int, id_: object
) -> None:
    client.ask(type=kind, id=id_)
    stage.clock.turn()
    assert list(client.answer) == ["host", "nodes", "error", "id"]
    assert client.answer["id"] == id_
    assert type(client.answer["id"]) is type(id_)


def test_an_id_that_is_null_is_none(client: FakeClient) -> None:
    client.ask(id=None)
    assert "id" not in client.answer


def test_requests_with_one_id_are_answered_each(stage: CoreHarness, client: FakeClient) -> None:
    client.ask(type=1, id=1)
    client.ask(type=0, id=1)
    stage.clock.turn()
    assert [answer["id"] for answer in client.answers] == [1, 1]


# Order.


def test_answers_without_id_come_in_the_order_of_the_requests(
    stage: CoreHarness, client: FakeClient
) -> None:
    peer = stage.peer("kyle")
    for kind, stat_type in [(0, 1), (1, 0), (0, 2), (1, 0), (0, 3), (0, 0)]:
        client.ask(type=kind, statType=stat_type)
    stage.clock.turn()
    assert kinds(client) == [FIELDS[1]]
    peer.answer()
    assert kinds(client) == [FIELDS[n] for n in (1, 0, 2, 0, 3, 0)]
    assert [len(answer["nodes"]) for answer in client.answers] == [1, 2, 1, 2, 1, 1]


def test_a_refusal_without_id_waits_for_its_turn(stage: CoreHarness, client: FakeClient) -> None:
    peer = stage.peer("kyle")
    client.ask(type=1)
    client.say(b"nonsense")
    stage.clock.turn()
    assert client.answers == []
    peer.answer()
    assert [answer.get("code") for answer in client.answers] == [None, "bad_json"]


def test_a_short_deadline_behind_a_long_one_waits_for_its_turn(
    stage: CoreHarness, client: FakeClient
) -> None:
    stage.peer("frozen")
    client.ask(type=1, timeout=1)
    client.ask(type=1, timeout=0.1)
    stage.clock.advance(0.9)
    assert client.answers == []
    stage.clock.advance(0.2)
    silences = [answer["nodes"]["frozen"]["error"] for answer in client.answers]
    assert silences == ["no answer within 1 s", "no answer within 0.1 s"]


def test_answers_with_id_wait_for_nobody(stage: CoreHarness, client: FakeClient) -> None:
    stage.peer("frozen")
    client.ask(type=1)
    client.ask(type=1, id="slow")
    client.ask(type=1, id="hasty", timeout=0.1)
    client.ask(id="at once")
    client.ask(type=99, id="bad")
    stage.clock.advance(3)
    ids = [answer.get("id") for answer in client.answers]
    assert ids[:3] == ["at once", "bad", "hasty"]
    assert sorted(map(str, ids[3:])) == ["None", "slow"]


def test_one_client_waits_for_no_other(stage: CoreHarness, client: FakeClient) -> None:
    stage.peer("frozen")
    client.ask(type=1)
    other = stage.client()
    other.ask()
    assert len(other.answers) == 1


# How much is borne.


def test_so_many_unanswered_requests_are_enough(stage: CoreHarness, client: FakeClient) -> None:
    stage.peer("frozen")
    for number in range(MAX_IN_FLIGHT):
        assert not client.session.full
        client.ask(type=1, id=number)
    assert client.session.full
    stage.clock.advance(2.1)
    assert not client.session.full
    assert len(client.answers) == MAX_IN_FLIGHT


@pytest.mark.parametrize("request_", [{"type": 0}, {"type": 99}, {"type": 1, "timeout": 0.1}])
def test_what_waits_for_its_turn_counts_as_unanswered(
    stage: CoreHarness, client: FakeClient, request_: dict[str, Any]
) -> None:
    stage.peer("frozen")
    client.ask(type=1, timeout=30)
    sent = 1
    while not client.session.full:
        client.ask(**request_) if sent % 9 else client.ask()
        stage.clock.advance(0.02)
        sent += 1
        assert sent <= MAX_IN_FLIGHT
    stage.clock.advance(31)
    assert len(client.answers) == sent
    assert not client.session.full
    assert not client.session.in_flight


def test_requests_that_are_answered_at_once_never_fill_it(client: FakeClient) -> None:
    for number in range(10 * MAX_IN_FLIGHT):
        client.ask(type=0, id=number)
        client.ask(type=0)
    assert not client.session.full


# The end.


def test_a_client_that_is_gone_is_sent_nothing(stage: CoreHarness, client: FakeClient) -> None:
    peer = stage.peer("kyle")
    client.ask(type=1)
    client.ask(type=1, id=1)
    stage.clock.turn()
    client.session.ended()
    peer.answer()
    stage.clock.advance(3)
    assert client.answers == []
    assert client.session not in stage.cluster.sessions


def test_what_is_unanswered_when_the_agent_stops_is_told_so_before_the_goodbye(
    stage: CoreHarness, client: FakeClient
) -> None:
    stage.peer("frozen")
    client.ask(type=1)
    client.ask(type=0, statType=1)
    client.ask(type=1, id="mine")
    stage.clock.turn()
    stage.cluster.stop()
    answers = sorted(client.answers, key=lambda answer: "id" in answer)
    assert [answer.get("code") for answer in answers] == ["shutting_down", None, "shutting_down"]
    assert answers[2]["id"] == "mine"
    assert client.wire.closed is not None
    assert client.wire.closed[0] == 1001


def test_nobody_is_answered_twice_when_the_agent_stops(
    stage: CoreHarness, client: FakeClient
) -> None:
    peer = stage.peer("kyle")
    client.ask(type=1, id=1)
    stage.clock.turn()
    stage.cluster.stop()
    peer.answer()
    stage.clock.advance(5)
    assert len(client.answers) == 1


def test_a_peer_that_dialled_us_is_answered_like_any_client(stage: CoreHarness) -> None:
    peer = stage.client(Hello(2, "kyle", "instance of kyle", "10.0.0.2:7070"))
    peer.ask(type=0, id=3)
    assert list(peer.answer) == ["host", "nodes", "error", "id"]
