"""That the judge of a soak finds each wrong thing, and takes nothing right for wrong."""

import json
from math import inf
from typing import Any

import pytest

from bench.harness.faults import RECOVERY, Node, Trouble, World
from bench.harness.judge import FIELDS, Asked, Judge, parse
from nodnod_agent.core.requests.pacing import TOO_MANY

NAMES = ("cartman", "kenny", "kyle")
NOW = 1000.0
ALL = {"type": 1}


def world(*, push: bool = False) -> World:
    nodes = [
        Node(name, 1.0 + place, [f"127.0.0.1:{place + 1}"]) for place, name in enumerate(NAMES)
    ]
    return World(nodes, push=push)


def node(name: str, stat_type: int = 0, *, error: str = "", **changed: Any) -> dict[str, Any]:
    whole = {
        "cpuUsed": 5.0,
        "diskTotal": 9,
        "diskUsed": 3,
        "diskUsedPercent": 33.3,
        "memoryTotal": 8,
        "memoryUsed": 4,
        "memoryUsedPercent": 50.0,
    }
    if error:
        whole = dict.fromkeys(whole, 0)
    fields = {"name": name, **whole, "error": error}
    return {field: fields[field] for field in FIELDS[stat_type]} | changed


def answer(*nodes: dict[str, Any], host: str = "cartman", **more: Any) -> dict[str, Any]:
    return {"host": host, "nodes": {one["name"]: one for one in nodes}, "error": "", **more}


def whole(stat_type: int = 0, **more: Any) -> dict[str, Any]:
    return answer(*(node(name, stat_type) for name in NAMES), **more)


def but(changed: dict[str, Any]) -> dict[str, Any]:
    """A whole answer but for one node."""
    return answer(*(changed if changed["name"] == name else node(name) for name in NAMES))


def faults(
    said: dict[str, Any],
    request: dict[str, Any] = ALL,
    *,
    of: World | None = None,
    since: float = NOW,
    until: float = NOW + 0.1,
) -> list[str]:
    return list(Judge(of or world()).faults(Asked("cartman", request, since, until), said))


def troubled(
    kind: str,
    victim: str = "kenny",
    *,
    since: float = NOW - 5,
    until: float = inf,
    away: tuple[float, float] = (inf, inf),
    push: bool = False,
) -> World:
    found = world(push=push)
    found.troubles.append(Trouble(kind, victim, since, until, away))
    return found


HISTORY = {"every": 2.0, "end": 0.0, "cpuUsed": []}

RIGHT = {
    "all nodes": (whole(), ALL),
    "with an id": (whole(id=3), {"type": 1, "id": 3}),
    "one field": (whole(1), {"type": 1, "statType": 1}),
    "itself": (answer(node("cartman")), {"type": 0}),
    "one name": (answer(node("kenny")), {"type": 1, "nodes": ["kenny"]}),
    "a pattern": (answer(node("kenny"), node("kyle")), {"type": 1, "nodes": ["k*"]}),
    "nobody": (
        answer(node("nobody", error="unknown node")),
        {"type": 1, "nodes": ["nobody"]},
    ),
    "history": (
        answer(node("kenny", history=HISTORY)),
        {"type": 1, "nodes": ["kenny"], "history": 5},
    ),
    "passed by": (
        but(node("kenny", error="no answer within 0.25 s")),
        {"type": 1, "timeout": 0.25},
    ),
    "members": (
        {"host": "cartman", "members": [{"name": name, "state": "up"} for name in NAMES]},
        {"type": 3},
    ),
}


@pytest.mark.parametrize(("said", "request_"), RIGHT.values(), ids=RIGHT.keys())
def test_what_is_right_is_found_so(said: dict[str, Any], request_: dict[str, Any]) -> None:
    assert faults(said, request_) == []


WRONG = {
    "another's answer": (whole(host="kyle"), ALL, "the answer of kyle"),
    "missing": (answer(node("cartman"), node("kyle")), ALL, "kenny is not in it"),
    "twice": (
        answer(*map(node, NAMES), node("kenny@127.0.0.1:2")),
        ALL,
        "kenny is in it 2 times",
    ),
    "stranger": (answer(*map(node, NAMES), node("stan")), ALL, "nobody is called stan"),
    "false down": (but(node("kenny", error="down: reset")), ALL, "nothing is wrong with kenny"),
    "too slow": (but(node("kenny", error="no answer within 2 s")), ALL, "nothing is wrong"),
    "another's deadline": (
        but(node("kenny", error="no answer within 0.25 s")),
        {"type": 1, "timeout": 0.5},
        "nothing is wrong with kenny",
    ),
    "of another kind": (whole(2), {"type": 1, "statType": 1}, "no object of cartman"),
    "another's name": (
        {"host": "cartman", "nodes": {"cartman": node("kyle")}, "error": ""},
        {"type": 0},
        "no object of cartman",
    ),
    "all for one": (whole(), {"type": 0}, "asked for the node itself"),
    "all for some": (whole(), {"type": 1, "nodes": ["kenny"]}, "not asked for"),
    "some for all": (answer(node("kenny")), ALL, "kyle is not in it"),
    "a literal left out": (answer(), {"type": 1, "nodes": ["kenny"]}, "kenny is not in it"),
    "another's history": (
        answer(node("kenny", history=HISTORY | {"every": 3.0})),
        {"type": 1, "nodes": ["kenny"], "history": 5},
        "another's interval",
    ),
    "uncalled history": (
        answer(node("kenny", history=HISTORY)),
        {"type": 1, "nodes": ["kenny"]},
        "nobody asked kenny for its history",
    ),
    "no history": (
        answer(node("kenny")),
        {"type": 1, "nodes": ["kenny"], "history": 5},
        "no history",
    ),
    "too much": (but(node("kenny", cpuUsed=101.0)), ALL, "a cpuUsed of 101"),
    "more than there is": (but(node("kenny", memoryUsed=9)), ALL, "uses 9 of 8 bytes"),
    "refused": (whole() | {"error": "no"}, ALL, "was refused: no"),
    "shutting down": (
        {"host": "cartman", "nodes": {}, "error": "x", "code": "shutting_down"},
        ALL,
        "nobody has told it to",
    ),
    "by its address": (
        answer(node("cartman"), node("127.0.0.1:2"), node("kyle")),
        ALL,
        "kenny has long told its name",
    ),
    "a member down": (
        {
            "host": "cartman",
            "members": [
                {"name": name, "state": "down" if name == "kenny" else "up", "error": "x"}
                for name in NAMES
            ],
        },
        {"type": 3},
        "nothing is wrong with kenny",
    ),
    "other fields": (whole(done=True), ALL, "not an answer to that"),
}


@pytest.mark.parametrize(("said", "request_", "found"), WRONG.values(), ids=WRONG.keys())
def test_each_wrong_thing_is_found(
    said: dict[str, Any], request_: dict[str, Any], found: str
) -> None:
    assert found in " ".join(faults(said, request_))


def test_a_node_that_stands_twice_under_one_name_makes_no_answer() -> None:
    text = json.dumps(whole()).replace('"kyle"', '"kenny"')
    with pytest.raises(ValueError, match="kenny stands in it twice"):
        parse(text)


# What a trouble excuses.

DOWN = but(node("kenny", error="down: connection refused"))
ABSENT = answer(node("cartman"), node("kyle"))
NEW = answer(*map(node, NAMES), node("kenny@127.0.0.1:2", error="not connected yet"))


@pytest.mark.parametrize("kind", ["kill", "stop", "move", "freeze", "line"])
def test_one_that_something_is_done_to_may_be_down(kind: str) -> None:
    assert faults(DOWN, of=troubled(kind)) == []
    assert faults(but(node("kyle", error="down: reset")), of=troubled(kind)) != []


@pytest.mark.parametrize(
    ("kind", "leaves"),
    [("kill", False), ("freeze", False), ("line", False), ("stop", True), ("move", True)],
)
def test_only_one_that_leaves_or_moves_may_be_absent_or_there_twice(
    kind: str, leaves: bool
) -> None:
    assert (faults(ABSENT, of=troubled(kind)) == []) is leaves
    assert (faults(NEW, of=troubled(kind)) == []) is leaves


def test_a_new_process_does_not_know_everybody_yet() -> None:
    assert faults(ABSENT, of=troubled("kill", "cartman")) == []


def test_one_that_stood_still_may_have_heard_nobody_but_it_knows_them() -> None:
    frozen = troubled("freeze", "cartman", until=NOW + 1)
    assert faults(but(node("kenny", error="no answer within 2 s")), of=frozen) == []
    assert faults(ABSENT, of=frozen) != []


def test_a_bad_line_to_the_asked_agent_excuses_nothing_that_it_says() -> None:
    assert faults(DOWN, of=troubled("line", "cartman")) != []


def test_a_trouble_excuses_until_the_node_has_stood_there_as_numbers_once() -> None:
    mending = troubled("kill", until=NOW - 2)
    assert faults(DOWN, of=mending) == []
    assert faults(whole(), of=mending, since=NOW + 1, until=NOW + 2) == []
    assert faults(DOWN, of=mending, since=NOW + 1.5, until=NOW + 3) == []
    assert faults(DOWN, of=mending, since=NOW + 2, until=NOW + 3) != []


def test_an_answer_from_before_the_end_of_a_trouble_does_not_end_its_excuse() -> None:
    mending = troubled("line", until=NOW)
    assert faults(whole(), of=mending, since=NOW - 1, until=NOW + 1) == []
    assert faults(DOWN, of=mending, since=NOW + 2, until=NOW + 3) == []


def test_a_later_trouble_excuses_anew() -> None:
    twice = troubled("kill", until=NOW - 2)
    assert faults(whole(), of=twice) == []
    twice.troubles.append(Trouble("line", "kenny", NOW + 1))
    assert faults(DOWN, of=twice, since=NOW + 2, until=NOW + 3) == []


def test_after_the_time_to_recover_nothing_is_excused() -> None:
    old = troubled("kill", until=NOW - RECOVERY - 1)
    assert faults(DOWN, of=old) != []


def test_who_was_away_all_the_time_cannot_have_said_anything() -> None:
    away = (NOW - 4, NOW + 1)
    assert "it was away" in faults(whole(), of=troubled("freeze", away=away))[0]
    assert faults(whole(), of=troubled("freeze", away=away), until=NOW + 2) == []


def test_in_push_mode_numbers_may_be_some_intervals_old() -> None:
    recent, old = (NOW - 4, inf), (NOW - 9, inf)
    assert faults(whole(), of=troubled("freeze", since=NOW - 4, away=recent, push=True)) == []
    assert faults(whole(), of=troubled("freeze", since=NOW - 9, away=old, push=True)) != []


def test_numbers_beside_an_error_are_old_ones_of_push_mode_or_called_stale() -> None:
    lost = but(node("kenny") | {"error": "down: reset"})
    assert "numbers beside it" in faults(lost, of=troubled("kill"))[0]
    assert faults(lost, of=troubled("kill", push=True)) == []
    stale = but(node("kenny") | {"error": "stale: last sampled 4.1 s ago"})
    assert faults(stale, of=troubled("freeze")) == []


def test_who_is_told_to_stop_may_say_so() -> None:
    said = {"host": "cartman", "nodes": {}, "error": "x", "code": "shutting_down"}
    assert faults(said, of=troubled("stop", "cartman")) == []


def test_what_a_short_deadline_passed_by_is_counted() -> None:
    judge = Judge(world())
    said, request = RIGHT["passed by"]
    assert list(judge.faults(Asked("cartman", request, NOW, NOW + 0.25), said)) == []
    assert judge.short == 1


# Where too many ask for the past.

PAST = {"type": 1, "history": 5, "timeout": 1.5}


@pytest.mark.parametrize("error", [TOO_MANY, "no answer within 1.5 s"])
def test_who_asks_for_the_past_among_too_many_may_wait_or_go_without(error: str) -> None:
    others = [node(name, error=error) for name in ("kenny", "kyle")]
    said = answer(node("cartman"), *others)
    assert faults(said, PAST, of=troubled("past", "cartman")) == []
    assert len(faults(said, PAST, of=troubled("past", "kenny"))) == 3


def test_that_many_ask_for_the_past_excuses_nothing_else() -> None:
    crowded = troubled("past", "cartman")
    assert faults(but(node("kenny", error="no answer within 2 s")), of=crowded) != []
    down = answer(*(node(name, error="down: reset") for name in NAMES))
    assert len(faults(down, PAST, of=crowded)) == 3
