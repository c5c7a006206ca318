"""When a link is pinged, and when its silence means that it is down."""

import random
from itertools import pairwise
from typing import Any

import pytest

from core.harness import FakeDial, FakeWire
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.membership.keepalive import (
    PING_COST,
    PING_EVERY,
    PING_SHARE,
    TICK,
    Keepalive,
    pace,
)
from nodnod_agent.core.membership.link import Link
from nodnod_agent.core.membership.v1_pipeline import OVERDUE
from nodnod_client.address import Address
from simulation.clock import FakeClock, HastyClock

KYLE = Hello(2, "kyle")
NOBODY: Any = None
"""What takes the reports of connections: here the test reports to the links itself."""


class Bench:
    """Links that are up, and the keepalive that watches them."""

    def __init__(self, links: int = 1, clock: FakeClock | None = None, hello: Hello = KYLE) -> None:
        self.clock = clock or FakeClock()
        self.down: list[tuple[float, Link, str]] = []
        self.links: list[Link] = []
        self.wires: dict[Link, FakeWire] = {}
        rng = random.Random(1)
        self.inbound: dict[Link, float] = {}
        self.keepalive = Keepalive(
            self.clock, rng, lambda: self.links, self.drop, lambda link: self.inbound.get(link, 0.0)
        )
        self.keepalive.start()
        dial = FakeDial(self.clock)
        for number in range(links):
            address = Address(f"10.0.0.{number}", 7070)
            link = Link(address, NOBODY, clock=self.clock, rng=rng, dial=dial)
            link.dial()
            self.wires[link] = wire = FakeWire(self.clock)
            link.opened(wire, hello)
            self.links.append(link)

    def drop(self, link: Link, reason: str) -> None:
        link.drop()
        self.down.append((self.clock.now, link, reason))

    @property
    def wire(self) -> FakeWire:
        (wire,) = self.wires.values()
        return wire

    def stall(self, seconds: float) -> None:
        """Stand still: time passes and no call is made."""
        self.clock.now += seconds


def test_a_link_is_pinged_several_times_in_the_silence_that_is_borne() -> None:
    bench = Bench()
    bench.clock.advance(61)
    pings = bench.wire.pings[1:]
    gaps = [later - earlier for earlier, later in pairwise(pings)]
    assert all(PING_EVERY <= gap <= PING_EVERY + TICK for gap in gaps)


def test_the_first_pings_of_many_links_do_not_come_in_one_burst() -> None:
    bench = Bench(100)
    bench.clock.advance(20)
    moments: dict[float, int] = {}
    for wire in bench.wires.values():
        for ping in wire.pings[2:]:
            moments[ping] = moments.get(ping, 0) + 1
    assert max(moments.values()) < 40


def test_a_link_that_is_heard_stays_up() -> None:
    bench = Bench()
    bench.clock.advance(3600)
    assert bench.down == []


@pytest.mark.parametrize("phase", [0.0, 0.1, 0.7, 1.3, 1.9])
def test_a_silent_link_is_down_within_five_seconds(phase: float) -> None:
    bench = Bench()
    bench.clock.advance(10 + phase)
    silent = bench.clock.now
    bench.wire.silence()
    bench.clock.advance(10)
    ((when, _, reason),) = bench.down
    assert 5 - 2 * TICK <= when - silent <= 5
    assert reason == "no sign of life for 5 s"
    assert bench.wire.aborted


def test_who_was_heard_elsewhere_meanwhile_has_five_seconds_more() -> None:
    bench = Bench()
    bench.clock.advance(10)
    silent = bench.clock.now
    bench.wire.silence()
    bench.clock.advance(3)
    bench.inbound[bench.links[0]] = bench.clock.now
    bench.clock.advance(10)
    ((when, _, _),) = bench.down
    assert 7.5 <= when - silent <= 8


def test_a_connection_that_is_dead_is_dropped_though_its_peer_speaks_elsewhere() -> None:
    bench = Bench()
    bench.clock.advance(10)
    silent = bench.clock.now
    bench.wire.silence()
    for _ in range(40):
        bench.inbound[bench.links[0]] = bench.clock.now
        bench.clock.advance(0.5)
    ((when, _, reason),) = bench.down
    assert 9.5 <= when - silent <= 10
    assert reason == "no sign of life for 9.9 s"


def test_a_silent_link_takes_no_other_down() -> None:
    bench = Bench(10)
    silent = bench.links[3]
    bench.wires[silent].silence()
    bench.clock.advance(60)
    assert [link for _, link, _ in bench.down] == [silent]


@pytest.mark.parametrize("links", [0, 1, 2, 100, 500, 501, 1000, 5000])
def test_pings_stay_under_half_a_percent_of_a_core(links: int) -> None:
    ping, silence = pace(links)
    assert links / ping * PING_COST <= PING_SHARE * 1.0001
    assert silence >= 2.4 * ping, "two pings may be lost before a link is"


@pytest.mark.parametrize("links", [0, 1, 20, 37])
def test_while_links_are_few_the_pace_is_the_usual(links: int) -> None:
    assert pace(links) == (0.75, 4.95)


@pytest.mark.parametrize("links", [40, 100])
def test_with_more_links_pings_are_fewer_and_the_silence_borne_the_same(links: int) -> None:
    assert pace(links) == (pytest.approx(links * 0.02), 4.95)


def test_beyond_that_the_pace_stretches_with_the_number_of_links() -> None:
    assert pace(200) == (4.0, 9.9)
    assert pace(1000) == (20.0, 49.5)


def test_many_links_are_pinged_at_the_stretched_pace() -> None:
    bench = Bench(200)
    bench.clock.advance(1)
    before = sum(len(wire.pings) for wire in bench.wires.values())
    bench.clock.advance(40)
    pings = sum(len(wire.pings) for wire in bench.wires.values()) - before
    assert 0.9 * 200 * 10 <= pings <= 200 * 10 * 1.1
    bench.wires[bench.links[0]].silence()
    silent = bench.clock.now
    bench.clock.advance(20)
    assert 9.5 <= bench.down[0][0] - silent <= 10


@pytest.mark.parametrize("stall", [1.5, 5.0, 10.0, 3600.0])
def test_after_standing_still_ourselves_nobody_is_declared_down(stall: float) -> None:
    bench = Bench(5)
    bench.clock.advance(10)
    for wire in bench.wires.values():
        wire.silence()
    bench.stall(stall)
    bench.clock.advance(0.5)
    assert bench.down == []
    assert all(wire.pings[-1] >= bench.clock.now - 0.5 for wire in bench.wires.values())


def test_the_pings_of_very_many_links_are_spread_over_all_ticks() -> None:
    bench = Bench(1000)
    bench.clock.advance(100)
    begin = bench.clock.now
    bench.clock.advance(40)
    pings = [ping for wire in bench.wires.values() for ping in wire.pings if ping > begin]
    assert 0.9 * 2000 <= len(pings) <= 2000 * 1.1
    assert max(pings.count(moment) for moment in set(pings)) < 50


def test_after_standing_still_who_stays_silent_is_down_five_seconds_later() -> None:
    bench = Bench()
    bench.clock.advance(10)
    bench.wire.silence()
    bench.stall(10)
    woke = bench.clock.now
    bench.clock.advance(10)
    assert 4.5 <= bench.down[0][0] - woke <= 5


def test_a_clock_that_calls_a_little_early_is_no_busy_loop() -> None:
    bench = Bench(clock=HastyClock())
    bench.clock.advance(10)
    silent = bench.clock.now
    bench.wire.silence()
    bench.clock.advance(10)
    assert 4.9 <= bench.down[0][0] - silent <= 5


def test_a_version_1_peer_that_skips_a_question_is_dropped_but_not_for_our_own_stall() -> None:
    bench = Bench(hello=Hello(version=1))
    bench.stall(2 * OVERDUE)
    bench.clock.advance(OVERDUE - 1)
    assert bench.down == []
    bench.clock.advance(2)
    assert [reason for _, _, reason in bench.down] == ["an answer that it owed never came"]
    assert bench.wire.aborted


def test_links_that_are_down_are_not_pinged() -> None:
    bench = Bench()
    bench.clock.advance(10)
    bench.links[0].ended()
    pings = len(bench.wire.pings)
    bench.clock.advance(10)
    assert len(bench.wire.pings) == pings


def test_one_links_end_may_take_others_with_it() -> None:
    bench = Bench(3)

    def take_all_down(link: Link, reason: str) -> None:
        for other in bench.links:
            other.rest()

    bench.keepalive._drop = take_all_down
    for wire in bench.wires.values():
        wire.silence()
    bench.clock.advance(20)
    assert not any(link.up for link in bench.links)


def test_after_stop_nothing_is_pinged() -> None:
    bench = Bench()
    bench.keepalive.stop()
    bench.clock.advance(10)
    assert bench.wire.pings == []
