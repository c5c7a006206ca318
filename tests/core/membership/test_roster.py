"""Who stands in an answer, and under which name: each node once, none over another."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from nodnod_agent.core.membership.link import Link
from nodnod_agent.core.membership.member import Member, MemberState
from nodnod_agent.core.membership.roster import Roster
from nodnod_agent.core.question import Question
from nodnod_client.address import parse_address


class Cast:
    """A roster, and members in it whose links are up or down as the test says."""

    def __init__(self, name: str = "own") -> None:
        self.roster = Roster(name, "own instance")

    def member(self, host: str) -> Member:
        return self.roster.add(parse_address(host), configured=True)

    def up(self, member: Member, up: bool = True) -> None:
        member.link = cast(Link, SimpleNamespace(up=up))

    def met(self, host: str, name: str, instance: str = "", version: int = 2) -> Member:
        """A member whose link has come up just now."""
        member = self.member(host)
        self.up(member)
        if version >= 2:
            instance = instance or f"instance of {name} at {host}"
        self.roster.identify(member, name, instance, version)
        return member

    @property
    def listed(self) -> list[str]:
        return [member.listed for member in self.roster.listing()]


@pytest.fixture
def cast_() -> Cast:
    return Cast()


def test_a_node_stands_under_its_address_until_its_name_is_known(cast_: Cast) -> None:
    cast_.member("10.0.0.2")
    assert cast_.listed == ["10.0.0.2:7070"]
    cast_.met("10.0.0.2", "kenny")
    assert cast_.listed == ["kenny"]


def test_an_address_added_twice_is_one_member(cast_: Cast) -> None:
    assert cast_.member("10.0.0.2") is cast_.member("10.0.0.2:7070")
    assert len(cast_.listed) == 1


def test_nodes_are_listed_by_name_and_this_one_has_its_place_among_them(cast_: Cast) -> None:
    cast_.met("10.0.0.2", "zora")
    cast_.met("10.0.0.3", "anna")
    assert cast_.listed == ["anna", "zora"]
    assert cast_.roster.own_place(cast_.roster.listing()) == 1


def test_a_node_that_goes_down_keeps_its_name(cast_: Cast) -> None:
    kenny = cast_.met("10.0.0.2", "kenny")
    cast_.up(kenny, False)
    assert cast_.listed == ["kenny"]


def test_of_two_nodes_with_one_name_the_later_is_listed_with_its_address(cast_: Cast) -> None:
    cast_.met("10.0.0.2", "kenny")
    assert cast_.met("10.0.0.3", "kenny").state is MemberState.LISTED
    assert cast_.listed == ["kenny", "kenny@10.0.0.3:7070"]


def test_a_node_named_like_this_one_is_listed_with_its_address(cast_: Cast) -> None:
    cast_.met("10.0.0.2", "own")
    assert cast_.listed == ["own@10.0.0.2:7070"]


def test_no_name_whatsoever_gets_a_node_listed_over_another(cast_: Cast) -> None:
    cast_.met("10.0.0.2", "kenny")
    cast_.met("10.0.0.3", "kenny@10.0.0.4:7070")
    cast_.met("10.0.0.4", "kenny")
    cast_.met("10.0.0.5", "10.0.0.6:7070")
    cast_.member("10.0.0.6")
    assert len(set(cast_.listed)) == 5


def test_each_of_two_nodes_with_one_name_keeps_its_own_when_they_come_back(cast_: Cast) -> None:
    first = cast_.met("10.0.0.2", "kenny")
    second = cast_.met("10.0.0.3", "kenny")
    cast_.up(first, False)
    cast_.met("10.0.0.3", "kenny")
    cast_.met("10.0.0.2", "kenny")
    assert (first.listed, second.listed) == ("kenny", "kenny@10.0.0.3:7070")


@pytest.mark.parametrize("goes", ["remove", "leave"])
def test_a_name_that_is_free_again_goes_to_the_next_who_has_it(cast_: Cast, goes: str) -> None:
    first = cast_.met("10.0.0.2", "kenny")
    cast_.met("10.0.0.3", "kenny")
    cast_.met("10.0.0.4", "kenny")
    getattr(cast_.roster, goes)(first)
    assert cast_.listed == ["kenny", "kenny@10.0.0.4:7070"]


def test_our_own_name_goes_to_nobody_else(cast_: Cast) -> None:
    first = cast_.met("10.0.0.2", "own")
    cast_.met("10.0.0.3", "own")
    cast_.roster.leave(first)
    assert cast_.listed == ["own@10.0.0.3:7070"]


def test_two_version_1_agents_are_two_nodes(cast_: Cast) -> None:
    assert cast_.met("10.0.0.2", "kyle", version=1).state is MemberState.LISTED
    assert cast_.met("10.0.0.3", "stan", version=1).state is MemberState.LISTED


def test_two_addresses_of_one_process_are_one_node(cast_: Cast) -> None:
    cast_.met("10.0.0.2", "kenny", instance="i")
    assert cast_.met("10.0.0.3", "kenny", instance="i").state is MemberState.ALIAS
    assert cast_.listed == ["kenny"]


def test_an_alias_takes_over_when_it_answers_and_the_other_address_does_not(cast_: Cast) -> None:
    first = cast_.met("10.0.0.2", "kenny", instance="i")
    second = cast_.met("10.0.0.3", "kenny", instance="i")
    cast_.up(first, False)
    assert cast_.met("10.0.0.3", "kenny", instance="i").state is MemberState.LISTED
    assert cast_.roster.listing() == (second,)
    assert cast_.listed == ["kenny"]


def test_all_aliases_follow_the_one_that_takes_over(cast_: Cast) -> None:
    first = cast_.met("10.0.0.2", "kenny", instance="i")
    second = cast_.met("10.0.0.3", "kenny", instance="i")
    third = cast_.met("10.0.0.4", "kenny", instance="i")
    cast_.up(first, False)
    cast_.met("10.0.0.3", "kenny", instance="i")
    assert set(cast_.roster.aliases(second)) == {first, third}
    assert cast_.listed == ["kenny"]


def test_the_aliases_of_a_node_that_comes_back_under_a_new_name_are_its_aliases_still(
    cast_: Cast,
) -> None:
    kenny = cast_.met("10.0.0.2", "kenny", instance="i")
    alias = cast_.met("10.0.0.3", "kenny", instance="i")
    cast_.met("10.0.0.2", "stan", instance="j")
    assert cast_.roster.aliases(kenny) == [alias]
    assert cast_.listed == ["stan"]


def test_an_alias_that_turns_out_to_be_another_node_is_listed_again(cast_: Cast) -> None:
    cast_.met("10.0.0.2", "kenny", instance="i")
    cast_.met("10.0.0.3", "kenny", instance="i")
    cast_.met("10.0.0.3", "stan", instance="j")
    assert cast_.listed == ["kenny", "stan"]


def test_the_other_addresses_of_a_forgotten_one_stand_for_themselves(cast_: Cast) -> None:
    first = cast_.met("10.0.0.2", "kenny", instance="i")
    cast_.met("10.0.0.3", "kenny", instance="i")
    cast_.roster.remove(first)
    assert cast_.listed == ["kenny"]


def test_a_node_that_restarts_is_the_same_node(cast_: Cast) -> None:
    kenny = cast_.met("10.0.0.2", "kenny", instance="i")
    cast_.met("10.0.0.2", "kenny", instance="j")
    assert cast_.roster.listing() == (kenny,)


def test_a_node_that_moves_to_another_address_is_the_same_node(cast_: Cast) -> None:
    before = cast_.met("10.0.0.2", "kenny", instance="i")
    cast_.up(before, False)
    after = cast_.met("10.0.0.3", "kenny", instance="j")
    assert cast_.roster.listing() == (after,)
    assert after.listed == "kenny"


def test_a_node_that_moves_back_is_the_same_node_still(cast_: Cast) -> None:
    before = cast_.met("10.0.0.2", "kenny", instance="i")
    cast_.up(before, False)
    after = cast_.met("10.0.0.3", "kenny", instance="j")
    cast_.up(after, False)
    cast_.met("10.0.0.2", "kenny", instance="k")
    assert cast_.listed == ["kenny"]


def test_another_node_at_an_old_address_is_listed_by_its_own_name(cast_: Cast) -> None:
    kenny = cast_.met("10.0.0.2", "kenny", instance="i")
    cast_.met("10.0.0.2", "stan", instance="j")
    assert kenny.listed == "stan"
    assert cast_.listed == ["stan"]


def test_a_node_that_moves_to_where_another_was_has_its_name_alone(cast_: Cast) -> None:
    kenny = cast_.met("10.0.0.2", "kenny", instance="i")
    stan = cast_.met("10.0.0.3", "stan", instance="j")
    cast_.up(kenny, False)
    cast_.up(stan, False)
    cast_.roster.note_claim(kenny, "stan", "k")  # gossip comes before the link
    cast_.met("10.0.0.2", "stan", instance="k")
    assert cast_.roster.listing() == (kenny,)
    assert kenny.listed == "stan"


@pytest.mark.parametrize("how", ["met", "heard of"])
def test_a_name_that_a_node_has_no_more_goes_to_the_next_who_has_it(cast_: Cast, how: str) -> None:
    first = cast_.met("10.0.0.2", "kenny")
    second = cast_.met("10.0.0.3", "kenny")
    if how == "met":
        cast_.met("10.0.0.2", "stan", instance="j")
    else:
        cast_.roster.note_claim(first, "stan", "j")
    assert second.listed == "kenny"


def test_the_other_addresses_of_one_whose_place_is_said_to_be_anothers_stand_for_themselves(
    cast_: Cast,
) -> None:
    kenny = cast_.met("10.0.0.2", "kenny", instance="i")
    alias = cast_.met("10.0.0.3", "kenny", instance="i")
    cast_.up(kenny, False)
    cast_.roster.note_claim(kenny, "stan", "j")
    assert cast_.roster.listing() == (alias, kenny)


def test_where_a_node_was_said_to_be_is_no_node_while_another_of_that_name_is_up(
    cast_: Cast,
) -> None:
    first = cast_.met("10.0.0.2", "kenny")
    second = cast_.met("10.0.0.3", "kenny")
    said = cast_.roster.add(parse_address("10.0.0.4"), configured=False)
    cast_.roster.note_claim(said, "kenny", "i")
    cast_.up(first, False)
    cast_.roster.note_claim(first, "stan", "j")
    assert cast_.roster.listing() == (second, first)
    assert cast_.listed == ["kenny", "stan"]


def test_a_namesake_of_one_that_is_down_and_was_up_beside_it_is_another_node(cast_: Cast) -> None:
    first = cast_.met("10.0.0.2", "kenny", instance="i")
    cast_.met("10.0.0.3", "kenny", instance="j")
    cast_.up(first, False)
    cast_.met("10.0.0.3", "kenny", instance="k")
    assert cast_.listed == ["kenny", "kenny@10.0.0.3:7070"]


def test_a_name_without_end_is_cut(cast_: Cast) -> None:
    assert len(cast_.met("10.0.0.2", "x" * 10_000).listed) == 128


def test_a_member_that_left_is_not_listed_until_it_is_back(cast_: Cast) -> None:
    kenny = cast_.met("10.0.0.2", "kenny")
    cast_.roster.leave(kenny)
    assert cast_.listed == []
    cast_.met("10.0.0.2", "kenny")
    assert cast_.listed == ["kenny"]


def test_every_change_of_who_is_listed_grows_the_version(cast_: Cast) -> None:
    versions = [cast_.roster.version]
    kenny = cast_.member("10.0.0.2")
    versions.append(cast_.roster.version)
    cast_.met("10.0.0.2", "kenny")
    versions.append(cast_.roster.version)
    cast_.roster.leave(kenny)
    versions.append(cast_.roster.version)
    cast_.roster.remove(kenny)
    versions.append(cast_.roster.version)
    assert versions == sorted(set(versions))


@pytest.mark.parametrize(
    ("nodes", "found", "own", "unknown"),
    [
        (("kenny",), ["kenny"], False, []),
        (("own",), [], True, []),
        (("k*",), ["kenny", "kyle"], False, []),
        (("*",), ["kenny", "kyle"], True, []),
        (("kenny", "k*"), ["kenny", "kyle"], False, []),
        (("butters",), [], False, ["butters"]),
        (("butters", "own"), [], True, ["butters"]),
        (("x*",), [], False, []),
        ((), [], False, []),
        (("10.0.0.2:7070",), [], False, ["10.0.0.2:7070"]),
    ],
)
def test_nodes_are_selected_by_name_and_pattern(
    cast_: Cast, nodes: tuple[str, ...], found: list[str], own: bool, unknown: list[str]
) -> None:
    cast_.met("10.0.0.2", "kenny")
    cast_.met("10.0.0.3", "kyle")
    selected: Any = cast_.roster.select(Question(nodes=nodes))
    assert ([member.listed for member in selected[0]], *selected[1:]) == (found, own, unknown)


def test_a_question_for_this_node_is_about_nobody_else(cast_: Cast) -> None:
    cast_.met("10.0.0.2", "kenny")
    assert cast_.roster.select(Question(here=True)) == ((), True, [])


def test_what_stands_for_a_member_that_cannot_be_read_is_made_anew_under_a_new_name(
    cast_: Cast,
) -> None:
    member = cast_.member("10.0.0.2")
    assert b'"name":"10.0.0.2:7070"' in member.failure("down", 0)
    cast_.met("10.0.0.2", "kenny")
    assert b'"name":"kenny"' in member.failure("down", 0)


def test_failures_of_ever_new_wording_do_not_pile_up(cast_: Cast) -> None:
    member = cast_.member("10.0.0.2")
    for number in range(1000):
        member.failure(f"error {number}", 0)
    assert len(member._failures) <= 17
