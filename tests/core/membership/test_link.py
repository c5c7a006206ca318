"""One peer's address: dialled, kept, redialled for ever; and which answer belongs to which query."""

import json
import random
from typing import Any

import pytest

from core.harness import FakeDial, FakeWire
from nodnod_agent.core.interfaces import Hello, Wire
from nodnod_agent.core.membership.link import Link, LinkState
from nodnod_agent.core.membership.v1_pipeline import MAX_UNANSWERED, OVERDUE, UNDER_WAY
from nodnod_client.address import Address
from nodnod_client.messages import PeerAnswer
from simulation.clock import FakeClock

KYLE = Hello(2, "kyle", "instance of kyle")
OLD = Hello(version=1)
ADDRESS = Address("10.0.0.2", 7070)


class Bench:
    """A link, its dials, its clock, and what it returns as its connections report to it."""

    def __init__(self, seed: int = 0) -> None:
        self.clock = FakeClock()
        self.dial = FakeDial(self.clock)
        self.told: list[tuple[Any, ...]] = []
        rng = random.Random(seed)
        self.link = Link(ADDRESS, self, clock=self.clock, rng=rng, dial=self.dial)

    def opened(self, wire: Wire, hello: Hello) -> None:
        self.link.opened(wire, hello)

    def refused(self, reason: str) -> None:
        self.link.refused()

    def received(self, text: bytes) -> None:
        for query, answer in self.link.received(text):
            self.told.append((query, answer.host if isinstance(answer, PeerAnswer) else "bad"))

    def ended(self, reason: str) -> None:
        self.told.append((reason, self.link.ended()))

    @property
    def attempts(self) -> int:
        return len(self.dial.attempts)

    def up(self, hello: Hello = KYLE) -> FakeWire:
        self.link.dial()
        wire = self.dial.attempts[-1].accept(hello)
        wire.sent.clear()
        return wire

    def await_dial(self) -> float:
        """Wait until it dials again; the seconds it took."""
        before = self.attempts
        return self.clock.wait_for(lambda: self.attempts > before, 60)

    def answers(self, host: str, query: object = None) -> None:
        answer: dict[str, object] = {"host": host, "nodes": {}, "error": ""}
        if query is not None:
            answer["id"] = query
        self.received(json.dumps(answer).encode())


@pytest.fixture
def bench() -> Bench:
    return Bench()


# Dialling.


def test_a_link_dials_nobody_until_told_to(bench: Bench) -> None:
    bench.clock.advance(60)
    assert bench.attempts == 0


def test_a_link_that_is_up_is_not_dialled_again(bench: Bench) -> None:
    bench.up()
    bench.link.dial()
    bench.clock.advance(100)
    assert bench.attempts == 1
    assert bench.link.up


def test_while_an_attempt_is_under_way_there_is_no_second(bench: Bench) -> None:
    bench.link.dial()
    bench.link.dial()
    assert bench.attempts == 1


def test_a_link_is_redialled_for_ever(bench: Bench) -> None:
    bench.link.dial()
    for _ in range(200):
        bench.dial.attempts[-1].refuse()
        bench.await_dial()
    assert bench.attempts == 201


def test_waits_between_attempts_grow_to_fifteen_seconds_at_most() -> None:
    longest = [0.0] * 10
    for seed in range(200):
        bench = Bench(seed)
        bench.link.dial()
        for number in range(10):
            bench.dial.attempts[-1].refuse()
            longest[number] = max(longest[number], bench.await_dial())
    ceilings = [0.25, 0.5, 1, 2, 4, 8, 15, 15, 15, 15]
    for seen, ceiling in zip(longest, ceilings, strict=True):
        assert 0.9 * ceiling < seen <= ceiling


def test_a_link_that_has_held_is_redialled_soon(bench: Bench) -> None:
    bench.link.dial()
    for _ in range(10):
        bench.dial.attempts[-1].refuse()
        bench.await_dial()
    bench.dial.attempts[-1].accept(KYLE)
    bench.clock.advance(6)
    bench.link.ended()
    assert bench.await_dial() <= 0.25


def test_a_link_that_breaks_as_soon_as_it_is_up_is_redialled_ever_more_slowly() -> None:
    waits = []
    for seed in range(20):
        bench = Bench(seed)
        bench.link.dial()
        for _ in range(8):
            bench.dial.attempts[-1].accept(KYLE)
            bench.link.ended()
            wait = bench.await_dial()
        waits.append(wait)
    assert max(waits) > 10


def test_a_wait_can_be_cut_short(bench: Bench) -> None:
    bench.link.dial()
    bench.dial.attempts[-1].refuse()
    bench.link.dial()
    assert bench.attempts == 2
    bench.clock.advance(60)
    assert bench.attempts == 2


def test_a_link_at_rest_hangs_up_and_dials_nobody(bench: Bench) -> None:
    wire = bench.up()
    bench.link.rest()
    bench.clock.advance(60)
    assert wire.closed == (1000, "")
    assert not bench.link.up
    assert bench.attempts == 1
    bench.link.dial()
    assert bench.attempts == 2


def test_rest_gives_up_an_attempt_under_way(bench: Bench) -> None:
    bench.link.dial()
    bench.link.rest()
    assert bench.dial.attempts[-1].cancelled


def test_a_retired_link_never_dials_again(bench: Bench) -> None:
    bench.up()
    bench.link.retire()
    bench.link.dial()
    bench.clock.advance(60)
    assert bench.attempts == 1


def test_a_link_that_is_dropped_is_down_at_once_and_redialed(bench: Bench) -> None:
    wire = bench.up()
    bench.link.drop()
    assert wire.aborted
    assert not bench.link.up
    bench.await_dial()


def test_after_a_goodbye_a_link_is_redialed_after_the_longest_wait(bench: Bench) -> None:
    bench.up()
    bench.link.rest()
    bench.link.redial_later()
    assert bench.await_dial() == pytest.approx(15)


def test_an_end_is_news_unless_the_link_was_given_up_before(bench: Bench) -> None:
    bench.up()
    assert bench.link.ended()
    assert bench.link.state is LinkState.WAITING
    bench.await_dial()
    bench.dial.attempts[-1].accept(KYLE)
    bench.link.rest()
    assert not bench.link.ended()
    assert bench.link.state is LinkState.IDLE


def test_a_refused_attempt_is_followed_by_a_wait(bench: Bench) -> None:
    bench.link.dial()
    bench.dial.attempts[-1].refuse()
    assert bench.link.state is LinkState.WAITING


# Answers of version-2 peers.


def test_a_query_goes_out_as_it_is_and_its_answer_is_told_by_its_id(bench: Bench) -> None:
    wire = bench.up()
    assert bench.link.ask(7, b"question")
    assert wire.sent == [b"question"]
    bench.answers("kyle", query=7)
    assert bench.told == [(7, "kyle")]


def test_answers_of_a_version_2_peer_may_come_in_any_order(bench: Bench) -> None:
    bench.up()
    for query in (1, 2, 3):
        bench.link.ask(query, b"?")
    for query in (3, 1, 2):
        bench.answers("kyle", query)
    assert [told[0] for told in bench.told] == [3, 1, 2]


@pytest.mark.parametrize("query", ["7", None, "", "x" * 99])
def test_an_answer_without_an_id_of_ours_is_nobodys(bench: Bench, query: object) -> None:
    bench.up()
    bench.link.ask(7, b"?")
    bench.answers("kyle", query)
    assert bench.told == []


@pytest.mark.parametrize("text", [b"", b"x", b"[]", b"null", b'{"nodes":5}', b'{"id":{}}', b"\xff"])
def test_what_is_no_answer_is_told_as_spoiled(bench: Bench, text: bytes) -> None:
    bench.up()
    bench.received(text)
    assert bench.told == [(None, "bad")]
    assert bench.link.up


# Answers of version-1 peers.


def test_a_version_1_peer_is_asked_for_its_name_first(bench: Bench) -> None:
    bench.link.dial()
    wire = bench.dial.attempts[-1].accept(OLD)
    assert [json.loads(text) for text in wire.sent] == [{"type": 0, "statType": 0}]
    bench.answers("kyle")
    assert bench.told == [(None, "kyle")]


def test_answers_of_a_version_1_peer_belong_to_the_queries_in_their_order(bench: Bench) -> None:
    wire = bench.up(OLD)
    bench.link.ask(5, b"?")
    bench.link.ask(3, b"?")
    assert len(wire.sent) == 2
    for host in ("name", "first", "second", "unasked"):
        bench.answers(host)
    assert bench.told == [
        (None, "name"),
        (5, "first"),
        (3, "second"),
    ]


def test_a_bad_answer_of_a_version_1_peer_stands_for_one_query(bench: Bench) -> None:
    bench.up(OLD)
    bench.link.ask(5, b"?")
    bench.link.ask(6, b"?")
    bench.answers("name")
    bench.received(b"garbage")
    bench.answers("kyle")
    assert bench.told[1:] == [(5, "bad"), (6, "kyle")]


def test_what_a_version_1_peer_owes_is_bounded(bench: Bench) -> None:
    bench.up(OLD)
    asked = [bench.link.ask(query, b"?") for query in range(MAX_UNANSWERED + 10)]
    assert sum(asked) == MAX_UNANSWERED - 1
    assert bench.link.unanswered == MAX_UNANSWERED


def test_a_slow_version_1_peer_is_asked_few_questions_which_all_who_wait_share(
    bench: Bench,
) -> None:
    wire = bench.up(OLD)
    for query in range(1, 101):
        bench.link.ask(query, b"?")
    assert len(wire.sent) == UNDER_WAY - 1  # and before them the one for its name

    for _ in range(UNDER_WAY):
        bench.answers("kyle")
    assert len(wire.sent) == UNDER_WAY
    assert [told[0] for told in bench.told[1:]] == list(range(1, UNDER_WAY))
    bench.answers("kyle")

    assert [told[0] for told in bench.told[1:]] == list(range(1, 101))
    assert bench.link.unanswered == 0


def test_a_bad_answer_of_a_version_1_peer_stands_for_all_who_share_it(bench: Bench) -> None:
    bench.up(OLD)
    for query in range(1, UNDER_WAY + 3):
        bench.link.ask(query, b"?")
    for _ in range(UNDER_WAY):
        bench.answers("kyle")
    bench.told.clear()
    bench.received(b"garbage")
    shared = range(UNDER_WAY, UNDER_WAY + 3)
    assert bench.told == [(query, "bad") for query in shared]


def test_a_version_1_peer_that_has_skipped_a_question_is_overdue(bench: Bench) -> None:
    bench.up(OLD)
    bench.link.ask(1, b"?")
    bench.link.ask(2, b"?")
    bench.answers("name")
    bench.clock.advance(OVERDUE - 1)
    bench.answers("for the second question, taken for the first's")
    assert not bench.link.overdue(0.0)
    bench.clock.advance(2)
    assert bench.link.overdue(0.0)
    assert not bench.link.overdue(awake_since=bench.clock.now - OVERDUE)


def test_what_a_version_1_peer_owed_on_a_connection_that_ended_it_owes_no_more(
    bench: Bench,
) -> None:
    bench.up(OLD)
    bench.link.ask(5, b"?")
    bench.link.ended()
    bench.await_dial()
    bench.dial.attempts[-1].accept(OLD)
    bench.told.clear()
    bench.answers("kyle")
    assert bench.told == [(None, "kyle")]


def test_nobody_is_asked_over_a_link_that_is_down(bench: Bench) -> None:
    wire = bench.up()
    bench.link.ended()
    assert not bench.link.ask(1, b"?")
    bench.link.send(b"news")
    assert wire.sent == []
