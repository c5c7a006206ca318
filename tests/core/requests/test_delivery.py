"""One answer for very many: who gets it first."""

from core.harness import CoreHarness
from nodnod_agent.core.requests.delivery import BATCH, Delivery
from simulation.clock import FakeClock


class Asker:
    """Waits for an answer."""

    def __init__(self, *, greedy: bool) -> None:
        self.greedy = greedy
        self.got: list[bytes] = []

    def settle(self, body: bytes) -> None:
        self.got.append(body)


def test_who_has_little_under_way_is_answered_at_once_whoever_else_waits() -> None:
    greedy = [Asker(greedy=True) for _ in range(10_000)]
    modest = Asker(greedy=False)

    Delivery(FakeClock()).settle([*greedy, modest], b"{}")

    assert modest.got == [b"{}"]
    assert sum(len(asker.got) for asker in greedy) == BATCH


def test_all_others_are_answered_in_turns_in_their_order() -> None:
    clock = FakeClock()
    settling = Delivery(clock)
    greedy = [Asker(greedy=True) for _ in range(3 * BATCH)]

    settling.settle(greedy[: 2 * BATCH], b"first")
    settling.settle(greedy[2 * BATCH :], b"second")
    clock.turn()

    assert [asker.got for asker in greedy] == [[b"first"]] * 2 * BATCH + [[b"second"]] * BATCH


def test_nothing_is_handed_out_after_the_stop() -> None:
    clock = FakeClock()
    settling = Delivery(clock)
    greedy = [Asker(greedy=True) for _ in range(2 * BATCH)]

    settling.settle(greedy, b"{}")
    settling.stop()
    clock.turn()

    assert sum(len(asker.got) for asker in greedy) == BATCH


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
