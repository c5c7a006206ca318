"""One answer for many: which clients get it first."""

from collections.abc import Sized

import pytest
from msgspec import field

from core.harness import CoreHarness
from nodnod_agent.core.requests.delivery import BATCH, FEW_IN_FLIGHT, Delivery, Waiter
from simulation.clock import FakeClock


class BusyClient(Waiter, eq=False):
    """Waits for more than a few answers."""

    timeout: float = 1.0
    deadline: float = 1.0
    in_flight: Sized = range(FEW_IN_FLIGHT + 1)
    got: list[bytes] = field(default_factory=list)

    def deliver(self, body: bytes) -> None:
        self.got.append(body)


@pytest.fixture
def delivery(clock: FakeClock) -> Delivery:
    return Delivery(clock)


def test_clients_with_many_requests_in_flight_are_answered_in_batches_in_their_order(
    delivery: Delivery, clock: FakeClock
) -> None:
    busy = [BusyClient() for _ in range(3 * BATCH)]

    delivery.answer(busy[: 2 * BATCH], b"first")
    delivery.answer(busy[2 * BATCH :], b"second")
    clock.turn()

    assert [one.got for one in busy] == [[b"first"]] * 2 * BATCH + [[b"second"]] * BATCH


def test_a_delivery_that_fails_ends_no_other(delivery: Delivery, clock: FakeClock) -> None:
    busy = [BusyClient() for _ in range(2 * BATCH)]
    del busy[5].got

    with pytest.raises(AttributeError):
        delivery.answer(busy, b"{}")
    clock.turn()

    assert all(one.got == [b"{}"] for one in busy if one is not busy[5])


def test_nothing_is_delivered_after_stop(delivery: Delivery, clock: FakeClock) -> None:
    busy = [BusyClient() for _ in range(2 * BATCH)]

    delivery.answer(busy, b"{}")
    delivery.stop()
    clock.turn()

    assert sum(len(one.got) for one in busy) == BATCH


def test_a_client_with_few_requests_in_flight_is_answered_before_others(
    harness: CoreHarness,
) -> None:
    kyle = harness.peer("kyle")
    busy = [harness.client() for _ in range(100)]
    for one in busy:
        for number in range(64):
            one.ask(type=1, id=number)
    client = harness.client()
    client.ask(type=1)
    harness.clock.turn()

    kyle.answer()

    assert len(client.answers) == 1
    assert sum(len(one.answers) for one in busy) == BATCH
    harness.clock.turn()
    assert [len(one.answers) for one in busy] == [64] * 100
