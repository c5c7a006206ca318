"""Broadcasts: which requests share one, what they cost, and what a peer that fails does to them."""

from itertools import pairwise

import pytest
from msgspec.structs import replace

from bench.harness.invariants.form import FIELDS
from core.harness import CoreHarness
from nodnod_agent.core.requests.query import BROADCAST_SPACING, GATHERING_TURNS

# Sharing a broadcast.


def test_an_answer_holds_this_node_and_every_peer_by_name(harness: CoreHarness) -> None:
    assert list(harness.ask_all().nodes) == ["own"]
    peers = [harness.peer(name) for name in ("stan", "kyle")]
    client = harness.ask_all()
    for peer in peers:
        peer.answer()
    assert list(client.answer) == ["host", "nodes", "error"]
    assert client.answer["host"] == "own"
    assert list(client.nodes) == ["kyle", "own", "stan"]
    assert client.errors == {"kyle": "", "own": "", "stan": ""}


def test_all_requests_of_one_turn_share_a_broadcast_whatever_their_deadlines(
    harness: CoreHarness,
) -> None:
    peer = harness.peer("kyle")
    clients = [harness.client() for _ in range(1000)]
    for number, client in enumerate(clients):
        client.ask(type=1, timeout=1 + number % 5)
    harness.clock.turn()
    assert len(peer.queries) == 1
    peer.answer()
    assert all(client.errors["kyle"] == "" for client in clients)


def test_a_broadcast_waits_while_more_requests_come_in_each_turn_of_the_loop(
    harness: CoreHarness,
) -> None:
    peer, clock = harness.peer("kyle"), harness.clock
    clients = [harness.client() for _ in range(10)]

    def ask(number: int) -> None:
        if number + 1 < len(clients):
            clock.call_at(clock.now, ask, number + 1)
        clients[number].ask(type=1)

    ask(0)
    clock.turn()
    peer.answer()

    # In the turn of the first request and the next, and in those for which the broadcast has waited.
    assert sum(client.answers != [] for client in clients) == 2 + GATHERING_TURNS


def test_all_requests_that_arrive_during_a_broadcast_share_the_next(harness: CoreHarness) -> None:
    peer = harness.peer("kyle")
    harness.ask_all()
    clients = [harness.ask_all() for _ in range(1000)]
    peer.answer()
    assert len(peer.queries) == 2
    peer.answer()
    assert all(len(client.answers) == 1 for client in clients)
    assert len(peer.queries) == 2


def test_a_request_is_not_answered_from_a_query_that_was_sent_before_it(
    harness: CoreHarness,
) -> None:
    peer = harness.peer("kyle")
    early = harness.ask_all()
    late = harness.ask_all()
    peer.answer(memoryUsed=1)
    assert early.nodes["kyle"]["memoryUsed"] == 1
    assert late.answers == []
    peer.answer(memoryUsed=2)
    assert late.nodes["kyle"]["memoryUsed"] == 2


def test_the_next_broadcast_starts_as_soon_as_the_one_before_has_ended(
    harness: CoreHarness,
) -> None:
    peers = [harness.peer("kyle"), harness.peer("stan")]
    harness.ask_all()
    harness.ask_all()
    peers[0].answer()
    assert [len(peer.queries) for peer in peers] == [1, 1]
    peers[1].answer()
    assert [len(peer.queries) for peer in peers] == [2, 2]


def test_different_questions_do_not_wait_for_each_other(harness: CoreHarness) -> None:
    peer = harness.peer("kyle")
    harness.ask_all()
    client = harness.ask_all(statType=1)
    assert [query.get("statType", 0) for query in peer.queries] == [0, 1]
    peer.answer_nodes({"kyle": {"name": "kyle", "cpuUsed": 1, "error": ""}})
    assert tuple(client.nodes["own"]) == FIELDS[1]


def test_a_planned_broadcast_that_is_not_needed_any_more_changes_nothing(
    harness: CoreHarness,
) -> None:
    peer = harness.peer("kyle")
    clients = [harness.ask_all(), harness.ask_all()]  # the second plans a broadcast in 10 ms
    peer.answer()
    peer.answer()
    clients.append(harness.ask_all())
    peer.answer()
    clients.append(harness.ask_all())
    harness.clock.advance(1.1 * BROADCAST_SPACING)
    peer.answer()
    assert [client.errors for client in clients] == [{"kyle": "", "own": ""}] * 4


def test_a_question_about_sections_waits_for_this_nodes_own_sample(harness: CoreHarness) -> None:
    harness.sampling = False
    client = harness.ask_all(detail=["load"])
    harness.clock.advance(0.5)
    assert client.answers == []
    sample = replace(harness.node.newest, sections={"load": b'{"load1":1}'})
    harness.node.sampled(sample)
    assert client.nodes["own"]["detail"] == {"load": {"load1": 1}}


# A peer that does not answer.


@pytest.mark.parametrize("timeout", [0.05, 0.3, 2.0, 30.0])
def test_a_frozen_peer_delays_each_request_up_to_its_own_deadline(
    harness: CoreHarness, timeout: float
) -> None:
    harness.peer("kyle")
    healthy = harness.peer("stan")
    harness.peer("kenny").hang_up("closed")
    client = harness.ask_all(timeout=timeout)
    healthy.answer()
    harness.clock.advance(timeout - 0.001)
    assert client.answers == []
    harness.clock.advance(0.1)
    why = f"no answer within {timeout:.3g} s"
    assert client.errors == {"kenny": "down: closed", "kyle": why, "own": "", "stan": ""}


def test_an_answer_too_late_for_one_deadline_counts_for_a_later_one(harness: CoreHarness) -> None:
    peer = harness.peer("kyle")
    clients = [harness.client() for _ in range(3)]
    for client, timeout in zip(clients, (0.5, 0.8, 2), strict=True):
        client.ask(type=1, timeout=timeout)
    harness.clock.advance(0.6)
    assert clients[0].errors["kyle"] == "no answer within 0.5 s"
    assert clients[1].answers == []
    harness.clock.advance(0.4)
    assert clients[1].errors["kyle"] == "no answer within 0.8 s"
    peer.answer()
    assert clients[2].errors["kyle"] == ""
    assert [len(client.answers) for client in clients] == [1, 1, 1]


def test_while_a_peer_is_frozen_broadcasts_go_on_at_most_every_10_ms(
    harness: CoreHarness,
) -> None:
    harness.peer("frozen")
    healthy = harness.peer("stan")
    sent: list[float] = []
    for _ in range(500):
        harness.ask_all()
        harness.clock.advance(0.0005)
        sent += [harness.clock.now] * (len(healthy.queries) - len(sent))
    gaps = [later - earlier for earlier, later in pairwise(sent)]
    assert 20 <= len(sent) <= 26
    assert min(gaps) >= BROADCAST_SPACING - 0.0006


def test_a_frozen_peer_delays_no_other_deadline(harness: CoreHarness) -> None:
    harness.peer("frozen")
    clients = []
    for _ in range(50):
        clients.append((harness.clock.now, harness.ask_all(timeout=0.2)))
        harness.clock.advance(0.007)
    late = []
    for asked, client in clients:
        if not client.answers:
            harness.clock.run_until(asked + 0.2)
            late.append(harness.clock.wait_for(lambda client=client: bool(client.answers), 1))
    assert max(late) <= 0.05


def test_a_request_that_arrives_as_all_others_expire_keeps_its_deadline(
    harness: CoreHarness,
) -> None:
    harness.peer("frozen")
    client = harness.client()
    at = harness.clock.now + 0.5
    # Planned before the timer of the same moment, so it comes first in that turn.
    harness.clock.call_at(at, lambda: client.ask(type=1, timeout=0.5))
    harness.ask_all(timeout=0.5)
    harness.clock.run_until(at + 0.6)
    assert client.errors["frozen"] == "no answer within 0.5 s"


def test_a_peer_that_hangs_up_is_not_waited_for(harness: CoreHarness) -> None:
    peer = harness.peer("kyle")
    client = harness.ask_all()
    peer.hang_up("connection reset by peer")
    expected = {"kyle": "down: connection reset by peer", "own": ""}
    assert client.errors == expected
    assert harness.ask_all().errors == expected


def test_a_peer_that_comes_up_during_a_broadcast_is_not_shown_as_zeros(
    harness: CoreHarness,
) -> None:
    slow = harness.peer("stan")
    kyle = harness.peer("kyle")
    kyle.hang_up("closed")
    client = harness.ask_all()
    harness.clock.advance(0.3)
    harness.welcome("kyle", harness.attempt(kyle.address))
    slow.answer()
    assert client.errors == {"kyle": "down: closed", "own": "", "stan": ""}


# Selecting nodes.


def test_only_the_nodes_asked_for_are_queried_listed_and_waited_for(harness: CoreHarness) -> None:
    frozen, stan = harness.peer("kyle"), harness.peer("stan")
    harness.ask_all()
    client = harness.ask_all(nodes=["st*"])
    stan.answer()
    assert client.errors == {"stan": ""}
    assert len(frozen.queries) == 1


def test_a_name_that_no_node_has_is_listed_as_unknown(harness: CoreHarness) -> None:
    odd = 'a"b\\c\n☃'
    client = harness.ask_all(nodes=["own", "kenny", odd], statType=1)
    assert client.nodes["kenny"] == {"name": "kenny", "cpuUsed": 0, "error": "unknown node"}
    assert client.errors == {"own": "", "kenny": "unknown node", odd: "unknown node"}


def test_a_pattern_that_matches_no_node_gives_no_nodes(harness: CoreHarness) -> None:
    assert harness.ask_all(nodes=["x*"]).answer == {"host": "own", "nodes": {}, "error": ""}


def test_names_that_need_quoting_are_quoted() -> None:
    harness = CoreHarness('ow"n\\')
    peer = harness.peer('ky"le\n')
    client = harness.ask_all(id='i"d')
    peer.answer()
    assert list(client.nodes) == sorted(['ow"n\\', 'ky"le\n'])
    assert client.answer["id"] == 'i"d'
