"""One answer for very many: who gets it first."""

from core.harness import CoreHarness
from nodnod_agent.core.requests.delivery import BATCH, FEW_IN_FLIGHT, Delivery, Waiter
from simulation.clock import FakeClock


class Client(Waiter):
    """Waits for an answer, and perhaps for many others."""

    def __init__(self, *, in_flight: int) -> None:
        super().__init__(1.0, 1.0, range(in_flight))
        self.got: list[bytes] = []

    def deliver(self, body: bytes) -> None:
        self.got.append(body)


def test_who_has_little_under_way_is_answered_at_once_whoever_else_waits() -> None:
    busy = [Client(in_flight=FEW_IN_FLIGHT + 1) for _ in range(10_000)]
    modest = Client(in_flight=FEW_IN_FLIGHT)

    Delivery(FakeClock()).answer([*busy, modest], b"{}")

    assert modest.got == [b"{}"]
    assert sum(len(client.got) for client in busy) == BATCH


def test_all_others_are_answered_in_turns_in_their_order() -> None:
    clock = FakeClock()
    delivery = Delivery(clock)
    busy = [Client(in_flight=FEW_IN_FLIGHT + 1) for _ in range(3 * BATCH)]

    delivery.answer(busy[: 2 * BATCH], b"first")
    delivery.answer(busy[2 * BATCH :], b"second")
    clock.turn()

    assert [client.got for client in busy] == [[b"first"]] * 2 * BATCH + [[b"second"]] * BATCH


def test_nothing_is_handed_out_after_the_stop() -> None:
    clock = FakeClock()
    delivery = Delivery(clock)
    busy = [Client(in_flight=FEW_IN_FLIGHT + 1) for _ in range(2 * BATCH)]

    delivery.answer(busy, b"{}")
    delivery.stop()
    clock.turn()

    assert sum(len(client.got) for client in busy) == BATCH


def test_a_client_with_a_thousand_requests_holds_up_no_other() -> None:
    stage = CoreHarness()
    kyle = stage.peer("kyle")
    crowd = [stage.client() for _ in range(100)]
    for client in crowd:
        for number in range(64):
            client.ask(type=1, id=number)
    modest = stage.client()
    modest.ask(type=1)
    stage.clock.turn()

    kyle.answer()

    assert len(modest.answers) == 1
    assert sum(len(client.answers) for client in crowd) == BATCH
    stage.clock.turn()
    assert [len(client.answers) for client in crowd] == [64] * 100
