"""The link to one peer: when it dials, and which answer belongs to which query."""

import json
import random

import pytest

from core.harness import FakeDial, FakeWire
from nodnod_agent.core.interfaces import Hello, Wire
from nodnod_agent.core.membership import link as link_module
from nodnod_agent.core.membership.link import MAX_REMEMBERED, Link, LinkState
from nodnod_agent.core.membership.v1_pipeline import MAX_UNANSWERED, OVERDUE, UNDER_WAY
from nodnod_client.address import Address
from nodnod_client.messages import PeerAnswer
from simulation.clock import FakeClock

KYLE = Hello(2, "kyle", "instance of kyle")
OLD = Hello(version=1)
ADDRESS = Address("10.0.0.2", 7070)
BAD = "no answer"


class Scenario:
    """A link, its dials, its clock, and the replies that it returns."""

    def __init__(self, seed: int = 0) -> None:
        self.clock = FakeClock()
        self.dial = FakeDial(self.clock)
        self.replies: list[tuple[int | None, str]] = []
        rng = random.Random(seed)
        self.link = Link(ADDRESS, self, clock=self.clock, rng=rng, dial=self.dial)

    def opened(self, wire: Wire, hello: Hello) -> None:
        self.link.opened(wire, hello)

    def refused(self, reason: str) -> None:
        self.link.refused()

    def received(self, text: bytes) -> None:
        for query, answer in self.link.received(text):
            self.replies.append((query, answer.host if isinstance(answer, PeerAnswer) else BAD))

    def ended(self, reason: str) -> None:
        self.link.ended()

    @property
    def attempts(self) -> int:
        return len(self.dial.attempts)

    def refuse(self) -> None:
        self.dial.attempts[-1].refuse()

    def accept(self, hello: Hello = KYLE) -> FakeWire:
        return self.dial.attempts[-1].accept(hello)

    def up(self, hello: Hello = KYLE) -> FakeWire:
        self.link.dial()
        wire = self.accept(hello)
        wire.sent.clear()
        return wire

    def await_dial(self) -> float:
        """Wait until it dials again; the seconds it took."""
        before = self.attempts
        return self.clock.wait_for(lambda: self.attempts > before, 60)

    def ask(self, *queries: int) -> list[bool]:
        return [self.link.ask(query, b"?") for query in queries]

    def answer(self, *hosts: str, query: object = None) -> None:
        for host in hosts:
            answer: dict[str, object] = {"host": host, "nodes": {}, "error": ""}
            self.received(
                json.dumps(answer | ({"id": query} if query is not None else {})).encode()
            )


@pytest.fixture
def scenario() -> Scenario:
    return Scenario()


# Dialing.


def test_a_link_dials_only_when_told_to(scenario: Scenario) -> None:
    scenario.clock.advance(60)
    assert scenario.attempts == 0


def test_a_link_that_is_being_dialed_or_up_is_not_dialed_again(scenario: Scenario) -> None:
    scenario.link.dial()
    scenario.link.dial()
    assert scenario.attempts == 1
    scenario.accept()
    scenario.link.dial()
    scenario.clock.advance(100)
    assert scenario.attempts == 1
    assert scenario.link.up


def test_a_link_that_has_held_is_redialed_soon(scenario: Scenario) -> None:
    scenario.link.dial()
    for _ in range(10):
        scenario.refuse()
        scenario.await_dial()
    scenario.accept()
    scenario.clock.advance(6)
    scenario.link.ended()
    assert scenario.await_dial() <= 0.25


def test_a_link_that_breaks_as_soon_as_it_is_up_is_redialed_ever_more_slowly() -> None:
    waits = []
    for seed in range(20):
        scenario = Scenario(seed)
        scenario.link.dial()
        for _ in range(8):
            scenario.accept()
            scenario.link.ended()
            wait = scenario.await_dial()
        waits.append(wait)
    assert max(waits) > 10


def test_a_wait_can_be_cut_short(scenario: Scenario) -> None:
    scenario.link.dial()
    scenario.refuse()
    scenario.link.dial()
    assert scenario.attempts == 2
    scenario.clock.advance(60)
    assert scenario.attempts == 2


def test_a_link_at_rest_is_closed_and_not_dialed_until_told_to(scenario: Scenario) -> None:
    wire = scenario.up()
    scenario.link.rest()
    scenario.clock.advance(60)
    assert wire.closed == (1000, "")
    assert not scenario.link.up
    assert scenario.attempts == 1
    scenario.link.dial()
    assert scenario.attempts == 2
    scenario.link.rest()
    assert scenario.dial.attempts[-1].cancelled


def test_a_retired_link_never_dials_again(scenario: Scenario) -> None:
    scenario.up()
    scenario.link.retire()
    scenario.link.dial()
    scenario.clock.advance(60)
    assert scenario.attempts == 1


def test_a_dropped_link_is_down_at_once_and_redialed(scenario: Scenario) -> None:
    wire = scenario.up()
    scenario.link.drop()
    assert wire.aborted
    assert scenario.link.state is LinkState.WAITING
    scenario.await_dial()


def test_a_link_whose_node_has_left_is_redialed_after_the_longest_wait(scenario: Scenario) -> None:
    scenario.up()
    scenario.link.rest()
    scenario.link.redial_later()
    assert scenario.await_dial() == pytest.approx(15)


def test_an_end_is_news_unless_the_link_was_given_up_before(scenario: Scenario) -> None:
    scenario.up()
    assert scenario.link.ended()
    assert scenario.link.state is LinkState.WAITING
    scenario.await_dial()
    scenario.accept()
    scenario.link.rest()
    assert not scenario.link.ended()
    assert scenario.link.state is LinkState.IDLE


# Answers.


@pytest.mark.parametrize("query", ["7", None, "", "x" * 99])
def test_an_answer_without_an_id_of_ours_is_dropped(scenario: Scenario, query: object) -> None:
    scenario.up()
    scenario.ask(7)
    scenario.answer("kyle", query=query)
    assert scenario.replies == []


def test_an_answer_that_repeats_but_for_its_id_is_decoded_once(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario.up()
    scenario.ask(7, 8)
    scenario.answer("kyle", query=7)
    monkeypatch.setattr(link_module, "decode_peer_answer", None)
    scenario.answer("kyle", query=8)
    assert scenario.replies == [(7, "kyle"), (8, "kyle")]


def test_a_long_answer_is_not_remembered(scenario: Scenario) -> None:
    scenario.up()
    scenario.ask(7)
    scenario.answer("kyle" + " " * MAX_REMEMBERED, query=7)
    scenario.received(b'{"host":"kyle","nodes":{},"id":' + b" " * MAX_REMEMBERED + b"8}")
    assert scenario.link.last_answer is None


def test_an_answer_that_follows_another_is_its_own(scenario: Scenario) -> None:
    scenario.up()
    scenario.ask(7, 8, 9)
    for query, host in ((7, "kyle"), (8, "stan"), (9, "kyle")):
        scenario.answer(host, query=query)
    assert scenario.replies == [(7, "kyle"), (8, "stan"), (9, "kyle")]


def test_answers_of_a_version_1_peer_belong_to_the_queries_in_their_order(
    scenario: Scenario,
) -> None:
    scenario.link.dial()
    wire = scenario.accept(OLD)
    assert [json.loads(text) for text in wire.sent] == [{"type": 0, "statType": 0}]
    scenario.ask(5, 3)
    assert len(wire.sent) == 3
    scenario.answer("name", "first", "second", "unrequested")
    assert scenario.replies == [(None, "name"), (5, "first"), (3, "second")]


def test_a_bad_answer_of_a_version_1_peer_stands_for_one_query(scenario: Scenario) -> None:
    scenario.up(OLD)
    scenario.ask(5, 6)
    scenario.answer("name")
    scenario.received(b"garbage")
    scenario.answer("kyle")
    assert scenario.replies[1:] == [(5, BAD), (6, "kyle")]


def test_the_unanswered_queries_of_a_version_1_peer_are_bounded(scenario: Scenario) -> None:
    scenario.up(OLD)
    assert sum(scenario.ask(*range(MAX_UNANSWERED + 10))) == MAX_UNANSWERED - 1
    assert scenario.link.unanswered == MAX_UNANSWERED


@pytest.mark.parametrize("last", [b'{"host":"kyle","nodes":{},"error":""}', b"garbage"])
def test_a_slow_version_1_peer_is_asked_few_questions_which_all_waiting_queries_share(
    scenario: Scenario, last: bytes
) -> None:
    wire = scenario.up(OLD)
    scenario.ask(*range(1, 101))
    assert len(wire.sent) == UNDER_WAY - 1  # and before them the one for its name

    scenario.answer(*["kyle"] * UNDER_WAY)
    assert len(wire.sent) == UNDER_WAY
    assert [query for query, _ in scenario.replies[1:]] == list(range(1, UNDER_WAY))

    scenario.replies.clear()
    scenario.received(last)
    said = BAD if last == b"garbage" else "kyle"
    assert scenario.replies == [(query, said) for query in range(UNDER_WAY, 101)]
    assert scenario.link.unanswered == 0


def test_a_version_1_peer_that_has_skipped_a_question_is_overdue(scenario: Scenario) -> None:
    scenario.up(OLD)
    scenario.ask(1, 2)
    scenario.answer("name")
    scenario.clock.advance(OVERDUE - 1)
    scenario.answer("for the second question, taken for the first's")
    assert not scenario.link.overdue(0.0)
    scenario.clock.advance(2)
    scenario.ask(3)
    assert scenario.link.overdue(0.0)
    assert not scenario.link.overdue(awake_since=scenario.clock.now - OVERDUE)


def test_a_slow_version_1_peer_may_answer_late_if_nothing_else_is_asked(scenario: Scenario) -> None:
    scenario.up(OLD)
    scenario.clock.advance(3 * OVERDUE)
    assert not scenario.link.overdue(0.0)
    scenario.answer("kyle")
    assert scenario.replies == [(None, "kyle")]


def test_a_version_1_peer_owes_nothing_from_a_connection_that_ended(scenario: Scenario) -> None:
    scenario.up(OLD)
    scenario.ask(5)
    scenario.link.ended()
    scenario.await_dial()
    scenario.accept(OLD)
    scenario.answer("kyle")
    assert scenario.replies == [(None, "kyle")]


def test_nothing_is_sent_over_a_link_that_is_down(scenario: Scenario) -> None:
    wire = scenario.up()
    scenario.link.ended()
    assert scenario.ask(1) == [False]
    scenario.link.send(b"news")
    assert wire.sent == []
