"""Which nodes an agent takes in, what it hears of them, and when it forgets them."""

import logging
from typing import Any

import pytest

from nodnod.address import Address, parse_address
from nodnod_agent.core.peers import FORGOTTEN_AFTER, HOUSEKEEPING
from nodnod_agent.core.world import Hello
from simulation.stage import WALL, FakePeer, Stage

NAME = Address("cluster.example", 7070)
A, B, C = (Address(f"10.2.0.{n}", 7070) for n in (1, 2, 3))
TELLER = Hello(2, "teller", "i-teller", "10.3.0.1:7070")


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "nodnod")
    return caplog


def lines(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in log.records]  # as it was when it was logged


def entry(name: str, address: Address, incarnation: int = 1, **more: object) -> dict[str, Any]:
    fields = {"name": name, "address": str(address), "instance": f"instance of {name}"}
    return {**fields, "incarnation": incarnation, **more}


def tell(stage: Stage, *entries: dict[str, Any]) -> None:
    """Have an agent that has dialled us tell of these."""
    own = entry(TELLER.name, parse_address(TELLER.address), instance=TELLER.instance)
    stage.client(TELLER).ask(type=4, id=1, member=own, digest="0", members=entries)
    stage.clock.advance(0.01)


def told_of(stage: Stage, name: str, address: Address) -> FakePeer:
    """A node that we were told of, and that answers."""
    tell(stage, entry(name, address))
    return stage.welcome(name, stage.attempt(address))


def errors(stage: Stage) -> dict[str, str]:
    """The other nodes of a cluster answer; the teller, who never answers, not among them."""
    nodes = stage.ask_all(timeout=0.05)
    stage.clock.advance(0.1)
    known = {name: node["error"] for name, node in nodes.nodes.items()}
    return {n: e for n, e in known.items() if n not in ("own", TELLER.name)}


def states(stage: Stage) -> dict[str, str]:
    """What type 3 tells, by address, likewise."""
    rows = stage.cluster.peers.members()[1:]
    return {row.address: row.state for row in rows if row.name != TELLER.name}


def pass_a_day(stage: Stage) -> None:
    """As if the machine had slept so long: the timers of the core come due once."""
    stage.clock.now += FORGOTTEN_AFTER
    stage.clock.advance(2 * HOUSEKEEPING)


# Those we are told of.


def test_one_that_we_are_told_of_is_listed_and_dialled(
    stage: Stage, log: pytest.LogCaptureFixture
) -> None:
    tell(stage, entry("kyle", A))

    assert errors(stage) == {"kyle": "not connected yet"}
    assert f"Discovered node: [kyle : {A}]" in lines(log)
    stage.welcome("kyle", stage.attempt(A))
    assert states(stage) == {str(A): "up"}


def test_one_that_left_is_listed_nowhere_and_dialled_no_more(stage: Stage) -> None:
    told_of(stage, "kyle", A)

    tell(stage, entry("kyle", A, 2, state="left", since=WALL))

    assert errors(stage) == {}
    assert states(stage) == {str(A): "left"}
    stage.clock.advance(120)
    assert len(stage.dial.to(A)) == 1


def test_one_that_left_and_is_configured_is_knocked_at_slowly(stage: Stage) -> None:
    kyle = stage.peer("kyle")
    tell(stage, entry("kyle", kyle.address, 2, state="left", since=WALL))

    assert errors(stage) == {}
    stage.clock.advance(16)
    assert len(stage.dial.to(kyle.address)) == 2
    stage.welcome("kyle", stage.attempt(kyle.address), instance="another")
    assert list(errors(stage)) == ["kyle"]


def test_old_news_do_not_bring_back_one_that_left(stage: Stage) -> None:
    told_of(stage, "kyle", A)
    tell(stage, entry("kyle", A, 5, state="left", since=WALL))

    tell(stage, entry("kyle", A, 4))

    assert errors(stage) == {}


def test_one_that_left_and_starts_again_is_back(stage: Stage) -> None:
    told_of(stage, "kyle", A)
    tell(stage, entry("kyle", A, 2, state="left", since=WALL))

    tell(stage, entry("kyle", A, 3, instance="another"))

    assert list(errors(stage)) == ["kyle"]


def test_the_goodbye_of_a_process_does_not_end_the_one_that_has_taken_its_place(
    stage: Stage,
) -> None:
    tell(stage, entry("kyle", A))
    stage.welcome("kyle", stage.attempt(A), instance="the next one")

    tell(stage, entry("kyle", A, 2, state="left", since=WALL))

    assert states(stage) == {str(A): "up"}


def test_where_one_moved_to_another_address_it_is_there_once(stage: Stage) -> None:
    kyle = told_of(stage, "kyle", A)
    kyle.hang_up()

    tell(stage, entry("kyle", B, 2, instance="another"))
    stage.welcome("kyle", stage.attempt(B), instance="another")

    assert list(errors(stage)) == ["kyle"]
    assert states(stage) == {str(B): "up"}


def test_an_agent_that_moved_does_not_miss_itself_where_it_was(
    stage: Stage, log: pytest.LogCaptureFixture
) -> None:
    tell(stage, entry("own", A, instance="before"))
    stage.attempt(A).refuse()

    assert errors(stage) == {}
    assert not any(str(A) in line for line in lines(log) if "Could not" in line)


def test_one_with_our_name_that_answers_is_another_and_warned_of(
    stage: Stage, log: pytest.LogCaptureFixture
) -> None:
    tell(stage, entry("own", A, instance="another"))
    stage.welcome("own", stage.attempt(A), instance="another")

    assert list(errors(stage)) == [f"own@{A}"]
    assert f"Two nodes have the name own: the one at {A} is listed as own@{A}" in lines(log)


# When they are forgotten.


def test_one_that_was_learnt_of_is_forgotten_after_a_day_down(
    stage: Stage, log: pytest.LogCaptureFixture
) -> None:
    told_of(stage, "kyle", A).hang_up()
    stage.clock.now += FORGOTTEN_AFTER - 3 * HOUSEKEEPING
    stage.clock.advance(HOUSEKEEPING)
    assert list(errors(stage)) == ["kyle"]

    stage.clock.advance(3 * HOUSEKEEPING)

    assert errors(stage) == {}
    assert f"Forgot node: [kyle : {A}], down for a day" in lines(log)
    assert str(A) not in stage.cluster.peers.gossip.view.entries


def test_one_that_never_answered_is_forgotten_likewise(stage: Stage) -> None:
    tell(stage, entry("kyle", A))
    stage.attempt(A).refuse()

    pass_a_day(stage)

    assert errors(stage) == {}


def test_one_that_is_configured_is_never_forgotten(stage: Stage) -> None:
    kyle = stage.peer("kyle")
    tell(stage, entry("kyle", kyle.address))
    kyle.hang_up()

    for _ in range(3):
        pass_a_day(stage)

    assert list(errors(stage)) == ["kyle"]


def test_one_that_is_up_is_not_forgotten_under_its_other_address(stage: Stage) -> None:
    kyle = stage.peer("kyle")
    tell(stage, entry("kyle", A))
    kyle.hang_up()
    stage.clock.turn()
    stage.attempt(A).refuse()
    stage.clock.wait_for(lambda: len(stage.dial.to(kyle.address)) > 1, 1)
    stage.welcome("kyle", stage.attempt(kyle.address))

    pass_a_day(stage)

    assert str(A) in stage.cluster.peers.gossip.view.entries
    assert list(errors(stage)) == ["kyle"]


def test_one_that_was_forgotten_and_calls_is_told_so_and_comes_back(stage: Stage) -> None:
    told_of(stage, "kyle", A).hang_up()
    pass_a_day(stage)
    kyle = stage.client(Hello(2, "kyle", "instance of kyle", str(A)))

    kyle.ask(type=4, id=1, member=entry("kyle", A), digest="0")

    (told,) = kyle.answer["members"]
    assert told["state"] == "left"
    assert errors(stage) == {}
    kyle.ask(type=4, id=2, member=entry("kyle", A, told["incarnation"] + 1), digest="0")
    assert list(errors(stage)) == ["kyle"]


# Names of several addresses.


def test_a_name_is_listed_before_it_is_looked_up(stage: Stage) -> None:
    stage.cluster.peers.expect(NAME)

    assert errors(stage) == {str(NAME): "looking up the name"}
    assert stage.dial.attempts == []


def test_a_name_of_one_address_is_dialled_by_its_name(stage: Stage) -> None:
    stage.cluster.peers.expect(NAME)
    stage.cluster.peers.resolved(NAME, [A])

    assert errors(stage) == {str(NAME): "not connected yet"}
    stage.welcome("kyle", stage.attempt(NAME))
    assert list(errors(stage)) == ["kyle"]


def test_a_name_that_nobody_has_is_dialled_for_the_reason_why(stage: Stage) -> None:
    stage.cluster.peers.expect(NAME)
    stage.cluster.peers.resolved(NAME, [])
    stage.attempt(NAME).refuse("name or service not known")

    assert errors(stage) == {str(NAME): "down: name or service not known"}


def test_a_name_of_several_addresses_is_each_of_them(stage: Stage) -> None:
    stage.cluster.peers.expect(NAME)
    stage.cluster.peers.resolved(NAME, [A, B])

    stage.welcome("kyle", stage.attempt(A))
    stage.welcome("stan", stage.attempt(B))
    assert list(errors(stage)) == ["kyle", "stan"]
    assert stage.dial.to(NAME) == []


def test_the_address_among_several_that_is_our_own_is_no_node(stage: Stage) -> None:
    stage.cluster.peers.resolved(NAME, [A, B])
    stage.welcome("kyle", stage.attempt(A))
    stage.welcome("own", stage.attempt(B), instance="own instance")

    stage.cluster.peers.resolved(NAME, [A, B])
    stage.cluster.peers.resolved(NAME, [A, B, C])
    stage.welcome("stan", stage.attempt(C))

    assert list(errors(stage)) == ["kyle", "stan"]
    assert len(stage.dial.to(B)) == 1


def test_a_name_that_led_to_ourselves_and_leads_elsewhere_is_dialled_again(stage: Stage) -> None:
    stage.cluster.peers.resolved(NAME, [A])
    stage.welcome("own", stage.attempt(NAME), instance="own instance")
    assert errors(stage) == {}

    stage.cluster.peers.resolved(NAME, [B])
    stage.clock.advance(0.1)

    assert len(stage.dial.to(NAME)) == 2
    stage.welcome("kyle", stage.attempt(NAME))
    assert list(errors(stage)) == ["kyle"]


def test_an_address_that_a_name_loses_is_gone_unless_it_was_learnt_of(stage: Stage) -> None:
    stage.cluster.peers.resolved(NAME, [A, B, C])
    stage.welcome("kyle", stage.attempt(A)).hang_up()
    stage.attempt(B).refuse()
    stage.welcome("stan", stage.attempt(C))
    tell(stage, entry("kyle", A))

    stage.cluster.peers.resolved(NAME, [C])

    # That kyle is down is to be seen, though the name server does not tell of it any more.
    assert [name for name, error in errors(stage).items() if error.startswith("down")] == ["kyle"]
    assert str(B) not in states(stage)


def test_a_failed_look_up_takes_nothing_away(stage: Stage) -> None:
    stage.cluster.peers.resolved(NAME, [A, B])
    before = errors(stage)

    stage.cluster.peers.resolved(NAME, [])

    assert errors(stage) == before
    assert len(before) == 2


# What is taken out of the configuration.


def test_one_that_is_removed_while_down_is_gone(stage: Stage) -> None:
    kyle = stage.peer("kyle")
    tell(stage, entry("kyle", kyle.address))
    kyle.hang_up()

    stage.cluster.peers.remove(kyle.address)

    assert errors(stage) == {}
    dialled = len(stage.dial.to(kyle.address))
    stage.clock.advance(60)
    assert len(stage.dial.to(kyle.address)) == dialled


def test_one_that_was_removed_while_down_is_not_learnt_of_again_by_old_news(stage: Stage) -> None:
    kyle = stage.peer("kyle")
    tell(stage, entry("kyle", kyle.address))
    kyle.hang_up()
    stage.cluster.peers.remove(kyle.address)

    tell(stage, entry("kyle", kyle.address))
    assert errors(stage) == {}
    tell(stage, entry("kyle", kyle.address, 2))
    assert list(errors(stage)) == ["kyle"]


def test_one_that_is_removed_while_up_stays_and_keeps_its_link(stage: Stage) -> None:
    kyle = stage.peer("kyle")

    stage.cluster.peers.remove(kyle.address)

    assert list(errors(stage)) == ["kyle"]
    assert kyle.wire.open
    kyle.hang_up()
    pass_a_day(stage)
    assert errors(stage) == {}


def test_one_of_version_1_that_is_removed_is_gone_and_nobody_waits_for_it(stage: Stage) -> None:
    kyle = stage.peer("kyle", version=1)
    client = stage.ask_all(timeout=30)

    stage.cluster.peers.remove(kyle.address)
    stage.clock.turn()

    assert list(client.nodes) == ["own"]
    assert kyle.wire.closed is not None


def test_a_name_that_is_removed_takes_its_addresses_along(stage: Stage) -> None:
    stage.cluster.peers.add(B)
    stage.cluster.peers.resolved(NAME, [A, B, C])
    for address in (A, B, C):
        stage.attempt(address).refuse()

    stage.cluster.peers.remove(NAME)

    assert list(states(stage)) == [str(B)]


def test_what_is_added_again_is_dialled_again(stage: Stage) -> None:
    address = stage.configure()
    stage.attempt(address).refuse()
    stage.cluster.peers.remove(address)
    stage.cluster.peers.add(address)
    stage.clock.advance(0.01)

    assert len(stage.dial.to(address)) == 2
    assert list(errors(stage)) == [str(address)]


def test_to_remove_what_nobody_configured_does_no_harm(stage: Stage) -> None:
    stage.cluster.peers.remove(A)

    assert errors(stage) == {}
