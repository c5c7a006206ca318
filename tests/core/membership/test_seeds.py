"""What the configured nodes stand for, as look-ups tell it."""

from nodnod_agent.core.membership.seeds import Seeds
from nodnod_client.address import Address

NAME = Address("cluster.example", 7070)
A, B, C = (Address(f"10.0.0.{n}", 7070) for n in (1, 2, 3))


def looked_up(*finds: list[Address]) -> tuple[set[Address], set[Address]]:
    """What the last of these finds changes."""
    seeds = Seeds()
    seeds.add(NAME)
    changes: tuple[set[Address], set[Address]] = set(), set()
    for found in finds:
        changes = seeds.resolved(NAME, found)
    return changes


def test_a_name_with_one_address_stands_for_itself() -> None:
    assert looked_up([A]) == ({NAME}, set())


def test_a_name_that_cannot_be_looked_up_stands_for_itself() -> None:
    assert looked_up([]) == ({NAME}, set())


def test_a_name_with_several_addresses_stands_for_each_and_no_more_for_itself() -> None:
    assert looked_up([A, B]) == ({A, B}, {NAME})


def test_the_same_again_changes_nothing() -> None:
    assert looked_up([A, B], [B, A]) == (set(), set())
    assert looked_up([A], [A]) == (set(), set())
    assert looked_up([], []) == (set(), set())


def test_a_failed_look_up_changes_nothing_of_what_was_known() -> None:
    assert looked_up([A, B], []) == (set(), set())
    assert looked_up([A, B], [], [B, C]) == ({C}, {A})


def test_addresses_come_and_go() -> None:
    assert looked_up([A, B], [B, C]) == ({C}, {A})
    assert looked_up([A, B], [B]) == ({NAME}, {A, B})
    assert looked_up([A], [A, B]) == ({A, B}, {NAME})


def test_a_name_that_leads_elsewhere_is_to_be_dialled_again() -> None:
    assert looked_up([A], [B]) == ({NAME}, set())
    assert looked_up([], [B]) == ({NAME}, set())


def test_what_another_seed_stands_for_stays_configured() -> None:
    seeds = Seeds()
    seeds.add(A)
    seeds.add(NAME)
    seeds.resolved(NAME, [A, B])

    assert seeds.resolved(NAME, [B, C]) == ({C}, set())
    assert seeds.remove(NAME) == {B, C}
    assert seeds.remove(A) == {A}


def test_of_two_names_that_overlap_each_address_stays_while_one_has_it() -> None:
    other = Address("other.example", 7070)
    seeds = Seeds()
    seeds.resolved(NAME, [A, B])

    assert seeds.resolved(other, [B, C]) == ({B, C}, set())
    assert seeds.resolved(NAME, [A, C]) == ({C}, set())
    assert seeds.resolved(other, [A, C]) == ({A}, {B})
    assert seeds.remove(NAME) == set()
    assert seeds.remove(other) == {A, C}


def test_what_is_removed_before_it_was_looked_up_stands_for_itself() -> None:
    seeds = Seeds()
    seeds.add(NAME)

    assert seeds.remove(NAME) == {NAME}
