"""Costly questions wait for each other, and for nobody else."""

import pytest

from core.harness import CoreHarness, FakeClient, FakePeer
from nodnod_agent.core.requests.pacing import MAX_WAITING, SPACING, TOO_MANY


@pytest.fixture
def stage() -> CoreHarness:
    return CoreHarness()


@pytest.fixture
def kyle(stage: CoreHarness) -> FakePeer:
    return stage.peer("kyle")


def ask(stage: CoreHarness, history: float, **fields: float) -> FakeClient:
    client = stage.client()
    client.ask(type=1, history=history, **fields)
    return client


def asked(peer: FakePeer) -> list[float]:
    """How much of its past a peer was asked for, in order."""
    return [query["history"] for query in peer.queries if "history" in query]


def test_one_that_comes_alone_goes_out_at_once(stage: CoreHarness, kyle: FakePeer) -> None:
    ask(stage, 60)
    stage.clock.turn()
    assert asked(kyle) == [60]


def test_different_ones_go_out_one_after_the_other(stage: CoreHarness, kyle: FakePeer) -> None:
    for seconds in (1, 2, 3):
        ask(stage, seconds)
    stage.clock.turn()
    assert asked(kyle) == [1]
    stage.clock.advance(1.5 * SPACING)
    assert asked(kyle) == [1, 2]
    stage.clock.advance(SPACING)
    assert asked(kyle) == [1, 2, 3]


def test_equal_ones_are_one(stage: CoreHarness, kyle: FakePeer) -> None:
    clients = [ask(stage, seconds) for seconds in (1, 2, 2, 2)]
    stage.clock.advance(2 * SPACING)
    for query in kyle.queries:
        kyle.answer(query, history={})
    assert asked(kyle) == [1, 2]
    assert [len(client.answers) for client in clients] == [1, 1, 1, 1]


def test_others_do_not_wait_for_them(stage: CoreHarness, kyle: FakePeer) -> None:
    for seconds in range(1, 40):
        ask(stage, seconds)
    client = stage.ask_all()
    kyle.answer()
    assert client.nodes["kyle"]["error"] == ""


def test_one_that_would_wait_too_long_is_answered_with_what_is_at_hand(
    stage: CoreHarness, kyle: FakePeer
) -> None:
    waiting = [ask(stage, 1 + seconds) for seconds in range(MAX_WAITING + 1)]
    stage.clock.turn()
    one_more = ask(stage, 3000)

    assert one_more.nodes["kyle"]["error"] == TOO_MANY
    assert one_more.nodes["own"]["error"] == ""
    assert one_more.nodes["own"]["cpuUsed"] == 5.0
    assert "history" not in one_more.nodes["own"]
    assert not any(client.answers for client in waiting)


def test_one_whose_deadline_comes_before_its_turn_is_answered_by_then(
    stage: CoreHarness, kyle: FakePeer
) -> None:
    for seconds in range(1, MAX_WAITING):
        ask(stage, seconds, timeout=30)
    client = ask(stage, 3000, timeout=0.1)
    patient = ask(stage, 3000, timeout=30)

    stage.clock.advance(0.1 + SPACING)

    assert client.nodes["kyle"]["error"] == "no answer within 0.1 s"
    assert patient.answers == []
    stage.clock.advance(MAX_WAITING * SPACING)
    assert asked(kyle)[-1] == 3000


def test_once_they_are_few_again_they_go_out_at_once_again(
    stage: CoreHarness, kyle: FakePeer
) -> None:
    for seconds in range(1, 10):
        ask(stage, seconds)
    stage.clock.advance(20 * SPACING)
    ask(stage, 500)
    stage.clock.turn()
    assert asked(kyle)[-1] == 500


def test_the_own_past_alone_waits_for_nobody(stage: CoreHarness, kyle: FakePeer) -> None:
    for seconds in range(1, 20):
        ask(stage, seconds)
    client = stage.client()
    client.ask(type=0, history=60)
    assert "history" in client.nodes["own"]


def test_who_waits_when_the_agent_stops_is_told(stage: CoreHarness, kyle: FakePeer) -> None:
    clients = [ask(stage, seconds) for seconds in range(1, 20)]
    stage.cluster.stop()
    stage.clock.advance(1)
    assert [client.answer["code"] for client in clients] == ["shutting_down"] * 19
