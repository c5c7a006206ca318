"""Nodes that say that they leave, or of which others say so."""

import pytest

from core.harness import CoreHarness
from core.unverified import NAME, A, Story, entry, errors, lines, states, tell, told_of

LEAVES = ["up kyle A 1", "goodbye kyle A 5 1", "ends A"]

STORIES: dict[str, tuple[list[str], set[str]]] = {
    "a node that left is listed as left": (LEAVES, {"kyle A left"}),
    "old news does not bring it back": ([*LEAVES, "told kyle A 4"], {"kyle A left"}),
    "a new process brings it back": ([*LEAVES, "told kyle A 6"], {"kyle A down"}),
    "a goodbye that comes after the end replaces the failure": (
        ["up kyle A 1", "ends A", "goodbye kyle A 2 1"],
        {"kyle A left"},
    ),
    "the goodbye of a process does not end the next one": (
        ["told kyle A 1", "answers kyle A 2", "goodbye kyle A 2 1"],
        {"kyle A up"},
    ),
}


@pytest.mark.parametrize(("steps", "listed"), STORIES.values(), ids=STORIES)
def test_a_goodbye(harness: CoreHarness, steps: list[str], listed: set[str]) -> None:
    assert Story(harness, *steps).listed() == listed


def test_a_node_that_left_is_not_dialed_any_more(harness: CoreHarness) -> None:
    Story(harness, *LEAVES, "wait 120")
    assert len(harness.dial.to(A)) == 1


def test_a_configured_node_that_left_is_dialed_at_the_slowest_rate(harness: CoreHarness) -> None:
    story = Story(harness, "configured kyle K 1", "goodbye kyle K 2 1", "ends K")
    assert story.listed() == {"kyle K left"}
    story.play("wait 14")
    assert len(harness.dial.to(story.places["K"])) == 1
    story.play("wait 2")
    assert len(harness.dial.to(story.places["K"])) == 2
    story.play("answers kyle K 2")
    assert story.listed() == {"kyle K up"}


def test_a_goodbye_is_no_failure_at_any_moment(
    harness: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    story = Story(harness, "up kyle A 1", "goodbye kyle A 2 1")
    client = harness.ask_all()
    story.peers["A"].answer()
    assert client.nodes["kyle"]["error"] == ""
    client = harness.ask_all()
    story.play("ends A", "wait 2")
    assert "kyle" not in client.nodes
    assert [line for line in lines(log) if "kyle" in line][-1] == f"Node left: [kyle : {A}]"
    assert lines(log, "WARNING") == []


def test_a_node_that_leaves_while_it_is_asked_for_by_name_is_unknown(harness: CoreHarness) -> None:
    story = Story(harness, "up kyle A 1", "up stan B 1")
    client = harness.ask_all(nodes=["kyle", "stan"])
    story.play("goodbye kyle A 2 1", "ends A")
    story.peers["B"].answer()
    assert client.errors == {"kyle": "unknown node", "stan": ""}


def test_a_node_of_which_others_say_that_it_left_stays_while_it_answers(
    harness: CoreHarness,
) -> None:
    kyle = told_of(harness, "kyle", A)
    for incarnation in range(2, 20, 2):
        tell(harness, entry("kyle", A, incarnation, state="left", since=1.7e9))
        assert list(errors(harness)) == ["kyle"]
        tell(harness, entry("kyle", A, incarnation + 1))
    assert kyle.wire.open
    kyle.hang_up("connection reset by peer")
    assert errors(harness) == {"kyle": "down: connection reset by peer"}


def test_a_node_that_leaves_is_missed_at_none_of_its_addresses(harness: CoreHarness) -> None:
    harness.node.configured.expect(NAME)
    harness.node.configured.resolved(NAME, [A])
    kyle = harness.welcome("kyle", NAME)
    tell(harness, entry("kyle", A))
    assert states(harness) == {str(NAME): "up"}

    tell(harness, entry("kyle", A, 2, state="left", since=1.7e9))
    kyle.hang_up()

    assert errors(harness) == {}
    assert states(harness) == {str(A): "left"}
    harness.clock.advance(14)
    assert len(harness.dial.to(NAME)) == 1
    harness.clock.advance(2)
    harness.welcome("kyle", NAME, instance="the next one")
    assert list(errors(harness)) == ["kyle"]
