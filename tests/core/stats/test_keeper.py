"""Who keeps whom, what is asked and when, and what is dropped."""

import random
from typing import Any

import pytest

from core.harness import WALL, CoreHarness, FakePeer
from nodnod_agent.core.stats.keeper import KEEP, KEEPERS, MAX_KEPT
from nodnod_agent.core.stats.kept import EVERY, Past

TURN = 1.1 * EVERY
"""Seconds in which each is asked once, at most."""


def history(harness: CoreHarness, **fields: Any) -> dict[str, Any]:
    """The last 20 seconds of a node whose CPU is always as busy."""
    return {"every": 1.0, "end": WALL + harness.clock.now, "cpuUsed": [50.0] * 20} | fields


def tell(harness: CoreHarness, *peers: FakePeer, turns: int = 1) -> None:
    """Have each peer answer what it is asked of its past, for so many turns."""
    for _ in range(20 * turns):
        harness.clock.advance(TURN / 20)
        for peer in peers:
            if len(peer.keeping) > len(getattr(peer, "told", [])):
                peer.told = list(peer.keeping)  # type: ignore[attr-defined]
                peer.answer(peer.keeping[-1], history=history(harness))


def kept(harness: CoreHarness, name: str) -> Past | None:
    return harness.node.keeper.hour(name, 3600)


def test_an_agent_alone_asks_nobody(harness: CoreHarness) -> None:
    harness.clock.advance(10 * TURN)
    assert harness.dial.attempts == []


def test_each_of_few_is_asked_once_in_ten_seconds(harness: CoreHarness) -> None:
    peers = [harness.peer(name) for name in ("stan", "kyle", "kenny")]
    tell(harness, *peers, turns=2)
    before = [len(peer.keeping) for peer in peers]
    assert set(before) <= {1, 2}
    tell(harness, *peers, turns=10)
    assert all(10 <= len(p.keeping) - n <= 12 for p, n in zip(peers, before, strict=True))


def test_requests_are_spread_over_time(harness: CoreHarness) -> None:
    peers = [harness.peer(name) for name in ("stan", "kyle", "kenny")]
    tell(harness, *peers)
    for _ in range(100):
        before = sum(len(peer.keeping) for peer in peers)
        harness.clock.advance(1.0)
        assert sum(len(peer.keeping) for peer in peers) - before <= 1


def test_agents_that_start_together_do_not_ask_together() -> None:
    moments = set()
    for seed in range(5):
        harness = CoreHarness(seed=seed)
        peer = harness.peer("stan")
        moments.add(harness.clock.wait_for(lambda peer=peer: bool(peer.keeping), 2 * TURN))
    assert len(moments) > 1


def test_the_first_question_is_for_an_hour_and_the_next_for_what_is_new(
    harness: CoreHarness,
) -> None:
    peer = harness.peer("stan")
    tell(harness, peer, turns=5)
    assert [one["history"] for one in peer.keeping][:4] == [3600, 20, 20, 20]
    assert {one["statType"] for one in peer.keeping} == {1}


def test_after_a_time_without_answers_the_question_reaches_back_so_far(
    harness: CoreHarness,
) -> None:
    peer = harness.peer("stan")
    tell(harness, peer, turns=2)
    harness.clock.advance(4 * TURN)
    assert [one["history"] for one in peer.keeping][-3:] == [60, 60, 60]


def test_no_more_than_three_are_kept_and_each_node_by_three() -> None:
    names = [f"db-{number}" for number in range(12)]
    keepers = dict.fromkeys(names, 0)
    for own in names:
        harness = CoreHarness(own)
        peers = [harness.peer(name) for name in names if name != own]
        harness.clock.advance(3 * TURN)
        asked = [peer.name for peer in peers if peer.keeping]
        assert len(asked) == KEEPERS
        for name in asked:
            keepers[name] += 1
        for name in names:
            likely = [one.name for one in harness.node.keeper.keepers(name)][:KEEPERS]
            assert name not in asked or len(likely) == KEEPERS
    assert set(keepers.values()) == {KEEPERS}


def test_those_who_keep_a_node_are_those_who_are_asked_for_it() -> None:
    names = [f"db-{number}" for number in range(12)]
    asker = CoreHarness("asker")
    for name in names:
        asker.peer(name)
    for own in names:
        harness = CoreHarness(own)
        peers = [harness.peer(name) for name in [*names, "asker"] if name != own]
        harness.clock.advance(3 * TURN)
        for peer in peers:
            if peer.keeping and peer.name != "asker":
                assert own in [one.name for one in asker.node.keeper.keepers(peer.name)]


def test_the_past_of_a_node_that_is_down_stays(harness: CoreHarness) -> None:
    peer = harness.peer("stan")
    tell(harness, peer, turns=3)
    before = kept(harness, "stan")
    assert before is not None
    peer.hang_up()
    asked = len(peer.keeping)
    harness.clock.advance(100 * TURN)
    assert kept(harness, "stan") == before
    assert len(peer.keeping) == asked


def test_it_goes_on_with_a_hole_when_the_node_is_back(harness: CoreHarness) -> None:
    address = harness.configure()
    peer = harness.welcome("stan", address)
    tell(harness, peer, turns=5)
    peer.hang_up()
    harness.clock.advance(300)
    back = harness.welcome("stan", address, instance="another life")
    tell(harness, back, turns=2)
    past = kept(harness, "stan")
    assert past is not None
    values = past.series["cpuUsed"]
    assert values[0] == values[-1] == 50.0
    assert 27 <= values.count(None) <= 32
    assert back.keeping[0]["history"] == 3600


def test_the_past_of_a_node_that_is_listed_no_more_is_dropped(harness: CoreHarness) -> None:
    address = harness.configure()
    peer = harness.welcome("stan", address)
    tell(harness, peer, turns=2)
    peer.hang_up()
    harness.node.configured.remove(address)
    harness.clock.advance(TURN)
    assert kept(harness, "stan") is None
    assert harness.node.keeper._kept == {}


def test_what_others_keep_is_dropped_once_they_are_there() -> None:
    harness = CoreHarness("db-0")
    first = harness.peer("db-1")
    tell(harness, first, turns=2)
    others = [harness.peer(f"db-{number}") for number in range(2, 12)]
    tell(harness, first, *others, turns=2)
    assert len(harness.node.keeper._kept) == KEEPERS


def test_version_1_nodes_are_not_asked(harness: CoreHarness) -> None:
    peer = harness.peer("stan", version=1)
    harness.clock.advance(5 * TURN)
    assert all(len(request) == 2 for request in peer.queries)
    assert harness.node.keeper._kept == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"history": 5},
        {"history": {"every": 0, "end": 1, "cpuUsed": [1]}},
        {"history": {"every": 1, "end": 1, "cpuUsed": ["x"]}},
        {"name": "kyle", "history": {"every": 1, "end": 1, "cpuUsed": [1]}},
    ],
)
def test_an_answer_without_a_proper_past_changes_nothing(
    harness: CoreHarness, wrong: dict[str, Any]
) -> None:
    peer = harness.peer("stan")
    harness.clock.advance(2 * TURN)
    peer.answer(peer.keeping[-1], **wrong)
    assert kept(harness, "stan") is None
    assert harness.ask_all().wire.open


def test_what_nobody_asked_for_is_passed_over(harness: CoreHarness) -> None:
    peer = harness.peer("stan")
    tell(harness, peer, turns=2)
    before = kept(harness, "stan")
    for _ in range(5):
        harness.clock.advance(0.1)
        peer.answer({"id": KEEP}, history=history(harness, cpuUsed=[1.0] * 20))
    assert kept(harness, "stan") == before


def test_nodes_that_share_a_name_are_not_kept(harness: CoreHarness) -> None:
    peers = [harness.peer("stan", instance=instance) for instance in "ab"]
    tell(harness, *peers, turns=3)
    assert kept(harness, "stan") is None


def test_of_too_many_those_that_died_last_stay(harness: CoreHarness) -> None:
    for number in range(MAX_KEPT + 6):
        peer = harness.peer(f"node-{number:02}")
        tell(harness, peer, turns=1)
        harness.clock.advance(TURN)
        tell(harness, peer, turns=1)
        peer.hang_up()
    living = harness.peer("living")
    tell(harness, living, turns=3)
    names = set(harness.node.keeper._kept)
    assert len(names) == MAX_KEPT
    assert "living" in names
    assert f"node-{MAX_KEPT + 5}" in names
    assert "node-00" not in names


def test_one_order_of_events_gives_one_schedule() -> None:
    def moments(seed: int) -> list[float]:
        harness = CoreHarness(seed=seed)
        peer = harness.peer("stan")
        found: list[float] = []
        for _ in range(400):
            harness.clock.advance(0.1)
            if len(peer.keeping) > len(found):
                found.append(harness.clock.now)
        return found

    seed = random.Random(1).randrange(1000)
    assert moments(seed) == moments(seed)
