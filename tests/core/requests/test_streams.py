"""Who wants what how often, and what a slow reader gets."""

import json

import pytest

from nodnod_agent.core.question import Question
from nodnod_agent.core.requests.delivery import BATCH, Delivery
from nodnod_agent.core.requests.streams import Streams, Subscription, Terms
from simulation.clock import FakeClock

EVERY = Terms(Question(), every=1.0, timeout=1.0)


class Asker:
    """Answers at once, or when told to."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.waiting: list[object] = []
        self.hold = False

    def ask(self, question: Question, waiter: object) -> None:
        self.asked.append(question)
        number = len(self.asked)
        if self.hold:
            self.waiting.append((waiter, number))
        else:
            self.answer(waiter, number)

    def answer(self, waiter: object, number: int) -> None:
        waiter.deliver(b'{"n":%d}' % number)  # type: ignore[attr-defined]


class Reader:
    """A wire that keeps what it was sent."""

    def __init__(self) -> None:
        self.unsent = 0
        self.got: list[dict[str, object]] = []

    def send(self, text: bytes) -> None:
        self.got.append(json.loads(text))

    @property
    def seqs(self) -> list[object]:
        return [answer["seq"] for answer in self.got]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def asker() -> Asker:
    return Asker()


@pytest.fixture
def streams(asker: Asker, clock: FakeClock) -> Streams:
    return Streams(asker.ask, Delivery(clock), clock)


def open_stream(streams: Streams, reader: Reader, terms: Terms = EVERY) -> Subscription:
    return streams.open(terms, reader, b'"s"')  # type: ignore[arg-type]


def test_the_first_answer_comes_at_once_and_the_next_ones_in_time(
    streams: Streams, clock: FakeClock
) -> None:
    reader = Reader()
    open_stream(streams, reader)
    clock.advance(0.01)
    assert reader.got == [{"n": 1, "id": "s", "seq": 0}]

    clock.advance(3)

    assert reader.seqs == [0, 1, 2, 3]


def test_many_that_want_the_same_cost_one_question_a_tick(
    streams: Streams, asker: Asker, clock: FakeClock
) -> None:
    readers = [Reader() for _ in range(3 * BATCH)]
    for reader in readers:
        open_stream(streams, reader)
    clock.advance(0.01)
    assert len(asker.asked) == 1

    clock.advance(5)

    assert len(asker.asked) == 6
    assert all(reader.seqs == [0, 1, 2, 3, 4, 5] for reader in readers)


def test_other_terms_have_a_clock_of_their_own(
    streams: Streams, asker: Asker, clock: FakeClock
) -> None:
    slow, fast = Reader(), Reader()
    open_stream(streams, slow, EVERY._replace(every=2.0))
    open_stream(streams, fast, EVERY._replace(every=0.5))
    clock.advance(4.01)

    assert (len(slow.got), len(fast.got)) == (3, 9)


def test_one_who_comes_later_counts_from_its_own_beginning(
    streams: Streams, clock: FakeClock
) -> None:
    first, second = Reader(), Reader()
    open_stream(streams, first)
    clock.advance(2.5)
    open_stream(streams, second)
    clock.advance(2)

    assert first.seqs == [0, 1, 2, 3, 4]
    assert second.seqs == [0, 1, 2]


def test_nobody_gets_an_answer_to_a_question_from_before_it_came(
    streams: Streams, asker: Asker, clock: FakeClock
) -> None:
    early, late = Reader(), Reader()
    open_stream(streams, early)
    clock.advance(0.5)
    asker.hold = True
    clock.advance(0.6)  # the tick of 1 s is under way
    open_stream(streams, late)
    clock.advance(0.01)
    (tick, number), (welcome, later) = asker.waiting
    asker.answer(tick, number)
    assert late.got == []
    asker.answer(welcome, later)

    assert [answer["n"] for answer in late.got] == [later]
    assert early.got[-1]["n"] == number


def test_a_slow_reader_skips_ticks_and_gets_the_newest_next(
    streams: Streams, clock: FakeClock
) -> None:
    reader = Reader()
    open_stream(streams, reader)
    clock.advance(1.5)
    reader.unsent = 1
    clock.advance(3)
    reader.unsent = 0
    clock.advance(1)

    assert reader.seqs == [0, 1, 5]
    assert reader.got[-1]["n"] == 6
    assert streams.skipped == 3


def test_a_tick_that_is_overtaken_is_never_sent(
    streams: Streams, asker: Asker, clock: FakeClock
) -> None:
    reader = Reader()
    open_stream(streams, reader)
    clock.advance(0.5)
    asker.hold = True
    clock.advance(2)
    (first, one), (second, two) = asker.waiting
    asker.answer(second, two)
    asker.answer(first, one)

    assert reader.seqs == [0, 2]


def test_after_its_end_a_stream_sends_nothing(streams: Streams, clock: FakeClock) -> None:
    reader = Reader()
    stream = open_stream(streams, reader)
    clock.advance(1.5)
    stream.end()
    clock.advance(5)

    assert reader.seqs == [0, 1]
    assert len(streams) == 0


def test_a_stream_that_nobody_listens_to_asks_nothing(
    streams: Streams, asker: Asker, clock: FakeClock
) -> None:
    open_stream(streams, Reader()).end()
    clock.advance(0.01)
    asked = len(asker.asked)
    clock.advance(10)

    assert len(asker.asked) == asked


def test_ticks_that_were_missed_are_not_made_up_for(
    streams: Streams, asker: Asker, clock: FakeClock
) -> None:
    reader = Reader()
    feed = open_stream(streams, reader).feed
    clock.advance(0.01)
    assert feed is not None
    feed._due -= 5  # as if the process had stood still
    clock.advance(2.5)

    assert len(asker.asked) <= 4


def test_all_are_served_even_if_there_are_more_than_fit_in_a_turn(
    streams: Streams, clock: FakeClock
) -> None:
    readers = [Reader() for _ in range(5 * BATCH + 1)]
    for reader in readers:
        open_stream(streams, reader)
    clock.advance(1.01)

    assert all(reader.seqs == [0, 1] for reader in readers)


def test_a_late_tick_keeps_the_rhythm(streams: Streams, clock: FakeClock) -> None:
    reader = Reader()
    open_stream(streams, reader)
    clock.advance(100.01)

    assert reader.seqs == list(range(101))
