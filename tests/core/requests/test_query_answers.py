"""What peers answer: whose it is, whom it spoils, and who turns out to be who meanwhile."""

import json
from collections.abc import Callable

import pytest

from bench.harness.invariants.form import FIELDS
from core.harness import CoreHarness, FakeClient, FakePeer
from nodnod_agent.core.interfaces import Hello


@pytest.fixture
def stage() -> CoreHarness:
    return CoreHarness()


def errors(client: FakeClient) -> dict[str, str]:
    return {name: node["error"] for name, node in client.nodes.items()}


# Answers that nobody waits for.


def test_a_late_answer_changes_nothing(stage: CoreHarness) -> None:
    peer = stage.peer("kyle")
    client = stage.ask_all(timeout=0.1)
    stage.clock.advance(0.2)
    peer.answer(memoryUsed=1)
    assert len(client.answers) == 1
    again = stage.ask_all()
    assert again.answers == []
    peer.answer(memoryUsed=2)
    assert again.nodes["kyle"]["memoryUsed"] == 2


def test_an_answer_to_an_older_query_is_not_taken_for_one_to_the_next(stage: CoreHarness) -> None:
    peer = stage.peer("kyle")
    stage.ask_all(timeout=0.1)
    stage.clock.advance(0.2)
    client = stage.ask_all()
    peer.answer(peer.queries[0], memoryUsed=1)
    assert client.answers == []
    peer.answer(peer.queries[1], memoryUsed=2)
    assert client.nodes["kyle"]["memoryUsed"] == 2


def test_a_second_answer_to_one_query_changes_nothing(stage: CoreHarness) -> None:
    peer, slow = stage.peer("kyle"), stage.peer("stan")
    client = stage.ask_all()
    peer.answer(memoryUsed=1)
    peer.answer(memoryUsed=2)
    slow.answer()
    assert client.nodes["kyle"]["memoryUsed"] == 1


@pytest.mark.parametrize("query", [0, 5, -7, 10**15, "1", 1.5, None, "x" * 1000])
def test_an_answer_with_an_id_that_was_never_sent_changes_nothing(
    stage: CoreHarness, query: object
) -> None:
    peer, slow = stage.peer("kyle"), stage.peer("stan")
    client = stage.ask_all()
    peer.answer({"id": query}, memoryUsed=1)
    slow.answer()
    stage.clock.advance(3)
    assert errors(client)["stan"] == ""
    assert client.nodes["kyle"]["memoryUsed"] == 0
    assert errors(client)["kyle"] != ""


def test_crossed_answers_find_their_own_queries(stage: CoreHarness) -> None:
    peer = stage.peer("kyle")
    cpu, memory = stage.ask_all(statType=1), stage.ask_all(statType=2)
    first, second = peer.queries
    full = peer.node(memoryUsed=2, cpuUsed=1)
    peer.answer_nodes({"kyle": {field: full[field] for field in FIELDS[2]}}, second)
    peer.answer_nodes({"kyle": {field: full[field] for field in FIELDS[1]}}, first)
    assert cpu.nodes["kyle"]["cpuUsed"] == 1
    assert memory.nodes["kyle"]["memoryUsed"] == 2


def test_one_peer_cannot_answer_for_another(stage: CoreHarness) -> None:
    kyle, stan = stage.peer("kyle"), stage.peer("stan")
    client = stage.ask_all()
    kyle.answer_nodes({"stan": stan.node(memoryUsed=1)})
    stan.answer(memoryUsed=2)
    assert client.nodes["stan"]["memoryUsed"] == 2
    assert errors(client)["kyle"] == "bad answer: it speaks for node 'stan'"


def test_answers_of_a_connection_that_has_ended_are_not_awaited_on_the_next(
    stage: CoreHarness,
) -> None:
    peer = stage.peer("kyle")
    client = stage.ask_all()
    peer.hang_up()
    stage.clock.advance(0.3)
    peer = stage.welcome("kyle", stage.attempt(peer.address))
    peer.answer({"id": 1}, memoryUsed=1)
    assert len(client.answers) == 1


# A peer that says what is no answer.

SPOILERS: dict[str, Callable[[FakePeer], None]] = {
    "garbage": lambda peer: peer.say(b"\x00garbage"),
    "nothing": lambda peer: peer.say(b""),
    "a list": lambda peer: peer.say(b"[]"),
    "deep nesting": lambda peer: peer.say(b"[" * 100_000),
    "NaN": lambda peer: peer.answer(cpuUsed=float("nan")),
    "infinity": lambda peer: peer.answer(cpuUsed=float("inf")),
    "negative numbers": lambda peer: peer.answer(diskUsed=-1),
    "two nodes": lambda peer: peer.answer_nodes({"bad": peer.node(), "own": peer.node(name="own")}),
    "no nodes": lambda peer: peer.answer_nodes({}),
    "nodes that are a list": lambda peer: peer.answer_nodes([peer.node()]),
    "a missing field": lambda peer: peer.answer_nodes({"bad": {"name": "bad", "error": ""}}),
    "another name": lambda peer: peer.answer(name="stan"),
    "our name": lambda peer: peer.answer_nodes({"own": peer.node(name="own")}),
    "a huge object": lambda peer: peer.answer(more="x" * 100_000),
    "a refusal": lambda peer: peer.answer_nodes({}, error="go away", code="forbidden"),
    "numbers too large": lambda peer: peer.say(huge_numbers(peer)),
}


def huge_numbers(peer: FakePeer) -> bytes:
    answer = {"nodes": {"bad": peer.node(cpuUsed=0)}, "id": peer.queries[-1].get("id")}
    return json.dumps(answer).replace('"cpuUsed": 0', '"cpuUsed": 1e999').encode()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("spoil", SPOILERS.values(), ids=SPOILERS.keys())
def test_a_bad_answer_spoils_the_entry_of_the_peer_that_gave_it_and_no_other(
    stage: CoreHarness, spoil: Callable[[FakePeer], None], version: int
) -> None:
    bad, good = stage.peer("bad", version=version), stage.peer("stan")
    client = stage.ask_all()
    spoil(bad)
    good.answer(memoryUsed=2)
    assert list(client.nodes) == ["bad", "own", "stan"]
    entry = client.nodes["bad"]
    assert entry.pop("name") == "bad"
    assert entry.pop("error")
    assert set(entry.values()) == {0}
    assert client.nodes["stan"]["memoryUsed"] == 2
    assert errors(client)["own"] == ""


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("spoil", SPOILERS.values(), ids=SPOILERS.keys())
def test_after_a_bad_answer_the_next_good_one_counts_again(
    stage: CoreHarness, spoil: Callable[[FakePeer], None], version: int
) -> None:
    bad = stage.peer("bad", version=version)
    stage.ask_all()
    spoil(bad)
    client = stage.ask_all()
    bad.answer(memoryUsed=5)
    assert client.nodes["bad"]["memoryUsed"] == 5


# Peers of version 1.


def test_a_version_1_peer_is_asked_in_its_own_words(stage: CoreHarness) -> None:
    peer = stage.peer("kyle", version=1)
    stage.ask_all(statType=2)
    assert peer.queries == [{"type": 0, "statType": 0}] * 2


def test_a_version_1_peer_is_matched_by_order(stage: CoreHarness) -> None:
    peer = stage.peer("kyle", version=1)
    first, second = stage.ask_all(), stage.ask_all(statType=1)
    peer.answer(cpuUsed=1)
    peer.answer(cpuUsed=2)
    assert first.nodes["kyle"]["cpuUsed"] == 1
    assert second.nodes["kyle"] == {"name": "kyle", "cpuUsed": 2, "error": ""}


def test_late_answers_of_a_version_1_peer_are_counted_off(stage: CoreHarness) -> None:
    peer = stage.peer("kyle", version=1)
    late = [stage.ask_all(timeout=0.1) for _ in range(3)]
    stage.clock.advance(0.3)
    asked = len(peer.queries)
    client = stage.ask_all()
    for number in range(1, asked):
        peer.answer(memoryUsed=number)
        assert client.answers == []
    peer.answer(memoryUsed=asked)
    assert client.nodes["kyle"]["memoryUsed"] == asked
    assert all(len(one.answers) == 1 for one in late)


def test_a_bad_answer_of_a_version_1_peer_counts_as_one(stage: CoreHarness) -> None:
    peer = stage.peer("kyle", version=1)
    first, second = stage.ask_all(), stage.ask_all(statType=1)
    peer.say(b"garbage")
    peer.answer(cpuUsed=2)
    assert errors(first)["kyle"].startswith("bad answer")
    assert second.nodes["kyle"]["cpuUsed"] == 2


def test_what_a_version_1_peer_says_unasked_is_not_taken_for_an_answer(stage: CoreHarness) -> None:
    peer = stage.peer("kyle", version=1)
    peer.answer(memoryUsed=1)
    client = stage.ask_all()
    peer.answer(memoryUsed=2)
    assert client.nodes["kyle"]["memoryUsed"] == 2


def test_an_id_in_an_answer_of_a_version_1_peer_means_nothing(stage: CoreHarness) -> None:
    peer = stage.peer("kyle", version=1)
    first, second = stage.ask_all(), stage.ask_all(statType=1)
    peer.answer_nodes({"kyle": peer.node(cpuUsed=1)}, id=2)
    peer.answer_nodes({"kyle": peer.node(cpuUsed=2)}, id=1)
    assert first.nodes["kyle"]["cpuUsed"] == 1
    assert second.nodes["kyle"]["cpuUsed"] == 2


def test_a_version_1_peer_that_answers_nothing_is_not_asked_without_end(stage: CoreHarness) -> None:
    peer = stage.peer("kyle", version=1)
    for number in range(1100):
        stage.ask_all(nodes=["kyle", f"{number}"])
    assert len(peer.queries) <= 1025
    assert errors(stage.ask_all())["kyle"] == "too many questions that it has not answered"


@pytest.mark.parametrize("first", [b"garbage", b'{"host":"kyle","nodes":{},"error":"not yet"}'])
def test_a_version_1_peer_whose_first_answer_is_bad_is_named_by_a_later_one(
    stage: CoreHarness, first: bytes
) -> None:
    attempt = stage.attempt(stage.configure())
    peer = FakePeer("kyle", attempt, Hello(version=1))
    peer.say(first)
    client = stage.ask_all()
    peer.answer(memoryUsed=3)
    assert client.nodes["kyle"]["memoryUsed"] == 3


# Who is who may turn out while a broadcast is under way.


def test_a_name_learnt_during_a_broadcast_is_the_name_in_its_answer(stage: CoreHarness) -> None:
    attempt = stage.attempt(stage.configure())
    peer = FakePeer("kyle", attempt, Hello(version=1))
    client = stage.ask_all()
    peer.answer()
    peer.answer(memoryUsed=2)
    assert client.nodes["kyle"]["memoryUsed"] == 2
    assert list(client.nodes) == ["kyle", "own"]


def test_a_node_that_moves_during_a_broadcast_stands_in_its_answer_once(stage: CoreHarness) -> None:
    slow = stage.peer("stan")
    stage.peer("kyle").hang_up("closed")
    elsewhere = stage.configure()
    client = stage.ask_all()
    stage.welcome("kyle", stage.attempt(elsewhere), instance="another")
    slow.answer()
    assert list(client.nodes) == ["kyle", "own", "stan"]
    assert client.nodes["kyle"]["name"] == "kyle"
    assert errors(client)["kyle"] != ""


def test_an_address_that_turns_out_as_our_own_during_a_broadcast_is_no_node(
    stage: CoreHarness,
) -> None:
    slow = stage.peer("stan")
    own = stage.configure()
    client = stage.ask_all()
    stage.welcome("own", stage.attempt(own), instance="own instance")
    slow.answer()
    assert list(client.nodes) == ["own", "stan"]


def test_a_node_that_restarts_under_another_name_has_that_name_in_the_answer(
    stage: CoreHarness,
) -> None:
    slow, kyle = stage.peer("stan"), stage.peer("kyle")
    client = stage.ask_all()
    kyle.hang_up("closed")
    stage.clock.advance(0.3)
    stage.welcome("butters", stage.attempt(kyle.address))
    slow.answer()
    assert list(client.nodes) == ["butters", "own", "stan"]
    assert client.nodes["butters"]["name"] == "butters"
    assert errors(client)["butters"] == "down: closed"


def test_a_name_unknown_at_first_and_known_by_then_stands_there_once(stage: CoreHarness) -> None:
    slow = stage.peer("stan")
    address = stage.configure()
    client = stage.ask_all(nodes=["stan", "kyle", str(address)])
    stage.welcome("kyle", stage.attempt(address))
    slow.answer()
    assert sorted(client.nodes) == ["kyle", "stan"]
