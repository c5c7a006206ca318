"""Answers of peers: late, wrong and misplaced ones, and nodes that change during a broadcast."""

from collections.abc import Callable

import pytest

from bench.harness.invariants.form import FIELDS
from core.harness import CoreHarness, FakePeer
from nodnod_agent.core.interfaces import Hello

# Answers that no request waits for.


def test_a_late_answer_is_not_taken_for_one_to_the_next_query(harness: CoreHarness) -> None:
    peer = harness.peer("kyle")
    late = harness.ask_all(timeout=0.1)
    harness.clock.advance(0.2)
    client = harness.ask_all()
    peer.answer(peer.queries[0], memoryUsed=1)
    assert (len(late.answers), client.answers) == (1, [])
    peer.answer(peer.queries[1], memoryUsed=2)
    assert client.nodes["kyle"]["memoryUsed"] == 2


def test_a_second_answer_to_one_query_changes_nothing(harness: CoreHarness) -> None:
    peer, slow = harness.peer("kyle"), harness.peer("stan")
    client = harness.ask_all()
    peer.answer(memoryUsed=1)
    peer.answer(memoryUsed=2)
    slow.answer()
    assert client.nodes["kyle"]["memoryUsed"] == 1


@pytest.mark.parametrize("query", [0, 5, -7, 10**15, "1", 1.5, None, "x" * 1000])
def test_an_answer_with_an_id_that_was_never_sent_changes_nothing(
    harness: CoreHarness, query: object
) -> None:
    peer, slow = harness.peer("kyle"), harness.peer("stan")
    client = harness.ask_all()
    peer.answer({"id": query}, memoryUsed=1)
    slow.answer()
    harness.clock.advance(3)
    assert client.errors["stan"] == ""
    assert client.nodes["kyle"]["memoryUsed"] == 0
    assert client.errors["kyle"] != ""


def test_crossed_answers_find_their_own_queries(harness: CoreHarness) -> None:
    peer = harness.peer("kyle")
    cpu, memory = harness.ask_all(statType=1), harness.ask_all(statType=2)
    first, second = peer.queries
    full = peer.node(memoryUsed=2, cpuUsed=1)
    peer.answer_nodes({"kyle": {field: full[field] for field in FIELDS[2]}}, second)
    peer.answer_nodes({"kyle": {field: full[field] for field in FIELDS[1]}}, first)
    assert cpu.nodes["kyle"]["cpuUsed"] == 1
    assert memory.nodes["kyle"]["memoryUsed"] == 2


def test_a_peer_cannot_answer_for_another(harness: CoreHarness) -> None:
    kyle, stan = harness.peer("kyle"), harness.peer("stan")
    client = harness.ask_all()
    kyle.answer_nodes({"stan": stan.node(memoryUsed=1)})
    stan.answer(memoryUsed=2)
    assert client.nodes["stan"]["memoryUsed"] == 2
    assert client.errors["kyle"] == "bad answer: it is about node 'stan'"


# Messages that are no valid answer.

BAD_ANSWERS: dict[str, Callable[[FakePeer], None]] = {
    "garbage": lambda peer: peer.say(b"\x00garbage"),
    "nothing": lambda peer: peer.say(b""),
    "a list": lambda peer: peer.say(b"[]"),
    "deep nesting": lambda peer: peer.say(b"[" * 100_000),
    "NaN": lambda peer: peer.answer(cpuUsed=float("nan")),
    "two nodes": lambda peer: peer.answer_nodes({"bad": peer.node(), "own": peer.node(name="own")}),
    "no nodes": lambda peer: peer.answer_nodes({}),
    "nodes that are a list": lambda peer: peer.answer_nodes([peer.node()]),
    "a huge object": lambda peer: peer.answer(more="x" * 100_000),
    "a refusal": lambda peer: peer.answer_nodes({}, error="go away", code="forbidden"),
}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
def test_a_bad_answer_is_an_error_of_its_sender_alone_until_the_next_good_one(
    harness: CoreHarness, answer: Callable[[FakePeer], None], version: int
) -> None:
    bad, good = harness.peer("bad", version=version), harness.peer("stan")
    client = harness.ask_all()
    answer(bad)
    good.answer(memoryUsed=2)
    assert list(client.nodes) == ["bad", "own", "stan"]
    node = client.nodes["bad"]
    assert node.pop("name") == "bad"
    assert node.pop("error")
    assert set(node.values()) == {0}
    assert client.nodes["stan"]["memoryUsed"] == 2
    assert client.errors["own"] == ""

    client = harness.ask_all(nodes=["bad"])
    bad.answer(memoryUsed=5)
    assert client.nodes["bad"]["memoryUsed"] == 5


# Peers of version 1.


def test_a_version_1_peer_is_asked_with_a_version_1_request(harness: CoreHarness) -> None:
    peer = harness.peer("kyle", version=1)
    harness.ask_all(statType=2)
    assert peer.queries == [{"type": 0, "statType": 0}] * 2


def test_answers_of_a_version_1_peer_are_matched_by_order_whatever_their_ids(
    harness: CoreHarness,
) -> None:
    peer = harness.peer("kyle", version=1)
    first, second = harness.ask_all(), harness.ask_all(statType=1)
    peer.answer_nodes({"kyle": peer.node(cpuUsed=1)}, id=2)
    peer.answer_nodes({"kyle": peer.node(cpuUsed=2)}, id=1)
    assert first.nodes["kyle"]["cpuUsed"] == 1
    assert second.nodes["kyle"] == {"name": "kyle", "cpuUsed": 2, "error": ""}


def test_the_queries_to_a_silent_version_1_peer_are_bounded(harness: CoreHarness) -> None:
    peer = harness.peer("kyle", version=1)
    for number in range(1100):
        harness.ask_all(nodes=["kyle", f"{number}"])
    assert len(peer.queries) <= 1025
    assert harness.ask_all().errors["kyle"] == "too many questions that it has not answered"


@pytest.mark.parametrize("first", [b"garbage", b'{"host":"kyle","nodes":{},"error":"not yet"}'])
def test_a_version_1_peer_whose_first_answer_is_bad_is_named_by_a_later_one(
    harness: CoreHarness, first: bytes
) -> None:
    attempt = harness.attempt(harness.configure())
    peer = FakePeer("kyle", attempt, Hello(version=1))
    peer.say(first)
    client = harness.ask_all()
    peer.answer(memoryUsed=3)
    assert client.nodes["kyle"]["memoryUsed"] == 3


# Nodes that change while a broadcast is under way.


def test_a_name_learned_during_a_broadcast_is_the_name_in_its_answer(harness: CoreHarness) -> None:
    attempt = harness.attempt(harness.configure())
    peer = FakePeer("kyle", attempt, Hello(version=1))
    client = harness.ask_all()
    peer.answer()
    peer.answer(memoryUsed=2)
    assert client.nodes["kyle"]["memoryUsed"] == 2
    assert list(client.nodes) == ["kyle", "own"]


def test_a_node_that_moves_during_a_broadcast_is_listed_once(harness: CoreHarness) -> None:
    slow = harness.peer("stan")
    harness.peer("kyle").hang_up("closed")
    elsewhere = harness.configure()
    client = harness.ask_all()
    harness.welcome("kyle", harness.attempt(elsewhere), instance="another")
    slow.answer()
    assert list(client.nodes) == ["kyle", "own", "stan"]
    assert client.nodes["kyle"]["name"] == "kyle"
    assert client.errors["kyle"] != ""


def test_an_address_found_to_be_this_node_during_a_broadcast_is_not_listed(
    harness: CoreHarness,
) -> None:
    slow = harness.peer("stan")
    own = harness.configure()
    client = harness.ask_all()
    harness.welcome("own", harness.attempt(own), instance="own instance")
    slow.answer()
    assert list(client.nodes) == ["own", "stan"]


def test_a_node_that_restarts_under_another_name_has_that_name_in_the_answer(
    harness: CoreHarness,
) -> None:
    slow, kyle = harness.peer("stan"), harness.peer("kyle")
    client = harness.ask_all()
    kyle.hang_up("closed")
    harness.clock.advance(0.3)
    harness.welcome("butters", harness.attempt(kyle.address))
    slow.answer()
    assert list(client.nodes) == ["butters", "own", "stan"]
    assert client.nodes["butters"]["name"] == "butters"
    assert client.errors["butters"] == "down: closed"


def test_a_node_that_gets_its_name_during_a_broadcast_is_listed_once(harness: CoreHarness) -> None:
    slow = harness.peer("stan")
    address = harness.configure()
    client = harness.ask_all(nodes=["stan", "kyle", str(address)])
    harness.welcome("kyle", harness.attempt(address))
    slow.answer()
    assert sorted(client.nodes) == ["kyle", "stan"]
