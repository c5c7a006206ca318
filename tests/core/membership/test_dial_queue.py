"""The rate at which an agent dials."""

import random
from typing import Any

import pytest

from core.harness import FakeDial
from nodnod_agent.core.membership.dial_queue import (
    DIALS_PER_SECOND,
    DOUBTFUL_PER_SECOND,
    DialQueue,
)
from nodnod_client.address import Address
from simulation.clock import FakeClock, HastyClock

HANDLER: Any = None


class Scenario:
    """A queue, and what it dials; with ``takes`` all attempts succeed after so many seconds."""

    def __init__(
        self, clock: FakeClock | None = None, seed: int = 1, takes: float | None = None
    ) -> None:
        self.clock = clock or FakeClock()
        self.dial = FakeDial(self.clock)
        self.free: set[Address] = set()
        rng = random.Random(seed)
        self.queue = DialQueue(self._dial, self.clock, rng, self.free.__contains__)
        self._takes = takes

    def _dial(self, address: Address, handler: Any) -> Any:
        if self._takes is not None:
            self.clock.call_at(self.clock.now + self._takes, self.queue.opened, address)
        return self.dial(address, handler)

    def add(self, kind: str, count: int) -> list[Any]:
        """Request ``count`` addresses, numbered from 0."""
        return [getattr(self.queue, kind)(address(n), HANDLER) for n in range(count)]

    @property
    def dialed(self) -> list[Address]:
        return [attempt.address for attempt in self.dial.attempts]

    def most_in_a_second(self) -> int:
        times = [attempt.at for attempt in self.dial.attempts]
        return max(sum(begin <= when < begin + 1 for when in times) for begin in times)


def address(number: int) -> Address:
    return Address(f"10.0.{number >> 8}.{number & 255}", 7070)


@pytest.fixture
def scenario() -> Scenario:
    return Scenario()


def test_a_few_addresses_are_dialed_at_once_in_their_order(scenario: Scenario) -> None:
    scenario.add("verified", 3)
    scenario.clock.advance(0.001)
    assert scenario.dialed == [address(0), address(1), address(2)]


@pytest.mark.parametrize("clock", [FakeClock, HastyClock])
@pytest.mark.parametrize(
    ("takes", "most"),
    [(None, DOUBTFUL_PER_SECOND), (2.0, DOUBTFUL_PER_SECOND), (0.005, DIALS_PER_SECOND)],
    ids=["failing", "slow", "successful"],
)
def test_no_second_sees_more_attempts_than_the_limit(
    clock: type[FakeClock], takes: float | None, most: int
) -> None:
    scenario = Scenario(clock(), takes=takes)
    scenario.add("verified", 100)
    scenario.clock.advance(30)
    assert len(scenario.dialed) == 100
    assert scenario.most_in_a_second() == most


def test_peers_that_answer_are_dialed_faster_also_among_others_that_do_not() -> None:
    scenario = Scenario()
    scenario.add("verified", 60)
    for _ in range(40):
        scenario.clock.advance(0.05)
        for number in range(0, 60, 2):
            scenario.queue.opened(address(number))
    assert scenario.dialed[:32] == [address(number) for number in range(32)]


@pytest.mark.parametrize(("first", "then"), [("verified", "unverified"), ("unverified", "failed")])
def test_better_known_addresses_go_before_others(scenario: Scenario, first: str, then: str) -> None:
    scenario.add(then, 50)
    scenario.clock.advance(0.001)
    getattr(scenario.queue, first)(address(99), HANDLER)
    scenario.clock.advance(1.02)
    assert scenario.dialed[DOUBTFUL_PER_SECOND] == address(99)


@pytest.mark.parametrize(("kind", "within"), [("unverified", 1.5), ("failed", 3.5)])
def test_no_address_waits_forever_however_many_go_before(
    scenario: Scenario, kind: str, within: float
) -> None:
    def again(where: Address) -> None:
        scenario.queue.verified(where, HANDLER)
        scenario.clock.call_at(scenario.clock.now + 5, again, where)

    for number in range(200):
        again(address(number))
    scenario.clock.advance(60)
    getattr(scenario.queue, kind)(address(999), HANDLER)
    scenario.clock.advance(within)
    assert address(999) in scenario.dialed


def test_a_request_that_is_cancelled_while_it_waits_is_neither_dialed_nor_kept(
    scenario: Scenario,
) -> None:
    tickets = scenario.add("verified", DOUBTFUL_PER_SECOND + 2)
    scenario.clock.advance(0.001)
    tickets[-1].cancel()
    assert sum(map(len, scenario.queue._queues)) == 1
    scenario.clock.advance(5)
    assert scenario.dialed == [address(number) for number in range(DOUBTFUL_PER_SECOND + 1)]


def test_an_attempt_that_is_cancelled_under_way_is_given_up(scenario: Scenario) -> None:
    (ticket,) = scenario.add("verified", 1)
    scenario.clock.advance(0.001)
    ticket.cancel()
    assert scenario.dial.attempts[0].cancelled


def test_each_agent_dials_unverified_addresses_in_an_order_of_its_own() -> None:
    orders = []
    for seed in (1, 2):
        scenario = Scenario(seed=seed)
        scenario.add("unverified", DOUBTFUL_PER_SECOND)
        scenario.clock.advance(0.001)
        orders.append(scenario.dialed)
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]


def test_addresses_that_are_free_are_dialed_at_once() -> None:
    scenario = Scenario()
    scenario.free.update(map(address, range(50)))
    scenario.add("unverified", 51)
    assert len(scenario.dialed) == 50
    scenario.clock.advance(0.1)
    assert len(scenario.dialed) == 51
