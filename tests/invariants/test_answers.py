"""The judge finds each wrong answer, and takes no right one for wrong."""

import json
from math import inf
from typing import Any

import pytest

from bench.harness.invariants.answers import Asked, Judge
from bench.harness.invariants.form import FIELDS, check_form, parse
from bench.harness.invariants.ground_truth import BUSY, RECOVERY, GroundTruth, KnownNode
from nodnod_agent.core.requests.pacing import TOO_MANY

NAMES = ("cartman", "kenny", "kyle")
NOW = 1000.0
ALL = {"type": 1}
OWN = {"type": 0}


def truth(*, push: bool = False, **options: Any) -> GroundTruth:
    """Three nodes, of which the first is asked."""
    nodes = [
        KnownNode(name=name, every=1.0 + place, addresses=[f"127.0.0.1:{place + 1}"], push=push)
        for place, name in enumerate(NAMES)
    ]
    return GroundTruth(nodes, **options)


def faulty(
    kind: str,
    victim: str = "kenny",
    *,
    since: float = NOW - 5,
    until: float = inf,
    away: tuple[float, float] = (inf, inf),
    push: bool = False,
) -> GroundTruth:
    found = truth(push=push)
    fault = found.begin(kind, found.owners(victim)[0], since)
    fault.until, fault.away = until, away
    return found


def node(name: str, stat_type: int = 0, *, error: str = "", **changed: Any) -> dict[str, Any]:
    numbers = {
        "cpuUsed": 5.0,
        "diskTotal": 9,
        "diskUsed": 3,
        "diskUsedPercent": 33.3,
        "memoryTotal": 8,
        "memoryUsed": 4,
        "memoryUsedPercent": 50.0,
    }
    if error:
        numbers = dict.fromkeys(numbers, 0)
    fields = {"name": name, **numbers, "error": error}
    return {field: fields[field] for field in FIELDS[stat_type]} | changed


def answer(*nodes: dict[str, Any], host: str = "cartman", **more: Any) -> dict[str, Any]:
    return {"host": host, "nodes": {one["name"]: one for one in nodes}, "error": "", **more}


def complete(stat_type: int = 0, **more: Any) -> dict[str, Any]:
    return answer(*(node(name, stat_type) for name in NAMES), **more)


def but(changed: dict[str, Any]) -> dict[str, Any]:
    """A complete answer but for one node."""
    return answer(*(changed if changed["name"] == name else node(name) for name in NAMES))


def and_also(name: str) -> dict[str, Any]:
    """A complete answer and one more node."""
    return answer(*map(node, NAMES), node(name))


def members(*rows: str, **states: str) -> dict[str, Any]:
    """The members, all up but those whose state is given; one that has left is also listed."""
    listed = [{"name": name, "state": states.get(name, "up"), "error": "x"} for name in rows]
    left = {"name": "stan", "state": "left", "error": ""}
    return {"host": "cartman", "members": [*listed, left], "error": ""}


def refusal(code: str) -> dict[str, Any]:
    return {"host": "cartman", "nodes": {}, "error": "x", "code": code}


def violations(
    said: dict[str, Any],
    request: dict[str, Any] = ALL,
    *,
    of: GroundTruth | None = None,
    since: float = NOW,
    until: float = NOW + 0.1,
    known: frozenset[str] = frozenset(),
) -> list[str]:
    of = of or truth()
    asked = Asked(of.owners("cartman")[0], request, since, until, known)
    return list(Judge(of).violations(asked, said))


KENNY = {"type": 1, "nodes": ["kenny"]}
NOBODY = {"type": 1, "nodes": ["nobody"]}
PAST = KENNY | {"history": 5}
MEMBERS = {"type": 3}
UNKNOWN = {"type": 99}
HISTORY = {"every": 2.0, "end": 0.0, "cpuUsed": []}
PASSED_BY = but(node("kenny", error="no answer within 0.25 s"))
NOT_PASSED_BY = but(node("kenny", error="no answer within 2 s"))
DOWN = but(node("kenny", error="down: connection refused"))
ABSENT = answer(node("cartman"), node("kyle"))

RIGHT = {
    "all nodes": (complete(), ALL),
    "with an id": (complete(id=3), ALL | {"id": 3}),
    "one field": (complete(1), ALL | {"statType": 1}),
    "itself": (answer(node("cartman")), OWN),
    "one name": (answer(node("kenny")), KENNY),
    "a pattern": (answer(node("kenny"), node("kyle")), {"type": 1, "nodes": ["k*"]}),
    "an unknown name": (answer(node("nobody", error="unknown node")), NOBODY),
    "history": (answer(node("kenny", history=HISTORY)), PAST),
    "history before all": (
        answer(node("kenny", history=HISTORY | {"until": 0, "cpuUsed": []})),
        PAST | {"until": 0},
    ),
    "history that ends later": (
        answer(node("kenny", history=HISTORY | {"until": 1e10})),
        PAST | {"until": 1e10},
    ),
    "passed by": (PASSED_BY, ALL | {"timeout": 0.25}),
    "members": (members(*NAMES), MEMBERS),
    "an unknown type": (refusal("unknown_type"), UNKNOWN),
}


@pytest.mark.parametrize(("said", "request_"), RIGHT.values(), ids=RIGHT.keys())
def test_a_right_answer_has_no_violation(said: dict[str, Any], request_: dict[str, Any]) -> None:
    assert violations(said, request_) == []


KYLES_NODE = {"host": "cartman", "nodes": {"cartman": node("kyle")}, "error": ""}
KYLES_HISTORY = answer(node("kenny", history=HISTORY | {"every": 3.0}))
REFUSED_WITH_NODES = refusal("unknown_type") | {"nodes": {"kenny": node("kenny")}}
BY_ADDRESS = answer(node("cartman"), node("127.0.0.1:2"), node("kyle"))

WRONG = {
    "another's answer": (complete(host="kyle"), ALL, "the answer of kyle"),
    "missing": (ABSENT, ALL, "kenny is not in it"),
    "twice": (and_also("kenny@127.0.0.1:2"), ALL, "kenny is in it 2 times"),
    "by name and address": (and_also("127.0.0.1:2"), ALL, "kenny is in it 2 times"),
    "stranger": (and_also("stan"), ALL, "no node is called stan"),
    "false down": (DOWN, ALL, "nothing is wrong with kenny"),
    "too slow": (NOT_PASSED_BY, ALL, "nothing is wrong with kenny"),
    "another's deadline": (PASSED_BY, ALL | {"timeout": 0.5}, "nothing is wrong with kenny"),
    "of another kind": (complete(2), ALL | {"statType": 1}, "no object of cartman"),
    "another's name": (KYLES_NODE, OWN, "no object of cartman"),
    "all for one": (complete(), OWN, "asked for the node itself"),
    "all for some": (complete(), KENNY, "not asked for"),
    "some for all": (answer(node("kenny")), ALL, "kyle is not in it"),
    "another one": (answer(node("kenny")), {"type": 1, "nodes": ["kyle"]}, "kyle is not in it"),
    "a name left out": (answer(), KENNY, "kenny is not in it"),
    "an unknown name left out": (answer(), NOBODY, "nobody was asked for and is not in it"),
    "an unknown name with numbers": (answer(node("nobody")), NOBODY, "no node is called nobody"),
    "another's history": (KYLES_HISTORY, PAST, "the interval 3.0 of another"),
    "history of another moment": (
        answer(node("kenny", history=HISTORY)),
        PAST | {"until": 0},
        "ends at another moment",
    ),
    "history from before its time": (
        answer(node("kenny", history=HISTORY | {"until": 0, "cpuUsed": [1.0]})),
        PAST | {"until": 0},
        "begins before its time",
    ),
    "history that was not asked for": (
        answer(node("kenny", history=HISTORY)),
        KENNY,
        "the history of kenny was not asked for",
    ),
    "no history": (answer(node("kenny")), PAST, "no history"),
    "too much": (but(node("kenny", cpuUsed=101.0)), ALL, "a cpuUsed of 101"),
    "more than there is": (but(node("kenny", memoryUsed=9)), ALL, "uses 9 of 8 bytes"),
    "zeros without an error": (but(node("kenny", memoryTotal=0)), ALL, "of 0 bytes of memory"),
    "refused": (complete() | {"error": "no"}, ALL, "was refused: no"),
    "not refused": (complete(), UNKNOWN, "an unknown type was not refused"),
    "refused with nodes": (REFUSED_WITH_NODES, UNKNOWN, "not a refusal"),
    "shutting down": (refusal("shutting_down"), ALL, "was not told to"),
    "by its address": (BY_ADDRESS, ALL, "kenny is known by name"),
    "a member down": (members(*NAMES, kenny="down"), MEMBERS, "nothing is wrong with kenny"),
    "a member missing": (members("cartman", "kyle"), MEMBERS, "kenny is not in it"),
    "a member twice": (members(*NAMES, "kyle"), MEMBERS, "kyle is in it 2 times"),
    "other fields": (complete(done=True), ALL, "not an answer to that"),
    "no tick": (complete(id=1), ALL | {"every": 1, "id": 1}, "not an answer to that"),
    "fields out of order": (complete(seq=1, id=1), ALL, "fields out of order"),
    "an id that is none": (complete(id=None), ALL, "an id is a number or a text"),
}


@pytest.mark.parametrize(("said", "request_", "found"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_answer_is_found(
    said: dict[str, Any], request_: dict[str, Any], found: str
) -> None:
    assert found in " ".join(violations(said, request_))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (json.dumps(complete()).replace('"kyle"', '"kenny"'), "duplicate names: kenny"),
        (json.dumps(complete()).replace("5.0", "NaN"), "NaN is not JSON"),
        ("[]", "not an object"),
        ("{", "Expecting property name"),
    ],
)
def test_a_text_that_is_no_answer_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(text)


@pytest.mark.parametrize(
    "changed",
    [{"code": "unknown"}, {"error": ""}, {"code": "bad_json", "error": ""}, {"nodes": {"x": 1}}],
)
def test_a_refusal_has_a_known_code_an_error_and_no_nodes(changed: dict[str, Any]) -> None:
    assert list(check_form(refusal("bad_json"))) == []
    assert len(list(check_form(refusal("bad_json") | changed))) == 1


# What a fault excuses.

MOVED = answer(*map(node, NAMES), node("kenny@127.0.0.1:2", error="not connected yet"))


@pytest.mark.parametrize("kind", ["kill", "stop", "move", "freeze", "link"])
def test_a_faulty_node_may_be_down_and_no_other_one(kind: str) -> None:
    assert violations(DOWN, of=faulty(kind)) == []
    assert violations(but(node("kyle", error="down: reset")), of=faulty(kind)) != []


@pytest.mark.parametrize(
    ("kind", "absent", "twice"),
    [
        ("kill", False, False),
        ("freeze", False, False),
        ("link", False, False),
        ("stop", True, True),
        ("move", True, True),
        ("leave", True, False),
    ],
)
def test_only_a_node_that_left_or_moved_may_be_absent_or_twice(
    kind: str, absent: bool, twice: bool
) -> None:
    assert (violations(ABSENT, of=faulty(kind)) == []) is absent
    assert (violations(MOVED, of=faulty(kind)) == []) is twice


def test_a_new_process_may_not_know_every_node_yet() -> None:
    assert violations(ABSENT, of=faulty("kill", "cartman")) == []
    assert violations(MOVED, of=faulty("kill", "cartman")) == []


@pytest.mark.parametrize(("reloads", "right"), [("cartman", True), ("kenny", False)])
def test_an_agent_that_reads_another_address_of_a_node_may_not_list_it(
    reloads: str, right: bool
) -> None:
    assert (violations(ABSENT, of=faulty("readdress", reloads)) == []) is right


def test_an_agent_that_was_frozen_may_have_received_nothing_but_still_lists_all() -> None:
    frozen = faulty("freeze", "cartman", until=NOW + 1)
    assert violations(NOT_PASSED_BY, of=frozen) == []
    assert violations(ABSENT, of=frozen) != []


def test_an_agent_that_was_paused_may_have_missed_the_deadline_only() -> None:
    paused = faulty("pause", "cartman", until=NOW + 1)
    assert violations(NOT_PASSED_BY, of=paused) == []
    assert violations(NOT_PASSED_BY) != []
    assert violations(DOWN, of=paused) != []


@pytest.mark.parametrize("kind", ["link", "leave"])
def test_a_fault_on_the_way_to_an_agent_excuses_nothing_that_it_says(kind: str) -> None:
    assert violations(DOWN, of=faulty(kind, "cartman")) != []
    itself = answer(node("cartman", error="down: reset"))
    assert violations(itself, OWN, of=faulty(kind, "cartman")) != []


def test_a_fault_excuses_errors_until_the_node_has_stood_with_numbers_once() -> None:
    mending = faulty("kill", until=NOW - 2)
    assert violations(DOWN, of=mending) == []
    assert violations(complete(), of=mending, since=NOW + 1, until=NOW + 2) == []
    assert violations(DOWN, of=mending, since=NOW + 1.5, until=NOW + 3) == []
    assert violations(DOWN, of=mending, since=NOW + 2, until=NOW + 3) != []


def test_an_answer_to_a_request_from_before_the_end_of_a_fault_does_not_end_its_excuse() -> None:
    mending = faulty("link", until=NOW)
    assert violations(complete(), of=mending, since=NOW - 1, until=NOW + 1) == []
    assert violations(DOWN, of=mending, since=NOW + 2, until=NOW + 3) == []


def test_a_later_fault_excuses_anew() -> None:
    twice = faulty("kill", until=NOW - 2)
    assert violations(complete(), of=twice) == []
    twice.begin("link", twice.owners("kenny")[0], NOW + 1)
    assert violations(DOWN, of=twice, since=NOW + 2, until=NOW + 3) == []


def test_after_the_time_to_recover_nothing_is_excused() -> None:
    assert violations(DOWN, of=faulty("kill", until=NOW - RECOVERY - 1)) != []


def test_a_name_that_the_agent_has_told_may_neither_be_unknown_nor_missing_in_a_pattern() -> None:
    bad_link = faulty("link")
    known = frozenset({"kenny"})
    pattern = {"type": 1, "nodes": ["ke*"]}
    unknown = answer(node("kenny", error="unknown node"))
    assert (
        violations(unknown, KENNY, of=bad_link) == violations(answer(), pattern, of=bad_link) == []
    )
    assert "kenny is called unknown" in violations(unknown, KENNY, of=bad_link, known=known)[0]
    assert "kenny is not in it" in violations(answer(), pattern, of=bad_link, known=known)[0]


def test_an_agent_that_was_told_to_stop_may_refuse() -> None:
    assert violations(refusal("shutting_down"), of=faulty("stop", "cartman")) == []


def test_nodes_that_a_short_deadline_passed_by_are_counted() -> None:
    judge = Judge(truth())
    said, request = RIGHT["passed by"]
    asked = Asked(judge.truth.nodes[0], request, NOW, NOW + 0.25)
    assert list(judge.violations(asked, said)) == []
    assert judge.passed_by == 1


@pytest.mark.parametrize(("paused", "right"), [("cartman", True), ("kenny", True), ("kyle", False)])
def test_a_deadline_may_pass_while_one_of_the_two_agents_was_paused(
    paused: str, right: bool
) -> None:
    assert (violations(NOT_PASSED_BY, of=faulty("pause", paused)) == []) is right


@pytest.mark.parametrize("late", ["cartman", "kenny", "the clients"])
@pytest.mark.parametrize("lost", [0.9, 1.1])
def test_a_deadline_is_as_short_as_the_time_with_a_cpu_before_it(late: str, lost: float) -> None:
    found = truth()
    victim = next(iter(found.owners(late)), None)
    found.delay(victim, NOW - 0.1, 5.0)  # before the request
    found.delay(victim, NOW + 1, lost if victim is not None else lost / 2)  # of both agents
    assert (violations(NOT_PASSED_BY, of=found, until=NOW + 2) == []) is (lost > 1)


def test_strangers_may_be_listed_where_anyone_can_join() -> None:
    assert violations(and_also("mallory"), of=truth(strangers=True)) == []
    assert violations(DOWN, of=truth(strangers=True)) != []


# Numbers: whose they are, and how old.


def test_a_node_that_was_away_all_the_time_cannot_have_sent_numbers() -> None:
    away = (NOW - 4, NOW + 1)
    assert "did not run" in violations(complete(), of=faulty("freeze", away=away))[0]
    assert violations(complete(), of=faulty("freeze", away=away), until=NOW + 2) == []


def test_in_push_mode_numbers_may_be_some_intervals_old() -> None:
    for ago, right in ((4, True), (9, False)):
        frozen = faulty("freeze", since=NOW - ago, away=(NOW - ago, inf), push=True)
        assert (violations(complete(), of=frozen) == []) is right


def test_numbers_beside_an_error_are_those_of_push_mode_or_called_stale() -> None:
    lost = but(node("kenny") | {"error": "down: reset"})
    assert "numbers beside it" in violations(lost, of=faulty("kill"))[0]
    assert violations(lost, of=faulty("kill", push=True)) == []
    stale = but(node("kenny") | {"error": "stale: last sampled 4.1 s ago"})
    assert violations(stale, of=faulty("freeze")) == []


def marked(*, push: bool = False, **marks: Any) -> GroundTruth:
    """A ground truth in which kenny is recognized by its numbers."""
    found = truth(push=push)
    kenny = found.owners("kenny")[0]
    for name, value in marks.items():
        setattr(kenny, name, value)
    return found


def test_numbers_of_another_node_are_found_also_beside_an_error() -> None:
    own = marked(push=True, stats={"cpuUsed": 7.0})
    assert violations(but(node("kenny", cpuUsed=7.0)), of=own) == []
    assert violations(complete(), of=own) == [f"numbers of another node as kenny: {numbers()}"]
    own.begin("kill", own.owners("kenny")[0], NOW)
    (found,) = violations(but(node("kenny") | {"error": "down: reset"}), of=own)
    assert found.startswith("numbers of another node as kenny")


def numbers() -> dict[str, Any]:
    return {key: value for key, value in node("x").items() if key not in ("name", "error")}


def test_numbers_from_before_the_request_are_found_by_their_stamp() -> None:
    stamped = marked(stats={"cpuUsed": 5.0}, stamps=("memoryUsed", "diskUsed"), max_age=0.5)
    for milliseconds, right in ((999_500, True), (999_499, False)):
        own = node("kenny", memoryUsed=milliseconds, diskUsed=milliseconds)
        assert (violations(but(own), of=stamped) == []) is right


def test_the_stamp_of_a_node_that_was_paused_may_be_older() -> None:
    stamped = marked(stats={"cpuUsed": 5.0}, stamps=("memoryUsed",))
    pause = stamped.begin("pause", stamped.owners("kenny")[0], NOW - 5)
    pause.until = NOW - 1
    old = but(node("kenny", memoryUsed=995_000))
    assert violations(old, of=stamped) == []
    assert violations(old, of=stamped, since=NOW + 5, until=NOW + 5.1) != []


def test_in_push_mode_a_stamp_may_be_some_intervals_older() -> None:
    stamped = marked(push=True, stats={"cpuUsed": 5.0}, stamps=("memoryUsed",))
    for milliseconds, right in ((994_000, True), (993_000, False)):
        said = but(node("kenny", memoryUsed=milliseconds))
        assert (violations(said, of=stamped) == []) is right


def test_numbers_of_a_life_that_is_over_are_found() -> None:
    reborn = marked(stats={"cpuUsed": 5.0}, life="diskUsed", deaths=[NOW - 9, NOW + 0.05])
    seen = {life: violations(but(node("kenny", diskUsed=life)), of=reborn) for life in range(5)}
    assert seen[2] == seen[3] == []
    assert "of life 1 of kenny, which is over" in seen[1][0]
    assert "never had a life 0" in seen[0][0]
    assert "never had a life 4" in seen[4][0]


# Namesakes.


def namesakes() -> tuple[GroundTruth, KnownNode, KnownNode]:
    one = KnownNode(name="kyle", addresses=["a:1"], stats={"cpuUsed": 1.0})
    two = KnownNode(name="kyle", addresses=["b:2"], stats={"cpuUsed": 2.0})
    return GroundTruth([KnownNode(name="cartman"), one, two]), one, two


@pytest.mark.parametrize(
    ("first", "second", "name", "right"),
    [
        (1.0, 2.0, "kyle@b:2", True),
        (2.0, 1.0, "kyle@a:1", True),
        (1.0, 1.0, "kyle@b:2", False),
        (1.0, 2.0, "kyle@c:3", False),
    ],
)
def test_namesakes_are_both_listed_each_with_its_own_numbers(
    first: float, second: float, name: str, right: bool
) -> None:
    nodes = [node("cartman"), node("kyle", cpuUsed=first), node(name, cpuUsed=second)]
    assert (violations(answer(*nodes), of=namesakes()[0]) == []) is right


@pytest.mark.parametrize(("name", "right"), [("kyle@b:2", True), ("kyle@a:1", False)])
def test_only_the_faulty_one_of_two_namesakes_may_be_down(name: str, right: bool) -> None:
    both, _, two = namesakes()
    both.begin("link", two, -inf)
    said = answer(node(name, error="down: gone"))
    assert (violations(said, {"type": 1, "nodes": [name]}, of=both) == []) is right


def test_one_of_two_namesakes_is_enough_where_their_name_was_asked_for() -> None:
    one_of_them = answer(node("kyle", cpuUsed=1.0))
    assert violations(one_of_them, {"type": 1, "nodes": ["kyle"]}, of=namesakes()[0]) == []


# The history.


@pytest.mark.parametrize(("timeout", "right"), [(BUSY - 0.1, True), (BUSY, False)])
def test_the_own_history_may_be_missing_after_a_deadline_within_the_slack(
    timeout: float, right: bool
) -> None:
    request = {"type": 0, "history": 5, "timeout": timeout}
    assert (violations(answer(node("cartman")), request) == []) is right
    assert "no history" in violations(answer(node("kenny")), request | KENNY)[0]


ALL_PAST = {"type": 1, "history": 5, "timeout": 1.5}


@pytest.mark.parametrize("error", [TOO_MANY, "no answer within 1.5 s"])
def test_a_request_for_the_history_among_too_many_may_wait_or_go_without(error: str) -> None:
    others = [node(name, error=error) for name in ("kenny", "kyle")]
    said = answer(node("cartman"), *others)
    assert violations(said, ALL_PAST, of=faulty("history", "cartman")) == []
    assert len(violations(said, ALL_PAST, of=faulty("history", "kenny"))) == 3


def test_many_requests_for_the_history_excuse_nothing_else() -> None:
    crowded = faulty("history", "cartman")
    assert violations(NOT_PASSED_BY, of=crowded) != []
    down = answer(*(node(name, error="down: reset") for name in NAMES))
    assert len(violations(down, ALL_PAST, of=crowded)) == 3
