"""Who says that it leaves, or of whom others say so."""

import pytest

from core.harness import WALL, CoreHarness, FakePeer
from core.unverified import (
    NAME,
    A,
    B,
    entry,
    errors,
    lines,
    states,
    tell,
    told_of,
)


def leave(stage: CoreHarness, peer: FakePeer, incarnation: int = 2) -> None:
    """Have a node say goodbye, and hang up a moment later, as it does."""
    tell(stage, entry(peer.name, peer.address, incarnation, state="left", since=WALL))
    peer.hang_up("closed by the other side (1001 shutting down)")


def test_one_that_left_is_listed_nowhere_and_dialled_no_more(stage: CoreHarness) -> None:
    leave(stage, told_of(stage, "kyle", A))

    assert errors(stage) == {}
    assert states(stage) == {str(A): "left"}
    stage.clock.advance(120)
    assert len(stage.dial.to(A)) == 1


def test_one_that_left_and_is_configured_is_knocked_at_slowly(stage: CoreHarness) -> None:
    kyle = stage.peer("kyle")
    leave(stage, kyle)

    assert errors(stage) == {}
    stage.clock.advance(16)
    assert len(stage.dial.to(kyle.address)) == 2
    stage.welcome("kyle", stage.attempt(kyle.address), instance="another")
    assert list(errors(stage)) == ["kyle"]


def test_old_news_do_not_bring_back_one_that_left(stage: CoreHarness) -> None:
    leave(stage, told_of(stage, "kyle", A), 5)

    tell(stage, entry("kyle", A, 4))

    assert errors(stage) == {}


def test_one_that_left_and_starts_again_is_back(stage: CoreHarness) -> None:
    leave(stage, told_of(stage, "kyle", A))

    tell(stage, entry("kyle", A, 3, instance="another"))

    assert list(errors(stage)) == ["kyle"]


def test_one_that_says_goodbye_is_no_failure_at_any_moment(
    stage: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    kyle = told_of(stage, "kyle", A)

    tell(stage, entry("kyle", A, 2, state="left", since=WALL))
    client = stage.ask_all()
    kyle.answer()
    assert client.nodes["kyle"]["error"] == ""
    client = stage.ask_all()
    kyle.hang_up()
    stage.clock.advance(2)
    assert "kyle" not in client.nodes

    assert [line for line in lines(log) if "kyle" in line][-1] == f"Node left: [kyle : {A}]"
    assert [record for record in log.records if record.levelname == "WARNING"] == []


def test_one_that_leaves_while_it_is_asked_for_by_its_name_is_unknown(stage: CoreHarness) -> None:
    kyle = told_of(stage, "kyle", A)
    stan = told_of(stage, "stan", B)
    client = stage.ask_all(nodes=["kyle", "stan"])
    leave(stage, kyle)
    stan.answer()

    assert {name: node["error"] for name, node in client.nodes.items()} == {
        "kyle": "unknown node",
        "stan": "",
    }


def test_one_of_which_others_say_that_it_left_stays_while_it_answers(stage: CoreHarness) -> None:
    kyle = told_of(stage, "kyle", A)

    for incarnation in range(2, 20, 2):
        tell(stage, entry("kyle", A, incarnation, state="left", since=WALL))
        assert list(errors(stage)) == ["kyle"]
        tell(stage, entry("kyle", A, incarnation + 1))

    assert kyle.wire.open
    kyle.hang_up("connection reset by peer")
    assert errors(stage) == {"kyle": "down: connection reset by peer"}


def test_one_that_leaves_is_not_missed_by_any_of_its_addresses(stage: CoreHarness) -> None:
    stage.cluster.peers.expect(NAME)
    stage.cluster.peers.resolved(NAME, [A])
    kyle = stage.welcome("kyle", stage.attempt(NAME))
    tell(stage, entry("kyle", A))
    assert states(stage) == {str(NAME): "up"}

    tell(stage, entry("kyle", A, 2, state="left", since=WALL))
    kyle.hang_up()

    assert errors(stage) == {}
    assert states(stage) == {str(A): "left"}
    stage.clock.advance(14)
    assert len(stage.dial.to(NAME)) == 1
    stage.clock.advance(2)
    stage.welcome("kyle", stage.attempt(NAME), instance="the next one")
    assert list(errors(stage)) == ["kyle"]


def test_a_goodbye_that_comes_after_the_end_takes_the_failure_back(stage: CoreHarness) -> None:
    kyle = told_of(stage, "kyle", A)
    kyle.hang_up("closed")
    assert errors(stage) == {"kyle": "down: closed"}

    tell(stage, entry("kyle", A, 2, state="left", since=WALL))

    assert errors(stage) == {}


def test_a_goodbye_of_one_that_was_known_elsewhere_takes_both_addresses_away(
    stage: CoreHarness,
) -> None:
    before = told_of(stage, "kyle", A)
    before.hang_up()
    tell(stage, entry("kyle", B, 2, instance="another"))
    after = stage.welcome("kyle", stage.attempt(B), instance="another")

    tell(stage, entry("kyle", B, 3, instance="another", state="left", since=WALL))
    after.hang_up()

    assert errors(stage) == {}


def test_the_goodbye_of_a_process_does_not_end_the_one_that_has_taken_its_place(
    stage: CoreHarness,
) -> None:
    tell(stage, entry("kyle", A))
    stage.welcome("kyle", stage.attempt(A), instance="the next one")

    tell(stage, entry("kyle", A, 2, state="left", since=WALL))

    assert states(stage) == {str(A): "up"}
