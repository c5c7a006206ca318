"""Whose turn it is: little as it comes, much in line, and nobody before his turn."""

from math import ceil
from typing import Any, cast

import pytest

from live.raw import frame
from nodnod_agent.transport import connection as pump_module
from nodnod_agent.transport import fair_queue as turns_module
from nodnod_agent.transport.fair_queue import FEW, LINE, PIECE, SHARED, FairQueue, Share
from transport.connections import Echo, ServerPump
from transport.fakes import FakeLoop, FakeTransport


class Stopwatch:
    """The time that work takes, as the work says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    watch = Stopwatch()
    for module in (turns_module, pump_module):
        monkeypatch.setattr(module, "perf_counter", watch)
    return watch


@pytest.fixture
def turns(loop: FakeLoop) -> FairQueue:
    return FairQueue(cast(Any, loop))


class Worker:
    """Has so many pieces of work, each of which takes its time."""

    def __init__(
        self, watch: Stopwatch, pieces: int, seconds: float = PIECE, taken: float = 0.0
    ) -> None:
        self.left = pieces
        self.taken = taken
        self._watch = watch
        self._seconds = seconds

    def serve(self) -> bool:
        self.left -= 1
        self._watch.now += self._seconds
        return self.left > 0


# The line.


def test_all_who_stand_in_line_are_served_one_after_the_other(
    turns: FairQueue, loop: FakeLoop, watch: Stopwatch
) -> None:
    workers = [Worker(watch, 10) for _ in range(3)]
    for worker in workers:
        turns.stand(worker)

    loop.one_turn()
    assert [worker.left for worker in workers] == [9, 9, 9]
    loop.turn()
    assert [worker.left for worker in workers] == [0, 0, 0]


def test_a_turn_of_the_loop_ends_when_the_line_has_had_its_time(
    turns: FairQueue, loop: FakeLoop, watch: Stopwatch
) -> None:
    workers = [Worker(watch, 1) for _ in range(1000)]
    for worker in workers:
        turns.stand(worker)

    loop.one_turn()

    assert LINE <= watch.now < LINE + PIECE
    assert sum(worker.left for worker in workers) == 1000 - ceil(LINE / PIECE)


def test_nobody_is_served_twice_in_a_turn(
    turns: FairQueue, loop: FakeLoop, watch: Stopwatch
) -> None:
    worker = Worker(watch, 10, seconds=0.0)
    turns.stand(worker)

    loop.one_turn()

    assert worker.left == 9


def test_who_has_taken_least_is_served_first(
    turns: FairQueue, loop: FakeLoop, watch: Stopwatch
) -> None:
    greedy = [Worker(watch, 100, seconds=LINE, taken=1.0) for _ in range(100)]
    for worker in greedy:
        turns.stand(worker)
    loop.one_turn()
    modest = Worker(watch, 1, taken=0.5)

    turns.stand(modest)
    loop.one_turn()

    assert modest.left == 0


def test_who_has_left_is_not_served(turns: FairQueue, loop: FakeLoop, watch: Stopwatch) -> None:
    worker = Worker(watch, 10)
    turns.stand(worker)
    turns.leave(worker)
    loop.turn()
    assert worker.left == 10


def test_errands_stand_in_line_too(turns: FairQueue, loop: FakeLoop, watch: Stopwatch) -> None:
    done: list[int] = []

    def errand(number: int) -> None:
        done.append(number)
        watch.now += LINE

    for number in range(3):
        turns.later(lambda number=number: errand(number))  # type: ignore[misc]

    loop.one_turn()
    assert done == [0]
    loop.turn()
    assert done == [0, 1, 2]


def test_an_errand_that_fails_stops_nobody(
    turns: FairQueue, loop: FakeLoop, watch: Stopwatch
) -> None:
    def fail() -> None:
        raise ValueError("on purpose")

    worker = Worker(watch, 1)
    turns.later(fail)
    turns.stand(worker)

    with pytest.raises(ValueError, match="on purpose"):  # a loop logs it
        loop.one_turn()
    loop.turn()

    assert worker.left == 0


# Shares.


def test_a_newcomer_has_to_stand_in_line_at_first(turns: FairQueue) -> None:
    share = Share(turns, 1000.0)
    assert share.spent(1000.0)
    assert not share.spent(1000.5)


def test_who_takes_little_never_spends_its_share(turns: FairQueue) -> None:
    share = Share(turns, 1000.0)
    for second in range(1001, 1100):
        share.take(0.9 * turns.share, second)
        assert not share.spent(second)


def test_who_takes_more_has_spent_it_until_it_is_forgiven(turns: FairQueue) -> None:
    share = Share(turns, 1000.0)
    share.take(3 * turns.share, 1010.0)
    assert share.spent(1010.0)
    assert share.spent(1011.9)
    assert not share.spent(1012.1)


def test_the_more_there_are_the_smaller_the_share(turns: FairQueue) -> None:
    assert turns.share == SHARED / FEW
    for _ in range(500):
        turns.opened()
    assert turns.share == SHARED / 500
    for _ in range(500):
        turns.closed()
    assert turns.share == SHARED / FEW


def test_who_took_little_has_spent_nothing_when_a_crowd_comes(
    turns: FairQueue, loop: FakeLoop
) -> None:
    share = Share(turns, loop.time())
    loop.pass_time(100)
    share.take(0.0001, loop.time())
    for _ in range(500):
        turns.opened()
    assert not share.spent(loop.time())
    loop.pass_time(100)
    share.take(0.0001, loop.time())
    assert not share.spent(loop.time())


def test_the_worst_is_forgiven_after_ten_seconds(turns: FairQueue) -> None:
    share = Share(turns, 1000.0)
    share.take(3600.0, 4600.0)
    assert share.spent(4608.0)
    assert not share.spent(4611.0)


# Pumps.


class Pumped(ServerPump):
    """A pump that has to mind the others."""

    piece = PIECE
    waits = True
    counts_for = 1.0

    @property
    def weight(self) -> float:
        return self.counts_for

    @property
    def waits_in_line(self) -> bool:
        return self.waits


class Slow(Echo):
    """Each message takes a while."""

    watch: Stopwatch
    seconds = PIECE / 10

    def received(self, text: bytes) -> None:
        self.watch.now += self.seconds
        super().received(text)


def pumped(
    turns: FairQueue, loop: FakeLoop, watch: Stopwatch, *, waits: bool
) -> tuple[Pumped, Slow]:
    pump = Pumped(loop)
    pump.turns = turns
    pump.waits = waits
    pump.connection_made(FakeTransport(pump))
    user = Slow(pump)
    user.watch = watch
    pump.user = user
    return pump, user


def test_who_takes_little_is_read_as_it_comes(
    turns: FairQueue, loop: FakeLoop, watch: Stopwatch
) -> None:
    pump, user = pumped(turns, loop, watch, waits=False)
    pump.data_received(frame("one"))
    assert user.heard == [b"one"]


def test_who_takes_much_is_read_in_its_turn(
    turns: FairQueue, loop: FakeLoop, watch: Stopwatch
) -> None:
    pump, user = pumped(turns, loop, watch, waits=True)
    pump.data_received(frame("one"))
    assert user.heard == []
    loop.turn()
    assert user.heard == [b"one"]


def test_a_long_row_of_requests_is_taken_piece_by_piece(
    turns: FairQueue, loop: FakeLoop, watch: Stopwatch
) -> None:
    pump, user = pumped(turns, loop, watch, waits=False)
    pump.data_received(frame("x") * 1000)
    assert len(user.heard) == 10

    loop.one_turn()
    assert len(user.heard) == 20
    loop.turn()
    assert len(user.heard) == 1000


def test_a_request_that_takes_long_is_the_last_of_its_piece(
    turns: FairQueue, loop: FakeLoop, watch: Stopwatch
) -> None:
    pump, user = pumped(turns, loop, watch, waits=False)
    user.seconds = 10 * PIECE
    pump.data_received(frame("x") * 3)
    assert len(user.heard) == 1
    loop.turn()
    assert len(user.heard) == 3


def test_a_large_message_is_taken_at_once(
    turns: FairQueue, loop: FakeLoop, watch: Stopwatch
) -> None:
    pump, user = pumped(turns, loop, watch, waits=False)
    pump.data_received(frame("x" * 90_000))
    assert len(user.heard) == 1


def test_a_connection_whose_user_fails_is_ended_and_no_other(
    turns: FairQueue, loop: FakeLoop, watch: Stopwatch
) -> None:
    pump, user = pumped(turns, loop, watch, waits=True)
    other, other_user = pumped(turns, loop, watch, waits=True)
    user.copies = "no number"  # type: ignore[assignment]
    for one in (pump, other):
        one.data_received(frame("x"))

    with pytest.raises(TypeError):
        loop.one_turn()
    loop.turn()

    assert cast(FakeTransport, pump.transport).aborted
    assert other_user.heard == [b"x"]


def test_who_counts_for_many_has_taken_so_much_less(
    turns: FairQueue, loop: FakeLoop, watch: Stopwatch
) -> None:
    pumps = [pumped(turns, loop, watch, waits=False)[0] for _ in range(2)]
    pumps[1].counts_for = 100.0
    before = [pump.taken for pump in pumps]
    for pump in pumps:
        pump.data_received(frame("x") * 5)
    one, other = (pump.taken - then for pump, then in zip(pumps, before, strict=True))
    assert one == pytest.approx(100 * other)


def test_two_with_long_rows_are_taken_side_by_side(
    turns: FairQueue, loop: FakeLoop, watch: Stopwatch
) -> None:
    pairs = [pumped(turns, loop, watch, waits=True) for _ in range(2)]
    for pump, _ in pairs:
        pump.data_received(frame("x") * 1000)

    for _ in range(5):
        loop.one_turn()

    one, other = (len(user.heard) for _, user in pairs)
    assert one == other
    assert 40 <= one <= 60


def test_the_end_of_a_connection_ends_its_standing_in_line(
    turns: FairQueue, loop: FakeLoop, watch: Stopwatch
) -> None:
    pump, user = pumped(turns, loop, watch, waits=True)
    pump.data_received(frame("x"))
    cast(FakeTransport, pump.transport).lose()
    loop.turn()
    assert user.heard == []
    assert turns.connections == 0


def test_what_stood_in_line_when_the_other_side_ended_is_read(
    turns: FairQueue, loop: FakeLoop, watch: Stopwatch
) -> None:
    pump, user = pumped(turns, loop, watch, waits=True)
    pump.data_received(frame("last"))
    pump.eof_received()
    assert user.heard == [b"last"]


def test_of_very_much_that_was_left_behind_only_the_beginning_is_read(
    turns: FairQueue, loop: FakeLoop, watch: Stopwatch
) -> None:
    pump, user = pumped(turns, loop, watch, waits=False)
    pump.data_received(frame("x") * 1000)
    pump.eof_received()
    loop.turn()
    assert 20 <= len(user.heard) <= 40


def test_of_what_waits_most_is_bytes_and_reading_stops_with_enough(
    turns: FairQueue, loop: FakeLoop, watch: Stopwatch
) -> None:
    pump, _ = pumped(turns, loop, watch, waits=True)
    pump.data_received(frame("x") * 100)
    assert cast(FakeTransport, pump.transport).reading
    pump.data_received(frame("x") * 10_000)
    assert not cast(FakeTransport, pump.transport).reading
    loop.turn()
    assert cast(FakeTransport, pump.transport).reading
