"""That each question over a connection gets exactly one answer, in time, or that it is told."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from bench.harness.faults import BUSY, GRACE, Node, Trouble, World
from bench.harness.judge import DEFAULT_TIMEOUT, Judge
from bench.harness.talk import Count, Talk, Wrong

NOW = 1000.0
DUE = DEFAULT_TIMEOUT + GRACE + BUSY

NODE = {"name": "kenny", "cpuUsed": 1.0, "error": ""}


class Case:
    """One connection to kenny, who is alone, and all that was found wrong with it."""

    def __init__(self) -> None:
        self.world = World([Node("kenny", 1.0, ["127.0.0.1:1"])])
        self.count = Count()
        self.wrong: list[Wrong] = []
        self.talk = Talk("kenny", Judge(self.world), self.count, self.wrong.append)

    @property
    def found(self) -> list[str]:
        return [one.what for one in self.wrong]

    def ask(self, id_: int | None = None, at: float = NOW, **more: Any) -> None:
        id_given = {} if id_ is None else {"id": self.talk.new_id()}
        assert id_given.get("id") == id_
        self.talk.asks({"type": 1, "statType": 1, **id_given, **more}, at)

    def hear(self, id_: int | None = None, at: float = NOW + 0.1, **more: Any) -> None:
        given = {} if id_ is None else {"id": id_}
        said = {"host": "kenny", "nodes": {"kenny": NODE}, "error": "", **given, **more}
        self.talk.heard(json.dumps(said).encode(), at)


@pytest.fixture
def case() -> Case:
    return Case()


def test_questions_with_ids_are_answered_in_any_order(case: Case) -> None:
    case.ask(1)
    case.ask(2)
    case.hear(2)
    case.hear(1)
    case.talk.look(NOW + 100)
    assert (case.found, case.count.asked, case.count.answered) == ([], 2, 2)


def test_questions_without_ids_are_answered_in_turn(case: Case) -> None:
    case.ask()
    case.ask(at=NOW + 1)
    case.hear(at=NOW + 1)
    case.hear(at=NOW + 2)
    assert case.found == []


Step = Callable[[Case], None]

WRONG: dict[str, tuple[str, list[Step]]] = {
    "two answers": (
        "a second answer to 1",
        [lambda one: one.ask(1), lambda one: one.hear(1), lambda one: one.hear(1)],
    ),
    "unknown id": ("nobody had asked", [lambda one: one.ask(1), lambda one: one.hear(7)]),
    "a text for an id": ("nobody had asked", [lambda one: one.talk.heard(b'{"id":"x"}', NOW)]),
    "no question": ("nobody had asked", [lambda one: one.hear()]),
    "no JSON": ("this is no answer", [lambda one: one.talk.heard(b"{", NOW)]),
    "late": ("1.000 s after", [lambda one: one.ask(1), lambda one: one.hear(1, NOW + DUE + 0.4)]),
    "never": ("no answer", [lambda one: one.ask(1), lambda one: one.talk.look(NOW + DUE + 0.1)]),
    "the end": ("the connection ended: reset", [lambda one: one.talk.ended("reset", NOW)]),
    "another form": (
        "not in the form",
        [lambda one: one.ask(1), lambda one: one.hear(1, nodes=3)],
    ),
}


@pytest.mark.parametrize(("found", "steps"), WRONG.values(), ids=WRONG.keys())
def test_each_wrong_thing_is_told(case: Case, found: str, steps: list[Step]) -> None:
    for step in steps:
        step(case)
    assert len(case.found) == 1
    assert found in case.found[0]


def test_what_is_wrong_is_told_with_what_was_asked_and_answered(case: Case) -> None:
    case.ask(1)
    case.hear(1, host="kyle")
    (wrong,) = case.wrong
    assert wrong.request == {"type": 1, "statType": 1, "id": 1}
    assert (wrong.agent, wrong.asked, wrong.moment) == ("kenny", NOW, NOW + 0.1)
    assert '"host": "kyle"' in wrong.text


def test_an_answer_that_never_comes_is_told_once(case: Case) -> None:
    case.ask(1)
    for moment in range(5):
        case.talk.look(NOW + DUE + 1 + moment)
    case.hear(1, NOW + DUE + 9)
    assert case.found == ["there is no answer, and the connection lives"]


def test_each_question_has_its_own_deadline(case: Case) -> None:
    case.ask(1, timeout=0.25)
    case.ask(2, timeout=3.0)
    case.talk.look(NOW + 1)
    assert [one.request["id"] for one in case.wrong if one.request] == [1]


def test_who_waits_for_its_turn_is_late_only_behind_it(case: Case) -> None:
    case.ask(timeout=3.0)
    case.ask(timeout=0.25)
    case.talk.look(NOW + 2)
    case.hear(at=NOW + 3)
    case.hear(at=NOW + 3.05)
    assert case.found == []


def test_an_agent_that_stood_still_has_all_its_time_behind_that(case: Case) -> None:
    case.world.troubles.append(Trouble("freeze", "kenny", NOW - 1, NOW + 5))
    case.ask(1)
    case.hear(1, NOW + 5 + DUE)
    assert case.found == []


def test_when_we_stood_still_ourselves_nobody_is_late(case: Case) -> None:
    case.ask(1)
    case.world.stalls.append((NOW + 1, NOW + 4))
    case.hear(1, NOW + 4 + GRACE)
    assert case.found == []


def test_what_a_busy_machine_took_is_counted(case: Case) -> None:
    case.ask(1)
    case.hear(1, NOW + DEFAULT_TIMEOUT + GRACE + 0.1)
    assert (case.found, case.count.late) == ([], 1)
    assert case.count.latest == pytest.approx(GRACE + 0.1)


def test_what_was_in_flight_when_its_agent_was_killed_is_lost(case: Case) -> None:
    case.ask(1)
    case.ask()
    case.world.begin("kill", "kenny", NOW)
    case.talk.ended("reset", NOW + 0.01)
    assert (case.found, case.count.lost) == ([], 2)


def test_an_agent_that_is_told_to_stop_answers_first(case: Case) -> None:
    case.ask(1, at=NOW - 1)
    case.ask(2, at=NOW)
    case.world.begin("stop", "kenny", NOW)
    case.talk.ended("closed", NOW + 0.5)
    assert case.found == ["told to stop, the agent did not answer this first"]
    assert case.wrong[0].request is not None
    assert case.wrong[0].request["id"] == 1


# Streams.


def test_a_stream_ticks_and_may_skip(case: Case) -> None:
    case.ask(1, every=1.0)
    case.hear(1, NOW + 0.1, seq=0)
    case.hear(1, NOW + 1.1, seq=2)
    case.talk.look(NOW + 2)
    assert (case.found, case.count.ticks, case.count.asked) == ([], 2, 0)


def test_a_tick_comes_once_and_in_its_turn(case: Case) -> None:
    case.ask(1, every=1.0)
    for seq in (0, 1, 1, 0):
        case.hear(1, seq=seq)
    assert case.found == ["tick 1 came after tick 1", "tick 0 came after tick 1"]


def test_a_stream_that_falls_silent_is_told(case: Case) -> None:
    case.ask(1, every=1.0)
    case.hear(1, NOW + 0.1, seq=0)
    case.talk.look(NOW + 0.1 + 2 + GRACE + BUSY + 0.01)
    assert len(case.found) == 1
    assert case.found[0].startswith("no tick for ")
