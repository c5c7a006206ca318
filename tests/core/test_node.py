"""A node among its peers: which of them count, when it dials, what it logs, and its own samples."""

from typing import Any

import pytest

from bench.harness.invariants.form import parse
from core.harness import WALL, CoreHarness, FakePeer
from core.unverified import lines
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.membership.gossip import JOIN
from nodnod_client.address import Address


def names(harness: CoreHarness) -> list[str]:
    """The nodes of a cluster answer, in their order."""
    client = harness.ask_all(timeout=0.05)
    harness.clock.advance(0.2)
    return list(client.nodes)


def dialed(harness: CoreHarness, address: Address) -> int:
    return len(harness.dial.to(address))


def come_back(harness: CoreHarness, peer: FakePeer, instance: str) -> FakePeer:
    """Have a peer that has hung up answer the next dial."""
    harness.await_dial(peer.address)
    return harness.welcome(peer.name, peer.address, instance=instance)


# Which peers count.


def test_an_address_of_our_own_is_no_node_and_not_dialed_again(
    harness: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    peer = harness.peer("own", instance="own instance")
    harness.clock.advance(120)
    assert peer.wire.closed is not None
    assert dialed(harness, peer.address) == 1
    assert names(harness) == ["own"]
    assert f"Address {peer.address} is this node itself" in lines(log)
    assert lines(log, "WARNING") == []


def test_two_addresses_of_one_process_are_one_node_over_one_link(harness: CoreHarness) -> None:
    first, second = harness.peer("kyle", instance="i"), harness.peer("kyle", instance="i")
    assert second.wire.closed is not None
    harness.clock.advance(120)
    assert dialed(harness, second.address) == 1
    assert names(harness) == ["kyle", "own"]
    assert len(first.queries) == 1


def test_when_one_address_of_a_node_fails_the_other_is_dialed_at_once(harness: CoreHarness) -> None:
    first, second = harness.peer("kyle", instance="i"), harness.peer("kyle", instance="i")
    first.hang_up()
    harness.clock.turn()
    assert dialed(harness, second.address) == 2
    again = harness.welcome("kyle", second.address, instance="i")
    client = harness.ask_all()
    again.answer()
    assert client.errors == {"kyle": "", "own": ""}


def test_when_both_addresses_of_a_node_fail_it_is_down_once(
    harness: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    first, second = harness.peer("kyle", instance="i"), harness.peer("kyle", instance="i")
    first.hang_up("closed")
    harness.clock.turn()
    harness.attempt(second.address).refuse()
    client = harness.ask_all()
    assert client.nodes["kyle"]["error"] == "down: closed"
    assert list(client.nodes) == ["kyle", "own"]
    lost = f"Lost connection with node: [kyle : {first.address}]. Reason: closed"
    assert lines(log, "WARNING") == [lost]


def test_the_first_address_that_comes_back_is_used_and_the_other_rests(
    harness: CoreHarness,
) -> None:
    first = harness.peer("kyle", instance="i")
    harness.peer("kyle", instance="i")
    first.hang_up()
    back = come_back(harness, first, "i")
    harness.clock.turn()
    assert back.wire.open
    assert names(harness) == ["kyle", "own"]


def test_the_other_address_of_a_node_that_is_not_configured_any_more_is_dialed(
    harness: CoreHarness,
) -> None:
    first, second = harness.peer("kyle", instance="i"), harness.peer("kyle", instance="i")
    first.hang_up()
    harness.node.configured.remove(first.address)
    harness.clock.advance(1)
    assert dialed(harness, second.address) == 2
    client = harness.ask_all()
    assert list(client.nodes) == ["kyle", "own"]
    assert client.nodes["kyle"]["error"] == "not connected yet"


def test_a_dead_node_whose_address_is_replaced_is_missing_only_in_answers_under_way(
    harness: CoreHarness,
) -> None:
    kyle, kenny = harness.peer("kyle"), harness.peer("kenny")
    kyle.hang_up()
    under_way = harness.ask_all()
    new = harness.configure()
    harness.node.configured.remove(kyle.address)
    kenny.answer()
    assert under_way.errors == {"kenny": "", "own": ""}
    later = harness.ask_all()
    kenny.answer()
    assert later.errors == {"kenny": "", "own": "", str(new): "not connected yet"}


def test_the_other_address_of_a_node_that_said_goodbye_is_not_missed(harness: CoreHarness) -> None:
    first, second = harness.peer("kyle", instance="i"), harness.peer("kyle", instance="i")
    harness.node.configured.remove(first.address)
    member = {"name": "kyle", "address": str(first.address), "instance": "i", "incarnation": 1}
    member |= {"state": "left", "since": WALL + harness.clock.now}
    harness.client(first.hello).ask(type=4, id=1, member=member)
    first.hang_up()
    harness.clock.advance(14)
    assert dialed(harness, second.address) == 1
    assert names(harness) == ["own"]
    harness.clock.advance(2)
    harness.welcome("kyle", second.address, instance="j")
    assert names(harness) == ["kyle", "own"]


def test_our_goodbye_is_told_to_all_agents_whichever_side_has_dialed(harness: CoreHarness) -> None:
    peers = harness.peer("kyle"), harness.peer("kenny")
    caller, client = harness.client(Hello(2, "stan", "i", "10.0.0.9:7070")), harness.client()
    harness.node.leave()
    request, other = (parse(peer.wire.sent[-1]) for peer in peers)
    assert request == other
    assert (request["type"], request["member"]["state"]) == (4, "left")
    assert caller.answer["id"] == JOIN
    assert caller.answer["member"] == request["member"]
    assert client.answers == []


@pytest.mark.parametrize("version", [1, 2])
def test_two_nodes_with_one_name_are_both_listed_and_warned_of(
    harness: CoreHarness, log: pytest.LogCaptureFixture, version: int
) -> None:
    first = harness.peer("kyle", version=version)
    second = harness.peer("kyle", version=version, instance="another")
    client = harness.ask_all()
    first.answer(memoryUsed=1)
    second.answer(memoryUsed=2)
    listed = f"kyle@{second.address}"
    assert list(client.nodes) == ["kyle", listed, "own"]
    assert [client.nodes[name]["memoryUsed"] for name in ("kyle", listed)] == [1, 2]
    warning = f"Two nodes have the name kyle: the one at {second.address} is listed as {listed}"
    assert lines(log, "WARNING") == [warning]


def test_a_version_1_peer_that_comes_back_under_another_name_has_that_name(
    harness: CoreHarness,
) -> None:
    kyle = harness.peer("kyle", version=1)
    kyle.hang_up()
    harness.await_dial(kyle.address)
    harness.welcome("stan", kyle.address, version=1)
    assert names(harness) == ["own", "stan"]


# When it dials.


def test_an_address_that_is_configured_twice_is_dialed_once(harness: CoreHarness) -> None:
    address = harness.configure("10.0.0.9")
    harness.configure("10.0.0.9:7070")
    assert dialed(harness, address) == 1


def test_a_peer_that_cannot_be_reached_is_dialed_forever_and_at_once_when_it_dials_us(
    harness: CoreHarness,
) -> None:
    address = harness.configure()
    for _ in range(100):
        harness.attempt(address).refuse()
        assert harness.await_dial(address) <= 15.1
    harness.attempt(address).refuse()
    before = dialed(harness, address)
    harness.client(Hello(2, "kyle", "i", str(address)))
    harness.clock.turn()
    assert dialed(harness, address) == before + 1


@pytest.mark.parametrize("address", ["", "nonsense", "10.0.0.99:0", "x" * 300, "http://a/"])
def test_a_peer_that_tells_an_invalid_address_is_answered_like_a_client(
    harness: CoreHarness, address: str
) -> None:
    client = harness.client(Hello(2, "kyle", "i", address))
    client.ask()
    assert client.answer["error"] == ""


def test_a_silent_peer_is_down_within_five_seconds_and_redialed(harness: CoreHarness) -> None:
    peer = harness.peer("kyle")
    harness.clock.advance(10)
    peer.wire.silence()
    harness.clock.advance(5.01)
    assert harness.ask_all().nodes["kyle"]["error"] == "down: no sign of life for 5 s"
    assert peer.wire.aborted
    come_back(harness, peer, "")
    assert harness.node.peers.links.up()


def test_after_stop_nothing_is_dialed_asked_or_answered(harness: CoreHarness) -> None:
    peer = harness.peer("kyle")
    waiting = harness.configure()
    client = harness.ask_all()
    harness.node.stop()
    sent = len(peer.wire.sent), len(client.wire.sent)
    attempts = len(harness.dial.attempts)
    harness.clock.advance(120)
    assert (len(peer.wire.sent), len(client.wire.sent)) == sent
    assert len(harness.dial.attempts) == attempts
    assert peer.wire.closed is not None
    assert harness.attempt(waiting).cancelled
    assert client.wire.closed == (1001, "shutting down")


# What it logs.


def test_each_change_of_a_peer_is_logged_once_and_not_each_attempt(
    harness: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    address = harness.configure()
    for _ in range(20):
        harness.attempt(address).refuse("connection refused")
        harness.await_dial(address)
    peer = harness.welcome("kyle", address)
    peer.hang_up("connection reset by peer")
    harness.clock.advance(1)
    for _ in range(3):
        harness.attempt(address).refuse("connection refused")
        harness.await_dial(address)
    harness.welcome("kyle", address)
    node = f"[kyle : {address}]"
    assert lines(log) == [
        f"Could not connect to node: {address}. Error: connection refused",
        f"Established connection with node: {address}",
        f"Connected to node: {node}",
        f"Lost connection with node: {node}. Reason: connection reset by peer",
        f"Established connection with node: {address}",
        f"Connected to node: {node}",
    ]


def test_a_version_1_peer_is_named_in_the_log_once_it_has_answered(
    harness: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    address = harness.configure()
    peer = FakePeer("kyle", harness.attempt(address), Hello(version=1))
    assert lines(log) == [f"Established connection with node: {address}"]
    peer.answer()
    assert lines(log)[1:] == [f"Connected to node: [kyle : {address}]"]


# Its own samples.


def own(harness: CoreHarness) -> dict[str, Any]:
    client = harness.client()
    client.ask(type=0)
    node: dict[str, Any] = client.nodes["own"]
    return node


def test_numbers_are_called_stale_from_three_intervals_without_a_sample_until_the_next(
    harness: CoreHarness,
) -> None:
    harness.clock.advance(10)
    assert own(harness)["error"] == ""
    harness.sampling = False
    harness.clock.advance(2.5)
    assert own(harness)["error"] == ""
    harness.clock.advance(2.5)
    assert str(own(harness)["error"]).startswith("stale: last sampled ")
    assert own(harness)["cpuUsed"] == 5.0
    harness.sampling = True
    harness.clock.advance(1)
    assert own(harness)["error"] == ""


def test_a_sample_that_comes_again_with_more_sections_is_not_a_new_one(
    harness: CoreHarness,
) -> None:
    harness.sampling = False
    for _ in range(60):
        harness.clock.advance(1)
        harness.node.sampled(harness.node.newest)
    harness.clock.advance(1)
    assert own(harness)["error"]


def test_after_standing_still_our_own_numbers_are_not_called_stale(harness: CoreHarness) -> None:
    harness.clock.advance(10)
    harness.sampling = False
    harness.clock.now += 3600
    harness.clock.advance(0.5)
    assert own(harness)["error"] == ""
