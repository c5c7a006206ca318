"""The membership table: what an agent believes, and how two tables become one."""

import pytest
from msgspec.structs import replace

from nodnod_agent.core.limits import Limits
from nodnod_agent.core.membership.table import (
    AHEAD,
    MAX_ENTRY,
    MAX_EXTRAS,
    MAX_MEMBERS,
    REFUTE_EVERY,
    REMEMBERED,
    EntryRefused,
    MembershipTable,
)
from nodnod_client.codec import encode
from nodnod_client.messages import MemberEntry
from nodnod_client.tags import MAX_TAGS

NOW = 1_000_000.0
OWN = MemberEntry("self", "10.0.0.1:7070", "i-self", 1000)
FIRST = "10.0.1.1:7070"


class Wall:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def table(wall: Wall) -> MembershipTable:
    return MembershipTable(OWN, wall)


def entry(number: int, incarnation: int = 1, **more: object) -> MemberEntry:
    fields = {"name": f"n{number}", "address": f"10.0.1.{number}:7070", "instance": f"i{number}"}
    return MemberEntry(incarnation=incarnation, **(fields | more))  # type: ignore[arg-type]


def left(number: int, incarnation: int = 2, since: float = NOW, **more: object) -> MemberEntry:
    return entry(number, incarnation, state="left", since=since, **more)


def told(*entries: MemberEntry, own: MemberEntry = OWN, now: float = NOW) -> MembershipTable:
    """A table that has taken these entries."""
    table = MembershipTable(own, lambda: now)
    for one in entries:
        table.merge(one)
    return table


def test_a_new_member_is_news_once(table: MembershipTable) -> None:
    assert table.merge(entry(1)) == entry(1)
    assert table.merge(entry(1)) is None


@pytest.mark.parametrize(
    ("known", "news", "is_news"),
    [
        (entry(1, 5, instance="new"), entry(1, 4, instance="old"), False),
        (left(1, 2), entry(1, 1), False),
        (left(1, 2), entry(1, 3), True),
    ],
    ids=["older", "older than its goodbye", "newer than its goodbye"],
)
def test_the_entry_with_the_higher_incarnation_is_right(
    table: MembershipTable, known: MemberEntry, news: MemberEntry, is_news: bool
) -> None:
    table.merge(known)
    assert table.merge(news) == (news if is_news else None)
    assert table.entries[FIRST] == (news if is_news else known)


@pytest.mark.parametrize("since", [0.0, -0.0, 5.0])
def test_tables_do_not_differ_in_when_a_member_that_is_up_has_left(since: float) -> None:
    assert told(entry(1)).digest == told(entry(1, since=since)).digest


def test_of_two_moments_at_which_a_member_left_all_tables_take_the_same() -> None:
    moments = left(1, since=NOW), left(1, since=NOW - 1)
    assert told(*moments).digest == told(*moments[::-1]).digest


def test_tables_that_differ_have_different_digests() -> None:
    assert told(entry(1)).digest != told(entry(1, 2)).digest


def test_a_member_that_left_long_ago_is_forgotten_and_not_learned_again(
    table: MembershipTable, wall: Wall
) -> None:
    table.merge(left(1, 2))
    wall.now += REMEMBERED + 1
    table.expire()
    assert table.entries == {}
    assert table.digest == told().digest
    assert table.merge(left(1, 2)) is None


@pytest.mark.parametrize(("ahead", "kept"), [(2 * AHEAD, False), (3600, True)])
def test_our_own_entry_is_renewed_only_if_its_clock_was_far_ahead(ahead: float, kept: bool) -> None:
    own = replace(OWN, incarnation=int((NOW + ahead) * 1000))
    table = told(own=own)
    table.expire()
    assert table.own == (own if kept else replace(own, incarnation=int(NOW * 1000)))
    assert table.digest == told(own=table.own).digest


def test_a_forgotten_member_is_not_learned_again_from_tables_that_still_have_it(
    table: MembershipTable,
) -> None:
    table.merge(entry(1, 4))
    table.forget(FIRST)
    assert table.merge(entry(1, 4)) is None
    assert table.merge(entry(1, 5)) is not None


# Tags.

DB, WEB = {"role": "db"}, {"role": "web"}


def test_the_digest_is_that_of_agents_that_do_not_know_tags() -> None:
    own = replace(OWN, tags=WEB)
    assert told(entry(1, tags=DB), left(2, tags=DB), own=own).digest == "87f1b805b3a34a2e"


def test_tags_do_not_change_the_digest() -> None:
    assert told(entry(1, tags=DB)).digest == told(entry(1)).digest
    assert told(own=replace(OWN, tags=DB)).digest == told().digest


@pytest.mark.parametrize(
    ("known", "told_of", "own_word", "tags"),
    [
        (entry(1), entry(1, tags=DB), False, DB),
        (entry(1, tags=DB), entry(1), False, DB),
        (entry(1, tags=DB), entry(1, tags=WEB), False, DB),
        (entry(1, tags=DB), entry(1, tags=WEB), True, WEB),
        (entry(1, tags=DB), entry(1), True, {}),
        (entry(1, 2, tags=DB), entry(1, 1, tags=WEB), True, DB),
        (entry(1, 1, tags=DB), entry(1, 2, tags=WEB), False, WEB),
        (entry(1, 1, tags=DB), entry(1, 2), False, {}),
        (left(1), left(1, tags=DB), False, {}),
    ],
    ids=[
        "lost ones are filled in",
        "those that another has lost stay",
        "another agent's different ones are ignored",
        "the member corrects them",
        "the member has none any more",
        "old news",
        "a higher incarnation has others",
        "a higher incarnation has none",
        "a member that left",
    ],
)
def test_which_tags_of_two_entries_are_right(
    table: MembershipTable,
    known: MemberEntry,
    told_of: MemberEntry,
    own_word: bool,
    tags: dict[str, str],
) -> None:
    table.merge(known)
    digest = table.digest
    news = table.merge(told_of, own_word=own_word)
    assert table.entries[FIRST].tags == tags
    assert (news is None) == (tags == known.tags)
    if told_of.incarnation == known.incarnation:
        assert table.digest == digest
        assert table.since(digest) is None


def test_other_tags_of_our_own_have_a_higher_incarnation(table: MembershipTable) -> None:
    table.revise(tags=DB)
    assert table.own == replace(OWN, incarnation=OWN.incarnation + 1, tags=DB)
    assert table.digest == told(own=table.own).digest


def test_a_node_that_has_moved_or_left_keeps_its_tags(table: MembershipTable) -> None:
    table.merge(entry(1, tags=DB))
    table.moved(FIRST, "i1")
    (row,) = table.gone()
    assert row.tags == DB


@pytest.mark.parametrize(
    "tags",
    [
        {"a-b": "1", "a_b": "2"},
        {"node": "kyle"},
        {"__name__": "nodnod_up"},
        {"1a": "x"},
        {"a b": "x"},
        {"a": ""},
        {"a": " x"},
        {"a": "\x1b[2J"},
        {"a": "x" * 63},
        {f"k{n}": "x" for n in range(17)},
    ],
)
def test_an_entry_with_tags_that_no_agent_may_have_is_refused(
    table: MembershipTable, tags: dict[str, str]
) -> None:
    with pytest.raises(EntryRefused, match=r"^the tags of n1: expected "):
        table.merge(entry(1, tags=tags))
    assert table.entries == {}


def test_the_longest_tags_do_not_count_for_the_length_of_an_entry(table: MembershipTable) -> None:
    tags = {f"k{n:02}": "\U0001f600" * 60 for n in range(MAX_TAGS)}
    assert table.merge(entry(1, tags=tags)) == entry(1, tags=tags)
    assert len(encode(tags)) <= MAX_EXTRAS


# Entries about ourselves.


def claim(table: MembershipTable, ahead: int = 1, **fields: object) -> MemberEntry:
    """An entry of our own address that we did not make."""
    entry = MemberEntry("self", OWN.address, "i-twin", table.own.incarnation + ahead)
    return replace(entry, **fields)


def test_an_entry_about_us_that_is_newer_than_our_own_is_refuted(table: MembershipTable) -> None:
    table.merge(claim(table, 7, state="left", since=NOW))
    assert table.own.incarnation == OWN.incarnation + 8
    assert table.own.state == "up"
    assert OWN.address not in table.entries


def test_repeated_entries_about_us_are_refuted_now_and_then(
    table: MembershipTable, wall: Wall
) -> None:
    table.merge(claim(table))
    refuted = table.own.incarnation
    for _ in range(100):
        with pytest.raises(EntryRefused, match="do two agents advertise it"):
            table.merge(claim(table))
    assert table.own.incarnation == refuted

    wall.now += REFUTE_EVERY
    last = claim(table)
    with pytest.raises(EntryRefused, match=r"self claims .*do two agents advertise it"):
        table.merge(last)
    assert table.own.incarnation > last.incarnation


def test_that_we_have_left_is_refuted_each_time_without_a_complaint(
    table: MembershipTable, wall: Wall
) -> None:
    for _ in range(3):
        gone = claim(table, instance="i-self", state="left", since=NOW)
        table.merge(gone)
        assert table.own.incarnation > gone.incarnation
        wall.now += REFUTE_EVERY


def test_our_own_entry_under_another_name_is_refuted(table: MembershipTable) -> None:
    lie = claim(table, 0, name="zoe", instance=OWN.instance)
    other = told(lie, own=MemberEntry("o", "10.0.0.2:7070", "i-o", 1))
    with pytest.raises(EntryRefused, match="which is our own address"):
        table.merge(lie)
    assert other.merge(table.own) == table.own


def test_another_node_at_our_own_address_is_refused(table: MembershipTable) -> None:
    with pytest.raises(EntryRefused, match="which is our own address"):
        table.merge(MemberEntry("thief", OWN.address, "i9", 1))
    assert table.own.incarnation == OWN.incarnation


def test_our_goodbye_is_newer_than_everything_before(table: MembershipTable) -> None:
    other = told(table.own, own=MemberEntry("o", "10.0.0.2:7070", "i-o", 1))
    table.leave()
    other.merge(table.own)
    assert other.entries[OWN.address].state == "left"
    assert other.entries[OWN.address].since == NOW


# What is refused, and how much is taken.


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"address": "10.0.0.9:99999"}, "port must be"),
        ({"address": "http://evil/"}, "not a URL"),
        ({"address": ""}, "host is missing"),
        ({"address": "10.0.0.9\n:70"}, "not an? .*"),
        ({"address": "0.0.0.0:7070"}, "cannot be dialed"),
        ({"address": "[::]:7070"}, "cannot be dialed"),
        ({"address": "224.0.0.1:9"}, "cannot be dialed"),
        ({"address": "255.255.255.255:9"}, "cannot be dialed"),
        ({"name": "a\nb"}, "not a printable name"),
        ({"name": "a\x1b[2J"}, "not a printable name"),
        ({"name": " "}, "there is a space at its end"),
        ({"name": "n9 "}, "there is a space at its end"),
        (
            {"incarnation": int((NOW + AHEAD) * 1000) + 2000},
            "started more than a day in the future",
        ),
        ({"state": "left", "since": NOW + AHEAD + 2}, "left more than a day in the future"),
    ],
)
def test_an_invalid_entry_is_refused_with_a_reason(
    table: MembershipTable, wrong: dict[str, object], why: str
) -> None:
    fields = {"number": 9, "incarnation": 1} | wrong
    with pytest.raises(EntryRefused, match=why):
        table.merge(entry(**fields))  # type: ignore[arg-type]
    assert table.entries == {}


def addresses(count: int) -> list[str]:
    return [f"10.{number >> 8}.{number & 255}.1:7071" for number in range(count)]


def test_the_number_of_entries_is_bounded(table: MembershipTable) -> None:
    for address in addresses(MAX_MEMBERS):
        table.merge(entry(1, address=address))
    with pytest.raises(EntryRefused, match="are known already"):
        table.merge(entry(2))
    assert len(table.entries) == MAX_MEMBERS


def test_the_members_that_left_first_make_room(table: MembershipTable) -> None:
    for number, address in enumerate(addresses(MAX_MEMBERS)):
        table.merge(left(1, 1, NOW - number, address=address))
    assert table.merge(entry(2)) is not None
    assert len(table.entries) <= MAX_MEMBERS
    since = [one.since for one in table.entries.values() if one.state == "left"]
    assert min(since) > NOW - MAX_MEMBERS + 1
    assert max(since) == NOW


def test_the_longest_list_is_a_message_that_agents_take(table: MembershipTable) -> None:
    fields = {"name": "\U0001f600" * 128, "instance": "\U0001f600" * 64}
    with pytest.raises(EntryRefused, match="longer than 1000 bytes"):
        table.merge(entry(1, address=".".join(["a" * 60] * 4), **fields))
    assert table.merge(entry(1, **fields)) is not None
    assert Limits().peer_message > MAX_MEMBERS * (MAX_ENTRY + 1) + 1024


# What another table lacks.


def test_a_table_with_an_earlier_digest_of_ours_lacks_the_changes_since(
    table: MembershipTable,
) -> None:
    table.merge(entry(1))
    before = table.digest
    for one in (entry(2), entry(1, 2), entry(3), entry(3, 2)):
        table.merge(one)
    lacking = table.since(before)
    assert lacking is not None
    assert {one.address: one for one in lacking} == table.entries
    assert table.since(table.digest) is None
    assert table.since("0" * 16) is None


def test_a_digest_from_before_a_member_was_forgotten_is_of_no_use(table: MembershipTable) -> None:
    table.merge(entry(1))
    before = table.digest
    table.merge(entry(2))
    table.forget(FIRST)
    assert table.since(before) is None


def test_a_change_of_our_own_entry_is_none_of_the_others(table: MembershipTable) -> None:
    before = table.digest
    table.leave()
    assert table.since(before) == []


def test_only_the_latest_changes_are_remembered(table: MembershipTable) -> None:
    before = table.digest
    for number in range(1000):
        table.merge(entry(1, number + 1))
    assert table.since(before) is None


def test_a_table_whose_entries_are_known_lacks_what_is_newer_here(table: MembershipTable) -> None:
    for number in (1, 2, 3):
        table.merge(entry(number, 5))
    assert table.beyond([OWN, entry(1, 5), entry(2, 4)]) == [entry(2, 5), entry(3, 5)]


# Members that have moved, or were forgotten by mistake.


def test_a_process_that_has_moved_has_left_until_it_refutes_that(table: MembershipTable) -> None:
    table.merge(entry(1, 4))
    assert table.moved(FIRST, "i1")
    assert not table.moved(FIRST, "i1")
    other = told(table.entries[FIRST], own=entry(1, 4))
    assert table.merge(other.own) == other.own


def test_the_move_of_a_process_does_not_concern_another_at_its_address(
    table: MembershipTable,
) -> None:
    table.merge(entry(1, 4))
    assert not table.moved(FIRST, "another")
    assert not table.moved("10.0.1.2:7070", "i1")
    assert table.entries[FIRST].state == "up"


def test_a_forgotten_member_is_told_so_and_refutes_it(table: MembershipTable) -> None:
    assert table.recall(entry(1, 4)) is None
    table.merge(entry(1, 4))
    assert table.recall(entry(1, 4)) is None
    table.forget(FIRST)
    recalled = table.recall(entry(1, 4))
    assert recalled is not None
    assert (recalled.state, recalled.incarnation) == ("left", 5)
    other = told(recalled, own=entry(1, 4))
    assert table.merge(other.own) == other.own


def test_a_process_at_the_address_of_one_that_left_is_told_so_and_refutes_it(
    table: MembershipTable,
) -> None:
    table.merge(entry(1, 9, state="left", since=NOW))
    older = entry(1, 4, instance="another")
    other = told(table.recall(older), own=older)
    assert table.merge(other.own) == other.own
    assert table.recall(other.own) is None


NAMES = ["stats.internal", "https://proxy.local"]


def test_origins_do_not_change_the_digest_and_are_filled_in_like_tags() -> None:
    assert told(entry(1, origins=NAMES)).digest == told(entry(1)).digest
    assert told(own=replace(OWN, origins=NAMES)).digest == told().digest
    assert told(entry(1), entry(1, origins=NAMES)).entries[FIRST].origins == NAMES
    assert told(entry(1, origins=NAMES), entry(1, origins=["a"])).entries[FIRST].origins == NAMES


def test_the_origins_of_a_member_outlive_its_goodbye_even_over_an_older_agent() -> None:
    table = told(entry(1, origins=NAMES), left(1))
    assert [(one.state, one.origins) for one in table.remembered()] == [("left", NAMES)]


def test_another_process_at_an_address_does_not_inherit_origins() -> None:
    table = told(entry(1, origins=NAMES), entry(1, 2, instance="another"))
    assert table.entries[FIRST].origins == []


def test_a_lost_member_is_remembered_for_its_origins_only_and_not_for_ever(
    table: MembershipTable, wall: Wall
) -> None:
    table.merge(entry(1, origins=NAMES))
    table.lose(FIRST, 60)
    version = table.version
    assert table.all() == [OWN]
    assert [one.origins for one in table.remembered()] == [NAMES]
    wall.now += 60
    assert table.remembered() == ()
    table.expire()
    assert table.version > version


@pytest.mark.parametrize(
    "wrong", ["", "a b", "HTTP://x", "ftp://x", "a:99999", "a/b", "http://u@a"]
)
def test_an_entry_with_what_is_no_origin_is_refused_and_the_field_named(
    table: MembershipTable, wrong: str
) -> None:
    with pytest.raises(EntryRefused, match="the origins of n1: expected host"):
        table.merge(entry(1, origins=[wrong]))
    assert table.entries == {}
