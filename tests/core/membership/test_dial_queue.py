"""How fast an agent dials."""

import random

import pytest

from nodnod_agent.core.membership.dial_queue import DIALS_PER_SECOND, DialQueue
from nodnod_client.address import Address
from simulation.clock import FakeClock, HastyClock


class Dialler:
    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.dialled: list[tuple[float, Address]] = []
        self.cancelled: list[Address] = []

    def __call__(self, address: Address, end: object) -> "Attempt":
        self.dialled.append((self.clock.time(), address))
        return Attempt(self, address)

    def most_in_a_second(self) -> int:
        times = [when for when, _ in self.dialled]
        return max(sum(begin <= when < begin + 1 for when in times) for begin in times)


class Attempt:
    def __init__(self, dialler: Dialler, address: Address) -> None:
        self.dialler, self.address = dialler, address

    def cancel(self) -> None:
        self.dialler.cancelled.append(self.address)


def address(number: int) -> Address:
    return Address(f"10.0.{number >> 8}.{number & 255}", 7070)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def dialler(clock: FakeClock) -> Dialler:
    return Dialler(clock)


@pytest.fixture
def dialing(dialler: Dialler, clock: FakeClock) -> DialQueue:
    return DialQueue(dialler, clock, random.Random(1))  # type: ignore[arg-type]


END: object = object()


def test_a_few_are_dialled_at_once(dialing: DialQueue, dialler: Dialler, clock: FakeClock) -> None:
    for number in range(3):
        dialing.verified(address(number), END)  # type: ignore[arg-type]
    clock.advance(0.001)

    assert [where for _, where in dialler.dialled] == [address(0), address(1), address(2)]


def test_no_second_sees_more_than_the_limit(
    dialing: DialQueue, dialler: Dialler, clock: FakeClock
) -> None:
    for number in range(100):
        dialing.verified(address(number), END)  # type: ignore[arg-type]
    clock.advance(30)

    assert len(dialler.dialled) == 100
    assert dialler.most_in_a_second() <= DIALS_PER_SECOND


def test_those_that_were_proved_go_before_hearsay(
    dialing: DialQueue, dialler: Dialler, clock: FakeClock
) -> None:
    for number in range(50):
        dialing.unverified(address(number), END)  # type: ignore[arg-type]
    clock.advance(0.001)
    dialing.verified(address(99), END)  # type: ignore[arg-type]
    clock.advance(1.02)

    assert dialler.dialled[DIALS_PER_SECOND][1] == address(99)


def test_those_dialled_in_vain_go_after_those_not_tried_yet(
    dialing: DialQueue, dialler: Dialler, clock: FakeClock
) -> None:
    for number in range(50):
        dialing.failed(address(number), END)  # type: ignore[arg-type]
    clock.advance(0.001)
    dialing.unverified(address(99), END)  # type: ignore[arg-type]
    clock.advance(1.02)

    assert dialler.dialled[DIALS_PER_SECOND][1] == address(99)


@pytest.mark.parametrize(("kind", "within"), [("unverified", 1.5), ("failed", 3.5)])
def test_nobody_waits_for_ever_however_many_go_before(
    dialing: DialQueue, dialler: Dialler, clock: FakeClock, kind: str, within: float
) -> None:
    def again(where: Address) -> None:
        dialing.verified(where, END)  # type: ignore[arg-type]
        clock.call_at(clock.now + 5, again, where)

    for number in range(200):
        again(address(number))
    clock.advance(60)
    getattr(dialing, kind)(address(999), END)
    clock.advance(within)

    assert address(999) in [where for _, where in dialler.dialled]


def test_cancelled_requests_do_not_pile_up(dialing: DialQueue) -> None:
    for number in range(100_000):
        dialing.unverified(address(number), END).cancel()  # type: ignore[arg-type]

    assert not any(dialing._queues)


def test_one_that_was_cancelled_while_it_waited_is_not_dialled(
    dialing: DialQueue, dialler: Dialler, clock: FakeClock
) -> None:
    tickets = [dialing.verified(address(n), END) for n in range(DIALS_PER_SECOND + 2)]  # type: ignore[arg-type]
    clock.advance(0.001)
    tickets[-1].cancel()
    clock.advance(5)

    assert address(DIALS_PER_SECOND + 1) not in [where for _, where in dialler.dialled]


def test_one_that_was_cancelled_under_way_is_given_up(
    dialing: DialQueue, dialler: Dialler, clock: FakeClock
) -> None:
    ticket = dialing.verified(address(1), END)  # type: ignore[arg-type]
    clock.advance(0.001)
    ticket.cancel()

    assert dialler.cancelled == [address(1)]


def test_hearsay_is_dialled_in_an_order_of_ones_own(dialler: Dialler, clock: FakeClock) -> None:
    for seed in (1, 2):
        dialing = DialQueue(dialler, clock, random.Random(seed))  # type: ignore[arg-type]
        for number in range(DIALS_PER_SECOND):
            dialing.unverified(address(number), END)  # type: ignore[arg-type]
        clock.advance(0.001)

    orders = [where for _, where in dialler.dialled]
    assert sorted(orders[:DIALS_PER_SECOND]) == sorted(orders[DIALS_PER_SECOND:])
    assert orders[:DIALS_PER_SECOND] != orders[DIALS_PER_SECOND:]


def test_a_clock_that_calls_a_little_early_is_no_busy_loop_and_no_second_holds_more() -> None:
    clock = HastyClock()
    dialler = Dialler(clock)
    dialing = DialQueue(dialler, clock, random.Random(1))  # type: ignore[arg-type]
    for number in range(30):
        dialing.verified(address(number), END)  # type: ignore[arg-type]
    clock.advance(10)

    assert len(dialler.dialled) == 30
    assert dialler.most_in_a_second() <= DIALS_PER_SECOND
