"""Members that an agent never reached: those that nobody vouches for are forgotten."""

import json
from typing import Any

import pytest

from core.harness import CoreHarness, FakePeer
from core.unverified import TELLER, A, B, entry, pass_a_day, states, tell
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.membership.doubts import ASK_AFTER, QUESTION, UNMET_FOR, Doubts
from nodnod_agent.core.membership.gossip import JOIN
from nodnod_agent.core.membership.peers import HOUSEKEEPING
from simulation.clock import FakeClock

A_WHILE = UNMET_FOR + 2 * HOUSEKEEPING


@pytest.fixture
def peer(harness: CoreHarness) -> FakePeer:
    """An agent that this one reaches."""
    return harness.peer("stan")


def asked(peer: FakePeer) -> list[str]:
    """What a peer was last asked about."""
    joins = [request for request in map(json.loads, peer.wire.sent) if request["id"] == JOIN]
    return joins[-1].get("unmet", [])


def says(harness: CoreHarness, peer: FakePeer, **fields: Any) -> None:
    """Have a peer answer all questions for the next minute so."""
    for _ in range(60):
        harness.clock.advance(1)
        peer.say(json.dumps({"host": peer.name, "id": JOIN, "digest": "0", **fields}).encode())


def unreachable(harness: CoreHarness) -> None:
    """Tell the agent of a node that it cannot reach."""
    tell(harness, entry("ghost", A))
    harness.attempt(A).refuse()


@pytest.mark.usefixtures("peer")
def test_a_member_that_nobody_reached_goes_after_ten_minutes(harness: CoreHarness) -> None:
    unreachable(harness)
    harness.clock.advance(UNMET_FOR - HOUSEKEEPING)
    assert states(harness)[str(A)] == "down"
    harness.clock.advance(3 * HOUSEKEEPING)
    assert str(A) not in states(harness)


@pytest.mark.usefixtures("peer")
def test_it_does_not_come_back_from_those_that_still_list_it(harness: CoreHarness) -> None:
    unreachable(harness)
    harness.clock.advance(A_WHILE)
    tell(harness, entry("ghost", A))
    assert str(A) not in states(harness)
    tell(harness, entry("ghost", A, 2))  # a process that started later
    assert str(A) in states(harness)


def test_it_stays_while_an_agent_that_was_reached_vouches_for_it(
    harness: CoreHarness, peer: FakePeer
) -> None:
    unreachable(harness)
    for _ in range(30):
        says(harness, peer, met=[str(A)])
    assert str(A) not in asked(peer)
    assert states(harness)[str(A)] == "down"
    harness.clock.advance(ASK_AFTER + 10)
    assert str(A) in asked(peer)
    harness.clock.advance(A_WHILE)
    assert str(A) not in states(harness)


def test_the_word_of_an_agent_that_was_not_asked_does_not_count(
    harness: CoreHarness, peer: FakePeer
) -> None:
    unreachable(harness)
    harness.clock.advance(A_WHILE - 90)
    own = entry(TELLER.name, B, instance=TELLER.instance)
    harness.client(TELLER).ask(type=4, id=1, member=own, met=[str(A)])
    harness.clock.advance(120)
    assert str(A) not in states(harness)
    assert states(harness)[str(peer.address)] == "up"


def test_it_goes_soon_where_an_agent_has_given_it_up(harness: CoreHarness, peer: FakePeer) -> None:
    unreachable(harness)
    says(harness, peer)
    says(harness, peer, gone=[str(A)])
    assert str(A) not in states(harness)


def test_one_that_is_vouched_for_is_not_given_up_because_another_has(
    harness: CoreHarness, peer: FakePeer
) -> None:
    unreachable(harness)
    says(harness, peer)
    says(harness, peer, met=[str(A)])
    says(harness, peer, gone=[str(A)])
    assert states(harness)[str(A)] == "down"


@pytest.mark.usefixtures("peer")
def test_a_member_that_is_connected_to_this_agent_stays(harness: CoreHarness) -> None:
    unreachable(harness)
    harness.client(Hello(2, "ghost", "instance of ghost", str(A)))
    harness.clock.advance(2 * A_WHILE)
    assert states(harness)[str(A)] == "down"


@pytest.mark.usefixtures("peer")
def test_a_configured_member_that_never_answered_stays(harness: CoreHarness) -> None:
    unreachable(harness)
    harness.configure(str(A))
    harness.clock.advance(2 * A_WHILE)
    assert states(harness)[str(A)] == "down"


@pytest.mark.usefixtures("peer")
def test_a_member_that_was_reached_once_stays_for_a_day(harness: CoreHarness) -> None:
    tell(harness, entry("kyle", A))
    harness.welcome("kyle", A).hang_up()
    harness.clock.advance(2 * A_WHILE)
    assert states(harness)[str(A)] == "down"
    pass_a_day(harness)
    assert str(A) not in states(harness)


@pytest.mark.usefixtures("peer")
def test_in_a_cluster_with_a_secret_all_members_stay_for_a_day(harness: CoreHarness) -> None:
    harness.node.peers.believing = True
    unreachable(harness)
    harness.clock.advance(2 * A_WHILE)
    assert states(harness)[str(A)] == "down"


def test_an_agent_that_reaches_nobody_forgets_nobody(harness: CoreHarness, peer: FakePeer) -> None:
    unreachable(harness)
    peer.hang_up()
    harness.clock.advance(2 * A_WHILE)
    assert states(harness)[str(A)] == "down"


def test_an_agent_vouches_only_for_what_it_has_reached_itself(harness: CoreHarness) -> None:
    peer = harness.peer("stan")
    unreachable(harness)
    harness.clock.advance(1)
    client = harness.client(TELLER)
    own = entry(TELLER.name, B, instance=TELLER.instance)
    question = [str(A), str(peer.address), "10.9.9.9:7070", "no address", "10.0.0.1:7070"]
    client.ask(type=4, id=1, member=own, unmet=question)
    assert client.answer["met"] == [str(peer.address)]
    assert "gone" not in client.answer
    harness.clock.advance(A_WHILE)
    client.ask(type=4, id=2, member=own, unmet=question)
    assert client.answers[-1]["gone"] == [str(A)]


def test_questions_about_many_addresses_are_short_and_reach_them_all(clock: FakeClock) -> None:
    doubts = Doubts(clock)
    addresses = {f"10.1.{number >> 8}.{number & 255}:7070" for number in range(1000)}
    for address in addresses:
        doubts.add(address)
    assert doubts.question() == []
    clock.advance(ASK_AFTER)
    questions = [doubts.question() for _ in range(10)]
    assert set().union(*questions) == addresses
    assert max(sum(map(len, question)) for question in questions) <= QUESTION


@pytest.mark.parametrize(
    ("unmet", "reason"),
    [
        ([1], "join: Expected `str`, got `int` - at `$.unmet[0]`"),
        (["x"] * 1025, "join: Expected `array` of length <= 1024 - at `$.unmet`"),
        (["x" * 301], "join: Expected `str` of length <= 300 - at `$.unmet[0]`"),
    ],
)
def test_a_wrong_question_is_refused_with_its_place(
    harness: CoreHarness, unmet: object, reason: str
) -> None:
    client = harness.client(TELLER)
    own = entry(TELLER.name, B, instance=TELLER.instance)
    client.ask(type=4, id=1, member=own, unmet=unmet)
    assert client.answer["error"] == reason
    assert str(B) not in states(harness)
