"""Nodes of the configuration: host names with several addresses, and nodes that are removed."""

from core.harness import CoreHarness, FakePeer
from core.unverified import (
    NAME,
    A,
    B,
    C,
    Story,
    entry,
    errors,
    pass_a_day,
    states,
    tell,
    told_of,
)
from nodnod_client.address import Address


def resolve(harness: CoreHarness, *addresses: Address) -> None:
    """Have the configured name be looked up."""
    harness.node.configured.expect(NAME)
    harness.node.configured.resolved(NAME, [*addresses])


def configured(harness: CoreHarness, instance: str = "") -> FakePeer:
    """A configured node that is up, and that others tell of too."""
    kyle = harness.peer("kyle", instance=instance)
    tell(harness, entry("kyle", kyle.address, instance=instance or "instance of kyle"))
    return kyle


# Names with several addresses.


def test_a_name_is_listed_before_it_is_looked_up(harness: CoreHarness) -> None:
    harness.node.configured.expect(NAME)
    assert errors(harness) == {str(NAME): "looking up the name"}
    assert harness.dial.attempts == []


def test_a_name_with_one_address_is_dialed_by_its_name(harness: CoreHarness) -> None:
    resolve(harness, A)
    assert errors(harness) == {str(NAME): "not connected yet"}
    harness.welcome("kyle", NAME)
    assert list(errors(harness)) == ["kyle"]


def test_an_unknown_name_is_dialed_so_that_its_error_shows(harness: CoreHarness) -> None:
    resolve(harness)
    harness.attempt(NAME).refuse("name or service not known")
    assert errors(harness) == {str(NAME): "down: name or service not known"}


def test_a_name_with_several_addresses_is_each_of_them(harness: CoreHarness) -> None:
    resolve(harness, A, B)
    harness.welcome("kyle", A)
    harness.welcome("stan", B)
    assert list(errors(harness)) == ["kyle", "stan"]
    assert harness.dial.to(NAME) == []


def test_our_own_address_among_several_is_no_node(harness: CoreHarness) -> None:
    resolve(harness, A, B)
    harness.welcome("kyle", A)
    harness.welcome("own", B, instance="own instance")
    harness.node.configured.resolved(NAME, [A, B])
    harness.node.configured.resolved(NAME, [A, B, C])
    harness.welcome("stan", C)
    assert list(errors(harness)) == ["kyle", "stan"]
    assert len(harness.dial.to(B)) == 1


def test_a_name_that_led_to_ourselves_and_leads_elsewhere_is_dialed_again(
    harness: CoreHarness,
) -> None:
    resolve(harness, A)
    harness.welcome("own", NAME, instance="own instance")
    assert errors(harness) == {}
    harness.node.configured.resolved(NAME, [B])
    harness.clock.advance(0.1)
    assert len(harness.dial.to(NAME)) == 2
    harness.welcome("kyle", NAME)
    assert list(errors(harness)) == ["kyle"]


def test_an_address_that_a_name_loses_is_removed_unless_others_tell_of_it(
    harness: CoreHarness,
) -> None:
    resolve(harness, A, B, C)
    harness.welcome("kyle", A).hang_up()
    harness.attempt(B).refuse()
    harness.welcome("stan", C)
    tell(harness, entry("kyle", A))
    harness.node.configured.resolved(NAME, [C])
    # That kyle is down must show, although the name server does not return it any more.
    assert [name for name, error in errors(harness).items() if error.startswith("down")] == ["kyle"]
    assert str(B) not in states(harness)


# Nodes that are removed from the configuration.


def test_a_node_that_is_removed_while_down_is_gone_until_there_is_news_of_it(
    harness: CoreHarness,
) -> None:
    kyle = configured(harness)
    kyle.hang_up()
    harness.node.configured.remove(kyle.address)
    dialed = len(harness.dial.to(kyle.address))
    harness.clock.advance(60)
    tell(harness, entry("kyle", kyle.address))
    assert errors(harness) == {}
    assert len(harness.dial.to(kyle.address)) == dialed
    tell(harness, entry("kyle", kyle.address, 2))
    assert list(errors(harness)) == ["kyle"]


def test_a_node_that_is_removed_while_down_is_gone_with_all_its_addresses(
    harness: CoreHarness,
) -> None:
    resolve(harness, A)
    kyle = harness.welcome("kyle", NAME)
    tell(harness, entry("kyle", A))
    kyle.hang_up()
    harness.node.configured.remove(NAME)
    assert errors(harness) == {}
    assert states(harness) == {}


def test_a_node_that_is_removed_while_down_stays_if_another_address_is_configured(
    harness: CoreHarness,
) -> None:
    kyle, alias = harness.peer("kyle", instance="i"), harness.peer("kyle", instance="i")
    kyle.hang_up()
    harness.clock.advance(0.1)
    harness.attempt(alias.address).refuse()
    harness.node.configured.remove(alias.address)
    assert list(errors(harness)) == ["kyle"]


def test_removing_the_old_address_of_a_node_that_has_moved_keeps_the_node(
    harness: CoreHarness,
) -> None:
    kyle = configured(harness, "kyle 1")
    kyle.hang_up()
    told_of(harness, "kyle", B)
    digest = harness.node.peers.gossip.table.digest
    harness.node.configured.remove(kyle.address)
    assert states(harness) == {str(B): "up"}
    assert harness.node.peers.gossip.table.digest == digest  # all agents still agree


def test_removing_the_old_address_of_a_moved_node_that_is_down_removes_the_node(
    harness: CoreHarness,
) -> None:
    story = Story(harness, "configured kyle K 1", "ends K", "up kyle B 2", "ends B")
    harness.node.configured.remove(story.places["K"])
    assert errors(harness) == {}


def test_a_node_that_is_removed_while_up_stays_until_it_is_down_for_a_day(
    harness: CoreHarness,
) -> None:
    kyle = harness.peer("kyle")
    harness.node.configured.remove(kyle.address)
    assert list(errors(harness)) == ["kyle"]
    assert kyle.wire.open
    kyle.hang_up()
    pass_a_day(harness)
    assert errors(harness) == {}


def test_removing_each_of_two_addresses_of_a_node_that_is_up_changes_nothing(
    harness: CoreHarness,
) -> None:
    kyle, alias = harness.peer("kyle", instance="i"), harness.peer("kyle", instance="i")
    for peer in (alias, kyle):
        harness.node.configured.remove(peer.address)
        assert list(errors(harness)) == ["kyle"]
    assert kyle.wire.open
    kyle.hang_up("closed")
    harness.clock.advance(0.1)
    harness.attempt(alias.address).refuse()
    assert errors(harness) == {"kyle": "down: closed"}


def test_a_version_1_node_that_is_removed_is_gone_and_not_waited_for(harness: CoreHarness) -> None:
    kyle = harness.peer("kyle", version=1)
    client = harness.ask_all(timeout=30)
    harness.node.configured.remove(kyle.address)
    harness.clock.turn()
    assert list(client.nodes) == ["own"]
    assert kyle.wire.closed is not None
    kyle.answer()
    kyle.hang_up()
    assert harness.node.peers.links.members == {}
    assert errors(harness) == {}


def test_an_address_that_is_added_again_is_dialed_again(harness: CoreHarness) -> None:
    address = harness.configure()
    harness.attempt(address).refuse()
    harness.node.configured.remove(address)
    harness.node.configured.add(address)
    harness.clock.advance(0.01)
    assert len(harness.dial.to(address)) == 2
    assert list(errors(harness)) == [str(address)]


def test_removing_an_address_that_is_not_configured_changes_nothing(harness: CoreHarness) -> None:
    harness.node.configured.remove(A)
    assert errors(harness) == {}
