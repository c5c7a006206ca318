"""Nodes that come to another address: each is one node, and its old ones are no ghosts for anybody."""

import pytest

from core.harness import CoreHarness, FakePeer
from core.unverified import A, B, C, entry, errors, lines, states, tell
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.membership.keepalive import SILENCE
from nodnod_client.address import Address
from nodnod_client.messages import MemberEntry


def met(stage: CoreHarness, name: str, address: Address, incarnation: int = 1) -> FakePeer:
    """A node whose process number ``incarnation`` we are told of, and that answers."""
    instance = f"{name} {incarnation}"
    tell(stage, entry(name, address, incarnation, instance=instance))
    stage.clock.advance(1)
    return stage.welcome(name, stage.attempt(address), instance=instance)


def said(stage: CoreHarness) -> dict[str, tuple[str, str]]:
    """What a newcomer would be told: name and state by address."""
    entries = stage.cluster.peers.gossip.table.entries.values()
    return {one.address: (one.name, one.state) for one in entries if one.name != "teller"}


def test_where_a_node_was_before_it_crashed_it_is_for_nobody_any_more(stage: CoreHarness) -> None:
    met(stage, "kyle", A).hang_up()
    met(stage, "kyle", B, 2).hang_up()
    met(stage, "kyle", C, 3)

    assert said(stage) == {
        str(A): ("kyle", "left"),
        str(B): ("kyle", "left"),
        str(C): ("kyle", "up"),
    }
    assert list(errors(stage)) == ["kyle"]
    assert states(stage) == {str(C): "up"}
    dialled = len(stage.dial.to(A))
    stage.clock.advance(60)
    assert len(stage.dial.to(A)) == dialled


def test_two_agents_that_see_a_node_move_say_the_same_of_it() -> None:
    digests = set()
    for late in (0.0, 5.0):
        stage = CoreHarness()
        met(stage, "kyle", A).hang_up()
        stage.clock.advance(late)
        met(stage, "kyle", B, 2)
        entries = stage.cluster.peers.gossip.table.entries
        digests.add(entries[str(A)])
    assert len(digests) == 1


def test_of_what_we_were_only_told_nobody_is_told_that_it_has_moved(stage: CoreHarness) -> None:
    tell(stage, entry("kyle", A, instance="i"))
    stage.attempt(A).refuse()
    met(stage, "kyle", B, 2)

    assert said(stage)[str(A)] == ("kyle", "up")
    assert list(errors(stage)) == ["kyle"]


def test_all_that_we_were_only_told_of_may_be_the_one_that_comes(stage: CoreHarness) -> None:
    for number, address in enumerate((A, B), 1):
        tell(stage, entry("kyle", address, number, instance=f"i{number}"))
        stage.clock.advance(1)
        stage.attempt(address).refuse()
    met(stage, "kyle", C, 3)

    assert list(errors(stage)) == ["kyle"]


def test_a_node_that_was_up_beside_its_namesake_is_missed_when_it_is_down(
    stage: CoreHarness,
) -> None:
    first, second = met(stage, "kyle", A), met(stage, "kyle", B, 2)
    first.hang_up()
    second.hang_up()
    met(stage, "kyle", B, 3)

    assert list(errors(stage)) == ["kyle", f"kyle@{B}"]
    assert said(stage)[str(A)] == ("kyle", "up")


def test_of_two_namesakes_that_are_down_the_one_lost_last_has_moved(stage: CoreHarness) -> None:
    first, second = met(stage, "kyle", A), met(stage, "kyle", B, 2)
    first.hang_up()
    stage.clock.advance(1)
    second.hang_up()
    met(stage, "kyle", C, 3)

    assert states(stage) == {str(A): "down", str(C): "up"}
    assert said(stage)[str(A)] == ("kyle", "up")


def test_who_is_said_to_have_moved_and_is_there_all_the_same_is_taken_in_again(
    stage: CoreHarness,
) -> None:
    met(stage, "kyle", A).hang_up()
    met(stage, "kyle", B, 2)
    tell(stage, entry("kyle", A, 2, instance="kyle 1"))
    stage.clock.advance(1)
    stage.welcome("kyle", stage.attempt(A), instance="kyle 1")

    assert states(stage) == {str(A): "up", str(B): "up"}


def test_a_node_that_came_elsewhere_before_it_was_missed_has_moved(
    stage: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    before = met(stage, "kyle", A)
    before.wire.silence()
    after = met(stage, "kyle", B, 2)
    stage.clock.advance(SILENCE + 1)

    assert states(stage) == {str(B): "up"}
    assert list(errors(stage)) == ["kyle"]
    assert said(stage)[str(A)] == ("kyle", "left")
    assert f"Node [kyle : {B}] was at {A} before" in lines(log)
    assert after.wire.open


def test_a_node_whose_end_reached_us_late_has_moved_likewise(stage: CoreHarness) -> None:
    before = met(stage, "kyle", A)
    before.wire.silence()
    met(stage, "kyle", B, 2)
    stage.clock.advance(2)
    before.hang_up("connection reset by peer")

    assert states(stage) == {str(B): "up"}


def test_one_that_dies_as_soon_as_its_namesake_has_come_is_down(stage: CoreHarness) -> None:
    first = met(stage, "kyle", A)
    first.wire.silence()  # for as long as from one ping to the next
    met(stage, "kyle", B, 2)
    first.hang_up("connection reset by peer")

    assert states(stage) == {str(A): "down", str(B): "up"}


def test_one_that_falls_silent_and_was_up_beside_its_namesake_is_down(stage: CoreHarness) -> None:
    first = met(stage, "kyle", A)
    met(stage, "kyle", B, 2)
    stage.clock.advance(1)
    first.wire.silence()
    stage.clock.advance(SILENCE + 1)

    assert states(stage) == {str(A): "down", str(B): "up"}


def test_a_namesake_that_restarts_where_it_was_is_not_another_that_fell_silent(
    stage: CoreHarness,
) -> None:
    first, second = met(stage, "kyle", A), met(stage, "kyle", B, 2)
    first.wire.silence()
    second.hang_up()
    met(stage, "kyle", B, 3)
    stage.clock.advance(SILENCE + 1)

    assert states(stage) == {str(A): "down", str(B): "up"}


def test_a_node_that_moves_to_where_another_was_is_there_once_and_has_its_name_alone(
    stage: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    kyle, stan = met(stage, "kyle", A), met(stage, "stan", B)
    kyle.hang_up()
    stan.hang_up()
    met(stage, "stan", A, 2)
    assert errors(stage).keys() == {"stan"}
    met(stage, "kyle", B, 2)

    assert errors(stage).keys() == {"kyle", "stan"}
    assert states(stage) == {str(A): "up", str(B): "up"}
    assert not any("Two nodes have the name" in line for line in lines(log))


def test_one_that_was_there_before_the_end_of_another_reached_us_is_there(
    stage: CoreHarness,
) -> None:
    before = met(stage, "kyle", A)
    tell(stage, entry("kyle", A, 2, instance="kyle 1", state="left", since=1_700_000_000.0))
    tell(stage, entry("kyle", A, 3, instance="kyle 3"))
    before.hang_up()
    stage.clock.advance(1)
    stage.welcome("kyle", stage.attempt(A), instance="kyle 3")

    assert states(stage) == {str(A): "up"}


def test_another_at_the_old_address_of_one_that_has_moved_is_there_too(stage: CoreHarness) -> None:
    before = met(stage, "kyle", A)
    tell(stage, entry("stan", A, 2, instance="stan 2"))  # while its end is under way to us
    before.hang_up()
    met(stage, "kyle", B, 3)
    stage.clock.advance(1)
    stage.welcome("stan", stage.attempt(A), instance="stan 2")

    assert errors(stage).keys() == {"kyle", "stan"}


def test_a_goodbye_said_elsewhere_does_not_take_the_next_process_along(stage: CoreHarness) -> None:
    before = met(stage, "kyle", A)
    tell(stage, entry("kyle", B, 5, instance="kyle 5"))  # taken for the same, while A is up
    tell(stage, entry("kyle", A, 1, instance="kyle 1", state="left", since=1_700_000_000.0))
    before.hang_up()

    assert list(errors(stage)) == ["kyle"]
    assert states(stage)[str(B)] == "down"


def test_a_configured_address_where_a_node_was_before_is_no_node(stage: CoreHarness) -> None:
    kyle = stage.peer("kyle", instance="kyle 1")
    tell(stage, entry("kyle", kyle.address, instance="kyle 1"))
    kyle.hang_up()
    after = met(stage, "kyle", B, 2)
    assert states(stage) == {str(B): "up"}

    after.hang_up()
    assert list(errors(stage)) == ["kyle"]
    stage.clock.advance(20)
    stage.welcome("kyle", stage.attempt(kyle.address), instance="kyle 3")
    assert list(errors(stage)) == ["kyle"]
    assert states(stage)[str(kyle.address)] == "up"


def test_one_that_comes_back_to_where_it_was_before_is_one_node_though_we_hear_of_it_first(
    stage: CoreHarness,
) -> None:
    kyle = stage.peer("kyle", instance="kyle 1")
    tell(stage, entry("kyle", kyle.address, instance="kyle 1"))
    kyle.hang_up()
    met(stage, "kyle", B, 2).hang_up()
    tell(stage, entry("kyle", kyle.address, 3, instance="kyle 3"))
    stage.clock.wait_for(lambda: len(stage.dial.to(kyle.address)) > 1, 20)
    stage.welcome("kyle", stage.attempt(kyle.address), instance="kyle 3")

    assert list(errors(stage)) == ["kyle"]
    assert states(stage) == {str(kyle.address): "up"}


def test_a_configured_address_of_one_that_has_moved_stays_hidden_when_it_is_renamed(
    stage: CoreHarness,
) -> None:
    kyle = stage.peer("kyle", instance="kyle 1")
    tell(stage, entry("kyle", kyle.address, instance="kyle 1"))
    kyle.hang_up()
    met(stage, "kyle", B, 2).hang_up()
    met(stage, "stan", B, 3)

    assert list(errors(stage)) == ["stan"]


def test_who_moved_and_then_says_goodbye_is_down_for_nobody(stage: CoreHarness) -> None:
    met(stage, "kyle", A).hang_up()
    after = met(stage, "kyle", B, 2)
    tell(stage, entry("kyle", B, 3, instance="kyle 2", state="left", since=1_700_000_000.0))
    after.hang_up()

    assert errors(stage) == {}
    assert said(stage) == {str(A): ("kyle", "left"), str(B): ("kyle", "left")}


def test_that_one_has_left_is_told_until_one_of_its_name_is_back(stage: CoreHarness) -> None:
    left = entry("kyle", A, state="left", since=stage.clock.now + 1_700_000_000.0)
    tell(stage, left)
    assert states(stage) == {str(A): "left"}
    met(stage, "kyle", B, 2)
    assert states(stage) == {str(B): "up"}


def test_an_agent_is_not_missed_where_it_was_though_that_is_configured(stage: CoreHarness) -> None:
    address = stage.configure()
    tell(stage, entry("own", address, instance="before"))
    stage.attempt(address).refuse()

    assert errors(stage) == {}


def test_a_move_of_a_node_of_version_1_is_nothing_to_tell(stage: CoreHarness) -> None:
    old = stage.peer("kyle", version=1)
    old.hang_up()
    stage.peer("kyle", version=1)

    assert list(errors(stage)) == ["kyle"]
    assert said(stage) == {}


def test_whoever_has_moved_to_an_address_of_version_6_is_one_node(stage: CoreHarness) -> None:
    met(stage, "kyle", A).hang_up()
    met(stage, "kyle", Address("fd00::1", 7070), 2)

    assert states(stage) == {"[fd00::1]:7070": "up"}


def test_nobody_can_say_of_one_that_is_there_that_it_has_moved(stage: CoreHarness) -> None:
    kyle = met(stage, "kyle", A)
    tell(stage, entry("kyle", A, 1, instance="kyle 1", state="left", since=1_700_000_000.0))

    assert states(stage) == {str(A): "up"}
    assert kyle.wire.open


def test_who_is_told_that_it_has_moved_refutes_it(stage: CoreHarness) -> None:
    own = stage.cluster.peers.gossip.table.own
    client = stage.client(Hello(2, "kyle", "i", str(A)))
    moved = MemberEntry(own.name, own.address, own.instance, own.incarnation, "left", 1.7e9)
    fields = {"name": own.name, "address": own.address, "instance": own.instance}
    told = {**fields, "incarnation": moved.incarnation, "state": "left", "since": moved.since}
    client.ask(type=4, id=1, member=entry("kyle", A), digest="0", members=[told])

    now = stage.cluster.peers.gossip.table.own
    assert (now.state, now.incarnation) == ("up", own.incarnation + 1)
