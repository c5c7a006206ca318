"""Nodes of the configuration: names of several addresses, and what is taken out again."""

from core.harness import CoreHarness
from core.unverified import NAME, A, B, C, entry, errors, pass_a_day, states, tell

# Names of several addresses.


def test_a_name_is_listed_before_it_is_looked_up(stage: CoreHarness) -> None:
    stage.cluster.peers.expect(NAME)

    assert errors(stage) == {str(NAME): "looking up the name"}
    assert stage.dial.attempts == []


def test_a_name_of_one_address_is_dialled_by_its_name(stage: CoreHarness) -> None:
    stage.cluster.peers.expect(NAME)
    stage.cluster.peers.resolved(NAME, [A])

    assert errors(stage) == {str(NAME): "not connected yet"}
    stage.welcome("kyle", stage.attempt(NAME))
    assert list(errors(stage)) == ["kyle"]


def test_a_name_that_nobody_has_is_dialled_for_the_reason_why(stage: CoreHarness) -> None:
    stage.cluster.peers.expect(NAME)
    stage.cluster.peers.resolved(NAME, [])
    stage.attempt(NAME).refuse("name or service not known")

    assert errors(stage) == {str(NAME): "down: name or service not known"}


def test_a_name_of_several_addresses_is_each_of_them(stage: CoreHarness) -> None:
    stage.cluster.peers.expect(NAME)
    stage.cluster.peers.resolved(NAME, [A, B])

    stage.welcome("kyle", stage.attempt(A))
    stage.welcome("stan", stage.attempt(B))
    assert list(errors(stage)) == ["kyle", "stan"]
    assert stage.dial.to(NAME) == []


def test_the_address_among_several_that_is_our_own_is_no_node(stage: CoreHarness) -> None:
    stage.cluster.peers.resolved(NAME, [A, B])
    stage.welcome("kyle", stage.attempt(A))
    stage.welcome("own", stage.attempt(B), instance="own instance")

    stage.cluster.peers.resolved(NAME, [A, B])
    stage.cluster.peers.resolved(NAME, [A, B, C])
    stage.welcome("stan", stage.attempt(C))

    assert list(errors(stage)) == ["kyle", "stan"]
    assert len(stage.dial.to(B)) == 1


def test_a_name_that_led_to_ourselves_and_leads_elsewhere_is_dialled_again(
    stage: CoreHarness,
) -> None:
    stage.cluster.peers.resolved(NAME, [A])
    stage.welcome("own", stage.attempt(NAME), instance="own instance")
    assert errors(stage) == {}

    stage.cluster.peers.resolved(NAME, [B])
    stage.clock.advance(0.1)

    assert len(stage.dial.to(NAME)) == 2
    stage.welcome("kyle", stage.attempt(NAME))
    assert list(errors(stage)) == ["kyle"]


def test_an_address_that_a_name_loses_is_gone_unless_it_was_learnt_of(stage: CoreHarness) -> None:
    stage.cluster.peers.resolved(NAME, [A, B, C])
    stage.welcome("kyle", stage.attempt(A)).hang_up()
    stage.attempt(B).refuse()
    stage.welcome("stan", stage.attempt(C))
    tell(stage, entry("kyle", A))

    stage.cluster.peers.resolved(NAME, [C])

    # That kyle is down is to be seen, though the name server does not tell of it any more.
    assert [name for name, error in errors(stage).items() if error.startswith("down")] == ["kyle"]
    assert str(B) not in states(stage)


def test_a_failed_look_up_takes_nothing_away(stage: CoreHarness) -> None:
    stage.cluster.peers.resolved(NAME, [A, B])
    before = errors(stage)

    stage.cluster.peers.resolved(NAME, [])

    assert errors(stage) == before
    assert len(before) == 2


# What is taken out of the configuration.


def test_one_that_is_removed_while_down_is_gone(stage: CoreHarness) -> None:
    kyle = stage.peer("kyle")
    tell(stage, entry("kyle", kyle.address))
    kyle.hang_up()

    stage.cluster.peers.remove(kyle.address)

    assert errors(stage) == {}
    dialled = len(stage.dial.to(kyle.address))
    stage.clock.advance(60)
    assert len(stage.dial.to(kyle.address)) == dialled


def test_one_that_was_removed_while_down_is_not_learnt_of_again_by_old_news(
    stage: CoreHarness,
) -> None:
    kyle = stage.peer("kyle")
    tell(stage, entry("kyle", kyle.address))
    kyle.hang_up()
    stage.cluster.peers.remove(kyle.address)

    tell(stage, entry("kyle", kyle.address))
    assert errors(stage) == {}
    tell(stage, entry("kyle", kyle.address, 2))
    assert list(errors(stage)) == ["kyle"]


def test_one_that_is_removed_while_down_is_gone_by_whatever_address_it_is_known(
    stage: CoreHarness,
) -> None:
    stage.cluster.peers.resolved(NAME, [A])
    stage.cluster.peers.expect(NAME)
    kyle = stage.welcome("kyle", stage.attempt(NAME))
    tell(stage, entry("kyle", A))
    kyle.hang_up()

    stage.cluster.peers.remove(NAME)

    assert errors(stage) == {}
    assert states(stage) == {}


def test_one_that_is_removed_while_down_stays_if_another_address_of_it_is_configured(
    stage: CoreHarness,
) -> None:
    kyle = stage.peer("kyle", instance="i")
    alias = stage.peer("kyle", instance="i")
    kyle.hang_up()
    stage.clock.advance(0.1)
    stage.attempt(alias.address).refuse()

    stage.cluster.peers.remove(alias.address)

    assert list(errors(stage)) == ["kyle"]


def test_an_old_address_that_is_removed_does_not_take_along_the_node_that_has_moved(
    stage: CoreHarness,
) -> None:
    kyle = stage.peer("kyle", instance="kyle 1")
    tell(stage, entry("kyle", kyle.address, instance="kyle 1"))
    kyle.hang_up()
    tell(stage, entry("kyle", B, 2))
    stage.welcome("kyle", stage.attempt(B))
    view = stage.cluster.peers.gossip.table
    digest = view.digest

    stage.cluster.peers.remove(kyle.address)

    assert states(stage) == {str(B): "up"}
    assert view.digest == digest  # all agree still on who has left


def test_one_that_is_removed_while_up_stays_and_keeps_its_link(stage: CoreHarness) -> None:
    kyle = stage.peer("kyle")

    stage.cluster.peers.remove(kyle.address)

    assert list(errors(stage)) == ["kyle"]
    assert kyle.wire.open
    kyle.hang_up()
    pass_a_day(stage)
    assert errors(stage) == {}


def test_an_address_that_is_removed_and_is_another_of_a_node_that_is_up_changes_nothing(
    stage: CoreHarness,
) -> None:
    kyle = stage.peer("kyle", instance="i")
    alias = stage.peer("kyle", instance="i")

    stage.cluster.peers.remove(alias.address)
    assert list(errors(stage)) == ["kyle"]
    stage.cluster.peers.remove(kyle.address)
    assert list(errors(stage)) == ["kyle"]
    assert kyle.wire.open

    kyle.hang_up("closed")
    stage.clock.advance(0.1)
    stage.attempt(alias.address).refuse()
    assert errors(stage) == {"kyle": "down: closed"}


def test_one_of_version_1_that_is_removed_is_gone_and_nobody_waits_for_it(
    stage: CoreHarness,
) -> None:
    kyle = stage.peer("kyle", version=1)
    client = stage.ask_all(timeout=30)

    stage.cluster.peers.remove(kyle.address)
    stage.clock.turn()

    assert list(client.nodes) == ["own"]
    assert kyle.wire.closed is not None


def test_a_name_that_is_removed_takes_its_addresses_along(stage: CoreHarness) -> None:
    stage.cluster.peers.add(B)
    stage.cluster.peers.resolved(NAME, [A, B, C])
    for address in (A, B, C):
        stage.attempt(address).refuse()

    stage.cluster.peers.remove(NAME)

    assert list(states(stage)) == [str(B)]


def test_what_is_added_again_is_dialled_again(stage: CoreHarness) -> None:
    address = stage.configure()
    stage.attempt(address).refuse()
    stage.cluster.peers.remove(address)
    stage.cluster.peers.add(address)
    stage.clock.advance(0.01)

    assert len(stage.dial.to(address)) == 2
    assert list(errors(stage)) == [str(address)]


def test_to_remove_what_nobody_configured_does_no_harm(stage: CoreHarness) -> None:
    stage.cluster.peers.remove(A)

    assert errors(stage) == {}
