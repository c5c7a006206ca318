"""Nodes that come to another address: each is one node, and its old addresses are not missed."""

import pytest

from core.harness import CoreHarness
from core.unverified import A, B, Story, entry, errors, lines, tell
from nodnod_client.address import Address
from nodnod_client.codec import encode

KYLE_MOVES = ["up kyle A 1", "ends A", "up kyle B 2"]
SWAPPED = ["up kyle A 1", "up stan B 1", "ends A", "ends B", "up stan A 2"]
SILENT_THEN_B = ["up kyle A 1", "silent A", "up kyle B 2"]
CONFIGURED_MOVES = ["configured kyle K 1", "ends K", "up kyle B 2"]

STORIES: dict[str, tuple[list[str], set[str]]] = {
    "an unverified node that comes elsewhere is listed once": (
        ["told kyle A 1", "refused A", "up kyle B 2"],
        {"kyle B up"},
    ),
    "all unverified addresses of a name may be the node that answers": (
        ["told kyle A 1", "refused A", "told kyle B 2", "refused B", "up kyle C 3"],
        {"kyle C up"},
    ),
    "a namesake that was up beside a node does not replace it": (
        ["up kyle A 1", "up kyle B 2", "ends A", "ends B", "up kyle B 3"],
        {"kyle A down", "kyle B up"},
    ),
    "of two namesakes that are down the one lost last has moved": (
        ["up kyle A 1", "up kyle B 2", "ends A", "wait 1", "ends B", "up kyle C 3"],
        {"kyle A down", "kyle C up"},
    ),
    "a node that was said to have moved, and answers there, is listed": (
        [*KYLE_MOVES, "told kyle A 2 1", "wait 1", "answers kyle A 1"],
        {"kyle A up", "kyle B up"},
    ),
    "a node that came elsewhere before it was missed has moved": (
        [*SILENT_THEN_B, "wait 6"],
        {"kyle B up"},
    ),
    "a node whose end is reported late has moved": (
        [*SILENT_THEN_B, "wait 2", "ends A"],
        {"kyle B up"},
    ),
    "a node that ends as soon as its namesake has come is down": (
        [*SILENT_THEN_B, "ends A"],
        {"kyle A down", "kyle B up"},
    ),
    "a silent node that was up beside its namesake is down": (
        ["up kyle A 1", "up kyle B 2", "wait 1", "silent A", "wait 6"],
        {"kyle A down", "kyle B up"},
    ),
    "a namesake that restarts where it was does not replace a silent node": (
        ["up kyle A 1", "up kyle B 2", "silent A", "ends B", "up kyle B 3", "wait 6"],
        {"kyle A down", "kyle B up"},
    ),
    "a node that moves to where another was replaces it": (SWAPPED, {"stan A up"}),
    "two nodes may exchange their addresses": (
        [*SWAPPED, "up kyle B 2"],
        {"stan A up", "kyle B up"},
    ),
    "a process that is there before the end of the last one is reported is listed": (
        [
            *("up kyle A 1", "goodbye kyle A 2 1", "told kyle A 3", "ends A", "wait 1"),
            "answers kyle A 3",
        ],
        {"kyle A up"},
    ),
    "another node at the old address of one that has moved is listed": (
        ["up kyle A 1", "told stan A 2", "ends A", "up kyle B 3", "wait 1", "answers stan A 2"],
        {"kyle B up", "stan A up"},
    ),
    "a goodbye said elsewhere does not take the next process along": (
        ["up kyle A 1", "told kyle B 5", "goodbye kyle A 1 1", "ends A"],
        {"kyle A left", "kyle B down"},
    ),
    "a configured address that a node has left is not listed": (CONFIGURED_MOVES, {"kyle B up"}),
    "a node that moves back to its configured address is listed once": (
        [*CONFIGURED_MOVES, "ends B", "wait 20", "answers kyle K 3"],
        {"kyle K up"},
    ),
    "a node that moves back, and is told of first, is listed once": (
        [*CONFIGURED_MOVES, "ends B", "told kyle K 3", "wait 20", "answers kyle K 3"],
        {"kyle K up"},
    ),
    "a configured address that a node has left stays hidden when the node is renamed": (
        [*CONFIGURED_MOVES, "ends B", "up stan B 3"],
        {"kyle K left", "stan B up"},
    ),
    "a node that moved and then says goodbye is down nowhere": (
        [*KYLE_MOVES, "goodbye kyle B 3 2", "ends B"],
        {"kyle A left", "kyle B left"},
    ),
    "a node that left is not listed as left once its name is back": (
        ["goodbye kyle A 1 1", "up kyle B 2"],
        {"kyle B up"},
    ),
}


@pytest.mark.parametrize(("steps", "listed"), STORIES.values(), ids=STORIES)
def test_where_a_node_is(harness: CoreHarness, steps: list[str], listed: set[str]) -> None:
    assert Story(harness, *steps).listed() == listed


@pytest.mark.parametrize(
    ("steps", "table"),
    [
        ([*KYLE_MOVES, "ends B", "up kyle C 3"], {"kyle A left", "kyle B left", "kyle C up"}),
        (["told kyle A 1", "refused A", "up kyle B 2"], {"kyle A up", "kyle B up"}),
        ([*SILENT_THEN_B, "wait 6"], {"kyle A left", "kyle B up"}),
        (
            ["up kyle A 1", "up kyle B 2", "ends A", "ends B", "up kyle B 3"],
            {"kyle A up", "kyle B up"},
        ),
        (
            ["up kyle A 1", "up kyle B 2", "ends A", "wait 1", "ends B", "up kyle C 3"],
            {"kyle A up", "kyle B left", "kyle C up"},
        ),
    ],
    ids=["moved twice", "unverified", "moved unnoticed", "was up beside", "was lost last"],
)
def test_newcomers_are_told_that_a_node_has_left_where_we_have_seen_it_move(
    harness: CoreHarness, steps: list[str], table: set[str]
) -> None:
    assert Story(harness, *steps).table() == table


def test_the_address_that_a_node_has_left_is_not_dialed_any_more(harness: CoreHarness) -> None:
    Story(harness, *KYLE_MOVES)
    dialed = len(harness.dial.to(A))
    harness.clock.advance(60)
    assert len(harness.dial.to(A)) == dialed


def test_two_agents_that_see_a_node_move_say_the_same_of_it() -> None:
    entries = set()
    for late in ("wait 0", "wait 5"):
        harness = CoreHarness()
        Story(harness, "up kyle A 1", "ends A", late, "up kyle B 2")
        entries.add(encode(harness.node.peers.gossip.table.entries[str(A)]))
    assert len(entries) == 1


def test_a_move_is_logged_and_leaves_the_new_link_alone(
    harness: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    story = Story(harness, *SILENT_THEN_B, "wait 6")
    assert f"Node [kyle : {B}] was at {A} before" in lines(log)
    assert story.peers["B"].wire.open


def test_nodes_that_exchange_their_addresses_have_their_names_alone(
    harness: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    Story(harness, *SWAPPED, "up kyle B 2")
    assert errors(harness).keys() == {"kyle", "stan"}
    assert not any("Two nodes have the name" in line for line in lines(log))


def test_our_own_name_is_not_missed_at_a_configured_address(harness: CoreHarness) -> None:
    address = harness.configure()
    tell(harness, entry("own", address, instance="before"))
    harness.attempt(address).refuse()
    assert errors(harness) == {}


def test_the_move_of_a_version_1_node_is_not_told(harness: CoreHarness) -> None:
    harness.peer("kyle", version=1).hang_up()
    harness.peer("kyle", version=1)
    assert list(errors(harness)) == ["kyle"]
    assert Story(harness).table() == set()


def test_a_node_may_move_to_an_address_of_ip_version_6(harness: CoreHarness) -> None:
    story = Story(harness, "up kyle A 1", "ends A")
    story.places["B"] = Address("fd00::1", 7070)
    story.play("up kyle B 2")
    assert story.listed() == {"kyle B up"}
