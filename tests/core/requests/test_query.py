"""One broadcast for all who wait: whom it serves, what it costs, and what spoils it."""

from itertools import pairwise

import pytest

from bench.harness.invariants.form import FIELDS, parse
from core.harness import CoreHarness, FakeClient
from nodnod_agent.core.requests.query import SPACING


@pytest.fixture
def stage() -> CoreHarness:
    return CoreHarness()


def errors(client: FakeClient) -> dict[str, str]:
    return {name: node["error"] for name, node in client.nodes.items()}


def await_answer(stage: CoreHarness, client: FakeClient) -> float:
    """Wait until a client has been answered; the seconds it took."""
    return stage.clock.wait_for(lambda: bool(client.answers), 1)


# Who shares a broadcast.


def test_the_answer_holds_this_node_and_every_peer_by_name(stage: CoreHarness) -> None:
    peers = [stage.peer(name) for name in ("stan", "kyle")]
    client = stage.ask_all()
    for peer in peers:
        peer.answer()
    assert list(client.answer) == ["host", "nodes", "error"]
    assert client.answer["host"] == "own"
    assert list(client.nodes) == ["kyle", "own", "stan"]
    assert errors(client) == {"kyle": "", "own": "", "stan": ""}


def test_an_agent_without_peers_answers_at_once(stage: CoreHarness) -> None:
    assert list(stage.ask_all().nodes) == ["own"]


def test_one_broadcast_serves_all_who_ask_in_one_turn(stage: CoreHarness) -> None:
    peer = stage.peer("kyle")
    clients = [stage.client() for _ in range(1000)]
    for client in clients:
        client.ask(type=1)
    stage.clock.turn()
    assert len(peer.queries) == 1
    peer.answer()
    assert all(errors(client)["kyle"] == "" for client in clients)


def test_all_who_ask_during_a_broadcast_share_the_next(stage: CoreHarness) -> None:
    peer = stage.peer("kyle")
    stage.ask_all()
    clients = [stage.ask_all() for _ in range(1000)]
    peer.answer()
    assert len(peer.queries) == 2
    peer.answer()
    assert all(len(client.answers) == 1 for client in clients)
    assert len(peer.queries) == 2


def test_nobody_is_answered_from_a_query_sent_before_he_asked(stage: CoreHarness) -> None:
    peer = stage.peer("kyle")
    early = stage.ask_all()
    late = stage.ask_all()
    peer.answer(memoryUsed=1)
    assert early.nodes["kyle"]["memoryUsed"] == 1
    assert late.answers == []
    peer.answer(memoryUsed=2)
    assert late.nodes["kyle"]["memoryUsed"] == 2


def test_the_next_broadcast_goes_out_as_soon_as_the_one_before_is_answered(
    stage: CoreHarness,
) -> None:
    peers = [stage.peer("kyle"), stage.peer("stan")]
    stage.ask_all()
    stage.ask_all()
    peers[0].answer()
    assert [len(peer.queries) for peer in peers] == [1, 1]
    peers[1].answer()
    assert [len(peer.queries) for peer in peers] == [2, 2]


def test_different_questions_do_not_wait_for_each_other(stage: CoreHarness) -> None:
    peer = stage.peer("kyle")
    stage.ask_all()
    client = stage.ask_all(statType=1)
    assert [query.get("statType", 0) for query in peer.queries] == [0, 1]
    peer.answer_nodes({"kyle": {"name": "kyle", "cpuUsed": 1, "error": ""}})
    assert tuple(client.nodes["own"]) == FIELDS[1]


def test_different_deadlines_share_a_broadcast(stage: CoreHarness) -> None:
    peer = stage.peer("kyle")
    clients = [stage.client(), stage.client()]
    clients[0].ask(type=1, timeout=1)
    clients[1].ask(type=1, timeout=5)
    stage.clock.turn()
    assert len(peer.queries) == 1


def test_nothing_is_kept_of_what_has_been_answered(stage: CoreHarness) -> None:
    peer = stage.peer("kyle")
    for number in range(100):
        client = stage.ask_all(nodes=["kyle", f"pattern-{number}*"])
        peer.answer()
        assert client.answer
    stage.clock.advance(3)
    assert not stage.cluster.responder.queries._groups
    assert not stage.cluster.responder.queries._under_way


def test_a_planned_broadcast_that_is_not_needed_any_more_changes_nothing(
    stage: CoreHarness,
) -> None:
    peer = stage.peer("kyle")
    clients = [stage.ask_all(), stage.ask_all()]  # the second plans a broadcast in 10 ms
    peer.answer()
    peer.answer()
    clients.append(stage.ask_all())
    peer.answer()
    clients.append(stage.ask_all())
    stage.clock.advance(1.1 * SPACING)
    peer.answer()
    assert [errors(client) for client in clients] == [{"kyle": "", "own": ""}] * 4


# A peer that does not answer.


@pytest.mark.parametrize("timeout", [0.05, 0.3, 2.0, 30.0])
def test_a_frozen_peer_costs_each_who_waits_his_own_deadline(
    stage: CoreHarness, timeout: float
) -> None:
    stage.peer("kyle")
    healthy = stage.peer("stan")
    client = stage.ask_all(timeout=timeout)
    healthy.answer()
    stage.clock.advance(timeout - 0.001)
    assert client.answers == []
    stage.clock.advance(0.1)
    why = f"no answer within {timeout:.3g} s"
    assert errors(client) == {"kyle": why, "own": "", "stan": ""}


def test_two_who_share_a_broadcast_have_each_his_own_deadline(stage: CoreHarness) -> None:
    stage.peer("kyle")
    patient, hasty = stage.client(), stage.client()
    patient.ask(type=1, timeout=2)
    hasty.ask(type=1, timeout=0.5)
    stage.clock.advance(0.6)
    assert errors(hasty)["kyle"] == "no answer within 0.5 s"
    assert patient.answers == []
    stage.clock.advance(1.5)
    assert errors(patient)["kyle"] == "no answer within 2 s"


def test_who_is_patient_still_gets_the_answer_that_comes_late_for_another(
    stage: CoreHarness,
) -> None:
    peer = stage.peer("kyle")
    patient, hasty = stage.client(), stage.client()
    patient.ask(type=1, timeout=2)
    hasty.ask(type=1, timeout=0.5)
    stage.clock.advance(1)
    peer.answer()
    assert errors(patient)["kyle"] == ""
    assert len(hasty.answers) == 1


def test_while_a_peer_is_frozen_broadcasts_go_on_but_not_more_than_every_10_ms(
    stage: CoreHarness,
) -> None:
    stage.peer("frozen")
    healthy = stage.peer("stan")
    sent: list[float] = []
    for _ in range(500):
        stage.ask_all()
        stage.clock.advance(0.0005)
        sent += [stage.clock.now] * (len(healthy.queries) - len(sent))
    gaps = [later - earlier for earlier, later in pairwise(sent)]
    assert 20 <= len(sent) <= 26
    assert min(gaps) >= SPACING - 0.0006


def test_a_frozen_peer_delays_nobody_elses_deadline(stage: CoreHarness) -> None:
    stage.peer("frozen")
    clients = []
    for _ in range(50):
        clients.append((stage.clock.now, stage.ask_all(timeout=0.2)))
        stage.clock.advance(0.007)
    late: list[float] = []
    for asked, client in clients:
        if not client.answers:
            stage.clock.run_until(asked + 0.2)
            late.append(await_answer(stage, client))
    assert max(late) <= 0.05


def test_a_frozen_peer_delays_nobody_who_does_not_ask_for_it(stage: CoreHarness) -> None:
    stage.peer("frozen")
    healthy = stage.peer("stan")
    stage.ask_all()
    client = stage.ask_all(nodes=["stan"])
    healthy.answer()
    assert errors(client) == {"stan": ""}


def test_one_who_asks_in_the_turn_in_which_all_others_give_up_keeps_his_deadline(
    stage: CoreHarness,
) -> None:
    stage.peer("frozen")
    client = stage.client()
    at = stage.clock.now + 0.5
    # Planned before the alarm for the same moment, so it comes first in that turn.
    stage.clock.call_at(at, lambda: client.ask(type=1, timeout=0.5))
    stage.ask_all(timeout=0.5)
    stage.clock.run_until(at + 0.6)
    assert errors(client)["frozen"] == "no answer within 0.5 s"


def test_a_peer_that_hangs_up_costs_no_further_wait(stage: CoreHarness) -> None:
    peer = stage.peer("kyle")
    client = stage.ask_all()
    peer.hang_up("connection reset by peer")
    assert errors(client)["kyle"] == "down: connection reset by peer"


def test_a_link_that_is_down_costs_no_wait(stage: CoreHarness) -> None:
    peer = stage.peer("kyle")
    peer.hang_up("closed")
    assert errors(stage.ask_all()) == {"kyle": "down: closed", "own": ""}


def test_a_node_that_was_never_there_stands_under_its_address(stage: CoreHarness) -> None:
    address = stage.configure()
    key = str(address)
    assert errors(stage.ask_all()) == {key: "not connected yet", "own": ""}
    stage.attempt(address).refuse("connection refused")
    assert errors(stage.ask_all()) == {key: "down: connection refused", "own": ""}


def test_at_a_deadline_a_link_that_is_down_is_told_from_one_that_is_silent(
    stage: CoreHarness,
) -> None:
    stage.peer("frozen")
    stage.peer("kyle").hang_up("closed")
    client = stage.ask_all(timeout=0.1)
    stage.clock.advance(0.2)
    assert errors(client)["kyle"] == "down: closed"
    assert errors(client)["frozen"] == "no answer within 0.1 s"


def test_a_peer_that_comes_up_during_a_broadcast_is_not_shown_as_zeros(stage: CoreHarness) -> None:
    slow = stage.peer("stan")
    kyle = stage.peer("kyle")
    kyle.hang_up("closed")
    client = stage.ask_all()
    stage.clock.advance(0.3)
    stage.welcome("kyle", stage.attempt(kyle.address))
    slow.answer()
    assert errors(client) == {"kyle": "down: closed", "own": "", "stan": ""}


# Selecting nodes.


def test_only_the_nodes_named_are_asked_and_answered(stage: CoreHarness) -> None:
    kyle, stan = stage.peer("kyle"), stage.peer("stan")
    client = stage.ask_all(nodes=["st*"])
    stan.answer()
    assert list(client.nodes) == ["stan"]
    assert kyle.queries == []


def test_a_name_that_nobody_has_is_listed_as_unknown(stage: CoreHarness) -> None:
    client = stage.ask_all(nodes=["own", "kenny"], statType=1)
    assert client.nodes["kenny"] == {"name": "kenny", "cpuUsed": 0, "error": "unknown node"}
    assert errors(client)["own"] == ""


def test_a_pattern_that_fits_nobody_gives_no_nodes(stage: CoreHarness) -> None:
    assert stage.ask_all(nodes=["x*"]).answer == {"host": "own", "nodes": {}, "error": ""}


def test_an_unknown_name_that_needs_quoting_is_quoted(stage: CoreHarness) -> None:
    name = 'a"b\\c\n☃'
    body = stage.ask_all(nodes=[name]).wire.sent[-1]
    assert list(parse(body)["nodes"]) == [name]


def test_names_that_need_quoting_do_not_break_an_answer() -> None:
    stage = CoreHarness('ow"n\\')
    peer = stage.peer('ky"le\n')
    client = stage.ask_all(id='i"d')
    peer.answer()
    assert list(client.nodes) == sorted(['ow"n\\', 'ky"le\n'])
    assert client.answer["id"] == 'i"d'
