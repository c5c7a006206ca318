"""What an agent refuses of what others tell it, or takes only piece by piece."""

import logging
from typing import Any, cast

import msgspec
import pytest

from core.gossip_harness import NOW, GossipAgent, entry
from core.harness import CoreHarness, FakeClient
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.membership.gossip import NEWS_PER_TICK
from nodnod_agent.core.membership.link import Link
from nodnod_agent.core.membership.table import MAX_MEMBERS
from nodnod_agent.core.requests.session import LONG_JOIN, MAX_JOINS, MAX_LONG_JOINS
from nodnod_client.codec import decode_peer_answer, encode
from nodnod_client.messages import MemberEntry
from simulation.clock import FakeClock

KENNY = Hello(2, "kenny", "i-kenny", "10.0.0.9:7070")


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


# What is not believed.


@pytest.mark.parametrize(
    ("invalid", "why"),
    [
        (entry(9, name="a\x1b[2J"), "not a printable name"),
        (entry(1, name="thief", instance="i9"), "which is our own address"),
    ],
)
def test_an_invalid_entry_is_refused_with_a_reason_and_the_rest_is_taken(
    own: GossipAgent, invalid: MemberEntry, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    own.ask(invalid, entry(10), teller=entry(8))
    assert [one.name for one in own.learned] == ["n8", "n10"]
    (line,) = complaints(caplog)
    assert line.startswith("Refused a member that a caller told of: ")
    assert why in line
    assert own.table.own.state == "up"


@pytest.mark.parametrize(
    "shape", [{}, [], 7, None, "x", {"name": "a"}, {"name": 7, "address": 7, "instance": 7}]
)
def test_a_malformed_entry_is_refused_and_the_rest_is_taken(
    own: GossipAgent, shape: object, caplog: pytest.LogCaptureFixture
) -> None:
    own.ask(cast(MemberEntry, shape), entry(10), teller=entry(8))
    assert [one.name for one in own.learned] == ["n8", "n10"]
    assert len(complaints(caplog)) == 1


def test_refusals_are_logged_once_a_minute_at_most(
    own: GossipAgent, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    own.gossip.start()
    for _ in range(120):
        for _ in range(10):
            own.ask(entry(9, address="nonsense:0"), teller=entry(8))
        clock.advance(1)
    assert len(complaints(caplog)) == 2


def test_of_an_endless_list_as_many_entries_are_taken_as_there_is_room(
    own: GossipAgent, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    told = [entry(number) for number in range(10_000, 30_000)]
    own.gossip.start()
    for _ in range(MAX_MEMBERS // NEWS_PER_TICK + 5):
        own.ask(*told, teller=entry(8))
        clock.advance(1)
    assert len(own.table.entries) == MAX_MEMBERS
    assert len(own.learned) == MAX_MEMBERS
    assert len(complaints(caplog)) == 1


def test_the_number_of_new_entries_examined_in_a_tick_is_bounded(
    own: GossipAgent, clock: FakeClock
) -> None:
    own.gossip.start()
    clock.advance(1)
    before = len(own.learned)
    for teller in range(10):
        told = map(entry, range(1000 * teller + 1000, 1000 * teller + 2000))
        own.ask(*told, teller=entry(50_000))
    assert len(own.learned) - before == NEWS_PER_TICK + 1


def test_a_list_that_is_too_long_for_one_tick_is_taken_over_several(
    own: GossipAgent, peer: GossipAgent, clock: FakeClock
) -> None:
    peer.knows(*map(entry, range(1000, 2000)))
    own.connect(peer)
    own.gossip.start()
    clock.advance(6)
    assert len(own.table.entries) == 1001
    assert own.table.digest == peer.table.digest


def test_entries_that_are_refused_each_time_do_not_hide_those_behind_them(
    own: GossipAgent, clock: FakeClock
) -> None:
    nonsense = [entry(number, address="nonsense:0") for number in range(2 * NEWS_PER_TICK)]
    own.gossip.start()
    for _ in range(20):
        own.ask(*nonsense, entry(10), teller=entry(8))
        clock.advance(1)
    assert [one.name for one in own.learned] == ["n8", "n10"]


def test_a_member_that_speaks_for_itself_is_taken_although_the_table_is_full(
    own: GossipAgent,
) -> None:
    own.knows(*(entry(number + 1000) for number in range(MAX_MEMBERS)))
    own.rooms = 1
    for number in (10, 11):
        own.ask(entry(20), teller=entry(number), caller=entry(number).address)
    assert [one.name for one in own.learned] == ["n10"]
    assert len(own.table.entries) == MAX_MEMBERS


def test_goodbyes_of_unknown_members_crowd_out_no_member_of_a_full_table(own: GossipAgent) -> None:
    own.knows(*(entry(number + 1000) for number in range(1, MAX_MEMBERS)))
    own.knows(entry(1000, state="left", since=NOW))
    before = dict(own.table.entries)
    own.ask(entry(10, state="left", since=NOW), teller=entry(1001))
    assert len(before) == MAX_MEMBERS
    assert own.table.entries == before


def unasked(
    own: GossipAgent, peer: GossipAgent, member: MemberEntry, *members: MemberEntry
) -> None:
    """Have a peer answer without a request."""
    wire = own.links[0] if own.links else own.connect(peer)
    answer = encode({"member": member, "digest": "0", "members": members})
    own.gossip.answered(cast(Link, wire), decode_peer_answer(answer))


def test_an_answer_that_was_not_requested_is_not_taken(own: GossipAgent, peer: GossipAgent) -> None:
    own.connect(peer)
    before = own.table.digest
    unasked(own, peer, entry(9), *map(entry, range(100, 200)))
    assert own.table.digest == before


def test_a_goodbye_is_taken_without_a_request(own: GossipAgent, peer: GossipAgent) -> None:
    own.connect(peer)
    left = msgspec.structs.replace(peer.table.own, incarnation=2000, state="left", since=NOW)
    unasked(own, peer, left, entry(9))
    assert own.learned[-1] == left
    assert entry(9).address not in own.table.entries


# Agents that ask too much.


def join(client: FakeClient, *members: dict[str, Any], **fields: object) -> None:
    own = {"name": "kenny", "address": KENNY.address, "instance": "i-kenny", "incarnation": 1}
    client.ask(type=4, id=1, member=own, digest="0", members=members, **fields)


def test_a_client_that_sends_a_thousand_joins_a_second_is_refused_and_then_cut(
    harness: CoreHarness,
) -> None:
    client = harness.client(KENNY)
    for _ in range(1000):
        join(client)
    codes = [answer.get("code", "") for answer in client.answers]
    assert codes == [""] * MAX_JOINS + ["forbidden"] * 10
    assert client.wire.closed is not None
    assert client.wire.closed[0] == 1008
    assert len(harness.dial.attempts) <= 1


def test_two_long_joins_a_second_are_answered_and_the_third_refused(harness: CoreHarness) -> None:
    client = harness.client(KENNY)
    for _ in range(3):
        join(client, padding="x" * LONG_JOIN)
    assert [answer.get("code", "") for answer in client.answers] == ["", "", "forbidden"]


def test_eight_long_joins_a_second_are_answered_of_all_agents_together(
    harness: CoreHarness,
) -> None:
    clients = [harness.client(Hello(2, f"k{n}", f"i{n}", f"10.0.0.{n}:7070")) for n in range(20)]
    for client in clients:
        join(client, padding="x" * LONG_JOIN)
    refused = [client.answer.get("code") == "forbidden" for client in clients]
    assert refused == [False] * MAX_LONG_JOINS + [True] * (20 - MAX_LONG_JOINS)
    join(clients[-1])
    assert clients[-1].answers[-1]["error"] == ""
    harness.clock.advance(1)
    join(clients[-1], padding="x" * LONG_JOIN)
    assert clients[-1].answers[-1]["error"] == ""


def test_made_up_members_are_dialed_slowly_and_after_configured_ones(
    harness: CoreHarness,
) -> None:
    made_up = [
        {"name": f"n{n}", "address": f"10.9.0.{n}:7070", "instance": f"i{n}", "incarnation": 1}
        for n in range(1, 200)
    ]
    join(harness.client(KENNY), *made_up)
    harness.clock.advance(0.1)
    known = harness.configure()
    harness.clock.advance(3)
    assert len(harness.dial.attempts) <= 4 * 9
    assert len(harness.dial.to(known)) == 1


def test_a_join_without_a_member_is_a_bad_request_and_no_complaint(
    harness: CoreHarness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    client = harness.client(KENNY)
    client.ask(type=4, id=7)
    assert client.answer["code"] == "bad_request"
    assert client.answer["id"] == 7
    assert caplog.records == []
