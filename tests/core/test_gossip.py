"""How views spread: who tells whom what, how much of it, and what is not believed."""

import json
import logging
import random
import re
from typing import Any, cast

import pytest

from nodnod.address import parse_address
from nodnod.codec import decode_join, decode_peer_answer, decode_request, encode
from nodnod.messages import MemberEntry
from nodnod_agent.core.gossip import CALM_EVERY, LISTS_PER_TICK, Gossip
from nodnod_agent.core.link import Link
from nodnod_agent.core.session import LONG_JOIN, MAX_JOINS
from nodnod_agent.core.view import MAX_MEMBERS, View
from nodnod_agent.core.world import Hello
from simulation.clock import FakeClock
from simulation.stage import FakeClient, Stage

NOW = 1_700_000_000.0
KENNY = Hello(2, "kenny", "i-kenny", "10.0.0.9:7070")


def entry(number: int, incarnation: int = 1, **more: object) -> MemberEntry:
    fields = {
        "name": f"n{number}",
        "address": f"10.1.{number >> 8}.{number & 255}:7070",
        "instance": f"i{number}",
    }
    return MemberEntry(incarnation=incarnation, **(fields | more))  # type: ignore[arg-type]


class Side:
    """One agent's gossip, and what it has learnt."""

    def __init__(self, number: int, clock: FakeClock) -> None:
        self.learnt_of: list[MemberEntry] = []
        self.links: list[Wire] = []
        self.view = View(entry(number, 1000), lambda: NOW + clock.now)
        self.gossip = Gossip(
            self.view,
            self,
            lambda: cast(list[Link], self.links),
            clock=clock,
            rng=random.Random(number),
        )

    def learnt(self, news: MemberEntry) -> None:
        self.learnt_of.append(news)

    def knows(self, *entries: MemberEntry) -> None:
        """Take in what is no news."""
        for one in entries:
            self.view.merge(one)

    def connect(self, other: "Side") -> "Wire":
        """Link it to another, as if it had dialled."""
        wire = Wire(self, other)
        self.links.append(wire)
        self.gossip.link_up(cast(Link, wire))
        return wire

    def ask(self, *members: MemberEntry, teller: MemberEntry, **fields: object) -> dict[str, Any]:
        """Have it asked to exchange; its answer."""
        request = {"type": 4, "member": teller, "digest": "0", **fields}
        if members:
            request["members"] = members
        text = encode(request)
        answer = self.gossip.asked(decode_join(text, decode_request(text)), "somebody")
        return cast(dict[str, Any], json.loads(encode(answer)))


class Wire:
    """A link between two sides that delivers at once, and remembers what went each way."""

    def __init__(self, side: Side, other: Side) -> None:
        self.address = parse_address(other.view.own.address)
        self.requests: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []
        self._side, self._other = side, other

    def tell(self, text: bytes) -> None:
        self.requests.append(json.loads(text))
        join = decode_join(text, decode_request(text))
        answer = encode(self._other.gossip.asked(join, str(self._side.view.own.address)))
        self.answers.append(json.loads(answer))
        self._side.gossip.answered(cast(Link, self), decode_peer_answer(answer))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def own(clock: FakeClock) -> Side:
    return Side(1, clock)


@pytest.fixture
def peer(clock: FakeClock) -> Side:
    return Side(2, clock)


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


# What is said.


def test_a_link_that_comes_up_is_an_introduction_without_lists(own: Side, peer: Side) -> None:
    own.knows(*map(entry, range(10, 20)))

    wire = own.connect(peer)

    (request,), (answer,) = wire.requests, wire.answers
    assert request["member"]["name"] == "n1"
    assert answer["member"]["name"] == "n2"
    assert "members" not in request | answer
    assert own.learnt_of == [peer.view.own]
    assert peer.learnt_of == [own.view.own]


def test_while_all_agree_an_exchange_is_two_digests_every_ten_seconds(
    own: Side, peer: Side, clock: FakeClock
) -> None:
    for side in (own, peer):
        side.knows(*map(entry, range(10, 110)))
    wire = own.connect(peer)
    own.gossip.start()
    clock.advance(5)
    assert own.view.digest == peer.view.digest
    del wire.requests[:], wire.answers[:]

    clock.advance(10 * CALM_EVERY)

    assert len(wire.requests) == 10
    assert not any("members" in said for said in wire.requests + wire.answers)
    assert max(len(encode(said)) for said in wire.requests + wire.answers) < 256


def test_where_digests_differ_each_side_gets_what_it_lacks(
    own: Side, peer: Side, clock: FakeClock
) -> None:
    own.knows(entry(10), entry(11), entry(12, 5))
    peer.knows(entry(11), entry(12, 4), entry(13))
    wire = own.connect(peer)
    own.gossip.start()

    clock.advance(1)

    assert own.view.digest == peer.view.digest
    assert len(own.view.entries) == len(peer.view.entries) == 5
    assert [one["name"] for one in wire.answers[-1]["members"]] == ["n13"]


def test_news_reach_the_listener_once(own: Side, peer: Side, clock: FakeClock) -> None:
    peer.knows(entry(13))
    own.connect(peer)
    own.gossip.start()

    clock.advance(60)

    assert [one.name for one in own.learnt_of] == ["n2", "n13"]


def test_no_more_than_eight_lists_are_given_in_a_tick(own: Side, clock: FakeClock) -> None:
    own.knows(*map(entry, range(100, 200)))
    own.gossip.start()
    clock.advance(1)

    def given() -> int:
        answers = [own.ask(entry(n + 10), teller=entry(n + 10)) for n in range(30)]
        assert answers[-1]["digest"] == own.view.digest
        return sum("members" in answer for answer in answers)

    assert given() == LISTS_PER_TICK
    assert given() == 0
    clock.advance(1)
    assert given() == LISTS_PER_TICK


def test_who_sends_no_list_gets_none(own: Side) -> None:
    own.knows(entry(10))

    assert "members" not in own.ask(teller=entry(9))


def test_an_agent_asks_one_peer_a_second_however_many_links_come_up(
    own: Side, clock: FakeClock
) -> None:
    own.knows(*map(entry, range(200, 300)))
    wires = [own.connect(Side(number, clock)) for number in range(10, 40)]
    introductions = sum(len(wire.requests) for wire in wires)
    own.gossip.start()

    clock.advance(5)

    assert introductions == 30
    assert sum(len(wire.requests) for wire in wires) - introductions <= 6


def test_lists_that_brought_nothing_are_not_sent_again_until_something_changes(
    own: Side, peer: Side, clock: FakeClock
) -> None:
    # As where one has configured, and keeps, what the other has forgotten.
    own.knows(entry(10), entry(11))
    peer.knows(entry(10), entry(11))
    peer.view.forget(entry(11).address)
    wire = own.connect(peer)
    own.gossip.start()
    clock.advance(30)
    lists = sum("members" in request for request in wire.requests)
    asked = len(wire.requests)
    assert lists <= 3

    clock.advance(100)
    assert sum("members" in request for request in wire.requests) == lists
    assert len(wire.requests) - asked <= 11

    peer.knows(entry(12))
    clock.advance(2 * CALM_EVERY)
    assert "10.1.0.12:7070" in own.view.entries


def test_leaving_is_told_to_every_peer(own: Side, clock: FakeClock) -> None:
    peers = [Side(number, clock) for number in range(10, 15)]
    for peer in peers:
        own.connect(peer)

    own.gossip.leave()

    for peer in peers:
        known = peer.view.entries[own.view.own.address]
        assert known.state == "left"
        assert known.since == NOW + clock.now


def test_after_stop_nobody_is_asked(own: Side, peer: Side, clock: FakeClock) -> None:
    wire = own.connect(peer)
    own.gossip.start()
    own.gossip.stop()

    clock.advance(60)

    assert len(wire.requests) == 1


def test_one_that_was_forgotten_refutes_it_and_is_learnt_of_again(
    own: Side, peer: Side, clock: FakeClock
) -> None:
    third = Side(3, clock)
    for side in (peer, third):
        side.knows(own.view.own)
        side.view.forget(own.view.own.address)
        assert side.view.merge(own.view.own) is None
    own.connect(peer)
    peer.connect(third)
    for side in (own, peer, third):
        side.gossip.start()

    clock.advance(15)

    assert own.view.own.state == "up"
    assert peer.view.entries[own.view.own.address] == own.view.own
    assert third.view.entries[own.view.own.address] == own.view.own


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
    own: Side, told: MemberEntry, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    own.ask(told, entry(10), teller=entry(8))

    assert [one.name for one in own.learnt_of] == ["n8", "n10"]
    (line,) = complaints(caplog)
    assert line.startswith("Refused a member that somebody told of: ")
    assert re.search(why, line)
    assert own.view.own.state == "up"


@pytest.mark.parametrize(
    "shape", [{}, [], 7, None, "x", {"name": "a"}, {"name": 7, "address": 7, "instance": 7}]
)
def test_what_is_no_entry_is_refused_and_the_rest_is_taken(
    own: Side, shape: object, caplog: pytest.LogCaptureFixture
) -> None:
    own.ask(cast(MemberEntry, shape), entry(10), teller=entry(8))

    assert [one.name for one in own.learnt_of] == ["n8", "n10"]
    assert len(complaints(caplog)) == 1


def test_refusals_are_logged_once_a_minute_at_most(
    own: Side, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(120):
        for _ in range(10):
            own.ask(entry(9, address="nonsense:0"), teller=entry(8))
        clock.advance(1)

    assert len(complaints(caplog)) == 2


def test_of_a_hundred_thousand_members_as_many_are_taken_as_there_is_room(
    own: Side, caplog: pytest.LogCaptureFixture
) -> None:
    told = [entry(number) for number in range(10_000, 110_000)]
    for begin in range(0, 100_000, 25_000):
        own.ask(*told[begin : begin + 25_000], teller=entry(8))

    assert len(own.view.entries) == MAX_MEMBERS
    assert len(own.learnt_of) == MAX_MEMBERS
    assert len(complaints(caplog)) == 1


def test_a_full_view_makes_room_for_those_that_come_by_forgetting_those_that_left(
    own: Side, clock: FakeClock
) -> None:
    for number in range(MAX_MEMBERS):
        since = NOW + clock.now - number
        own.knows(entry(number + 1000, 5, state="left", since=since))

    own.ask(entry(10), teller=entry(8))

    assert [one.name for one in own.learnt_of] == ["n8", "n10"]
    assert len(own.view.entries) <= MAX_MEMBERS
    gone = entry(MAX_MEMBERS + 999)
    assert gone.address not in own.view.entries
    own.ask(gone, teller=entry(8))
    assert gone.address not in own.view.entries


def test_departures_of_those_that_nobody_knew_do_not_crowd_out_members(own: Side) -> None:
    own.knows(*(entry(number + 1000) for number in range(MAX_MEMBERS)))

    own.ask(entry(10, state="left", since=NOW), teller=entry(1000))

    assert all(one.state == "up" for one in own.view.entries.values())
    assert len(own.view.entries) == MAX_MEMBERS


# One peer that asks too much.


@pytest.fixture
def stage() -> Stage:
    return Stage()


def join(client: FakeClient, *members: dict[str, Any], **fields: object) -> None:
    own = {"name": "kenny", "address": KENNY.address, "instance": "i-kenny", "incarnation": 1}
    client.ask(type=4, id=1, member=own, digest="0", members=members, **fields)


def test_a_thousand_joins_a_second_are_refused_and_then_cut(stage: Stage) -> None:
    client = stage.client(KENNY)
    for _ in range(1000):
        join(client)

    codes = [answer.get("code", "") for answer in client.answers]
    assert codes == [""] * MAX_JOINS + ["forbidden"] * 10
    assert client.wire.closed is not None
    assert client.wire.closed[0] == 1008
    assert len(stage.dial.attempts) <= 1


def test_twenty_joins_a_second_are_borne(stage: Stage) -> None:
    client = stage.client(KENNY)
    for _ in range(10):
        for _ in range(MAX_JOINS):
            join(client)
        stage.clock.advance(1)

    assert {answer["error"] for answer in client.answers} == {""}


def test_two_long_joins_a_second_are_borne_and_no_third(stage: Stage) -> None:
    client = stage.client(KENNY)
    for _ in range(3):
        join(client, padding="x" * LONG_JOIN)

    assert [answer.get("code", "") for answer in client.answers] == ["", "", "forbidden"]


def test_made_up_members_are_dialled_slowly_and_after_those_that_are_configured(
    stage: Stage,
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


def test_who_is_no_agent_may_not_join(stage: Stage) -> None:
    client = stage.client()
    join(client)

    assert client.answer["code"] == "forbidden"
    assert stage.cluster.peers.gossip.view.entries == {}


def test_a_join_without_a_member_is_a_bad_request_and_no_complaint(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    client = stage.client(KENNY)

    client.ask(type=4, id=7)

    assert client.answer["code"] == "bad_request"
    assert client.answer["id"] == 7
    assert caplog.records == []
