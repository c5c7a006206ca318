"""Streams: which subscribers share a tick, and what a slow client gets."""

import json

import pytest

from nodnod_agent.core.question import Question
from nodnod_agent.core.requests.delivery import BATCH, Delivery, Waiter
from nodnod_agent.core.requests.streams import Streams, Subscription, Terms
from simulation.clock import FakeClock

EVERY_SECOND = Terms(Question(), every=1.0, timeout=1.0)


class Source:
    """Answers each question with its number: at once, or later if ``hold`` is set."""

    def __init__(self) -> None:
        self.asked = 0
        self.held: list[tuple[Waiter, int]] = []
        self.hold = False

    def ask(self, question: Question, waiter: Waiter) -> None:
        self.asked += 1
        if self.hold:
            self.held.append((waiter, self.asked))
        else:
            self.answer(waiter, self.asked)

    def answer(self, waiter: Waiter, number: int) -> None:
        waiter.deliver(b'{"n":%d}' % number)


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
def source() -> Source:
    return Source()


@pytest.fixture
def streams(source: Source, clock: FakeClock) -> Streams:
    return Streams(source.ask, Delivery(clock), clock)


def subscribe(streams: Streams, reader: Reader, terms: Terms = EVERY_SECOND) -> Subscription:
    return streams.open(terms, reader, b'"s"')  # type: ignore[arg-type]


def test_the_first_answer_comes_at_once_and_the_next_ones_every_interval(
    streams: Streams, clock: FakeClock
) -> None:
    reader = Reader()
    subscribe(streams, reader)
    clock.advance(0.01)
    assert reader.got == [{"n": 1, "id": "s", "seq": 0}]

    clock.advance(100)

    assert reader.seqs == list(range(101))


def test_subscribers_of_the_same_cost_one_question_a_tick(
    streams: Streams, source: Source, clock: FakeClock
) -> None:
    readers = [Reader() for _ in range(3 * BATCH)]
    for reader in readers:
        subscribe(streams, reader)
    clock.advance(0.01)
    assert source.asked == 1

    clock.advance(5)

    assert source.asked == 6
    assert all(reader.seqs == [0, 1, 2, 3, 4, 5] for reader in readers)


def test_different_terms_have_different_clocks(streams: Streams, clock: FakeClock) -> None:
    slow, fast = Reader(), Reader()
    subscribe(streams, slow, EVERY_SECOND._replace(every=2.0))
    subscribe(streams, fast, EVERY_SECOND._replace(every=0.5))
    clock.advance(4.01)

    assert (len(slow.got), len(fast.got)) == (3, 9)


def test_a_later_subscriber_counts_from_its_own_first_answer(
    streams: Streams, clock: FakeClock
) -> None:
    first, second = Reader(), Reader()
    subscribe(streams, first)
    clock.advance(2.5)
    subscribe(streams, second)
    clock.advance(2)

    assert first.seqs == [0, 1, 2, 3, 4]
    assert second.seqs == [0, 1, 2]


def test_a_subscriber_gets_no_answer_to_a_question_from_before_it_joined(
    streams: Streams, source: Source, clock: FakeClock
) -> None:
    early, late = Reader(), Reader()
    subscribe(streams, early)
    clock.advance(0.5)
    source.hold = True
    clock.advance(0.6)  # the tick of 1 s is under way
    subscribe(streams, late)
    clock.advance(0.01)
    regular, first = source.held
    source.answer(*regular)
    assert late.got == []
    source.answer(*first)

    assert [answer["n"] for answer in late.got] == [first[1]]
    assert early.got[-1]["n"] == regular[1]


def test_a_slow_client_skips_ticks_then_gets_the_newest(streams: Streams, clock: FakeClock) -> None:
    reader = Reader()
    subscribe(streams, reader)
    clock.advance(1.5)
    reader.unsent = 1
    clock.advance(3)
    reader.unsent = 0
    clock.advance(1)

    assert reader.seqs == [0, 1, 5]
    assert reader.got[-1]["n"] == 6
    assert streams.skipped == 3


def test_a_tick_that_is_answered_after_a_later_one_is_not_sent(
    streams: Streams, source: Source, clock: FakeClock
) -> None:
    reader = Reader()
    subscribe(streams, reader)
    clock.advance(0.5)
    source.hold = True
    clock.advance(2)
    first, second = source.held
    source.answer(*second)
    source.answer(*first)

    assert reader.seqs == [0, 2]


def test_a_stream_that_has_ended_asks_and_sends_nothing(
    streams: Streams, source: Source, clock: FakeClock
) -> None:
    reader = Reader()
    stream = subscribe(streams, reader)
    clock.advance(1.5)
    stream.end()
    stream.end()
    clock.advance(5)

    assert reader.seqs == [0, 1]
    assert source.asked == 2
    assert len(streams) == 0


def test_a_delivery_of_an_ended_stream_is_dropped_and_the_others_go_on(
    streams: Streams, clock: FakeClock
) -> None:
    readers = [Reader() for _ in range(BATCH + 2)]
    subscriptions = [subscribe(streams, reader) for reader in readers]
    clock.call_at(clock.now, subscriptions[-1].end)
    clock.advance(0.01)

    assert [len(reader.got) for reader in readers] == [1] * (BATCH + 1) + [0]


def test_missed_ticks_are_not_made_up_for(
    streams: Streams, source: Source, clock: FakeClock
) -> None:
    feed = subscribe(streams, Reader()).feed
    clock.advance(0.01)
    assert feed is not None
    feed._due -= 5  # as if the process had stood still
    clock.advance(2.5)

    assert source.asked <= 4
