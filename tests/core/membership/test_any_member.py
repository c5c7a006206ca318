"""Property tests of membership: whatever agents are told, they answer, and agree in the end."""

import json
import random
from contextlib import suppress
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.alerts.alert_strategies import alerts, deliveries, silences
from core.harness import WALL, CoreHarness, FakeClient
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.membership import table as table_module
from nodnod_agent.core.membership.table import AHEAD, DAY, REMEMBERED, EntryRefused, MembershipTable
from nodnod_client.codec import decode_entries, encode
from nodnod_client.messages import MAX_INT, MAX_NAME_LENGTH, MemberEntry
from simulation.ledger import Ledger
from simulation.table_invariants import check_table
from strategies import documents, examples, odd_values

AGENTS = ("10.0.0.1:7070", "10.0.0.2:7070", "[fe80::1%eth0]:7070")
OTHERS = (
    *("10.0.0.9", "10.0.0.9:7070", "KYLE", "kyle:7070", "kyle.:7070", "[::1]:1", "::ffff:10.0.0.9"),
    *("", "x:y", ":80", "http://kyle/", "kyle:0", "a" * 290, "ky\0le", "ky\u200ble"),
)
WRONG = st.text(max_size=300)

names = st.sampled_from(
    ["kyle", "stan", "n1", " ", "☃" * 128, "\U0001f600" * 128, "a\nb", "a\u202e"]
)
instances = st.sampled_from(["i1", "i2", "i3", "\U0001f600" * 64, "\x1b[2J"])
# From the first to the last that is accepted, and beyond.
incarnations = st.sampled_from([0, 1, 2, 999, 1000, 1001, int((WALL + AHEAD) * 1000), MAX_INT])
moments = st.sampled_from(
    [0.0, -0.0, 1, WALL, WALL - REMEMBERED - 1, WALL + 2 * DAY, 1e308, -1e308]
)
# A member that left longer ago than agents remember is never heard of again.
lately = st.sampled_from([WALL, WALL - 1, WALL - DAY, WALL + 2 * DAY, 1e308])
states = st.sampled_from(["up", "left"])
origins = st.sampled_from([[], ["a.internal"], ["https://b:1", "c:2"], ["d e"], ["x"] * 17])
tags = st.sampled_from([{}, {"role": "db"}, {"a-b": "1", "a_b": "2"}, {"node": "x"}, {"a": "\n"}])


def entry(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    """An entry as in JSON; ``fields`` are the strategies of some of its fields."""
    usual = {
        "name": names | st.text(min_size=1, max_size=MAX_NAME_LENGTH),
        "address": st.sampled_from(AGENTS + OTHERS) | WRONG,
        "instance": instances,
        "incarnation": incarnations | st.integers(0, MAX_INT),
    }
    when = {} if "since" in fields else {"since": moments}
    return st.fixed_dictionaries(
        usual | fields, optional={"state": states, "tags": tags, "origins": origins, **when}
    )


def heard(entries: list[dict[str, Any]]) -> list[MemberEntry]:
    """Entries as they are decoded from a message."""
    raw = msgspec.json.decode(json.dumps(entries), type=list[msgspec.Raw])
    return decode_entries(raw)[0]


def tell(table: MembershipTable, entries: list[MemberEntry]) -> int:
    """Merge all valid entries; returns how many were news."""
    news = 0
    for one in entries:
        with suppress(EntryRefused):
            news += table.merge(one) is not None
    return news


def agent(number: int, now: list[float]) -> MembershipTable:
    own = MemberEntry(f"n{number}", AGENTS[number - 1], f"i{number}", 1000)
    return MembershipTable(own, lambda: now[0])


@examples(300)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.lists(entry(since=lately), max_size=4)), max_size=9)
)
def test_agents_agree_once_they_have_told_each_other_whatever_they_were_told(
    told: list[tuple[int, list[dict[str, Any]]]],
) -> None:
    now = [WALL]
    tables = [agent(number, now) for number in (1, 2, 3)]
    owns = [table.own for table in tables]
    for number, entries in told:
        tell(tables[number], heard(entries))
    for _ in range(3):
        now[0] += 1  # an incarnation refuted at the limit is accepted now
        for table in tables:
            for other in tables:
                tell(other, table.all())
    assert len({table.digest for table in tables}) == 1
    untagged = [
        frozenset(encode(replace(one, tags={}, origins=[])) for one in table.all())
        for table in tables
    ]
    assert len(set(untagged)) == 1
    for table, own in zip(tables, owns, strict=True):
        check_table(table, own)


# Entries about an agent itself depend on the order: it refutes them.
others = entry(address=st.sampled_from(OTHERS), since=lately)


def honest(entries: list[MemberEntry]) -> list[MemberEntry]:
    """Entries of one rank with the same tags and origins, or without."""
    told: dict[object, MemberEntry] = {}
    for one in entries:
        if table_module.has_extras(one):
            told.setdefault(table_module._rank(one), one)
    return [
        replace(one, **table_module._extras(told[table_module._rank(one)]))
        if table_module.has_extras(one)
        else one
        for one in entries
    ]


@examples(300)
@given(st.lists(others, max_size=12), st.randoms())
def test_entries_make_the_same_table_in_any_order_and_any_number_of_times(
    told: list[dict[str, Any]], chance: random.Random
) -> None:
    entries = honest(heard(told))
    first, second = agent(1, [WALL]), agent(1, [WALL])
    tell(first, entries)
    chance.shuffle(entries)
    tell(second, entries)
    assert first.digest == second.digest
    assert first.entries == second.entries
    assert tell(first, entries) == 0
    assert first.digest == second.digest


@examples(100)
@given(st.lists(entry(address=st.integers(1, 20).map("10.1.0.{}:7070".format)), max_size=40))
def test_the_table_takes_as_many_members_as_it_has_room_for(
    told: list[dict[str, Any]],
) -> None:
    table = agent(1, [WALL])
    table.most = 16
    own = table.own
    for one in heard(told):
        tell(table, [one])
        check_table(table, own)


events = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["i1-1", "i2-2", "-1", "i1"]),
        "at": moments,
        "node": names,
        "kind": st.sampled_from(["down", "up", "left", "restarted", "Down", "new-kind"]),
    },
    optional={"text": WRONG, "instance": instances, "more": st.integers(-1, 9)},
)
told_addresses = st.lists(
    st.sampled_from(["10.0.0.1:7070", "10.0.0.2:7070", "10.1.0.1:7070", "x", ""]) | odd_values,
    max_size=3,
)
joins = st.fixed_dictionaries(
    {"type": st.just(4), "id": st.integers(0, 3), "member": entry()},
    optional={
        "digest": st.sampled_from(["", "0" * 16, "x" * 64]),
        "members": st.lists(entry() | odd_values, max_size=4),
        "eventsDigest": st.sampled_from(["", "0" * 16, "x" * 64]),
        "eventsHave": st.sampled_from(["", "AAAAAAAA", "AAAA", "x", "☃"]),
        "events": st.lists(events | odd_values, max_size=4),
        "alertsDigest": st.sampled_from(["", "0" * 16, "x" * 64]),
        "alertsHave": st.sampled_from(["", "AAAAAAAA", "AAAA", "x", "☃"]),
        "alerts": st.lists(alerts() | odd_values, max_size=4),
        "deliveries": st.lists(deliveries | odd_values, max_size=4),
        "silences": st.lists(silences | odd_values, max_size=2),
        "time": moments,
        "unmet": told_addresses,
        "met": told_addresses,
        "gone": told_addresses,
    },
)
HELLOS = [
    Hello(2, "n2", "i2", "10.0.0.2:7070"),
    Hello(2, "own", "own instance", "10.0.0.1:7070"),
    Hello(2, "", "i", "nowhere:"),
]


def say(client: FakeClient, ledger: Ledger, text: bytes) -> None:
    if client.wire.open:
        ledger.ask(text)
        client.say(text)


@examples(200)
@given(
    texts=st.lists(documents(joins), max_size=12),
    hello=st.sampled_from(HELLOS),
    mode=st.sampled_from(["pull", "push"]),
)
def test_an_agent_that_is_told_anything_goes_on_answering_and_asking(
    texts: list[bytes], hello: Hello, mode: str
) -> None:
    harness = CoreHarness(mode=mode)
    own = harness.node.peers.gossip.table.own
    caller, peer, ledger = harness.client(hello), harness.peer("kyle"), Ledger()
    for text in texts:
        say(caller, ledger, text.decode(errors="replace").encode())
        peer.say(text.replace(b'"id": 0', b'"id": -1'))
        harness.clock.advance(0.1)
    harness.clock.advance(31)
    for answer in caller.wire.sent:
        ledger.answer(answer)
    ledger.check()
    check_table(harness.node.peers.gossip.table, own)
    client = harness.client()
    client.ask(type=3)
    rows = client.answer["members"]
    assert (rows[0]["name"], rows[0]["address"]) == ("own", "10.0.0.1:7070")
    listed = [row["name"] for row in rows if row["state"] != "left"]
    assert len(listed) == len(set(listed))
    client.ask(type=1)
    harness.clock.advance(3)
    assert sorted(client.nodes) == sorted(listed)
