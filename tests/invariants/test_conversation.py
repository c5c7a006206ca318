"""Each request over a connection gets exactly one answer, in time; a stream ticks in order."""

import json
from typing import Any

import pytest

from bench.harness.invariants.answers import DEFAULT_TIMEOUT, Judge
from bench.harness.invariants.conversation import Conversation, Counts, Violation
from bench.harness.invariants.ground_truth import BUSY, GRACE, Fault, GroundTruth, KnownNode

NOW = 1000.0
ALLOWED = GRACE + BUSY
DUE = DEFAULT_TIMEOUT + ALLOWED
LATE = 0.001

NUMBERS = {"name": "kenny", "cpuUsed": 1.0, "error": ""}


class Case:
    """One connection to kenny, and everything that was found wrong with it."""

    def __init__(self, *others: KnownNode, **options: Any) -> None:
        self.kenny = KnownNode(name="kenny", addresses=["127.0.0.1:1"])
        self.truth = GroundTruth([self.kenny, *others], **options)
        self.counts = Counts()
        self.violations: list[Violation] = []
        judge, report = Judge(self.truth), self.violations.append
        self.conversation = Conversation(self.kenny, judge, self.counts, report)

    @property
    def found(self) -> list[str]:
        return [one.what for one in self.violations]

    def ask(self, id_: int | str | None = None, at: float = NOW, **more: Any) -> None:
        given = {} if id_ is None else {"id": id_}
        self.conversation.sent({"type": 1, "statType": 1, **given, **more}, at)

    def hear(self, id_: int | str | None = None, at: float = NOW + 0.1, **more: Any) -> None:
        tail = {key: more.pop(key) for key in ("code", "seq") if key in more}
        tail = dict(sorted({**tail, **({} if id_ is None else {"id": id_})}.items()))
        said = {"host": "kenny", "nodes": {"kenny": NUMBERS}, "error": "", **more, **tail}
        self.conversation.received(json.dumps(said).encode(), at)

    def hear_text(self, text: str, at: float = NOW + 0.1) -> None:
        self.conversation.received(text, at)

    def look(self, at: float) -> None:
        self.conversation.check_overdue(at)

    def end(self, why: str, at: float = NOW) -> None:
        self.conversation.ended(why, at)

    def pause(
        self, since: float, until: float, kind: str = "pause", *, clients: bool = False
    ) -> None:
        fault = self.truth.begin(kind, None if clients else self.kenny, since)
        fault.until = until


@pytest.fixture
def case() -> Case:
    return Case()


def test_requests_with_ids_are_answered_in_any_order(case: Case) -> None:
    for id_ in (1, "1", 2):
        case.ask(id_)
    for id_ in (2, 1, "1"):
        case.hear(id_)
    case.look(NOW + 100)
    assert (case.found, case.counts.asked, case.counts.answered) == ([], 3, 3)


def test_requests_without_ids_are_answered_in_order(case: Case) -> None:
    case.ask()
    case.ask(type=0, at=NOW + 1)
    case.hear(at=NOW + 1)
    case.hear(at=NOW + 2)
    assert case.found == []


@pytest.mark.parametrize("asked", [None, 1])
@pytest.mark.parametrize("heard", [None, 1, 7, "1"])
def test_an_answer_belongs_to_a_request(
    case: Case, asked: int | None, heard: int | str | None
) -> None:
    case.ask(asked)
    case.hear(heard)
    assert case.found == ([] if heard == asked else ["this was not asked for"])


def test_an_answer_that_comes_before_its_request_is_found(case: Case) -> None:
    case.hear(1)
    case.ask(1)
    assert case.found == ["this was not asked for"]


@pytest.mark.parametrize(("id_", "found"), [(1, "a second answer to 1"), (None, "not asked for")])
def test_a_second_answer_is_found(case: Case, id_: int | None, found: str) -> None:
    case.ask(id_)
    case.hear(id_)
    case.hear(id_)
    assert len(case.found) == 1
    assert found in case.found[0]


def test_answers_out_of_order_are_found() -> None:
    case = Case(KnownNode(name="kyle"))
    case.ask(type=1)
    case.ask(type=0)
    case.hear()
    assert "kyle is not in it" in case.found


@pytest.mark.parametrize("text", ["{", "[]", '{"id": 1, "id": 1}', '{"id": NaN}'])
def test_a_text_that_is_no_answer_is_found(case: Case, text: str) -> None:
    case.ask(1)
    case.hear_text(text)
    assert len(case.found) == 1
    assert "this is no answer" in case.found[0]


@pytest.mark.parametrize("id_", [[], {}, 1.5])
def test_an_id_that_is_none_is_found(case: Case, id_: Any) -> None:
    case.hear(id_)
    assert case.found == [f"not an id: {id_!r}"]


@pytest.mark.parametrize("changed", [{"nodes": 3}, {"nodes": {"kenny": 3}}, {"error": None}])
def test_an_answer_of_another_form_is_found(case: Case, changed: dict[str, Any]) -> None:
    case.ask(1)
    case.hear(1, **changed)
    assert len(case.found) == 1


def test_a_violation_holds_the_request_and_the_answer(case: Case) -> None:
    case.ask(1)
    case.hear(1, host="kyle")
    (wrong,) = case.violations
    assert wrong.request == {"type": 1, "statType": 1, "id": 1}
    assert (wrong.agent, wrong.asked, wrong.moment) == ("kenny", NOW, NOW + 0.1)
    assert '"host": "kyle"' in wrong.text
    assert str(wrong).startswith("kenny at 1000.1: the answer of kyle; asked at 1000.0: {'type'")


def test_names_that_an_answer_has_told_must_be_known_later() -> None:
    case = Case(KnownNode(name="kyle"), prompt=True)
    case.truth.begin("link", case.truth.nodes[1], 0.0)
    unknown = {"kyle": {"name": "kyle", "cpuUsed": 0.0, "error": "unknown node"}}
    for _ in range(2):
        case.ask(1, nodes=["kyle"])
        case.hear(1, nodes=unknown)
        case.ask()
        case.hear(nodes={"kenny": NUMBERS, "kyle": NUMBERS | {"name": "kyle"}})
    assert case.found == ["kyle is called unknown, but was in an answer before"]


# Deadlines.


def test_a_late_answer_is_found_with_how_late_it_is(case: Case) -> None:
    case.ask(1)
    case.hear(1, NOW + DUE + 0.4)
    assert case.found == ["answered 1.000 s after its deadline"]


@pytest.mark.parametrize("id_", [1, None])
def test_an_answer_that_never_comes_is_reported_once(case: Case, id_: int | None) -> None:
    case.ask(id_)
    case.look(NOW + DUE)
    assert case.found == []
    for moment in range(5):
        case.look(NOW + DUE + LATE + moment)
    case.hear(id_, NOW + DUE + 9)
    assert case.found == ["there is no answer, but the connection lives"]


def test_an_answer_whose_turn_never_comes_is_found(case: Case) -> None:
    case.ask(timeout=1.0)
    case.ask(timeout=1.0)
    case.hear(at=NOW + 1)
    case.look(NOW + 1 + ALLOWED + LATE)
    assert case.found == ["there is no answer, but the connection lives"]


def test_each_request_has_its_own_deadline(case: Case) -> None:
    case.ask(1, timeout=0.25)
    case.ask(2, timeout=3.0)
    case.look(NOW + 1)
    assert [one.request["id"] for one in case.violations if one.request] == [1]


@pytest.mark.parametrize(("after", "found"), [(BUSY, 0), (BUSY + LATE, 1)])
def test_an_answer_without_an_id_is_due_after_the_one_before_it(
    case: Case, after: float, found: int
) -> None:
    case.ask(timeout=3.0)
    case.ask(timeout=0.25)
    case.look(NOW + 2)
    case.hear(at=NOW + 3)
    case.hear(at=NOW + 3 + after)
    assert len(case.found) == found


@pytest.mark.parametrize(
    ("request_", "prompt"),
    [
        ({"type": 0}, True),
        ({"type": 3}, True),
        ({"nodes": ["kenny"]}, True),
        ({"nodes": ["kenny", "kyle"]}, False),
        ({"nodes": ["nobody"]}, False),
        ({}, False),
    ],
)
def test_an_answer_that_involves_no_faulty_node_is_due_at_once(
    request_: dict[str, Any], prompt: bool
) -> None:
    case = Case(KnownNode(name="kyle"), prompt=True)
    case.truth.begin("link", case.truth.nodes[1], 0.0)
    case.ask(1, **request_)
    case.look(NOW + ALLOWED)
    assert case.found == []
    case.look(NOW + ALLOWED + LATE)
    assert (case.found != []) is prompt


@pytest.mark.parametrize("kind", ["freeze", "pause"])
@pytest.mark.parametrize("sent", [NOW - 0.5, NOW + 2, NOW + 9.9])
def test_an_agent_that_stood_still_has_all_its_time_after_that(kind: str, sent: float) -> None:
    for stood_still in (True, False):
        for after, found in ((DUE, not stood_still), (DUE + LATE, True)):
            case = Case()
            if stood_still:
                case.pause(NOW, NOW + 10, kind)
            case.ask(1, sent)
            case.hear(1, NOW + 10 + after)
            assert (case.found != []) is found


def test_what_was_due_while_an_agent_stood_still_is_due_after_that(case: Case) -> None:
    case.pause(NOW + 1, NOW + 10)
    for id_ in (1, 2):
        case.ask(id_)
        case.hear(id_, NOW + 10 + ALLOWED + (LATE if id_ == 2 else 0))
    assert case.found == [f"answered {ALLOWED + LATE:.3f} s after its deadline"]


def test_while_the_clients_stood_still_no_answer_is_late(case: Case) -> None:
    case.ask(1)
    case.pause(NOW + 1, NOW + 4, clients=True)
    case.hear(1, NOW + 4 + GRACE)
    assert case.found == []


def test_time_without_a_cpu_is_added_to_that_of_an_answer(case: Case) -> None:
    case.truth.delay(case.kenny, NOW - 1, 5.0)  # before both requests
    for id_ in (1, 2):
        case.ask(id_)
    case.truth.delay(case.kenny, NOW + 1, 0.2)
    case.truth.delay(case.kenny, NOW + 2, 0.3)
    case.truth.delay(None, NOW + 2, 0.4)
    case.truth.delay(KnownNode(name="kyle"), NOW + 2, 5.0)
    case.hear(1, NOW + DUE + 0.5)
    assert case.found == []
    case.hear(2, NOW + DUE + 0.5 + LATE)
    assert case.found != []


def test_an_agent_of_version_1_is_never_late(case: Case) -> None:
    case.kenny.timely = False
    case.ask()
    case.look(NOW + 100)
    case.hear(at=NOW + 100)
    assert case.found == []


def test_answers_that_took_of_the_slack_are_counted(case: Case) -> None:
    case.ask(1)
    case.hear(1, NOW + DEFAULT_TIMEOUT + GRACE + 0.1)
    assert (case.found, case.counts.late) == ([], 1)
    assert case.counts.latest == pytest.approx(GRACE + 0.1)


# The end of a connection.


def test_a_connection_that_ends_without_a_reason_is_found_and_owes_no_answer(case: Case) -> None:
    case.ask(1)
    case.end("reset")
    case.look(NOW + 100)
    assert case.found == ["the connection ended: reset"]


def test_requests_in_flight_when_their_agent_is_killed_are_lost(case: Case) -> None:
    case.ask(1)
    case.ask()
    case.truth.begin("kill", case.kenny, NOW)
    case.end("reset", NOW + 0.01)
    assert (case.found, case.counts.lost) == ([], 2)


@pytest.mark.parametrize("kind", ["stop", "leave"])
def test_an_agent_that_is_told_to_stop_answers_first(case: Case, kind: str) -> None:
    case.ask(1, NOW - 1)
    case.ask(2, NOW)
    case.truth.begin(kind, case.kenny, NOW)
    case.end("closed", NOW + 0.5)
    assert case.found == ["told to stop, the agent did not answer this first"]
    assert case.violations[0].request is not None
    assert case.violations[0].request["id"] == 1


def test_an_agent_may_refuse_and_end_only_after_it_was_told_to_stop(case: Case) -> None:
    refusal = {"nodes": {}, "error": "x", "code": "shutting_down"}
    case.ask(1, NOW, timeout=30.0)
    case.hear(1, NOW + 0.1, **refusal)
    assert case.found == ["it says that it is shutting down, but was not told to"]
    case.truth.begin("stop", case.kenny, NOW + 1)
    case.ask(2, NOW + 0.9, timeout=30.0)
    case.hear(2, NOW + 1.1, **refusal)
    case.end("closed", NOW + 1.2)
    assert len(case.found) == 1


# Streams.


@pytest.fixture
def stream(case: Case) -> Case:
    case.ask("s", every=1.0)
    case.hear("s", NOW + 0.1, seq=0)
    return case


def test_a_stream_ticks_and_may_skip(stream: Case) -> None:
    stream.hear("s", NOW + 1.1, seq=2)
    stream.look(NOW + 2)
    assert (stream.found, stream.counts.ticks, stream.counts.asked) == ([], 2, 0)


def test_a_tick_comes_once_and_in_order(stream: Case) -> None:
    for seq in (5, 5, 3):
        stream.hear("s", seq=seq)
    assert stream.found == ["tick 5 came after tick 5", "tick 3 came after tick 5"]


@pytest.mark.parametrize("ticks", [0, 1])
def test_a_stream_that_falls_silent_is_reported_once_for_each_tick(case: Case, ticks: int) -> None:
    case.ask("s", every=1.0)
    for seq in range(ticks):
        case.hear("s", NOW, seq=seq)
    case.look(NOW + 2 + ALLOWED)
    assert case.found == []
    for _ in range(2):
        case.look(NOW + 2 + ALLOWED + LATE)
    assert case.found == ["no tick for 2.601 s"]


def test_a_tick_that_comes_late_is_found(stream: Case) -> None:
    stream.hear("s", NOW + 0.1 + 2 + ALLOWED + LATE, seq=1)
    assert stream.found == ["a tick came 2.601 s after the one before it"]


@pytest.mark.parametrize(("stood_still", "late"), [(True, 0.0), (True, LATE), (False, 0.0)])
def test_a_stream_may_pause_while_its_agent_stands_still(
    stream: Case, stood_still: bool, late: float
) -> None:
    if stood_still:
        stream.pause(NOW + 1, NOW + 10)
    stream.hear("s", NOW + 10 + 1 + ALLOWED + late, seq=1)
    assert (stream.found == []) is (stood_still and not late)


def test_a_tick_is_judged_as_an_answer_to_a_request_of_that_moment(stream: Case) -> None:
    fault = stream.truth.begin("kill", stream.kenny, NOW + 1)
    fault.away = (NOW - 99, NOW + 99)
    stream.hear("s", NOW + 1.1, seq=1, nodes={"kenny": NUMBERS | {"cpuUsed": -1.0}})
    assert stream.found == ["kenny has a cpuUsed of -1.0"]


def test_an_agent_that_stops_may_end_a_stream_with_a_refusal(stream: Case) -> None:
    stream.truth.begin("stop", stream.kenny, NOW + 1)
    stream.hear("s", NOW + 1.1, nodes={}, error="x", code="shutting_down")
    assert stream.found == []


def test_faults_that_ended_long_ago_are_forgotten(case: Case) -> None:
    old: Fault = case.truth.begin("kill", case.kenny, NOW - 1000)
    old.until = NOW - 900
    new = case.truth.begin("kill", case.kenny, NOW)
    assert case.truth.faults(case.kenny) == [new]
