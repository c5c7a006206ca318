"""An agent among its peers: who counts as a node, when it dials, and what it logs."""

import pytest

from bench.harness.invariants.form import parse
from core.harness import WALL, CoreHarness, FakePeer
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.membership.gossip import JOIN
from nodnod_client.address import Address


def lines(log: pytest.LogCaptureFixture, level: str = "") -> list[str]:
    return [record.getMessage() for record in log.records if level in ("", record.levelname)]


def names(stage: CoreHarness) -> list[str]:
    """The nodes of a cluster answer, in their order."""
    client = stage.ask_all(timeout=0.05)
    stage.clock.advance(0.2)
    return list(client.nodes)


def dialled(stage: CoreHarness, address: Address) -> int:
    return len(stage.dial.to(address))


def await_dial(stage: CoreHarness, address: Address) -> float:
    """Wait until an address is dialled again; the seconds it took."""
    before = dialled(stage, address)
    return stage.clock.wait_for(lambda: dialled(stage, address) > before, 20)


def come_back(
    stage: CoreHarness, peer: FakePeer, *, name: str = "", instance: str = ""
) -> FakePeer:
    """Have a peer that has hung up answer the next dial."""
    await_dial(stage, peer.address)
    attempt = stage.attempt(peer.address)
    return stage.welcome(name or peer.name, attempt, instance=instance)


# Who counts.


def test_an_address_that_is_our_own_is_no_node_and_is_dialled_no_more(stage: CoreHarness) -> None:
    peer = stage.peer("own", instance="own instance")
    stage.clock.advance(120)
    assert peer.wire.closed is not None
    assert dialled(stage, peer.address) == 1
    assert names(stage) == ["own"]


def test_two_addresses_of_one_process_are_one_node_over_one_link(stage: CoreHarness) -> None:
    first = stage.peer("kyle", instance="i")
    second = stage.peer("kyle", instance="i")
    assert second.wire.closed is not None
    stage.clock.advance(120)
    assert dialled(stage, second.address) == 1
    assert names(stage) == ["kyle", "own"]
    assert len(first.queries) == 1


def test_when_one_address_of_a_node_fails_the_other_is_dialled_at_once(stage: CoreHarness) -> None:
    first = stage.peer("kyle", instance="i")
    second = stage.peer("kyle", instance="i")
    first.hang_up()
    stage.clock.turn()
    assert dialled(stage, second.address) == 2
    again = stage.welcome("kyle", stage.attempt(second.address), instance="i")
    client = stage.ask_all()
    again.answer()
    assert {name: node["error"] for name, node in client.nodes.items()} == {"kyle": "", "own": ""}


def test_when_both_addresses_of_a_node_fail_it_is_down_once(stage: CoreHarness) -> None:
    first = stage.peer("kyle", instance="i")
    second = stage.peer("kyle", instance="i")
    first.hang_up("closed")
    stage.clock.turn()
    stage.attempt(second.address).refuse()
    client = stage.ask_all()
    assert client.nodes["kyle"]["error"] == "down: closed"
    assert list(client.nodes) == ["kyle", "own"]


def test_the_first_address_that_comes_back_is_used_and_the_other_rests(stage: CoreHarness) -> None:
    first = stage.peer("kyle", instance="i")
    stage.peer("kyle", instance="i")
    first.hang_up()
    back = come_back(stage, first, instance="i")
    stage.clock.turn()
    assert back.wire.open
    assert names(stage) == ["kyle", "own"]


def test_the_other_address_of_a_node_that_is_configured_no_more_is_dialled(
    stage: CoreHarness,
) -> None:
    first = stage.peer("kyle", instance="i")
    second = stage.peer("kyle", instance="i")
    first.hang_up()
    stage.cluster.peers.remove(first.address)
    stage.clock.advance(1)
    assert dialled(stage, second.address) == 2
    client = stage.ask_all()
    assert list(client.nodes) == ["kyle", "own"]
    assert client.nodes["kyle"]["error"] == "not connected yet"


def test_the_other_address_of_a_node_that_said_goodbye_is_not_missed(stage: CoreHarness) -> None:
    first = stage.peer("kyle", instance="i")
    second = stage.peer("kyle", instance="i")
    stage.cluster.peers.remove(first.address)
    member = {"name": "kyle", "address": str(first.address), "instance": "i", "incarnation": 1}
    member |= {"state": "left", "since": WALL + stage.clock.now}
    stage.client(first.hello).ask(type=4, id=1, member=member)
    first.hang_up()
    stage.clock.advance(14)
    assert dialled(stage, second.address) == 1
    assert names(stage) == ["own"]
    stage.clock.advance(2)
    stage.welcome("kyle", stage.attempt(second.address), instance="j")
    assert names(stage) == ["kyle", "own"]


def test_all_agents_are_told_of_our_goodbye_whoever_has_dialled(stage: CoreHarness) -> None:
    peer = stage.peer("kyle")
    caller, client = stage.client(Hello(2, "stan", "i", "10.0.0.9:7070")), stage.client()
    stage.cluster.leave()
    request = parse(peer.wire.sent[-1])
    assert (request["type"], request["member"]["state"]) == (4, "left")
    assert caller.answer["id"] == JOIN
    assert caller.answer["member"] == request["member"]
    assert client.answers == []


def test_a_node_that_restarts_is_the_same_node(stage: CoreHarness) -> None:
    peer = stage.peer("kyle", instance="i")
    peer.hang_up()
    peer = come_back(stage, peer, instance="j")
    client = stage.ask_all()
    peer.answer()
    assert client.nodes["kyle"]["error"] == ""
    assert list(client.nodes) == ["kyle", "own"]


def test_a_node_that_moves_is_the_same_node(stage: CoreHarness) -> None:
    elsewhere = stage.configure()
    peer = stage.peer("kyle", instance="i")
    peer.hang_up()
    stage.welcome("kyle", stage.attempt(elsewhere), instance="j")
    assert names(stage) == ["kyle", "own"]


def test_two_nodes_with_one_name_are_both_listed(stage: CoreHarness) -> None:
    first, second = stage.peer("kyle"), stage.peer("kyle", instance="another")
    client = stage.ask_all()
    first.answer(memoryUsed=1)
    second.answer(memoryUsed=2)
    assert client.nodes["kyle"]["memoryUsed"] == 1
    assert client.nodes[f"kyle@{second.address}"]["memoryUsed"] == 2


def test_two_version_1_nodes_with_one_name_are_both_listed(stage: CoreHarness) -> None:
    stage.peer("kyle", version=1)
    second = stage.peer("kyle", version=1)
    assert names(stage) == ["kyle", f"kyle@{second.address}", "own"]


def test_a_node_with_our_name_is_listed_beside_us(stage: CoreHarness) -> None:
    peer = stage.peer("own", instance="another")
    client = stage.ask_all()
    peer.answer()
    key = f"own@{peer.address}"
    assert list(client.nodes) == ["own", key]
    assert client.nodes[key]["name"] == key


def test_an_address_configured_twice_is_dialled_once(stage: CoreHarness) -> None:
    address = stage.configure("10.0.0.9")
    stage.configure("10.0.0.9:7070")
    assert dialled(stage, address) == 1


# When it dials.


def test_a_peer_that_dials_us_ends_our_wait_to_redial_it(stage: CoreHarness) -> None:
    address = stage.configure()
    for _ in range(12):
        stage.attempt(address).refuse()
        await_dial(stage, address)
    stage.attempt(address).refuse()
    before = dialled(stage, address)
    stage.client(Hello(2, "kyle", "i", str(address)))
    stage.clock.turn()
    assert dialled(stage, address) == before + 1


def test_a_peer_that_dials_us_is_not_dialled_where_a_link_is_up(stage: CoreHarness) -> None:
    peer = stage.peer("kyle", instance="i")
    stage.client(Hello(2, "kyle", "i", str(peer.address)))
    stage.clock.advance(30)
    assert dialled(stage, peer.address) == 1


@pytest.mark.parametrize("address", ["", "nonsense", "10.0.0.99:0", "x" * 300, "http://a/"])
def test_a_peer_that_tells_a_strange_address_is_a_client_like_any(
    stage: CoreHarness, address: str
) -> None:
    client = stage.client(Hello(2, "kyle", "i", address))
    client.ask()
    assert client.answer["error"] == ""


def test_a_peer_that_cannot_be_reached_is_dialled_for_ever(stage: CoreHarness) -> None:
    address = stage.configure()
    for _ in range(100):
        stage.attempt(address).refuse()
        assert await_dial(stage, address) <= 15.1


def test_a_silent_peer_is_down_within_five_seconds_and_redialled(stage: CoreHarness) -> None:
    peer = stage.peer("kyle")
    stage.clock.advance(10)
    peer.wire.silence()
    stage.clock.advance(5.01)
    assert stage.ask_all().nodes["kyle"]["error"] == "down: no sign of life for 5 s"
    assert peer.wire.aborted
    come_back(stage, peer)
    assert stage.cluster.peers.links.up()


def test_after_stop_nothing_is_dialled_asked_or_answered(stage: CoreHarness) -> None:
    peer = stage.peer("kyle")
    waiting = stage.configure()
    client = stage.ask_all()
    stage.cluster.stop()
    sent = len(peer.wire.sent), len(client.wire.sent)
    attempts = len(stage.dial.attempts)
    stage.clock.advance(120)
    assert (len(peer.wire.sent), len(client.wire.sent)) == sent
    assert len(stage.dial.attempts) == attempts
    assert peer.wire.closed is not None
    assert stage.attempt(waiting).cancelled
    assert client.wire.closed == (1001, "shutting down")


def test_stopping_with_nobody_there_is_quiet(stage: CoreHarness) -> None:
    stage.cluster.stop()
    stage.clock.advance(60)
    assert stage.dial.attempts == []


# What it logs.


def test_the_story_of_a_peer_is_told_once_per_change_and_not_per_attempt(
    stage: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    address = stage.configure()
    for _ in range(20):
        stage.attempt(address).refuse("connection refused")
        await_dial(stage, address)
    peer = stage.welcome("kyle", stage.attempt(address))
    peer.hang_up("connection reset by peer")
    stage.clock.advance(1)
    for _ in range(3):
        stage.attempt(address).refuse("connection refused")
        await_dial(stage, address)
    stage.welcome("kyle", stage.attempt(address))
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
    stage: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    address = stage.configure()
    peer = FakePeer(stage, "kyle", stage.attempt(address), Hello(version=1))
    assert lines(log) == [f"Established connection with node: {address}"]
    peer.answer()
    assert lines(log)[1:] == [f"Connected to node: [kyle : {address}]"]


def test_two_nodes_with_one_name_are_warned_of(
    stage: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    stage.peer("kyle")
    second = stage.peer("kyle", instance="another")
    (warning,) = lines(log, "WARNING")
    assert warning == (
        f"Two nodes have the name kyle: the one at {second.address} is listed as "
        f"kyle@{second.address}"
    )


def test_an_address_that_is_our_own_is_told_and_is_no_warning(
    stage: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    peer = stage.peer("own", instance="own instance")
    assert f"Address {peer.address} is this node itself" in lines(log)
    assert lines(log, "WARNING") == []


def test_another_address_of_a_node_that_fails_with_it_is_not_a_lost_node_of_its_own(
    stage: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    first = stage.peer("kyle", instance="i")
    second = stage.peer("kyle", instance="i")
    first.hang_up("closed")
    stage.clock.turn()
    stage.attempt(second.address).refuse("connection refused")
    lost = [line for line in lines(log, "WARNING") if line.startswith("Lost")]
    assert lost == [f"Lost connection with node: [kyle : {first.address}]. Reason: closed"]


# Samples that stay away.


def own(stage: CoreHarness) -> dict[str, object]:
    client = stage.client()
    client.ask(type=0)
    node = client.nodes["own"]
    assert isinstance(node, dict)
    return node


def test_numbers_that_were_not_sampled_for_three_intervals_are_called_stale(
    stage: CoreHarness,
) -> None:
    stage.clock.advance(10)
    assert own(stage)["error"] == ""
    stage.sampling = False

    stage.clock.advance(2.5)
    assert own(stage)["error"] == ""
    stage.clock.advance(2.5)

    assert str(own(stage)["error"]).startswith("stale: last sampled ")
    assert own(stage)["cpuUsed"] == 5.0


def test_a_sample_ends_that(stage: CoreHarness) -> None:
    stage.sampling = False
    stage.clock.advance(60)
    assert own(stage)["error"]

    stage.sampling = True
    stage.clock.advance(1)

    assert own(stage)["error"] == ""


def test_a_sample_that_comes_again_with_more_sections_is_no_news(stage: CoreHarness) -> None:
    stage.sampling = False
    for _ in range(60):
        stage.clock.advance(1)
        stage.cluster.sampled(stage.cluster.newest)
    stage.clock.advance(1)

    assert own(stage)["error"]


def test_after_standing_still_our_own_numbers_are_not_called_stale(stage: CoreHarness) -> None:
    stage.clock.advance(10)
    stage.sampling = False
    stage.clock.now += 3600
    stage.clock.advance(0.5)

    assert own(stage)["error"] == ""
