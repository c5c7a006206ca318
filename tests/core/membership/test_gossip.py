"""How membership tables spread: which agent sends what, and how much of it."""

from typing import cast

import pytest
from msgspec.structs import replace

from core.gossip_harness import NOW, GossipAgent, entry
from nodnod_agent.core.membership.gossip import CALM_EVERY, COMPARED_FOR, LISTS_PER_TICK
from nodnod_agent.core.membership.link import Link
from nodnod_agent.core.membership.table import DAY
from nodnod_client.codec import decode_peer_answer, encode
from nodnod_client.messages import MAX_MESSAGE
from simulation.clock import FakeClock


def test_a_link_that_comes_up_is_an_introduction_without_lists(
    own: GossipAgent, peer: GossipAgent
) -> None:
    own.knows(*map(entry, range(10, 20)))
    wire = own.connect(peer)
    (request,), (answer,) = wire.requests, wire.answers
    assert request["member"]["name"] == "n1"
    assert answer["member"]["name"] == "n2"
    assert "members" not in request | answer
    assert own.learned == [peer.table.own]
    assert peer.learned == [own.table.own]


def test_the_first_link_of_all_brings_the_list_at_once(own: GossipAgent, peer: GossipAgent) -> None:
    others = list(map(entry, range(10, 20)))
    peer.knows(*others)
    wire = own.connect(peer)
    assert len(wire.requests) == 1
    assert sorted(own.learned, key=lambda one: one.address) == sorted(
        [peer.table.own, *others], key=lambda one: one.address
    )


def test_a_link_to_a_peer_whose_table_equals_ours_needs_no_introduction(
    own: GossipAgent, peer: GossipAgent, clock: FakeClock
) -> None:
    own.knows(peer.table.own)
    peer.knows(own.table.own)
    wire = own.connect(peer)
    assert wire.requests == []
    own.gossip.start()
    clock.advance(CALM_EVERY + 1)
    assert [request for request in wire.requests if "members" in request] == []


def test_while_all_agree_an_exchange_is_two_digests_every_ten_seconds(
    own: GossipAgent, peer: GossipAgent, clock: FakeClock
) -> None:
    for side in (own, peer):
        side.knows(*map(entry, range(10, 110)))
    wire = own.connect(peer)
    own.gossip.start()
    clock.advance(5)
    assert own.table.digest == peer.table.digest
    del wire.requests[:], wire.answers[:]
    clock.advance(10 * CALM_EVERY)
    assert len(wire.requests) == 10
    assert not any("members" in said for said in wire.requests + wire.answers)
    assert max(len(encode(said)) for said in wire.requests + wire.answers) < 256


def test_if_digests_differ_each_side_gets_what_it_lacks(
    own: GossipAgent, peer: GossipAgent, clock: FakeClock
) -> None:
    own.knows(entry(10), entry(11), entry(12, 5))
    peer.knows(entry(11), entry(12, 4), entry(13))
    wire = own.connect(peer)
    own.gossip.start()
    clock.advance(1)
    assert own.table.digest == peer.table.digest
    assert len(own.table.entries) == len(peer.table.entries) == 5
    assert [one["name"] for one in wire.answers[-1]["members"]] == ["n13"]


@pytest.mark.parametrize("asker_is_small", [True, False])
def test_tables_that_are_larger_than_a_message_come_in_parts(
    own: GossipAgent, peer: GossipAgent, clock: FakeClock, asker_is_small: bool
) -> None:
    (own if asker_is_small else peer).limit = 64 * 1024
    own.knows(*map(entry, range(10, 1010)))
    peer.knows(*map(entry, range(1010, 2010)))
    own.connect(peer)
    own.gossip.start()
    clock.advance(600)
    assert own.table.digest == peer.table.digest
    assert len(own.table.entries) == 2001


def test_news_is_told_to_several_peers_and_not_passed_on_like_a_baton(
    own: GossipAgent, clock: FakeClock
) -> None:
    peers = [GossipAgent(number, clock) for number in range(10, 26)]
    for peer in peers:
        own.connect(peer)
    own.gossip.start()
    clock.advance(30)
    own.ask(entry(50), teller=entry(51))
    clock.advance(7)
    assert sum(entry(50).address in peer.table.entries for peer in peers) >= 4


def test_a_peer_that_lacks_only_the_latest_news_is_sent_only_that(
    own: GossipAgent, peer: GossipAgent, clock: FakeClock
) -> None:
    for side in (own, peer):
        side.knows(*map(entry, range(100, 200)))
    wire = own.connect(peer)
    own.gossip.start()
    clock.advance(15)
    own.ask(entry(50), teller=entry(51))
    del wire.requests[:], wire.answers[:]

    clock.advance(2)

    told = [one["name"] for one in wire.requests[0]["members"]]
    assert sorted(told) == ["n50", "n51"]
    assert "members" not in wire.answers[0]
    assert own.table.digest == peer.table.digest


def test_no_more_than_eight_lists_are_given_in_a_tick(own: GossipAgent, clock: FakeClock) -> None:
    own.knows(*map(entry, range(100, 200)))
    own.gossip.start()
    clock.advance(1)

    def given() -> int:
        answers = [own.ask(entry(n + 10), teller=entry(n + 10)) for n in range(30)]
        assert answers[-1]["digest"] == own.table.digest
        return sum("members" in answer for answer in answers)

    assert given() == LISTS_PER_TICK
    assert given() == 0
    clock.advance(1)
    assert given() == LISTS_PER_TICK


def test_an_agent_sends_one_list_a_second_however_many_links_come_up(
    own: GossipAgent, clock: FakeClock
) -> None:
    own.knows(*map(entry, range(200, 300)))
    wires = [own.connect(GossipAgent(number, clock)) for number in range(10, 40)]
    introductions = sum(len(wire.requests) for wire in wires)
    own.gossip.start()
    clock.advance(5)
    lists = sum("members" in request for wire in wires for request in wire.requests)
    assert introductions == 30
    assert 1 <= lists <= 6
    assert sum(len(wire.requests) for wire in wires) - introductions <= 12


def test_lists_that_brought_no_news_are_sent_once_a_minute_until_something_changes(
    own: GossipAgent, peer: GossipAgent, clock: FakeClock
) -> None:
    # As if one has configured, and keeps, what the other has forgotten.
    own.knows(entry(10), entry(11))
    peer.knows(entry(10), entry(11))
    peer.table.forget(entry(11).address)
    wire = own.connect(peer)
    own.gossip.start()
    clock.advance(30)
    lists = sum("members" in request for request in wire.requests)
    asked = len(wire.requests)
    assert lists <= 3

    clock.advance(100)
    assert sum("members" in request for request in wire.requests) <= lists + 2
    assert len(wire.requests) - asked <= 15

    peer.knows(entry(12))
    clock.advance(2 * CALM_EVERY)
    assert "10.1.0.12:7070" in own.table.entries


def test_an_entry_that_was_refused_for_a_wrong_clock_is_taken_once_it_is_right(
    own: GossipAgent, peer: GossipAgent, clock: FakeClock
) -> None:
    peer.knows(*(entry(number, int(NOW * 1000)) for number in range(10, 15)))
    behind = 3 * DAY
    own.table.wall = lambda: NOW + clock.now - behind
    own.connect(peer)
    own.gossip.start()
    clock.advance(30)
    assert list(own.table.entries) == [peer.table.own.address]
    behind = 0.0
    clock.advance(COMPARED_FOR + CALM_EVERY)
    assert len(own.table.entries) == 6


def test_after_stop_no_peer_is_asked(own: GossipAgent, peer: GossipAgent, clock: FakeClock) -> None:
    wire = own.connect(peer)
    own.gossip.start()
    own.gossip.stop()
    clock.advance(60)
    assert len(wire.requests) == 1


def test_an_agent_that_was_forgotten_refutes_it_and_is_learned_of_again(
    own: GossipAgent, peer: GossipAgent, clock: FakeClock
) -> None:
    third = GossipAgent(3, clock)
    for side in (peer, third):
        side.knows(own.table.own)
        side.table.forget(own.table.own.address)
        assert side.table.merge(own.table.own) is None
    own.connect(peer)
    peer.connect(third)
    for side in (own, peer, third):
        side.gossip.start()

    clock.advance(15)

    assert own.table.own.state == "up"
    assert peer.table.entries[own.table.own.address] == own.table.own
    assert third.table.entries[own.table.own.address] == own.table.own


# Tags.

DB = {"role": "db"}


def tagged(number: int, clock: FakeClock, **tags: str) -> GossipAgent:
    agent = GossipAgent(number, clock)
    agent.table.own = replace(agent.table.own, tags=tags)
    return agent


def test_an_agent_with_tags_introduces_itself_to_a_peer_that_may_have_lost_them(
    own: GossipAgent, clock: FakeClock
) -> None:
    peer = tagged(2, clock, role="db")
    own.knows(replace(peer.table.own, tags={}))
    peer.knows(own.table.own)
    peer.connect(own)
    assert own.table.entries[peer.table.own.address].tags == DB
    assert own.learned == [peer.table.own]
    del peer.links[0].requests[:]
    peer.gossip.start()
    clock.advance(CALM_EVERY)
    assert len(peer.links[0].requests) == 1, "tags are no reason to exchange more"


def test_the_answer_of_a_member_corrects_its_tags(own: GossipAgent, clock: FakeClock) -> None:
    peer = tagged(2, clock, role="db")
    own.knows(replace(peer.table.own, tags={"role": "web"}))
    own.connect(peer)
    assert own.table.entries[peer.table.own.address].tags == DB


def test_only_the_agent_at_the_other_end_speaks_for_itself(
    own: GossipAgent, peer: GossipAgent
) -> None:
    own.knows(entry(10, tags=DB))
    wire = own.connect(peer)
    own.gossip._unanswered[cast(Link, wire)] += 1
    lie = encode({"member": entry(10, tags={"role": "web"}), "digest": "0", "id": -1})
    own.gossip.answered(cast(Link, wire), decode_peer_answer(lie))
    own.ask(teller=entry(10, tags={"role": "web"}), caller="10.9.9.9:7070")
    assert own.table.entries[entry(10).address].tags == DB


def test_other_tags_are_told_to_every_peer(own: GossipAgent, clock: FakeClock) -> None:
    peers = [GossipAgent(number, clock) for number in range(10, 26)]
    for peer in peers:
        own.connect(peer)
    own.gossip.revise(tags=DB)
    assert [peer.table.entries[own.table.own.address].tags for peer in peers] == [DB] * 16


def test_lists_of_the_longest_entries_come_in_parts(
    own: GossipAgent, peer: GossipAgent, clock: FakeClock
) -> None:
    tags = {f"k{n:02}": "\U0001f600" * 60 for n in range(16)}
    own.table.own = replace(own.table.own, tags=tags)
    own.knows(*(entry(n, tags=tags) for n in range(10, 1210)))
    assert len(encode(own.table.all())) > MAX_MESSAGE
    wire = own.connect(peer)
    own.gossip.start()
    clock.advance(600)
    assert max(len(said["members"]) for said in wire.requests if "members" in said) < 1200
    assert own.table.digest == peer.table.digest
    assert all(one.tags == tags for one in peer.table.entries.values())
