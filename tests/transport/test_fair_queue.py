"""The fair queue: light users are served at once, heavy ones in turn, the lightest first."""

from math import ceil
from typing import Any, cast

import pytest

from live.raw import frame
from nodnod_agent.transport import connection as connection_module
from nodnod_agent.transport import fair_queue as fair_queue_module
from nodnod_agent.transport.fair_queue import (
    ITERATION_BUDGET,
    MIN_SHARERS,
    TIME_SLICE,
    UNQUEUED_CPU,
    CpuBudget,
    FairQueue,
)
from transport.fakes import FakeLoop, FakeTransport
from transport.harness import Echo, OpenConnection


class FakeCpu:
    """A ``perf_counter`` that only advances when work says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch) -> FakeCpu:
    cpu = FakeCpu()
    for module in (fair_queue_module, connection_module):
        monkeypatch.setattr(module, "perf_counter", cpu)
    return cpu


@pytest.fixture
def loop() -> FakeLoop:
    return FakeLoop()


@pytest.fixture
def queue(loop: FakeLoop) -> FairQueue:
    return FairQueue(cast(Any, loop))


class Worker:
    """An entry with some slices of work, each of which takes ``seconds``."""

    def __init__(
        self, cpu: FakeCpu, slices: int, seconds: float = TIME_SLICE, used: float = 0.0
    ) -> None:
        self.left = slices
        self.used = used
        self._cpu = cpu
        self._seconds = seconds

    def serve(self) -> bool:
        self.left -= 1
        self._cpu.now += self._seconds
        return self.left > 0

    def enqueue(self, queue: FairQueue) -> None:
        queue.enqueue(self.serve, cast(CpuBudget, self))


# The queue.


def test_all_entries_are_served_in_turn(queue: FairQueue, loop: FakeLoop, cpu: FakeCpu) -> None:
    workers = [Worker(cpu, 10) for _ in range(3)]
    for worker in workers:
        worker.enqueue(queue)

    loop.iterate()
    assert [worker.left for worker in workers] == [9, 9, 9]
    loop.turn()
    assert [worker.left for worker in workers] == [0, 0, 0]


def test_an_iteration_ends_with_its_budget(queue: FairQueue, loop: FakeLoop, cpu: FakeCpu) -> None:
    workers = [Worker(cpu, 1) for _ in range(1000)]
    for worker in workers:
        worker.enqueue(queue)

    loop.iterate()

    assert ITERATION_BUDGET <= cpu.now < ITERATION_BUDGET + TIME_SLICE
    assert sum(worker.left for worker in workers) == 1000 - ceil(ITERATION_BUDGET / TIME_SLICE)


def test_a_charge_shortens_the_iteration(queue: FairQueue, loop: FakeLoop, cpu: FakeCpu) -> None:
    queue.enqueue_call(lambda: queue.charge(ITERATION_BUDGET))
    (worker := Worker(cpu, 1, used=1.0)).enqueue(queue)

    loop.iterate()
    assert worker.left == 1
    loop.iterate()
    assert worker.left == 0


def test_no_entry_is_served_twice_in_an_iteration(
    queue: FairQueue, loop: FakeLoop, cpu: FakeCpu
) -> None:
    (worker := Worker(cpu, 10, seconds=0.0)).enqueue(queue)

    loop.iterate()

    assert worker.left == 9


def test_the_entry_that_has_used_least_is_served_first(
    queue: FairQueue, loop: FakeLoop, cpu: FakeCpu
) -> None:
    for _ in range(100):
        Worker(cpu, 100, seconds=ITERATION_BUDGET, used=1.0).enqueue(queue)
    loop.iterate()
    (light := Worker(cpu, 1, used=0.5)).enqueue(queue)

    loop.iterate()

    assert light.left == 0


def test_a_removed_entry_is_not_served(queue: FairQueue, loop: FakeLoop, cpu: FakeCpu) -> None:
    (worker := Worker(cpu, 10)).enqueue(queue)
    queue.remove(worker.serve)
    loop.turn()
    assert worker.left == 10


def test_calls_wait_in_the_queue_too(queue: FairQueue, loop: FakeLoop, cpu: FakeCpu) -> None:
    made: list[int] = []

    def call(number: int) -> None:
        made.append(number)
        cpu.now += ITERATION_BUDGET

    for number in range(3):
        queue.enqueue_call(lambda number=number: call(number))  # type: ignore[misc]

    loop.iterate()
    assert made == [0]
    loop.turn()
    assert made == [0, 1, 2]


def test_a_call_that_raises_does_not_stop_the_queue(
    queue: FairQueue, loop: FakeLoop, cpu: FakeCpu
) -> None:
    def fail() -> None:
        raise ValueError("on purpose")

    queue.enqueue_call(fail)
    (worker := Worker(cpu, 1, used=1.0)).enqueue(queue)

    with pytest.raises(ValueError, match="on purpose"):  # an event loop logs it
        loop.iterate()
    loop.turn()

    assert worker.left == 0


# CPU budgets.


def test_a_new_connection_has_to_queue_at_first(queue: FairQueue) -> None:
    budget = CpuBudget(queue, 1000.0)
    assert budget.exhausted(1000.0)
    assert not budget.exhausted(1000.5)


def test_a_light_user_never_exhausts_its_budget(queue: FairQueue) -> None:
    budget = CpuBudget(queue, 1000.0)
    for second in range(1001, 1100):
        budget.spend(0.9 * queue.credit_rate, second)
        assert not budget.exhausted(second)


def test_a_budget_stays_exhausted_until_credit_makes_up_for_it(queue: FairQueue) -> None:
    budget = CpuBudget(queue, 1000.0)
    budget.spend(3 * queue.credit_rate, 1010.0)
    assert budget.exhausted(1010.0)
    assert budget.exhausted(1011.9)
    assert not budget.exhausted(1012.1)


def test_more_connections_get_less_credit_each(queue: FairQueue) -> None:
    assert queue.credit_rate == UNQUEUED_CPU / MIN_SHARERS
    for _ in range(500):
        queue.connection_opened()
    assert queue.credit_rate == UNQUEUED_CPU / 500
    for _ in range(500):
        queue.connection_closed()
    assert queue.credit_rate == UNQUEUED_CPU / MIN_SHARERS


def test_the_budget_of_a_light_user_outlasts_a_crowd(queue: FairQueue, loop: FakeLoop) -> None:
    budget = CpuBudget(queue, loop.time())
    loop.advance(100)
    budget.spend(0.0001, loop.time())
    for _ in range(500):
        queue.connection_opened()
    assert not budget.exhausted(loop.time())
    loop.advance(100)
    budget.spend(0.0001, loop.time())
    assert not budget.exhausted(loop.time())


def test_the_largest_debt_is_forgiven_after_ten_seconds(queue: FairQueue) -> None:
    budget = CpuBudget(queue, 1000.0)
    budget.spend(3600.0, 4600.0)
    assert budget.exhausted(4608.0)
    assert not budget.exhausted(4611.0)


# Connections.


class SlowEcho(Echo):
    """Each message takes some CPU."""

    seconds = TIME_SLICE / 10

    def __init__(self, connection: OpenConnection, cpu: FakeCpu) -> None:
        super().__init__(connection)
        self._cpu = cpu

    def received(self, text: bytes) -> None:
        self._cpu.now += self.seconds
        super().received(text)


class QueuedConnection(OpenConnection):
    """A connection that shares the CPU with others."""

    time_slice = TIME_SLICE
    weight = 1.0  # type: ignore[assignment]

    def __init__(self, loop: FakeLoop, queue: FairQueue, cpu: FakeCpu, *, must_queue: bool) -> None:
        super().__init__(loop, queue)
        self.must_queue = must_queue  # type: ignore[misc]
        self.connection_made(FakeTransport(loop, self))
        self.echo = self.receiver = SlowEcho(self, cpu)

    @property
    def texts(self) -> list[bytes]:
        return self.echo.received_texts


@pytest.fixture
def light(queue: FairQueue, loop: FakeLoop, cpu: FakeCpu) -> QueuedConnection:
    """A connection that does not have to queue."""
    return QueuedConnection(loop, queue, cpu, must_queue=False)


@pytest.fixture
def heavy(queue: FairQueue, loop: FakeLoop, cpu: FakeCpu) -> QueuedConnection:
    """A connection that has to queue."""
    return QueuedConnection(loop, queue, cpu, must_queue=True)


def test_a_light_connection_is_served_at_once_and_a_heavy_one_in_the_queue(
    light: QueuedConnection, heavy: QueuedConnection, loop: FakeLoop
) -> None:
    for connection in (light, heavy):
        connection.data_received(frame("one"))
    assert (light.texts, heavy.texts) == ([b"one"], [])
    loop.turn()
    assert heavy.texts == [b"one"]


def test_many_requests_at_once_are_served_slice_by_slice(
    light: QueuedConnection, loop: FakeLoop
) -> None:
    light.data_received(frame("x") * 1000)
    assert len(light.texts) == 10

    loop.iterate()
    assert len(light.texts) == 20
    loop.turn()
    assert len(light.texts) == 1000


def test_a_request_that_takes_long_is_the_last_of_its_slice(
    light: QueuedConnection, loop: FakeLoop
) -> None:
    light.echo.seconds = 10 * TIME_SLICE
    light.data_received(frame("x") * 3)
    assert len(light.texts) == 1
    loop.turn()
    assert len(light.texts) == 3


def test_a_large_message_is_taken_at_once(light: QueuedConnection) -> None:
    light.data_received(frame("x" * 90_000))
    assert len(light.texts) == 1


def test_a_connection_whose_receiver_raises_is_aborted_and_no_other(
    heavy: QueuedConnection, queue: FairQueue, loop: FakeLoop, cpu: FakeCpu
) -> None:
    other = QueuedConnection(loop, queue, cpu, must_queue=True)
    heavy.echo.copies = "no number"  # type: ignore[assignment]
    for connection in (heavy, other):
        connection.data_received(frame("x"))

    with pytest.raises(TypeError):
        loop.iterate()
    loop.turn()

    assert cast(FakeTransport, heavy.transport).aborted
    assert other.texts == [b"x"]


def test_a_connection_that_counts_for_many_spends_less(
    light: QueuedConnection, queue: FairQueue, loop: FakeLoop, cpu: FakeCpu
) -> None:
    agent = QueuedConnection(loop, queue, cpu, must_queue=False)
    agent.weight = 100.0  # type: ignore[misc]
    spent = []
    for connection in (light, agent):
        before = connection.budget.used
        connection.data_received(frame("x") * 5)
        spent.append(connection.budget.used - before)
    assert spent[0] == pytest.approx(100 * spent[1])


def test_two_heavy_connections_are_served_alike(
    heavy: QueuedConnection, queue: FairQueue, loop: FakeLoop, cpu: FakeCpu
) -> None:
    other = QueuedConnection(loop, queue, cpu, must_queue=True)
    for connection in (heavy, other):
        connection.data_received(frame("x") * 1000)

    for _ in range(5):
        loop.iterate()

    assert len(heavy.texts) == len(other.texts)
    assert 40 <= len(heavy.texts) <= 60


def test_a_lost_connection_leaves_the_queue(
    heavy: QueuedConnection, queue: FairQueue, loop: FakeLoop
) -> None:
    heavy.data_received(frame("x"))
    cast(FakeTransport, heavy.transport).lose()
    loop.turn()
    assert heavy.texts == []
    assert queue.connections == 0


def test_queued_input_is_processed_at_the_end_of_the_stream(heavy: QueuedConnection) -> None:
    heavy.data_received(frame("last"))
    heavy.eof_received()
    assert heavy.texts == [b"last"]


def test_of_much_queued_input_only_a_part_is_processed_at_the_end_of_the_stream(
    light: QueuedConnection, loop: FakeLoop
) -> None:
    light.data_received(frame("x") * 1000)
    light.eof_received()
    loop.turn()
    assert 20 <= len(light.texts) <= 40


def test_reading_pauses_while_much_input_is_queued(heavy: QueuedConnection, loop: FakeLoop) -> None:
    transport = cast(FakeTransport, heavy.transport)
    heavy.data_received(frame("x") * 100)
    assert transport.reading
    heavy.data_received(frame("x") * 10_000)
    assert not transport.reading
    loop.turn()
    assert transport.reading
