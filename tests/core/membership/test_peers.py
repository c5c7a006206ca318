"""Which nodes an agent takes in, what it hears of them, and when it forgets them."""

import pytest

from core.harness import CoreHarness
from core.unverified import (
    A,
    B,
    entry,
    errors,
    lines,
    pass_a_day,
    states,
    tell,
    told_of,
)
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.membership.peers import FORGOTTEN_AFTER, HOUSEKEEPING
from nodnod_agent.core.membership.table import MAX_MEMBERS
from nodnod_client.address import Address
from nodnod_client.messages import MemberEntry


def test_one_that_we_are_told_of_is_listed_and_dialled(
    stage: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    tell(stage, entry("kyle", A))

    assert errors(stage) == {"kyle": "not connected yet"}
    assert f"Discovered node: [kyle : {A}]" in lines(log)
    stage.welcome("kyle", stage.attempt(A))
    assert states(stage) == {str(A): "up"}


def test_one_that_dials_us_and_cannot_be_dialled_is_named_with_a_hint(
    stage: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    tell(stage, entry("kyle", A))
    stage.client(Hello(2, "kyle", "instance of kyle", str(A)))

    stage.attempt(A).refuse("connection refused")

    hint = "connection refused; it is connected to us: is the address that it advertises right?"
    assert errors(stage) == {"kyle": f"down: {hint}"}
    assert f"Could not connect to node: {A}. Error: {hint}" in lines(log)


def test_where_one_moved_to_another_address_it_is_there_once(stage: CoreHarness) -> None:
    kyle = told_of(stage, "kyle", A)
    kyle.hang_up()

    tell(stage, entry("kyle", B, 2, instance="another"))
    stage.welcome("kyle", stage.attempt(B), instance="another")

    assert list(errors(stage)) == ["kyle"]
    assert states(stage) == {str(B): "up"}


def test_where_one_moved_again_and_again_a_newcomer_lists_it_once(stage: CoreHarness) -> None:
    places = [Address("10.0.0.9", port) for port in (1, 2, 3)]
    for number, place in enumerate(places):
        tell(stage, entry("kyle", place, number + 1, instance=f"run {number}"))
    for place in places[:2]:
        stage.attempt(place).refuse()

    stage.welcome("kyle", stage.attempt(places[2]), instance="run 2")

    assert list(errors(stage)) == ["kyle"]
    assert states(stage) == {str(places[2]): "up"}


def test_of_namesakes_that_a_newcomer_was_told_of_each_that_answers_is_there(
    stage: CoreHarness,
) -> None:
    places = [Address("10.0.0.9", port) for port in (1, 2, 3)]
    for number, place in enumerate(places):
        tell(stage, entry("kyle", place, number + 1, instance=f"run {number}"))

    for number, place in enumerate(places):
        stage.welcome("kyle", stage.attempt(place), instance=f"run {number}")

    assert states(stage) == {str(place): "up" for place in places}
    assert len(errors(stage)) == 3


def test_an_agent_that_moved_does_not_miss_itself_where_it_was(
    stage: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    tell(stage, entry("own", A, instance="before"))
    stage.attempt(A).refuse()

    assert errors(stage) == {}
    assert not any(str(A) in line for line in lines(log) if "Could not" in line)


def test_one_with_our_name_that_answers_is_another_and_warned_of(
    stage: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    tell(stage, entry("own", A, instance="another"))
    stage.welcome("own", stage.attempt(A), instance="another")

    assert list(errors(stage)) == [f"own@{A}"]
    assert f"Two nodes have the name own: the one at {A} is listed as own@{A}" in lines(log)


# Made-up ones, and the real one among them.


def flood(stage: CoreHarness, count: int = MAX_MEMBERS) -> None:
    """Have the view full of members that nobody has ever met."""
    view = stage.cluster.peers.gossip.table
    for number in range(count):
        made_up = entry(f"n{number}", Address(f"10.8.{number >> 8}.{number & 255}", 7070))
        news = view.merge(MemberEntry(**made_up))
        assert news is not None
        stage.cluster.peers._learn(news)


def test_one_that_comes_in_person_is_dialled_before_all_that_we_were_only_told_of(
    stage: CoreHarness,
) -> None:
    flood(stage, 200)
    stage.clock.advance(0.1)
    kyle = stage.client(Hello(2, "kyle", "instance of kyle", str(A)))
    kyle.ask(type=4, id=1, member=entry("kyle", A), digest="0")
    stage.clock.advance(1.1)

    assert len(stage.dial.to(A)) == 1


def test_one_that_we_were_told_of_and_that_then_comes_in_person_waits_no_longer(
    stage: CoreHarness,
) -> None:
    flood(stage, 200)
    tell(stage, entry("kyle", A))
    assert stage.dial.to(A) == []
    stage.client(Hello(2, "kyle", "instance of kyle", str(A)))
    stage.clock.advance(1.1)

    assert len(stage.dial.to(A)) == 1


def test_who_claims_an_address_where_nobody_answers_has_it_dialled_first_but_once(
    stage: CoreHarness,
) -> None:
    flood(stage, 200)
    stage.client(Hello(2, "kyle", "instance of kyle", str(A)))
    tell(stage, entry("kyle", A))
    stage.clock.advance(1.1)
    stage.attempt(A).refuse()

    link = stage.cluster.peers.roster.members[A].link
    assert link is not None
    assert link.dialer == stage.cluster.peers.links.dials.failed


def test_who_comes_in_person_takes_the_place_of_one_that_nobody_has_met(stage: CoreHarness) -> None:
    met = told_of(stage, "stan", B)
    flood(stage, MAX_MEMBERS - 2)  # stan, and who told of him
    view = stage.cluster.peers.gossip.table
    assert len(view.entries) == MAX_MEMBERS

    stage.client(Hello(2, "kyle", "instance of kyle", str(A))).ask(
        type=4, id=1, member=entry("kyle", A), digest="0"
    )

    assert {str(A), str(B)} <= view.entries.keys()
    assert len(view.entries) == MAX_MEMBERS
    assert met.wire.open


# When they are forgotten.


def test_one_that_was_learnt_of_is_forgotten_after_a_day_down(
    stage: CoreHarness, log: pytest.LogCaptureFixture
) -> None:
    told_of(stage, "kyle", A).hang_up()
    stage.clock.now += FORGOTTEN_AFTER - 3 * HOUSEKEEPING
    stage.clock.advance(HOUSEKEEPING)
    assert list(errors(stage)) == ["kyle"]

    stage.clock.advance(3 * HOUSEKEEPING)

    assert errors(stage) == {}
    assert f"Forgot node: [kyle : {A}], down for a day" in lines(log)
    assert str(A) not in stage.cluster.peers.gossip.table.entries


def test_one_that_never_answered_is_forgotten_likewise(stage: CoreHarness) -> None:
    tell(stage, entry("kyle", A))
    stage.attempt(A).refuse()

    pass_a_day(stage)

    assert errors(stage) == {}


def test_one_that_is_configured_is_never_forgotten(stage: CoreHarness) -> None:
    kyle = stage.peer("kyle")
    tell(stage, entry("kyle", kyle.address))
    kyle.hang_up()

    for _ in range(3):
        pass_a_day(stage)

    assert list(errors(stage)) == ["kyle"]


def test_one_that_is_up_is_not_forgotten_under_its_other_address(stage: CoreHarness) -> None:
    kyle = stage.peer("kyle")
    tell(stage, entry("kyle", A))
    kyle.hang_up()
    stage.clock.turn()
    stage.attempt(A).refuse()
    stage.clock.wait_for(lambda: len(stage.dial.to(kyle.address)) > 1, 1)
    stage.welcome("kyle", stage.attempt(kyle.address))

    pass_a_day(stage)

    assert str(A) in stage.cluster.peers.gossip.table.entries
    assert list(errors(stage)) == ["kyle"]


def test_one_that_was_forgotten_and_calls_is_told_so_and_comes_back(stage: CoreHarness) -> None:
    told_of(stage, "kyle", A).hang_up()
    pass_a_day(stage)
    kyle = stage.client(Hello(2, "kyle", "instance of kyle", str(A)))

    kyle.ask(type=4, id=1, member=entry("kyle", A), digest="0")

    (told,) = kyle.answer["members"]
    assert told["state"] == "left"
    assert errors(stage) == {}
    kyle.ask(type=4, id=2, member=entry("kyle", A, told["incarnation"] + 1), digest="0")
    assert list(errors(stage)) == ["kyle"]


# Who is known.


def test_an_agent_that_dials_us_is_known_while_we_have_a_link_to_it(stage: CoreHarness) -> None:
    hello = Hello(2, "kyle", "instance of kyle", "10.0.0.2:7070")
    before = stage.client(hello).session
    assert not before.known

    kyle = stage.peer("kyle")

    assert before.known
    assert stage.client(hello).session.known
    kyle.hang_up()
    assert not before.known


def test_who_says_that_he_is_an_agent_is_not_known_for_that(stage: CoreHarness) -> None:
    stage.peer("kyle")
    assert not stage.client(Hello(2, "kyle", "another instance", "10.0.0.2:7070")).session.known
    assert not stage.client(Hello(2)).session.known
    assert not stage.client().session.known


def test_an_agent_with_two_addresses_is_known_while_one_of_them_is_up(stage: CoreHarness) -> None:
    hello = Hello(2, "kyle", "instance of kyle", "10.0.0.2:7070")
    kyle = stage.peer("kyle")
    other = stage.peer("kyle")  # the same instance: this link is given up
    session = stage.client(hello).session
    assert session.known
    other.hang_up()
    assert session.known
    kyle.hang_up()
    stage.clock.turn()
    assert not session.known


def test_a_wall_clock_that_jumps_has_nobody_forgotten(stage: CoreHarness) -> None:
    kyle = told_of(stage, "kyle", A)
    kyle.hang_up()
    stage.wall_skew = 10 * FORGOTTEN_AFTER
    stage.clock.advance(2 * HOUSEKEEPING)
    assert list(errors(stage)) == ["kyle"]
