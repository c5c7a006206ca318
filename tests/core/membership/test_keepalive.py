"""When a link is pinged, and when its silence means that it is down."""

import random
from itertools import pairwise
from typing import Any

import pytest

from core.harness import FakeDial, FakeWire
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.membership.keepalive import (
    CHECK_INTERVAL,
    MIN_PING_INTERVAL,
    PING_COST,
    PING_SHARE,
    Keepalive,
    pace,
)
from nodnod_agent.core.membership.link import Link
from nodnod_agent.core.membership.v1_pipeline import OVERDUE
from nodnod_client.address import Address
from simulation.clock import FakeClock, HastyClock

KYLE = Hello(2, "kyle")
NO_HANDLER: Any = None


class Scenario:
    """Links that are up for 10 s, and the keepalive that watches them."""

    def __init__(self, links: int = 1, clock: FakeClock | None = None, hello: Hello = KYLE) -> None:
        self.clock = clock or FakeClock()
        self.down: list[tuple[float, Link, str]] = []
        self.links: list[Link] = []
        self.wires: list[FakeWire] = []
        self.inbound_heard = 0.0
        rng, dial = random.Random(1), FakeDial(self.clock)
        self.keepalive = Keepalive(
            self.clock, rng, lambda: self.links, self.drop, lambda link: self.inbound_heard
        )
        self.keepalive.start()
        for number in range(links):
            address = Address(f"10.0.0.{number}", 7070)
            link = Link(address, NO_HANDLER, clock=self.clock, rng=rng, dial=dial)
            self.links.append(link)
            self.wires.append(FakeWire(self.clock))
            link.opened(self.wires[-1], hello)
        if hello.version >= 2:
            self.clock.advance(10)

    def drop(self, link: Link, reason: str) -> None:
        link.drop()
        self.down.append((self.clock.now, link, reason))

    def silence(self) -> float:
        """Silence the first link; returns when."""
        self.wires[0].silence()
        return self.clock.now

    def down_after(self, moment: float) -> float:
        """The seconds from a moment until the first link, and no other, was down."""
        self.clock.advance(25)
        ((when, link, _),) = self.down
        assert link is self.links[0]
        return when - moment

    def pings(self, seconds: float) -> list[float]:
        """The moments of all pings in the next seconds."""
        begin = self.clock.now
        self.clock.advance(seconds)
        return [ping for wire in self.wires for ping in wire.pings if ping > begin]


def test_a_link_is_pinged_several_times_in_the_silence_that_is_tolerated() -> None:
    gaps = [later - earlier for earlier, later in pairwise(Scenario().pings(60))]
    assert all(MIN_PING_INTERVAL <= gap <= MIN_PING_INTERVAL + CHECK_INTERVAL for gap in gaps)


@pytest.mark.parametrize(
    ("links", "pings", "most"), [(100, 1000, 40), (200, 2000, 80), (1000, 2000, 50)]
)
def test_many_links_are_pinged_at_the_stretched_pace_and_not_in_bursts(
    links: int, pings: int, most: int
) -> None:
    scenario = Scenario(links)
    scenario.clock.advance(90)
    moments = scenario.pings(40 if links > 100 else 20)
    assert 0.9 * pings <= len(moments) <= 1.1 * pings
    assert max(moments.count(moment) for moment in set(moments)) < most


def test_a_link_that_is_heard_stays_up() -> None:
    scenario = Scenario()
    scenario.clock.advance(3600)
    assert scenario.down == []


@pytest.mark.parametrize("phase", [0.0, 0.1, 0.7, 1.3, 1.9])
def test_a_silent_link_is_down_within_five_seconds(phase: float) -> None:
    scenario = Scenario()
    scenario.clock.advance(phase)
    assert 5 - 2 * CHECK_INTERVAL <= scenario.down_after(scenario.silence()) <= 5
    assert scenario.down[0][2] == "no sign of life for 5 s"
    assert scenario.wires[0].aborted


def test_a_silent_link_takes_no_other_down() -> None:
    scenario = Scenario(10)
    assert scenario.down_after(scenario.silence()) <= 5


def test_a_silent_link_among_many_is_down_after_a_stretched_silence() -> None:
    scenario = Scenario(200)
    assert 9.5 <= scenario.down_after(scenario.silence()) <= 10


def test_a_clock_that_calls_a_little_early_is_no_busy_loop() -> None:
    scenario = Scenario(clock=HastyClock())
    assert 4.9 <= scenario.down_after(scenario.silence()) <= 5


def test_a_peer_that_is_heard_once_on_its_own_connection_has_five_seconds_more() -> None:
    scenario = Scenario()
    silent = scenario.silence()
    scenario.clock.advance(3)
    scenario.inbound_heard = scenario.clock.now
    assert 7.5 <= scenario.down_after(silent) <= 8


def test_a_dead_link_is_dropped_although_its_peer_is_heard_on_its_own_connection() -> None:
    scenario = Scenario()
    silent = scenario.silence()
    for _ in range(40):
        scenario.inbound_heard = scenario.clock.now
        scenario.clock.advance(0.5)
    assert 9.5 <= scenario.down_after(silent) <= 10
    assert scenario.down[0][2] == "no sign of life for 9.9 s"


@pytest.mark.parametrize("links", [0, 1, 2, 100, 500, 501, 1000, 5000])
def test_pings_stay_under_half_a_percent_of_a_core(links: int) -> None:
    ping, silence = pace(links)
    assert links / ping * PING_COST <= PING_SHARE * 1.0001
    assert silence >= 2.4 * ping, "two pings may be lost before a link is"


@pytest.mark.parametrize(
    ("links", "ping", "silence"),
    [
        *((0, 0.75, 4.95), (1, 0.75, 4.95), (20, 0.75, 4.95), (37, 0.75, 4.95)),
        *((40, 0.8, 4.95), (100, 2.0, 4.95), (200, 4.0, 9.9), (1000, 20.0, 49.5)),
    ],
)
def test_pings_and_then_the_silence_stretch_with_the_number_of_links(
    links: int, ping: float, silence: float
) -> None:
    assert pace(links) == (pytest.approx(ping), silence)


@pytest.mark.parametrize("stall", [1.5, 5.0, 10.0, 3600.0])
def test_after_we_stood_still_no_link_is_down_before_five_more_seconds(stall: float) -> None:
    scenario = Scenario(5)
    for wire in scenario.wires:
        wire.silence()
    scenario.clock.now += stall
    woke = scenario.clock.now
    scenario.clock.advance(0.5)
    assert scenario.down == []
    assert all(wire.pings[-1] >= woke for wire in scenario.wires)
    scenario.clock.advance(10)
    assert all(4.5 <= when - woke <= 5 for when, _, _ in scenario.down)
    assert len(scenario.down) == 5


def test_a_version_1_peer_that_skips_a_question_is_dropped_but_not_for_our_own_stall() -> None:
    scenario = Scenario(hello=Hello(version=1))
    scenario.clock.now += 2 * OVERDUE
    scenario.clock.advance(OVERDUE - 1)
    assert scenario.down == []
    scenario.clock.advance(2)
    assert scenario.down == []
    scenario.links[0].ask(1, b"")
    scenario.clock.advance(1)
    assert [reason for _, _, reason in scenario.down] == ["an answer that it owed never came"]
    assert scenario.wires[0].aborted


@pytest.mark.parametrize("stop", [False, True])
def test_neither_a_link_that_is_down_nor_any_link_after_stop_is_pinged(stop: bool) -> None:
    scenario = Scenario()
    if stop:
        scenario.keepalive.stop()
    else:
        scenario.links[0].ended()
    assert scenario.pings(10) == []


def test_a_wire_that_needs_no_pings_gets_none_and_is_not_dropped_for_its_silence() -> None:
    scenario = Scenario()
    scenario.wires[0].pinged = False
    scenario.clock.advance(1.0)  # the round that has begun
    scenario.silence()
    assert scenario.pings(25.0) == []
    assert scenario.down == []


def test_the_end_of_one_link_may_take_others_with_it() -> None:
    scenario = Scenario(3)

    def take_all_down(link: Link, reason: str) -> None:
        for other in scenario.links:
            other.rest()

    scenario.keepalive._drop = take_all_down
    for wire in scenario.wires:
        wire.silence()
    scenario.clock.advance(20)
    assert not any(link.up for link in scenario.links)
