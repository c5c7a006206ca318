"""What is believed of the membership, and how two beliefs become one."""

import random

import msgspec
import pytest

from nodnod_agent.core.limits import Limits
from nodnod_agent.core.membership.table import (
    AHEAD,
    MAX_ENTRY,
    MAX_MEMBERS,
    REFUTE_EVERY,
    REMEMBERED,
    EntryRefused,
    MembershipTable,
)
from nodnod_client.messages import MemberEntry

NOW = 1_000_000.0
OWN = MemberEntry("self", "10.0.0.1:7070", "i-self", 1000)


class Wall:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def view(wall: Wall) -> MembershipTable:
    return MembershipTable(OWN, wall)


def entry(number: int, incarnation: int = 1, **more: object) -> MemberEntry:
    fields = {"name": f"n{number}", "address": f"10.0.1.{number}:7070", "instance": f"i{number}"}
    return MemberEntry(incarnation=incarnation, **(fields | more))  # type: ignore[arg-type]


def left(number: int, incarnation: int = 2, since: float = NOW) -> MemberEntry:
    return entry(number, incarnation, state="left", since=since)


def test_a_new_member_is_news_once(view: MembershipTable) -> None:
    assert view.merge(entry(1)) == entry(1)
    assert view.merge(entry(1)) is None


def test_the_higher_incarnation_is_right_whatever_comes_first(view: MembershipTable) -> None:
    view.merge(entry(1, 5, instance="new"))

    assert view.merge(entry(1, 4, instance="old")) is None
    assert view.entries["10.0.1.1:7070"].instance == "new"


def test_views_that_heard_the_same_agree_in_whatever_order(wall: Wall) -> None:
    rng = random.Random(7)
    told = [entry(n, i) for n in range(20) for i in range(3)] + [left(n, 2) for n in range(5)]
    views = []
    for _ in range(5):
        rng.shuffle(told)
        view = MembershipTable(OWN, wall)
        for one in told:
            view.merge(one)
        views.append(view)

    assert len({view.digest for view in views}) == 1
    assert all(view.entries == views[0].entries for view in views)


@pytest.mark.parametrize("since", [0.0, -0.0, 5.0])
def test_when_who_is_here_has_left_is_nothing_to_differ_in(wall: Wall, since: float) -> None:
    views = [MembershipTable(OWN, wall), MembershipTable(OWN, wall)]
    for view, told in zip(views, (entry(1), entry(1, since=since)), strict=True):
        view.merge(told)

    assert views[0].digest == views[1].digest


def test_of_two_moments_at_which_one_left_all_take_the_same(wall: Wall) -> None:
    views = [MembershipTable(OWN, wall), MembershipTable(OWN, wall)]
    told = [left(1, since=NOW), left(1, since=NOW - 1)]
    for view, order in zip(views, (told, told[::-1]), strict=True):
        for one in order:
            view.merge(one)

    assert views[0].digest == views[1].digest


def test_views_that_differ_have_different_digests(view: MembershipTable, wall: Wall) -> None:
    other = MembershipTable(OWN, wall)
    view.merge(entry(1))
    other.merge(entry(1, 2))

    assert view.digest != other.digest


def test_a_member_that_left_does_not_come_back_by_old_news(view: MembershipTable) -> None:
    view.merge(left(1, 2))

    assert view.merge(entry(1, 1)) is None
    assert view.entries["10.0.1.1:7070"].state == "left"


def test_a_member_that_left_comes_back_by_its_own_new_word(view: MembershipTable) -> None:
    view.merge(left(1, 2))

    assert view.merge(entry(1, 3)) is not None


def test_who_left_long_ago_is_forgotten_and_not_learnt_again(
    view: MembershipTable, wall: Wall
) -> None:
    view.merge(left(1, 2))
    empty = MembershipTable(OWN, wall).digest
    wall.now += REMEMBERED + 1
    view.expire()

    assert view.entries == {}
    assert view.digest == empty
    assert view.merge(left(1, 2)) is None


def test_a_clock_that_was_far_ahead_and_is_set_back_takes_our_own_word_with_it(wall: Wall) -> None:
    view = MembershipTable(
        msgspec.structs.replace(OWN, incarnation=int((NOW + 2 * AHEAD) * 1000)), wall
    )
    view.expire()

    assert view.own.incarnation == int(NOW * 1000)
    assert view.digest == MembershipTable(view.own, wall).digest


def test_a_clock_that_is_an_hour_behind_what_it_was_changes_nothing(wall: Wall) -> None:
    own = msgspec.structs.replace(OWN, incarnation=int((NOW + 3600) * 1000))
    view = MembershipTable(own, wall)
    view.expire()

    assert view.own == own


def test_a_forgotten_member_is_not_learnt_again_from_those_who_have_it_still(
    view: MembershipTable,
) -> None:
    view.merge(entry(1, 4))
    view.forget("10.0.1.1:7070")

    assert view.merge(entry(1, 4)) is None
    assert view.merge(entry(1, 5)) is not None


def test_what_is_newer_than_our_own_word_about_us_is_refuted(view: MembershipTable) -> None:
    view.merge(MemberEntry("self", OWN.address, "i-before", OWN.incarnation + 7, "left", NOW))

    assert view.own.incarnation == OWN.incarnation + 8
    assert view.own.state == "up"
    assert OWN.address not in view.entries


def test_what_others_say_of_us_again_and_again_is_refuted_now_and_then(
    view: MembershipTable, wall: Wall
) -> None:
    def claim() -> MemberEntry:
        return MemberEntry("self", OWN.address, "i-twin", view.own.incarnation + 1)

    view.merge(claim())
    refuted = view.own.incarnation
    for _ in range(100):
        with pytest.raises(EntryRefused, match="do two agents advertise it"):
            view.merge(claim())
    assert view.own.incarnation == refuted

    wall.now += REFUTE_EVERY
    claimed = claim()
    with pytest.raises(EntryRefused, match=r"self claims .*do two agents advertise it"):
        view.merge(claimed)
    assert view.own.incarnation > claimed.incarnation


def test_that_we_have_left_is_refuted_each_time_without_a_word(
    view: MembershipTable, wall: Wall
) -> None:
    for _ in range(3):
        gone = MemberEntry("self", OWN.address, "i-self", view.own.incarnation + 1, "left", NOW)
        view.merge(gone)
        assert view.own.incarnation > gone.incarnation
        wall.now += REFUTE_EVERY


def test_our_own_word_with_another_name_in_it_is_refuted_too(
    view: MembershipTable, wall: Wall
) -> None:
    lie = MemberEntry("zoe", OWN.address, OWN.instance, OWN.incarnation)
    other = MembershipTable(MemberEntry("o", "10.0.0.2:7070", "i-o", 1), wall)
    other.merge(lie)

    with pytest.raises(EntryRefused, match="which is our own address"):
        view.merge(lie)

    assert other.merge(view.own) == view.own


def test_our_own_address_under_another_name_is_refused(view: MembershipTable) -> None:
    with pytest.raises(EntryRefused, match="which is our own address"):
        view.merge(MemberEntry("thief", OWN.address, "i9", 1))
    assert view.own.incarnation == OWN.incarnation


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"address": "10.0.0.9:99999"}, "port must be"),
        ({"address": "http://evil/"}, "not a URL"),
        ({"address": ""}, "host is missing"),
        ({"address": "0.0.0.0:7070"}, "nobody can dial"),
        ({"address": "[::]:7070"}, "nobody can dial"),
        ({"address": "224.0.0.1:9"}, "nobody can dial"),
        ({"address": "255.255.255.255:9"}, "nobody can dial"),
        ({"name": "a\nb"}, "not a printable name"),
        ({"name": " "}, "there is a space at its end"),
        ({"name": "n9 "}, "there is a space at its end"),
        ({"incarnation": int((NOW + AHEAD) * 1000) + 2000}, "more than a day in the future"),
    ],
)
def test_nonsense_is_refused_with_a_reason(
    view: MembershipTable, wrong: dict[str, object], why: str
) -> None:
    fields = {"number": 9, "incarnation": 1} | wrong
    with pytest.raises(EntryRefused, match=why):
        view.merge(entry(**fields))  # type: ignore[arg-type]
    assert view.entries == {}


def test_memory_is_bounded_whatever_others_tell(view: MembershipTable) -> None:
    for number in range(MAX_MEMBERS):
        view.merge(entry(1, address=f"10.{number >> 8}.{number & 255}.1:7071"))

    with pytest.raises(EntryRefused, match="are known already"):
        view.merge(entry(2))
    assert len(view.entries) == MAX_MEMBERS


def test_what_somebody_lacks_is_known_by_the_digest_that_was_ours_too(
    view: MembershipTable,
) -> None:
    view.merge(entry(1))
    before = view.digest
    for one in (entry(2), entry(1, 2), entry(3), entry(3, 2)):
        view.merge(one)

    lacking = view.since(before)

    assert lacking is not None
    assert {one.address: one for one in lacking} == view.entries
    assert view.since(view.digest) is None
    assert view.since("0" * 16) is None


def test_what_we_have_forgotten_since_is_not_told_by_a_digest_from_before(
    view: MembershipTable,
) -> None:
    view.merge(entry(1))
    before = view.digest
    view.merge(entry(2))
    view.forget("10.0.1.1:7070")

    assert view.since(before) is None


def test_our_own_news_are_nobody_elses_entry(view: MembershipTable) -> None:
    before = view.digest
    view.leave()

    assert view.since(before) == []


def test_changes_are_not_remembered_without_end(view: MembershipTable) -> None:
    before = view.digest
    for number in range(1000):
        view.merge(entry(1, number + 1))

    assert view.since(before) is None


def test_one_who_lacks_something_is_told_just_that(view: MembershipTable) -> None:
    for number in (1, 2, 3):
        view.merge(entry(number, 5))

    assert view.beyond([OWN, entry(1, 5), entry(2, 4)]) == [entry(2, 5), entry(3, 5)]


def test_leaving_outranks_all_that_was_said_before(view: MembershipTable, wall: Wall) -> None:
    other = MembershipTable(MemberEntry("o", "10.0.0.2:7070", "i-o", 1), wall)
    other.merge(view.own)
    view.leave()
    other.merge(view.own)

    assert other.entries[OWN.address].state == "left"
    assert other.entries[OWN.address].since == NOW


def test_where_a_process_is_no_more_it_has_left_under_its_own_word(
    view: MembershipTable, wall: Wall
) -> None:
    view.merge(entry(1, 4))

    assert view.moved("10.0.1.1:7070", "i1")
    assert not view.moved("10.0.1.1:7070", "i1")
    other = MembershipTable(entry(1, 4), wall)
    other.merge(view.entries["10.0.1.1:7070"])
    assert view.merge(other.own) == other.own


def test_of_another_process_at_an_address_nothing_is_said(view: MembershipTable) -> None:
    view.merge(entry(1, 4))

    assert not view.moved("10.0.1.1:7070", "another")
    assert not view.moved("10.0.1.2:7070", "i1")
    assert view.entries["10.0.1.1:7070"].state == "up"


def test_one_that_we_gave_up_is_told_so_above_its_own_word(view: MembershipTable) -> None:
    view.merge(entry(1, 4))
    view.forget("10.0.1.1:7070")

    told = view.recall(entry(1, 4))

    assert told is not None
    assert (told.state, told.incarnation) == ("left", 5)
    other = MembershipTable(entry(1, 4), lambda: NOW)
    other.merge(told)
    assert view.merge(other.own) == other.own


def test_one_that_we_have_not_given_up_is_told_nothing(view: MembershipTable) -> None:
    assert view.recall(entry(1, 4)) is None
    view.merge(entry(1, 4))
    assert view.recall(entry(1, 4)) is None


def test_those_that_left_make_room_the_first_first(view: MembershipTable) -> None:
    for number in range(MAX_MEMBERS):
        address = f"10.{number >> 8}.{number & 255}.1:7071"
        view.merge(entry(1, address=address, state="left", since=NOW - number))

    assert view.merge(entry(2)) is not None
    assert len(view.entries) <= MAX_MEMBERS
    since = [one.since for one in view.entries.values() if one.state == "left"]
    assert min(since) > NOW - MAX_MEMBERS + 1
    assert max(since) == NOW


def test_the_longest_list_is_a_message_that_agents_take(view: MembershipTable) -> None:
    fields = {"name": "\U0001f600" * 128, "instance": "\U0001f600" * 64}
    with pytest.raises(EntryRefused, match="longer than 1000 bytes"):
        view.merge(entry(1, address=".".join(["a" * 60] * 4), **fields))

    assert view.merge(entry(1, **fields)) is not None
    assert Limits().peer_message > MAX_MEMBERS * (MAX_ENTRY + 1) + 1024
