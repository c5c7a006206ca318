"""Which nodes an agent learns of, what others can make it believe, and when it forgets them."""

import pytest

from core.harness import CoreHarness
from core.unverified import A, B, Story, entry, errors, lines, pass_a_day, states, tell, told_of
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.membership.peers import FORGOTTEN_AFTER, HOUSEKEEPING
from nodnod_agent.core.membership.table import MAX_MEMBERS
from nodnod_client.address import Address
from nodnod_client.messages import MemberEntry

KYLE = Hello(2, "kyle", "instance of kyle", str(A))
TOLD = ["told kyle A 1", "told kyle B 2", "told kyle C 3"]


def test_a_node_that_we_are_told_of_is_listed_and_dialed(
    harness: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    tell(harness, entry("kyle", A))
    assert errors(harness) == {"kyle": "not connected yet"}
    assert f"Discovered node: [kyle : {A}]" in lines(log)
    harness.welcome("kyle", A)
    assert states(harness) == {str(A): "up"}


def test_a_node_that_dials_us_and_cannot_be_dialed_is_listed_with_a_hint(
    harness: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    tell(harness, entry("kyle", A))
    harness.client(KYLE)
    harness.attempt(A).refuse("connection refused")
    hint = "connection refused; it is connected to us: is the address that it advertises right?"
    assert errors(harness) == {"kyle": f"down: {hint}"}
    assert f"Could not connect to node: {A}. Error: {hint}" in lines(log)


@pytest.mark.parametrize(
    ("steps", "listed"),
    [
        (["refused A", "refused B", "answers kyle C 3"], {"kyle C up"}),
        (
            ["answers kyle A 1", "answers kyle B 2", "answers kyle C 3"],
            {"kyle A up", "kyle B up", "kyle C up"},
        ),
    ],
    ids=["one node that has moved", "three nodes with one name"],
)
def test_of_several_addresses_with_one_name_each_that_answers_is_listed(
    harness: CoreHarness, steps: list[str], listed: set[str]
) -> None:
    assert Story(harness, *TOLD, *steps).listed() == listed


def test_a_node_does_not_miss_itself_where_it_was_before_it_moved(
    harness: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    assert Story(harness, "told own A 1", "refused A").listed() == set()
    assert not any(str(A) in line for line in lines(log) if "Could not" in line)


def test_another_node_with_our_name_that_answers_is_listed_and_warned_of(
    harness: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    assert Story(harness, "up own A 1").listed() == {"own A up"}
    assert f"Two nodes have the name own: the one at {A} is listed as own@{A}" in lines(log)


# A table full of made-up nodes, and the real one among them.


def flood(harness: CoreHarness, count: int) -> None:
    """Learn of nodes that never answer."""
    table = harness.node.peers.gossip.table
    for number in range(count):
        address = Address(f"10.8.{number >> 8}.{number & 255}", 7070)
        news = table.merge(MemberEntry(**entry(f"n{number}", address)))
        assert news is not None
        harness.node.peers._learn(news)


def introduce(harness: CoreHarness) -> None:
    """Have kyle tell us of itself."""
    harness.client(KYLE).ask(type=4, id=1, member=entry("kyle", A), digest="0")


@pytest.mark.parametrize("told_before", [False, True])
def test_a_node_that_dials_us_is_dialed_before_all_that_we_were_only_told_of(
    harness: CoreHarness, told_before: bool
) -> None:
    flood(harness, 200)
    if told_before:
        tell(harness, entry("kyle", A))
    harness.clock.advance(0.1)
    introduce(harness)
    harness.clock.advance(1.1)
    assert len(harness.dial.to(A)) == 1


def test_an_address_that_a_caller_claims_and_where_nothing_answers_is_dialed_first_only_once(
    harness: CoreHarness,
) -> None:
    flood(harness, 200)
    harness.client(KYLE)
    tell(harness, entry("kyle", A))
    harness.clock.advance(1.1)
    harness.attempt(A).refuse()
    link = harness.node.peers.roster.members[A].link
    assert link is not None
    assert link.dialer == harness.node.peers.links.dials.failed


def test_a_node_that_introduces_itself_replaces_one_that_never_answered(
    harness: CoreHarness,
) -> None:
    stan = told_of(harness, "stan", B)
    flood(harness, MAX_MEMBERS - 2)  # besides stan and the teller
    table = harness.node.peers.gossip.table
    assert len(table.entries) == MAX_MEMBERS
    introduce(harness)
    assert {str(A), str(B)} <= table.entries.keys()
    assert len(table.entries) == MAX_MEMBERS
    assert stan.wire.open


# When nodes are forgotten.


def test_a_learned_node_is_forgotten_after_a_day_down(
    harness: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    told_of(harness, "kyle", A).hang_up()
    harness.clock.now += FORGOTTEN_AFTER - 3 * HOUSEKEEPING
    harness.clock.advance(HOUSEKEEPING)
    assert list(errors(harness)) == ["kyle"]
    harness.clock.advance(3 * HOUSEKEEPING)
    assert errors(harness) == {}
    assert f"Forgot node: [kyle : {A}], down for a day" in lines(log)
    assert str(A) not in harness.node.peers.gossip.table.entries


def test_a_node_that_never_answered_is_forgotten_after_a_day(harness: CoreHarness) -> None:
    story = Story(harness, "told kyle A 1", "refused A")
    pass_a_day(harness)
    assert story.listed() == set()


def test_a_configured_node_is_never_forgotten(harness: CoreHarness) -> None:
    story = Story(harness, "configured kyle K 1", "ends K")
    for _ in range(3):
        pass_a_day(harness)
    assert story.listed() == {"kyle K down"}


def test_another_address_of_a_node_that_is_up_is_not_forgotten(harness: CoreHarness) -> None:
    kyle = harness.peer("kyle")
    tell(harness, entry("kyle", A))
    kyle.hang_up()
    harness.clock.turn()
    harness.attempt(A).refuse()
    harness.await_dial(kyle.address)
    harness.welcome("kyle", kyle.address)
    pass_a_day(harness)
    assert str(A) in harness.node.peers.gossip.table.entries
    assert list(errors(harness)) == ["kyle"]


def test_a_wall_clock_that_jumps_has_no_node_forgotten(harness: CoreHarness) -> None:
    told_of(harness, "kyle", A).hang_up()
    harness.wall_skew = 10 * FORGOTTEN_AFTER
    harness.clock.advance(2 * HOUSEKEEPING)
    assert list(errors(harness)) == ["kyle"]


# Which callers are known.


def test_an_agent_that_dials_us_is_known_while_we_have_a_link_to_it(harness: CoreHarness) -> None:
    hello = Hello(2, "kyle", "instance of kyle", "10.0.0.2:7070")
    before = harness.client(hello).session
    assert not before.known
    kyle = harness.peer("kyle")
    other = harness.peer("kyle")  # the same instance: this link is closed
    assert before.known
    assert harness.client(hello).session.known
    assert not harness.client(Hello(2, "kyle", "another instance", hello.address)).session.known
    assert not harness.client(Hello(2)).session.known
    assert not harness.client().session.known
    other.hang_up()
    assert before.known
    kyle.hang_up()
    assert not before.known
