"""What others tell of members, and is not believed, or not all at once."""

import logging
import re
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


REFUSED = {
    "a port that is none": (entry(9, address="10.0.0.9:99999"), "port must be"),
    "a URL": (entry(9, address="http://evil/"), "not a URL"),
    "no address": (entry(9, address=""), "host is missing"),
    "a line break": (entry(9, address="10.0.0.9\n:70"), "not an? .*"),
    "a name that does not print": (entry(9, name="a\x1b[2J"), "not a printable name"),
    "our own address under another name": (
        entry(1, name="thief", instance="i9"),
        "which is our own address",
    ),
    "an incarnation of the year 3000": (entry(9, 32_503_680_000_000), "a day in the future"),
    "a departure in the year 3000": (
        entry(9, state="left", since=32_503_680_000.0),
        "a day in the future",
    ),
    "an entry of a kilobyte": (
        entry(
            9,
            name="\U0001f600" * 128,
            instance="\U0001f600" * 64,
            address="a" * 63 + ("." + "a" * 63) * 2 + ".aaaaaaaa",
        ),
        "longer than 1000 bytes",
    ),
}


@pytest.mark.parametrize(("told", "why"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_with_a_reason(
    own: GossipAgent, told: MemberEntry, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    own.ask(told, entry(10), teller=entry(8))

    assert [one.name for one in own.learned] == ["n8", "n10"]
    (line,) = complaints(caplog)
    assert line.startswith("Refused a member that somebody told of: ")
    assert re.search(why, line)
    assert own.table.own.state == "up"


@pytest.mark.parametrize(
    "shape", [{}, [], 7, None, "x", {"name": "a"}, {"name": 7, "address": 7, "instance": 7}]
)
def test_what_is_no_entry_is_refused_and_the_rest_is_taken(
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


def test_of_a_list_without_end_as_many_are_taken_as_there_is_room(
    own: GossipAgent, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    told = [entry(number) for number in range(10_000, 60_000)]
    own.gossip.start()

    for _ in range(MAX_MEMBERS // NEWS_PER_TICK + 5):
        own.ask(*told, teller=entry(8))
        clock.advance(1)

    assert len(own.table.entries) == MAX_MEMBERS
    assert len(own.learned) == MAX_MEMBERS
    assert len(complaints(caplog)) == 1


def test_no_more_than_so_many_entries_that_are_new_are_looked_into_in_a_tick(
    own: GossipAgent, clock: FakeClock
) -> None:
    own.gossip.start()
    clock.advance(1)
    before = len(own.learned)

    for teller in range(10):
        told = map(entry, range(1000 * teller + 1000, 1000 * teller + 2000))
        own.ask(*told, teller=entry(50_000))

    assert len(own.learned) - before == NEWS_PER_TICK + 1


def test_a_list_longer_than_a_tick_can_take_is_taken_in_the_next_ones(
    own: GossipAgent, peer: GossipAgent, clock: FakeClock
) -> None:
    peer.knows(*map(entry, range(1000, 2000)))
    own.connect(peer)
    own.gossip.start()

    clock.advance(6)

    assert len(own.table.entries) == 1001
    assert own.table.digest == peer.table.digest


def test_what_is_refused_each_time_does_not_hide_what_comes_behind_it(
    own: GossipAgent, clock: FakeClock
) -> None:
    nonsense = [entry(number, address="nonsense:0") for number in range(2 * NEWS_PER_TICK)]
    own.gossip.start()

    for _ in range(20):
        own.ask(*nonsense, entry(10), teller=entry(8))
        clock.advance(1)

    assert [one.name for one in own.learned] == ["n8", "n10"]


def test_who_speaks_for_itself_is_heard_however_many_made_up_ones_there_are(
    own: GossipAgent,
) -> None:
    own.knows(*(entry(number + 1000) for number in range(MAX_MEMBERS)))
    own.rooms = 1

    for number in (10, 11):
        own.ask(entry(20), teller=entry(number), caller=entry(number).address)

    assert [one.name for one in own.learned] == ["n10"]
    assert len(own.table.entries) == MAX_MEMBERS


def test_a_full_view_makes_room_for_those_that_come_by_forgetting_those_that_left(
    own: GossipAgent, clock: FakeClock
) -> None:
    for number in range(MAX_MEMBERS):
        since = NOW + clock.now - number
        own.knows(entry(number + 1000, 5, state="left", since=since))

    own.ask(entry(10), teller=entry(8))

    assert [one.name for one in own.learned] == ["n8", "n10"]
    assert len(own.table.entries) <= MAX_MEMBERS
    gone = entry(MAX_MEMBERS + 999)
    assert gone.address not in own.table.entries
    own.ask(gone, teller=entry(8))
    assert gone.address not in own.table.entries


def test_departures_of_those_that_nobody_knew_do_not_crowd_out_members(own: GossipAgent) -> None:
    own.knows(*(entry(number + 1000) for number in range(MAX_MEMBERS)))

    own.ask(entry(10, state="left", since=NOW), teller=entry(1000))

    assert all(one.state == "up" for one in own.table.entries.values())
    assert len(own.table.entries) == MAX_MEMBERS


def unasked(
    own: GossipAgent, peer: GossipAgent, member: MemberEntry, *members: MemberEntry
) -> None:
    """Have a peer that was dialled answer what nobody has asked."""
    wire = own.links[0] if own.links else own.connect(peer)
    answer = encode({"member": member, "digest": "0", "members": members})
    own.gossip.answered(cast(Link, wire), decode_peer_answer(answer))


def test_what_nobody_asked_for_is_not_taken(own: GossipAgent, peer: GossipAgent) -> None:
    own.connect(peer)
    before = own.table.digest

    unasked(own, peer, entry(9), *map(entry, range(100, 200)))

    assert own.table.digest == before


def test_a_goodbye_is_taken_that_nobody_asked_for(own: GossipAgent, peer: GossipAgent) -> None:
    own.connect(peer)
    left = msgspec.structs.replace(peer.table.own, incarnation=2000, state="left", since=NOW)

    unasked(own, peer, left, entry(9))

    assert own.learned[-1] == left
    assert entry(9).address not in own.table.entries


# One peer that asks too much.


def join(client: FakeClient, *members: dict[str, Any], **fields: object) -> None:
    own = {"name": "kenny", "address": KENNY.address, "instance": "i-kenny", "incarnation": 1}
    client.ask(type=4, id=1, member=own, digest="0", members=members, **fields)


def test_a_thousand_joins_a_second_are_refused_and_then_cut(stage: CoreHarness) -> None:
    client = stage.client(KENNY)
    for _ in range(1000):
        join(client)

    codes = [answer.get("code", "") for answer in client.answers]
    assert codes == [""] * MAX_JOINS + ["forbidden"] * 10
    assert client.wire.closed is not None
    assert client.wire.closed[0] == 1008
    assert len(stage.dial.attempts) <= 1


def test_twenty_joins_a_second_are_borne(stage: CoreHarness) -> None:
    client = stage.client(KENNY)
    for _ in range(10):
        for _ in range(MAX_JOINS):
            join(client)
        stage.clock.advance(1)

    assert {answer["error"] for answer in client.answers} == {""}


def test_two_long_joins_a_second_are_borne_and_no_third(stage: CoreHarness) -> None:
    client = stage.client(KENNY)
    for _ in range(3):
        join(client, padding="x" * LONG_JOIN)

    assert [answer.get("code", "") for answer in client.answers] == ["", "", "forbidden"]


def test_eight_long_joins_a_second_are_borne_of_all_agents_together(stage: CoreHarness) -> None:
    clients = [stage.client(Hello(2, f"k{n}", f"i{n}", f"10.0.0.{n}:7070")) for n in range(20)]
    for client in clients:
        join(client, padding="x" * LONG_JOIN)
    refused = [client.answer.get("code") == "forbidden" for client in clients]
    assert refused == [False] * MAX_LONG_JOINS + [True] * (20 - MAX_LONG_JOINS)

    join(clients[-1])
    assert clients[-1].answers[-1]["error"] == ""
    stage.clock.advance(1)
    join(clients[-1], padding="x" * LONG_JOIN)
    assert clients[-1].answers[-1]["error"] == ""


def test_made_up_members_are_dialled_slowly_and_after_those_that_are_configured(
    stage: CoreHarness,
) -> None:
    made_up = [
        {"name": f"n{n}", "address": f"10.9.0.{n}:7070", "instance": f"i{n}", "incarnation": 1}
        for n in range(1, 200)
    ]
    join(stage.client(KENNY), *made_up)
    stage.clock.advance(0.1)
    known = stage.configure()

    stage.clock.advance(3)

    assert len(stage.dial.attempts) <= 4 * 9
    assert len(stage.dial.to(known)) == 1


def test_who_is_no_agent_may_not_join(stage: CoreHarness) -> None:
    client = stage.client()
    join(client)

    assert client.answer["code"] == "forbidden"
    assert stage.cluster.peers.gossip.table.entries == {}


def test_a_join_without_a_member_is_a_bad_request_and_no_complaint(
    stage: CoreHarness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    client = stage.client(KENNY)

    client.ask(type=4, id=7)

    assert client.answer["code"] == "bad_request"
    assert client.answer["id"] == 7
    assert caplog.records == []
