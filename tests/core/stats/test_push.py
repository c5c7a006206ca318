"""Push mode: which streams it asks for, and what it answers from the stats cache."""

import json
import logging
from typing import Any

import pytest

from bench.harness.invariants.form import FIELDS
from core.harness import CoreHarness, FakePeer
from core.unverified import pass_a_day
from nodnod_agent.core.question import Question
from nodnod_agent.core.stats.push import STREAM_ID


@pytest.fixture
def harness() -> CoreHarness:
    return CoreHarness(mode="push")


@pytest.fixture
def kenny(harness: CoreHarness) -> FakePeer:
    return harness.peer("kenny")


def tick(peer: FakePeer, **fields: Any) -> None:
    """Have a peer send the next tick of its stream."""
    answer = {"host": peer.name, "nodes": {peer.name: peer.node(**fields)}, "error": ""}
    peer.say(json.dumps({**answer, "id": STREAM_ID, "seq": 0}).encode())


def nodes(harness: CoreHarness, **question: Any) -> dict[str, Any]:
    """The nodes of a cluster answer, which must come at once."""
    return harness.ask_all(**question).nodes


def errors(harness: CoreHarness) -> dict[str, str]:
    return harness.ask_all().errors


def reconnect(harness: CoreHarness, peer: FakePeer, name: str = "kenny") -> FakePeer:
    """Have a peer that has hung up answer the next dial."""
    harness.await_dial(peer.address)
    return harness.welcome(name, harness.attempt(peer.address))


# What peers are asked.


def test_a_peer_is_asked_for_one_stream_each_time_it_connects(
    harness: CoreHarness, kenny: FakePeer
) -> None:
    harness.clock.advance(30)
    assert kenny.queries == [{"id": STREAM_ID, "every": 1.0}]

    kenny.hang_up()

    assert reconnect(harness, kenny).queries == [{"id": STREAM_ID, "every": 1.0}]


@pytest.mark.parametrize(("interval", "every"), [(0.25, 0.25), (0.1, 0.25), (60.0, 60.0)])
def test_the_interval_of_the_stream_stays_in_the_range_of_the_protocol(
    interval: float, every: float
) -> None:
    kenny = CoreHarness(mode="push", interval=interval).peer("kenny")

    assert [query["every"] for query in kenny.queries] == [every]


def test_a_version_1_peer_is_polled_every_interval_until_the_end(harness: CoreHarness) -> None:
    kyle = harness.peer("kyle", version=1)
    before = len(kyle.queries)
    for _ in range(4):
        kyle.answer()
        harness.clock.advance(1)
    assert len(kyle.queries) == before + 4
    assert {json.dumps(query) for query in kyle.queries} == {'{"type": 0, "statType": 0}'}

    kyle.answer()
    harness.node.stop()
    harness.clock.advance(10)

    assert len(kyle.queries) == before + 4


def test_a_version_1_peer_that_owes_an_answer_is_not_polled(harness: CoreHarness) -> None:
    kyle = harness.peer("kyle", version=1)
    asked = len(kyle.queries)
    harness.clock.advance(10)

    assert len(kyle.queries) <= asked + 1


@pytest.mark.parametrize("what", [{"detail": ["load"]}, {"history": 60}])
def test_a_question_that_the_stream_does_not_carry_is_sent_to_the_peers(
    harness: CoreHarness, kenny: FakePeer, what: dict[str, Any]
) -> None:
    tick(kenny)
    client = harness.ask_all(nodes=["kenny"], **what)
    assert client.answers == []

    kenny.answer(more=1)

    assert client.nodes["kenny"]["more"] == 1
    assert what.items() <= kenny.queries[-1].items()


# What is answered.


@pytest.mark.parametrize("stat_type", [0, 1, 2, 3])
def test_the_newest_numbers_are_answered_at_once_without_asking(
    harness: CoreHarness, kenny: FakePeer, stat_type: int
) -> None:
    tick(kenny, cpuUsed=41.0, diskUsed=41, memoryUsed=41)
    tick(kenny, cpuUsed=42.0, diskUsed=42, memoryUsed=42)

    found = nodes(harness, statType=stat_type)

    assert list(found) == ["kenny", "own"]
    assert [tuple(node) for node in found.values()] == [FIELDS[stat_type]] * 2
    assert 42 in found["kenny"].values()
    assert 41 not in found["kenny"].values()
    assert len(kenny.queries) == 1
    assert harness.node.responder.queries.broadcasts == 0


def test_the_numbers_of_a_version_1_peer_come_from_its_first_answer(harness: CoreHarness) -> None:
    kyle = harness.peer("kyle", version=1)
    kyle.answer(cpuUsed=3.0)

    assert nodes(harness)["kyle"]["cpuUsed"] == 3.0


def test_a_stream_of_the_cluster_is_answered_from_the_cache(
    harness: CoreHarness, kenny: FakePeer
) -> None:
    client = harness.client()
    tick(kenny, cpuUsed=1.0)
    client.ask(type=1, every=1, id="s")
    harness.clock.advance(0.5)
    tick(kenny, cpuUsed=2.0)
    harness.clock.advance(1)

    assert [answer["nodes"]["kenny"]["cpuUsed"] for answer in client.answers] == [1.0, 2.0]
    assert len(kenny.queries) == 1


def test_only_the_nodes_asked_for_are_listed(harness: CoreHarness, kenny: FakePeer) -> None:
    tick(kenny)
    tick(harness.peer("stan"))

    found = nodes(harness, nodes=["ken*", "nobody"])

    assert list(found) == ["kenny", "nobody"]
    assert found["nobody"]["error"] == "unknown node"


def test_two_nodes_with_one_name_have_their_own_numbers(
    harness: CoreHarness, kenny: FakePeer
) -> None:
    other = harness.peer("kenny", instance="another")
    tick(kenny, cpuUsed=1.0)
    tick(other, cpuUsed=2.0)

    found = nodes(harness)

    key = f"kenny@{other.address}"
    assert found["kenny"]["cpuUsed"] == 1.0
    assert (found[key]["cpuUsed"], found[key]["name"]) == (2.0, key)


def test_an_answer_is_encoded_once_until_something_changes(
    harness: CoreHarness, kenny: FakePeer
) -> None:
    assert harness.node.push is not None
    cache = harness.node.push.cache
    tick(kenny)
    body = cache.body(Question())
    assert cache.body(Question()) is body

    tick(kenny)

    assert cache.body(Question()) is not body


def test_memory_is_bounded_however_many_questions_are_asked(harness: CoreHarness) -> None:
    for number in range(1000):
        nodes(harness, nodes=[f"n{number}"])

    assert harness.node.push is not None
    assert len(harness.node.push.cache._bodies) < 100


# Stale and bad numbers.


def test_a_node_that_is_silent_for_three_intervals_is_stale_until_it_sends_again(
    harness: CoreHarness, kenny: FakePeer
) -> None:
    stan = harness.peer("stan")
    tick(kenny, cpuUsed=9.0)
    for _ in range(3):
        harness.clock.advance(0.9)
        tick(stan)
    assert errors(harness) == {"kenny": "", "own": "", "stan": ""}
    harness.clock.advance(0.9)
    tick(stan)
    assert errors(harness) == {"kenny": "stale: last heard 3.6 s ago", "own": "", "stan": ""}
    harness.clock.advance(1)
    assert errors(harness)["kenny"] == "stale: last heard 4.6 s ago"
    assert nodes(harness)["kenny"]["cpuUsed"] == 9.0

    tick(kenny)

    assert errors(harness)["kenny"] == ""


def test_a_lost_node_is_stale_at_once_with_the_reason_until_it_sends_again(
    harness: CoreHarness, kenny: FakePeer
) -> None:
    tick(kenny)
    kenny.hang_up("connection reset by peer")
    error = "stale: last heard 0.0 s ago; down: connection reset by peer"
    assert errors(harness)["kenny"] == error

    tick(reconnect(harness, kenny))

    assert errors(harness)["kenny"] == ""


def test_a_node_that_comes_back_under_another_name_has_no_numbers_yet(
    harness: CoreHarness, kenny: FakePeer
) -> None:
    tick(kenny)
    kenny.hang_up()
    kyle = reconnect(harness, kenny, "kyle")
    assert errors(harness) == {"kyle": "no stats from it yet", "own": ""}

    tick(kyle)

    assert nodes(harness)["kyle"]["name"] == "kyle"


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    "garbage",
    [
        b"{]",
        b"[" * 10_000,
        b'{"nodes":{},"error":"","id":0}',
        b'{"nodes":{},"error":"no disk","id":0}',
        b'{"nodes":{"stan":{"name":"stan"}},"id":0}',
        b'{"nodes":{"kenny":{"name":"kenny"}},"id":0}',
        b'{"nodes":{"kenny":{"name":"kenny","cpuUsed":NaN}},"id":0}',
    ],
)
def test_garbage_is_an_error_of_its_sender_alone_until_it_sends_numbers_again(
    harness: CoreHarness,
    kenny: FakePeer,
    garbage: bytes,
    before: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if before:
        tick(kenny, cpuUsed=9.0)
    tick(harness.peer("stan"))
    kenny.say(garbage)

    assert nodes(harness)["kenny"]["cpuUsed"] == 9.0 * before
    found = errors(harness)
    assert (found["own"], found["stan"]) == ("", "")
    assert found["kenny"].startswith(("bad answer: ", "no disk"))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]

    tick(kenny)

    assert errors(harness)["kenny"] == ""


def test_an_answer_with_another_id_is_no_tick(harness: CoreHarness, kenny: FakePeer) -> None:
    tick(kenny, cpuUsed=1.0)
    kenny.say(json.dumps({"nodes": {"kenny": kenny.node(cpuUsed=2.0)}, "id": 77}).encode())

    assert nodes(harness)["kenny"]["cpuUsed"] == 1.0


def test_a_node_that_is_removed_from_the_configuration_and_lost_is_forgotten(
    harness: CoreHarness, kenny: FakePeer
) -> None:
    tick(kenny)
    harness.node.configured.remove(kenny.address)
    kenny.hang_up()
    pass_a_day(harness)

    assert list(errors(harness)) == ["own"]
    assert harness.node.push is not None
    assert not harness.node.push.cache._reports
