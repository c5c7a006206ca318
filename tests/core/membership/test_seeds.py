"""The addresses that the configured nodes stand for, as look-ups tell them."""

import pytest

from nodnod_agent.core.membership.seeds import Seeds
from nodnod_client.address import Address

NAME, OTHER = Address("cluster.example", 7070), Address("other.example", 7070)
A, B, C = (Address(f"10.0.0.{n}", 7070) for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("finds", "added", "dropped"),
    [
        ([[A]], {NAME}, set()),
        ([[]], {NAME}, set()),
        ([[A, B]], {A, B}, {NAME}),
        ([[A, B], [B, A]], set(), set()),
        ([[A], [A]], set(), set()),
        ([[], []], set(), set()),
        ([[A, B], []], set(), set()),
        ([[A, B], [], [B, C]], {C}, {A}),
        ([[A, B], [B, C]], {C}, {A}),
        ([[A, B], [B]], {NAME}, {A, B}),
        ([[A], [A, B]], {A, B}, {NAME}),
        ([[A], [B]], {NAME}, set()),
        ([[], [B]], {NAME}, set()),
    ],
)
def test_the_last_look_up_tells_what_to_dial_and_what_to_drop(
    finds: list[list[Address]], added: set[Address], dropped: set[Address]
) -> None:
    seeds = Seeds()
    seeds.add(NAME)
    for found in finds:
        changes = seeds.resolved(NAME, found)
    assert changes == (added, dropped)


def test_an_address_that_another_seed_stands_for_stays_configured() -> None:
    seeds = Seeds()
    seeds.add(A)
    seeds.add(NAME)
    seeds.resolved(NAME, [A, B])
    assert seeds.resolved(NAME, [B, C]) == ({C}, set())
    assert seeds.remove(NAME) == {B, C}
    assert seeds.remove(A) == {A}


def test_an_address_of_two_names_stays_configured_while_one_has_it() -> None:
    seeds = Seeds()
    seeds.resolved(NAME, [A, B])
    assert seeds.resolved(OTHER, [B, C]) == ({B, C}, set())
    assert seeds.resolved(NAME, [A, C]) == ({C}, set())
    assert seeds.resolved(OTHER, [A, C]) == ({A}, {B})
    assert seeds.remove(NAME) == set()
    assert seeds.remove(OTHER) == {A, C}


def test_a_name_that_is_removed_before_it_was_looked_up_stands_for_itself() -> None:
    seeds = Seeds()
    seeds.add(NAME)
    assert seeds.remove(NAME) == {NAME}
