"""The fair queue: light users are served at once, heavy ones in turn, the lightest first."""

from math import ceil, inf
from typing import Any, cast

import pytest

from live.raw import frame
from nodnod_agent.transport import connection as connection_module
from nodnod_agent.transport import fair_queue as fair_queue_module
from nodnod_agent.transport.fair_queue import (
    ITERATION_BUDGET,
    MAX_DEBT,
    MIN_SHARERS,
    TIME_SLICE,
    UNQUEUED_CPU,
    FairQueue,
)
from transport.fakes import FakeLoop, FakeTransport
from transport.harness import Echo, FullQueue, OpenConnection


class FakeCpu:
    """A ``perf_counter`` that only advances when work says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Worker:
    """An entry with some slices of work, each of which takes ``seconds``."""

    def __init__(
        self, queue: FairQueue, cpu: FakeCpu, slices: int, seconds: float, used: float
    ) -> None:
        self.left = slices
        self.cpu_used = used
        self._queue = queue
        self._cpu = cpu
        self._seconds = seconds

    def serve(self) -> None:
        self.left -= 1
        self._cpu.now += self._seconds
        if self.left > 0:
            self._queue.enqueue(self)


class QueueHarness:
    """A fair queue, its loop, and the CPU time that work takes."""

    def __init__(self, make_queue: type[FairQueue] = FairQueue) -> None:
        self.cpu = FakeCpu()
        self.loop = FakeLoop()
        self.queue = make_queue(cast(Any, self.loop))

    def add_worker(
        self, slices: int = 1, *, seconds: float = TIME_SLICE, used: float = 0.0
    ) -> Worker:
        """Enqueue a worker."""
        worker = Worker(self.queue, self.cpu, slices, seconds, used)
        self.queue.enqueue(worker)
        return worker

    def newcomer(self) -> "QueuedConnection":
        """A new connection."""
        connection = QueuedConnection(self)
        connection.cpu_used = self.queue.newcomer(self.loop.time())
        return connection

    def spend(self, connection: "QueuedConnection", seconds: float) -> None:
        """Let a connection use some CPU."""
        connection.echo.seconds = seconds
        connection._process(frame("x"), 0)

    def admits(self, worker: "QueuedConnection", at: float | None = None) -> bool:
        """Whether it is served at once; now, or at a moment."""
        return self.queue.admits(worker, self.loop.time() if at is None else at)


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> QueueHarness:
    harness = QueueHarness()
    for module in (fair_queue_module, connection_module):
        monkeypatch.setattr(module, "perf_counter", harness.cpu)
    return harness


# The queue.


def test_all_entries_are_served_in_turn(harness: QueueHarness) -> None:
    workers = [harness.add_worker(10) for _ in range(3)]

    harness.loop.iterate()
    assert [worker.left for worker in workers] == [9, 9, 9]
    harness.loop.turn()
    assert [worker.left for worker in workers] == [0, 0, 0]


def test_an_iteration_ends_with_its_budget(harness: QueueHarness) -> None:
    workers = [harness.add_worker() for _ in range(1000)]

    harness.loop.iterate()

    assert ITERATION_BUDGET <= harness.cpu.now < ITERATION_BUDGET + TIME_SLICE
    assert sum(worker.left for worker in workers) == 1000 - ceil(ITERATION_BUDGET / TIME_SLICE)


def test_a_charge_shortens_the_iteration(harness: QueueHarness) -> None:
    harness.queue.enqueue_call(lambda: harness.queue.charge(ITERATION_BUDGET))
    worker = harness.add_worker(used=1.0)

    harness.loop.iterate()
    assert worker.left == 1
    harness.loop.iterate()
    assert worker.left == 0


def test_no_entry_is_served_twice_in_an_iteration(harness: QueueHarness) -> None:
    worker = harness.add_worker(10, seconds=0.0)

    harness.loop.iterate()

    assert worker.left == 9


def test_the_entry_that_has_used_least_is_served_first(harness: QueueHarness) -> None:
    for _ in range(100):
        harness.add_worker(100, seconds=ITERATION_BUDGET, used=1.0)
    harness.loop.iterate()
    light = harness.add_worker(used=0.5)

    harness.loop.iterate()

    assert light.left == 0


def test_a_call_that_raises_does_not_stop_the_queue(harness: QueueHarness) -> None:
    def fail() -> None:
        raise ValueError("on purpose")

    harness.queue.enqueue_call(fail)
    worker = harness.add_worker(used=1.0)

    with pytest.raises(ValueError, match="on purpose"):  # an event loop logs it
        harness.loop.iterate()
    harness.loop.turn()

    assert worker.left == 0


# CPU credit. The clock of the loop begins at 1000 seconds.


@pytest.mark.parametrize(
    ("seconds_ahead", "at", "before", "after"),
    [
        (0, 1000.0, 1000.0, 1000.5),
        (3, 1010.0, 1011.9, 1012.1),
        (100_000, 4600.0, 4608.0, 4611.0),
    ],
    ids=["new", "three seconds ahead", "with a debt too large, ten seconds of which stay"],
)
def test_a_heavy_user_waits_until_credit_makes_up_for_it(
    harness: QueueHarness, seconds_ahead: int, at: float, before: float, after: float
) -> None:
    harness.add_worker()
    worker = harness.newcomer()
    harness.queue.update(at)
    harness.spend(worker, seconds_ahead * harness.queue.credit_rate)
    assert not harness.admits(worker, at)
    assert not harness.admits(worker, before)
    assert harness.admits(worker, after)


def test_a_light_user_never_waits(harness: QueueHarness) -> None:
    harness.add_worker()
    worker = harness.newcomer()
    for second in range(1001, 1100):
        assert harness.admits(worker, second)
        harness.spend(worker, 0.9 * harness.queue.credit_rate)


def test_more_connections_get_less_credit_each(harness: QueueHarness) -> None:
    queue = harness.queue
    assert queue.credit_rate == UNQUEUED_CPU / MIN_SHARERS
    for _ in range(500):
        queue.connection_opened()
    assert queue.credit_rate == UNQUEUED_CPU / 500
    for _ in range(500):
        queue.connection_closed()
    assert queue.credit_rate == UNQUEUED_CPU / MIN_SHARERS


def test_the_credit_of_a_light_user_outlasts_a_crowd(harness: QueueHarness) -> None:
    harness.add_worker(10**9, seconds=1.0)
    worker, loop = harness.newcomer(), harness.loop
    loop.now += 100
    assert harness.admits(worker)
    harness.spend(worker, 0.0001)
    for _ in range(500):
        harness.queue.connection_opened()
    assert harness.admits(worker)
    loop.now += 100
    harness.spend(worker, 0.0001)
    assert harness.admits(worker)


# Connections that have used more than their credit.


def test_a_heavy_user_is_served_at_once_while_nobody_waits(harness: QueueHarness) -> None:
    worker = harness.newcomer()
    assert harness.admits(worker)
    harness.add_worker()
    assert not harness.admits(worker)


def test_heavy_users_are_served_at_once_for_the_budget_of_an_iteration(
    harness: QueueHarness,
) -> None:
    workers = [harness.newcomer() for _ in range(10)]
    served = 0
    for worker in workers:
        if harness.admits(worker):
            harness.spend(worker, ITERATION_BUDGET / 2)
            served += 1
    assert served == 2
    harness.loop.iterate()
    assert harness.admits(workers[-1])


# Connections. Those that are not light wait.


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> QueueHarness:
    harness = QueueHarness(FullQueue)
    for module in (fair_queue_module, connection_module):
        monkeypatch.setattr(module, "perf_counter", harness.cpu)
    return harness


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

    def __init__(self, harness: QueueHarness, *, light: bool = False) -> None:
        super().__init__(harness.loop, harness.queue)
        self.cpu_used = -inf if light else inf
        self.fake = FakeTransport(harness.loop, self)
        self.connection_made(self.fake)
        self.echo = self.receiver = SlowEcho(self, harness.cpu)

    @property
    def texts(self) -> list[bytes]:
        return self.echo.received_texts


def test_a_light_connection_is_served_at_once_and_a_heavy_one_queues(full: QueueHarness) -> None:
    light, heavy = QueuedConnection(full, light=True), QueuedConnection(full)
    for connection in (light, heavy):
        connection.data_received(frame("one"))
    assert (light.texts, heavy.texts) == ([b"one"], [])
    full.loop.turn()
    assert heavy.texts == [b"one"]


def test_many_requests_at_once_are_served_slice_by_slice(full: QueueHarness) -> None:
    light = QueuedConnection(full, light=True)
    light.data_received(frame("x") * 1000)
    assert len(light.texts) == 10

    full.loop.iterate()
    assert len(light.texts) == 20
    full.loop.turn()
    assert len(light.texts) == 1000


def test_a_large_message_is_taken_at_once(full: QueueHarness) -> None:
    light = QueuedConnection(full, light=True)
    light.data_received(frame("x" * 90_000))
    assert len(light.texts) == 1


def test_a_connection_whose_receiver_raises_is_aborted_and_no_other(full: QueueHarness) -> None:
    heavy, other = QueuedConnection(full), QueuedConnection(full)
    heavy.echo.copies = "no number"  # type: ignore[assignment]
    for connection in (heavy, other):
        connection.data_received(frame("x"))

    with pytest.raises(TypeError):
        full.loop.iterate()
    full.loop.turn()

    assert heavy.fake.aborted
    assert other.texts == [b"x"]


def test_a_connection_that_counts_for_many_spends_less(full: QueueHarness) -> None:
    client, agent = (
        QueuedConnection(full, light=True),
        QueuedConnection(full, light=True),
    )
    agent.weight = 100.0
    spent = []
    for connection in (client, agent):
        before = connection.cpu_used
        connection.data_received(frame("x") * 5)
        spent.append(connection.cpu_used - before)
    assert spent[0] == pytest.approx(100 * spent[1])


def test_a_connection_that_was_busy_for_long_is_not_behind_new_ones(harness: QueueHarness) -> None:
    def flood(connections: list[QueuedConnection], iterations: int) -> list[int]:
        before = [len(connection.texts) for connection in connections]
        for _ in range(iterations):
            for connection in connections:
                connection.data_received(frame("x"))
            harness.loop.now += 0.001
            harness.loop.iterate()
        return [len(one.texts) - less for one, less in zip(connections, before, strict=True)]

    def flooder() -> QueuedConnection:
        connection = harness.newcomer()
        connection.echo.seconds = 0.001
        return connection

    old = flooder()
    flood([old, flooder()], 10_000)
    assert old.cpu_used <= harness.queue.credit + MAX_DEBT * harness.queue.credit_rate

    harness.loop.now += 3600
    served = flood([old, flooder(), flooder()], 3000)
    assert min(served) > 900


def test_a_lost_connection_leaves_the_queue(full: QueueHarness) -> None:
    heavy = QueuedConnection(full)
    heavy.data_received(frame("x"))
    heavy.fake.lose()
    full.loop.turn()
    assert heavy.texts == []
    assert full.queue.connections == 0


def test_queued_input_is_processed_at_the_end_of_the_stream(full: QueueHarness) -> None:
    heavy = QueuedConnection(full)
    heavy.data_received(frame("last"))
    heavy.eof_received()
    assert heavy.texts == [b"last"]


def test_much_input_is_processed_slice_by_slice_after_the_end_of_the_stream(
    full: QueueHarness,
) -> None:
    light = QueuedConnection(full, light=True)
    light.data_received(frame("x") * 1000)
    assert light.eof_received()
    assert 20 <= len(light.texts) <= 40
    full.loop.turn()
    assert len(light.texts) == 1000


def test_reading_pauses_while_much_input_is_queued(full: QueueHarness) -> None:
    heavy = QueuedConnection(full)
    heavy.data_received(frame("x") * 100)
    assert heavy.fake.reading
    heavy.data_received(frame("x") * 10_000)
    assert not heavy.fake.reading
    full.loop.turn()
    assert heavy.fake.reading
