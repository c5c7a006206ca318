"""Push mode: whom it asks for news, how it takes them, and what it answers from memory."""

import json
import logging
from typing import Any

import pytest

from core.harness import CoreHarness, FakePeer
from nodnod_agent.core.stats.push import NEWS


def push_stage(**options: Any) -> CoreHarness:
    return CoreHarness(mode="push", **options)


@pytest.fixture
def stage() -> CoreHarness:
    return push_stage()


def tell(peer: FakePeer, **fields: Any) -> None:
    """Have a peer send the next tick of its stream."""
    news = {"host": peer.name, "nodes": {peer.name: peer.node(**fields)}, "error": ""}
    peer.say(json.dumps({**news, "id": NEWS, "seq": 0}).encode())


def errors(stage: CoreHarness) -> dict[str, str]:
    """What is wrong with each node, by an answer that is there at once."""
    return {name: node["error"] for name, node in stage.ask_all().nodes.items()}


# Whom it asks.


def test_a_peer_that_comes_up_is_asked_for_one_stream(stage: CoreHarness) -> None:
    kenny = stage.peer("kenny")
    stage.clock.advance(30)

    assert kenny.queries == [{"id": NEWS, "every": 1.0}]


def test_a_peer_that_comes_back_is_asked_for_its_stream_again(stage: CoreHarness) -> None:
    kenny = stage.peer("kenny")
    kenny.hang_up()
    stage.clock.wait_for(lambda: len(stage.dial.to(kenny.address)) == 2, 20)
    again = stage.welcome("kenny", stage.attempt(kenny.address))

    assert again.queries == [{"id": NEWS, "every": 1.0}]


def test_one_that_comes_back_under_another_name_has_told_nothing_yet(stage: CoreHarness) -> None:
    kenny = stage.peer("kenny")
    tell(kenny)
    kenny.hang_up()
    stage.clock.wait_for(lambda: len(stage.dial.to(kenny.address)) == 2, 20)
    kyle = stage.welcome("kyle", stage.attempt(kenny.address))

    assert errors(stage) == {"kyle": "no stats from it yet", "own": ""}
    tell(kyle)
    assert stage.ask_all().nodes["kyle"]["name"] == "kyle"


@pytest.mark.parametrize(("interval", "every"), [(0.25, 0.25), (0.1, 0.25), (60.0, 60.0)])
def test_news_are_asked_for_every_interval_within_what_a_stream_may_be(
    interval: float, every: float
) -> None:
    kenny = push_stage(interval=interval).peer("kenny")

    assert [query["every"] for query in kenny.queries] == [every]


def test_in_pull_mode_nobody_is_asked_for_a_stream() -> None:
    stage = CoreHarness()
    kenny = stage.peer("kenny")
    stage.clock.advance(10)

    assert kenny.queries == []


def test_a_version_1_peer_is_polled_every_interval(stage: CoreHarness) -> None:
    kyle = stage.peer("kyle", version=1)
    before = len(kyle.queries)
    for _ in range(4):
        kyle.answer()
        stage.clock.advance(1)

    assert len(kyle.queries) == before + 4
    assert {json.dumps(query) for query in kyle.queries} == {'{"type": 0, "statType": 0}'}


def test_a_version_1_peer_that_owes_an_answer_is_not_asked_again(stage: CoreHarness) -> None:
    kyle = stage.peer("kyle", version=1)
    asked = len(kyle.queries)
    stage.clock.advance(10)

    assert len(kyle.queries) <= asked + 1


def test_after_its_end_nobody_is_polled(stage: CoreHarness) -> None:
    kyle = stage.peer("kyle", version=1)
    kyle.answer()
    stage.cluster.stop()
    asked = len(kyle.queries)
    stage.clock.advance(10)

    assert len(kyle.queries) == asked


# What it answers.


def test_an_answer_is_there_at_once_and_costs_no_question(stage: CoreHarness) -> None:
    kenny = stage.peer("kenny")
    tell(kenny, cpuUsed=42.0)

    answer = stage.ask_all(statType=1)

    assert answer.nodes["kenny"] == {"name": "kenny", "cpuUsed": 42.0, "error": ""}
    assert len(kenny.queries) == 1
    assert stage.cluster.responder.queries.broadcasts == 0


def test_the_first_news_of_a_version_1_peer_come_with_its_first_answers(stage: CoreHarness) -> None:
    kyle = stage.peer("kyle", version=1)
    kyle.answer(cpuUsed=3.0)

    assert stage.ask_all().nodes["kyle"]["cpuUsed"] == 3.0


def test_a_stream_of_the_cluster_is_told_from_memory_too(stage: CoreHarness) -> None:
    kenny, client = stage.peer("kenny"), stage.client()
    tell(kenny, cpuUsed=1.0)
    client.ask(type=1, every=1, id="s")
    stage.clock.advance(0.5)
    tell(kenny, cpuUsed=2.0)
    stage.clock.advance(1)

    assert [answer["nodes"]["kenny"]["cpuUsed"] for answer in client.answers] == [1.0, 2.0]
    assert len(kenny.queries) == 1


@pytest.mark.parametrize("what", [{"detail": ["load"]}, {"history": 60}])
def test_what_the_stream_does_not_carry_is_pulled(stage: CoreHarness, what: dict[str, Any]) -> None:
    kenny = stage.peer("kenny")
    tell(kenny)
    client = stage.ask_all(nodes=["kenny"], **what)
    assert client.answers == []

    kenny.answer(more=1)

    assert client.nodes["kenny"]["more"] == 1
    assert what.items() <= kenny.queries[-1].items()


def test_one_who_is_silent_for_three_intervals_is_stale_until_it_speaks(stage: CoreHarness) -> None:
    kenny, stan = stage.peer("kenny"), stage.peer("stan")
    tell(kenny)
    for _ in range(4):
        stage.clock.advance(0.9)
        tell(stan)

    assert errors(stage) == {"kenny": "stale: last heard 3.6 s ago", "own": "", "stan": ""}

    tell(kenny)

    assert errors(stage)["kenny"] == ""


def test_one_who_was_lost_is_stale_with_the_reason_until_it_streams_again(
    stage: CoreHarness,
) -> None:
    kenny = stage.peer("kenny")
    tell(kenny)
    kenny.hang_up("connection reset by peer")
    told = "stale: last heard 0.0 s ago; down: connection reset by peer"
    assert errors(stage)["kenny"] == told

    stage.clock.wait_for(lambda: len(stage.dial.to(kenny.address)) == 2, 20)
    tell(stage.welcome("kenny", stage.attempt(kenny.address)))

    assert errors(stage)["kenny"] == ""


@pytest.mark.parametrize(
    "garbage",
    [
        b"{]",
        b"[" * 10_000,
        b'{"nodes":{},"error":"","id":0}',
        b'{"nodes":{},"error":"no disk","id":0}',
        b'{"nodes":{"stan":{"name":"stan"}},"id":0}',
        b'{"nodes":{"kenny":{"name":"kenny","cpuUsed":NaN}},"id":0}',
    ],
)
def test_garbage_spoils_the_entry_of_its_sender_until_good_news_come(
    stage: CoreHarness, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    kenny, stan = stage.peer("kenny"), stage.peer("stan")
    tell(kenny, cpuUsed=9.0)
    tell(stan)
    kenny.say(garbage)

    assert stage.ask_all().nodes["kenny"]["cpuUsed"] == 9.0
    told = errors(stage)
    assert (told["own"], told["stan"]) == ("", "")
    assert told["kenny"].startswith(("bad answer: ", "no disk"))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]

    tell(kenny)

    assert errors(stage)["kenny"] == ""


def test_an_unasked_answer_in_push_mode_is_no_news(stage: CoreHarness) -> None:
    kenny = stage.peer("kenny")
    tell(kenny, cpuUsed=1.0)
    kenny.say(json.dumps({"nodes": {"kenny": kenny.node(cpuUsed=2.0)}, "id": 77}).encode())

    assert stage.ask_all().nodes["kenny"]["cpuUsed"] == 1.0


def test_one_that_is_configured_no_more_and_lost_is_forgotten(stage: CoreHarness) -> None:
    kenny = stage.peer("kenny")
    tell(kenny)
    stage.cluster.peers.remove(kenny.address)
    kenny.hang_up()
    stage.clock.advance(2 * 24 * 3600)

    assert list(errors(stage)) == ["own"]
    assert stage.cluster.push is not None
    assert not stage.cluster.push.cache._news
