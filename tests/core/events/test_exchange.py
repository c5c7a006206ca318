"""How event logs spread between agents, and what an agent does not take of others."""

import logging
from typing import Any

import pytest

from core.events.test_event_log import event
from core.gossip_harness import GossipAgent, entry
from nodnod_agent.core.exchange import Sizes
from nodnod_agent.core.membership.gossip import CALM_EVERY
from nodnod_client.codec import encode
from simulation.clock import FakeClock

SIZES = Sizes()


def write(agent: GossipAgent, *texts: str) -> None:
    """Have an agent write events that it tells nobody at once."""
    for text in texts:
        agent.events.write("reloaded", "kyle", text, instance="i9")


def digests(*agents: GossipAgent) -> set[str]:
    return {agent.events.digest for agent in agents}


def test_while_all_agree_an_exchange_has_a_digest_more(
    own: GossipAgent, peer: GossipAgent, clock: FakeClock
) -> None:
    wire = own.connect(peer)
    write(own, "a")
    own.gossip.start()
    clock.advance(20)
    assert len(digests(own, peer)) == 1
    del wire.requests[:], wire.answers[:]
    clock.advance(10 * CALM_EVERY)
    said = wire.requests + wire.answers
    assert len(said) == 20
    assert all(len(one["eventsDigest"]) == 16 for one in said)
    assert not any({"events", "eventsHave"} & one.keys() for one in said)


def test_an_own_event_goes_to_peers_at_once(own: GossipAgent, peer: GossipAgent) -> None:
    wire = own.connect(peer)
    record = own.events.write("reloaded", "kyle", "", instance="i9")
    own.gossip.publish([record])
    assert wire.requests[-1]["events"][0]["kind"] == "reloaded"
    assert len(digests(own, peer)) == 1


def test_each_side_gets_what_it_lacks_a_piece_at_a_time(
    own: GossipAgent, peer: GossipAgent, clock: FakeClock
) -> None:
    write(own, *(f"{number} {'x' * 150}" for number in range(200)))
    write(peer, *(f"{number} {'y' * 150}" for number in range(200)))
    wire = own.connect(peer)
    own.gossip.start()
    peer.connect(own)
    peer.gossip.start()
    clock.wait_for(lambda: len(digests(own, peer)) == 1, 60)
    assert len(own.events) == 400
    assert max(len(encode(one)) for one in wire.requests) < SIZES.request + 1024
    assert max(len(encode(one)) for one in wire.answers) < SIZES.answer + 8 * 1024


def test_a_peer_that_says_nothing_of_events_is_told_none(
    own: GossipAgent, peer: GossipAgent, clock: FakeClock
) -> None:
    write(own, "a")
    asked = peer.gossip.asked
    peer.gossip.asked = lambda *args: {  # type: ignore[method-assign]
        name: field for name, field in asked(*args).items() if not name.startswith("events")
    }
    wire = own.connect(peer)
    own.gossip.start()
    clock.advance(60)
    assert not any("events" in one for one in wire.requests)
    own.gossip.publish([own.events.write("reloaded", "kyle", "", instance="")])
    clock.advance(60)
    assert not any("events" in one for one in wire.requests)
    answer = own.ask(teller=peer.table.own)
    assert "eventsDigest" not in answer


def ask(agent: GossipAgent, peer: GossipAgent, **fields: Any) -> dict[str, Any]:
    return agent.ask(teller=peer.table.own, eventsDigest="0", **fields)


def test_bad_events_are_refused_and_logged_once_a_minute_and_good_ones_taken(
    own: GossipAgent, peer: GossipAgent, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "nodnod")
    ask(own, peer, events=[event(1), event(2, text="a\x1b[2J"), [], event(3, kind=""), event(4)])
    assert len(own.events) == 2
    (line,) = (record.getMessage() for record in caplog.records)
    assert line == (
        "Refused one of the events that a caller told of: "
        "`text` must be printable and have at most 200 characters"
    )
    ask(own, peer, events=[event(5)], eventsHave="no base64!")
    assert len(own.events) == 3


def test_events_that_are_refused_do_not_make_agents_talk_without_end(
    own: GossipAgent, peer: GossipAgent, clock: FakeClock
) -> None:
    log = own.events
    log.write("reloaded", "kyle", "", instance="i9", at=4e9)  # years ahead: the peer refuses it
    wire = own.connect(peer)
    own.gossip.start()
    peer.connect(own)
    peer.gossip.start()
    clock.advance(120)
    del wire.requests[:]
    clock.advance(600)
    assert len(digests(own, peer)) == 2
    assert sum("eventsHave" in one for one in wire.requests) <= 11
    assert len(wire.requests) < 150


def test_of_a_flood_a_part_is_examined_and_answers_are_limited(
    own: GossipAgent, peer: GossipAgent, clock: FakeClock
) -> None:
    flood = [event(number, f"o{number % 9}") for number in range(3 * SIZES.examined)]
    for place in range(0, len(flood), 100):
        ask(own, peer, events=flood[place : place + 100])
    assert len(own.events) == SIZES.examined
    answers = [ask(own, peer, eventsHave="") for _ in range(3 * SIZES.lists)]
    assert sum("events" in answer for answer in answers) == SIZES.lists
    clock.advance(1)
    assert "events" in ask(own, peer, eventsHave="")


def test_a_flood_of_requests_does_not_keep_out_what_a_peer_answers(
    own: GossipAgent, peer: GossipAgent, clock: FakeClock
) -> None:
    own.connect(peer)
    own.gossip.start()
    write(peer, "news")
    for second in range(10):
        flood = [event(number, "o", at=4e9) for number in range(SIZES.examined)]
        ask(own, peer, events=flood)
        ask(own, peer, events=[event(second)])
        clock.advance(1)
    assert len(digests(own, peer)) == 1
    assert len(own.events) == 1


def test_an_answer_tells_which_process_was_at_the_address_before(
    own: GossipAgent, peer: GossipAgent
) -> None:
    own.knows(peer.table.own)
    assert "before" not in ask(own, peer)
    new = entry(2, 2000, instance="another", name="butters")
    answer = own.ask(teller=new, eventsDigest="0")
    assert answer["before"] == "n2"
    assert "before" not in own.ask(teller=new, eventsDigest="0")
