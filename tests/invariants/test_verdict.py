"""That the verdict can be "wrong": made-up records, each with one thing in it that must not be."""

import json
from typing import Any

import pytest

from doubles.v1_server import node_object
from eventually import SLACK
from invariants.record import STREAM, Known, Node, Talk
from invariants.verdict import GRACE, faults
from simulation.answers import FIELDS

CARTMAN = Node(name="cartman", addresses=("127.0.0.1:1",), sound=True, every=1.0)
KENNY = Node(name="kenny", addresses=("127.0.0.1:2", "127.0.0.1:3"), every=1.01)
KYLE = Node(name="kyle", stats={"cpuUsed": 7.0, "memoryTotal": 1007, "diskTotal": 2007})

LATE = GRACE + SLACK + 0.001

ALL = {"type": 1, "id": 1, "timeout": 1.0}
OWN = {"type": 0, "id": 2}
TICKS = {"type": 1, "every": 0.25, "id": STREAM}


def known(*nodes: Node, **more: Any) -> Known:
    return Known(host="cartman", nodes=nodes or (CARTMAN, KENNY, KYLE), **more)


def node(name: str, stat_type: int = 0, *, error: str = "", **more: Any) -> dict[str, Any]:
    """What the agent, when all is well, has for a node."""
    own = KYLE.stats if name == "kyle" and not error else {}
    whole = node_object(name, error=error, **{**own, **more})
    return {field: whole[field] for field in (*FIELDS[stat_type], *more) if field in whole}


def answer(*nodes: dict[str, Any], **more: Any) -> str:
    keyed = {one["name"]: one for one in nodes}
    return json.dumps({"host": "cartman", "nodes": keyed, "error": "", **more})


def whole(id_: int | str | None = None, stat_type: int = 0, **more: Any) -> str:
    """A right answer to a question to all."""
    tail = {} if id_ is None else {"id": id_}
    names = ("cartman", "kenny", "kyle")
    return answer(*(node(name, stat_type) for name in names), **tail, **more)


def talk(*events: tuple[float, dict[str, Any] | str], until: float = 100.0, **end: Any) -> Talk:
    """A record: what is a text was heard, the rest was sent."""
    record = Talk(until=until, **end)
    for moment, what in events:
        (record.heard if isinstance(what, str) else record.sent).append((moment, what))
    return record


def test_what_is_right_is_no_fault() -> None:
    record = talk(
        (0.0, ALL),
        (0.0, OWN),
        (0.0, {"type": 1, "statType": 1}),
        (0.0, {"type": 0, "statType": 2}),
        (0.0, {"type": 1, "nodes": ["kenny", "nobody"], "timeout": 1.0}),
        (0.0, {"type": 99}),
        (0.0, {"type": 3, "id": "m"}),
        (0.1, answer(node("cartman"), id=2)),
        (0.5, whole(stat_type=1)),
        (0.5, answer(node("cartman", 2))),
        (0.5, answer(node("kenny", error="down: gone"), node("nobody", error="unknown node"))),
        (0.5, json.dumps({"host": "cartman", "nodes": {}, "error": "?", "code": "unknown_type"})),
        (0.6, json.dumps({"host": "cartman", "members": _rows(), "error": "", "id": "m"})),
        (1.0 + GRACE, answer(node("cartman"), node("kenny", error="down: x"), node("kyle"), id=1)),
    )

    assert faults(record, known()) == []


def _rows(*names: str) -> list[dict[str, str]]:
    rows = [{"name": name, "state": "up"} for name in names or ("cartman", "kenny", "kyle")]
    return [*rows, {"name": "stan", "state": "left"}]


HISTORY = {"every": 1.01, "end": 0.0, "cpuUsed": []}

WRONG: dict[str, tuple[list[tuple[float, Any]], str]] = {
    "an answer to nobody": ([(0.0, OWN), (0.1, answer(node("cartman"), id=3))], "nobody had asked"),
    "no id": ([(0.0, OWN), (0.1, answer(node("cartman")))], "nobody had asked"),
    "an id too many": ([(0.0, {"type": 0}), (0.1, answer(node("cartman"), id=3))], "nobody had"),
    "before the question": ([(0.1, OWN), (0.0, answer(node("cartman"), id=2))], "nobody had asked"),
    "twice": ([(0.0, ALL), *[(0.1, whole(1))] * 2], "answered 2 times"),
    "twice without id": ([(0.0, {"type": 1}), *[(0.1, whole())] * 2], "nobody had asked"),
    "never": ([(0.0, ALL)], "never answered"),
    "never its turn": ([(0.0, {"type": 1}), (0.0, {"type": 0}), (1.0, whole())], "never answered"),
    "late": ([(0.0, ALL), (1.0 + LATE, whole(1))], f"answered {LATE:.3f} s after its deadline"),
    "late, waiting for nobody": (
        [(0.0, OWN), (LATE, answer(node("cartman"), id=2))],
        "answered 1.",
    ),
    "late for the sound": (
        [(0.0, ALL | {"nodes": ["cartman"]}), (LATE, answer(node("cartman"), id=1))],
        f"answered {LATE:.3f} s after its deadline",
    ),
    "another's answer": ([(0.0, ALL), (0.1, answer(node("cartman"), id=1))], "once each"),
    "all for one": ([(0.0, OWN), (0.1, whole(2))], "asked for the node itself"),
    "another's kind": ([(0.0, ALL), (0.1, whole(1, 2))], "no object of cartman"),
    "out of order": (
        [(0.0, {"type": 1}), (0.0, {"type": 0}), (0.1, answer(node("cartman"))), (0.2, whole())],
        "once each",
    ),
    "another's host": ([(0.0, ALL), (0.1, whole(1, host="kyle"))], "the answer of kyle"),
    "an error for an answer": ([(0.0, ALL), (0.1, whole(1, error="oh"))], "not an answer"),
    "no refusal": ([(0.0, {"type": 99}), (0.1, whole())], "not refused"),
    "a node missing": (
        [(0.0, ALL), (0.1, answer(node("cartman"), node("kenny"), id=1))],
        "once each",
    ),
    "a node too many": (
        [(0.0, ALL), (0.1, whole(1).replace('"nodes": {', '"nodes": {"x": {"name": "x"}, '))],
        "once each",
    ),
    "a node twice": (
        [(0.0, ALL), (0.1, whole(1).replace("cartman", "kenny").replace("kenny", "cartman", 1))],
        "named twice",
    ),
    "a node by name and address": (
        [
            (0.0, ALL),
            (0.1, answer(*map(node, ("127.0.0.1:3", "cartman", "kenny", "kyle")), id=1)),
        ],
        "once each",
    ),
    "a node under another's name": (
        [(0.0, ALL), (0.1, whole(1).replace('"name": "kenny"', '"name": "kyle"'))],
        "no object of kenny",
    ),
    "other nodes than asked": (
        [(0.0, ALL | {"nodes": ["kyle"]}), (0.1, answer(node("kenny"), id=1))],
        "it asked for ['kyle']",
    ),
    "another's numbers": (
        [
            (0.0, ALL),
            (0.1, answer(node("cartman"), node("kenny"), node("kyle", cpuUsed=8.0), id=1)),
        ],
        "not the numbers of kyle",
    ),
    "another's history": (
        [
            (0.0, ALL | {"history": 5}),
            (0.1, answer(node("cartman", history=HISTORY), node("kenny"), node("kyle"), id=1)),
        ],
        "not the numbers of cartman",
    ),
    "history unasked": (
        [
            (0.0, ALL),
            (0.1, answer(node("cartman"), node("kenny", history=HISTORY), node("kyle"), id=1)),
        ],
        "nobody asked kenny for its history",
    ),
    "zeros without a reason": (
        [(0.0, ALL), (0.1, whole(1).replace('"memoryTotal": 8589934592', '"memoryTotal": 0'))],
        "not the numbers of cartman",
    ),
    "numbers beside a reason": (
        [
            (0.0, ALL),
            (0.1, answer(node("cartman"), node("kenny") | {"error": "x"}, node("kyle"), id=1)),
        ],
        "kenny has an error, and numbers beside it",
    ),
    "NaN": ([(0.0, ALL), (0.1, whole(1).replace("5.0", "NaN"))], "this is no answer"),
    "no JSON": ([(0.0, ALL), (0.1, "{")], "this is no answer"),
    "a sound node said to be down": (
        [
            (0.0, ALL),
            (0.1, answer(node("cartman", error="down: x"), node("kenny"), node("kyle"), id=1)),
        ],
        "nothing is wrong with cartman",
    ),
    "a sound node that did not answer in good time": (
        [
            (0.0, ALL | {"timeout": SLACK}),
            (
                0.1,
                answer(
                    node("cartman", error="no answer within 1 s"), node("kenny"), node("kyle"), id=1
                ),
            ),
        ],
        "nothing is wrong with cartman",
    ),
    "a member missing": (
        [
            (0.0, {"type": 3}),
            (0.1, json.dumps({"host": "cartman", "members": _rows("cartman", "kyle")})),
        ],
        "once each",
    ),
    "a member twice": (
        [
            (0.0, {"type": 3}),
            (0.1, json.dumps({"host": "cartman", "members": _rows("cartman", "kyle", "kyle")})),
        ],
        "once each",
    ),
    "no tick at all": ([(0.0, TICKS)], "no tick in the last"),
    "no tick any more": ([(0.0, TICKS), (0.1, whole(STREAM, seq=0))], "no tick in the last"),
    "a tick twice": (
        [(0.0, TICKS), *[(0.1, whole(STREAM, seq=0))] * 2],
        "tick 0 came after tick 0",
    ),
    "an old tick": (
        [(0.0, TICKS), (0.1, whole(STREAM, seq=5)), (0.2, whole(STREAM, seq=3))],
        "tick 3 came after tick 5",
    ),
    "a late tick": (
        [(0.0, TICKS), (0.1, whole(STREAM, seq=0)), (0.6 + LATE, whole(STREAM, seq=1))],
        f"a tick came {0.5 + LATE:.3f} s after the one before it",
    ),
}


@pytest.mark.parametrize(("events", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_found(events: list[tuple[float, Any]], said: str) -> None:
    found = faults(talk(*events), known())

    assert any(said in fault for fault in found), found


def test_what_is_not_due_yet_is_no_fault() -> None:
    assert faults(talk((0.0, ALL), until=1.0), known()) == []


def test_an_answer_waits_for_its_turn() -> None:
    late = 2.0 + GRACE
    events = [(0.0, {"type": 1}), (0.0, {"type": 0}), (late, whole())]

    in_turn = talk(*events, (late, answer(node("cartman"))))
    too_late = talk(*events, (late + LATE, answer(node("cartman"))))

    assert faults(in_turn, known()) == []
    assert len(faults(too_late, known())) == 1


def test_a_connection_that_ended_is_a_fault_but_owes_no_answers() -> None:
    (fault,) = faults(talk((0.0, ALL), ended=0.5, why="reset"), known())

    assert fault == "the connection ended: reset"


def test_an_agent_that_was_told_to_stop_may_say_so_and_end() -> None:
    refusal = json.dumps({"host": "cartman", "nodes": {}, "error": "x", "code": "shutting_down"})
    leaving = known(told_to_stop=10.0)
    last = (9.9, {"type": 1, "timeout": 30.0})

    assert faults(talk(last, (10.1, refusal), ended=10.2), leaving) == []
    assert faults(talk(last, (10.1, refusal), ended=9.0), leaving) != []
    assert faults(talk(last, (10.1, refusal)), known()) != []


def test_what_was_in_flight_when_an_agent_was_told_to_stop_is_answered() -> None:
    record = talk((10 - LATE, {"type": 1, "timeout": 30.0}), ended=10.2)

    (fault,) = faults(record, known(told_to_stop=10.0))

    assert "never answered, though it was in flight" in fault


def test_while_it_stands_still_an_agent_owes_nothing() -> None:
    stood = known(still=[(5.0, 15.0)])

    for asked, answered in ((4.5, 16.0), (7.0, 16.0), (14.9, 16.0)):
        right = talk((asked, ALL), (answered, whole(1)))
        too_late = talk((asked, ALL), (16.1 + LATE, whole(1)))
        assert faults(right, stood) == []
        assert faults(right, known()) != [] or asked > 14
        assert faults(too_late, stood) != []


def test_a_stream_may_pause_while_the_agent_stands_still() -> None:
    record = talk(
        (4.0, TICKS),
        (4.9, whole(STREAM, seq=0)),
        (15.5, whole(STREAM, seq=1)),
        until=16.0,
    )

    assert faults(record, known(still=[(5.0, 15.0)])) == []
    assert faults(record, known()) != []


def test_who_asks_impatiently_may_get_no_answer_from_a_sound_node() -> None:
    silent = node("cartman", error="no answer within 0.2 s")
    record = talk(
        (0.0, ALL | {"timeout": 0.2}), (0.2, answer(silent, node("kenny"), node("kyle"), id=1))
    )

    assert faults(record, known()) == []


def test_who_stood_still_meanwhile_may_have_heard_no_answer_from_a_sound_node() -> None:
    silent = node("cartman", error="no answer within 1 s")
    record = talk((4.0, ALL), (15.0, answer(silent, node("kenny"), node("kyle"), id=1)))

    assert faults(record, known(still=[(4.5, 14.9)])) == []
    assert faults(record, known()) != []


def test_numbers_from_before_the_question_are_found_by_their_stamp() -> None:
    stamped = Node(name="cartman", stamped=True)

    def asked_at(moment: float, milliseconds: int) -> list[str]:
        own = node("cartman", memoryUsed=milliseconds, diskUsed=milliseconds)
        return faults(talk((moment, OWN), (moment + 0.1, answer(own, id=2))), known(stamped))

    assert asked_at(5.0, 5000) == []
    assert len(asked_at(5.0, 4998)) == 1


def test_from_memory_numbers_may_stand_beside_an_error() -> None:
    stale = node("kenny") | {"error": "stale: last heard 4 s ago"}
    record = talk((0.0, ALL), (0.1, answer(node("cartman"), stale, node("kyle"), id=1)))

    assert faults(record, known(push=True)) == []


def test_namesakes_are_both_there_each_with_its_own_numbers() -> None:
    one = Node(name="kyle", addresses=("a:1",), stats={"cpuUsed": 1.0})
    two = Node(name="kyle", addresses=("b:2",), stats={"cpuUsed": 2.0})

    def seen(first: float, second: float, name: str = "kyle@b:2") -> list[str]:
        nodes = [node("cartman"), node("kyle", cpuUsed=first), node(name, cpuUsed=second)]
        record = talk((0.0, ALL), (0.1, answer(*nodes, id=1)))
        return faults(record, known(CARTMAN, one, two))

    assert seen(1.0, 2.0) == []
    assert seen(1.0, 1.0) != []
    assert seen(1.0, 2.0, "kyle@c:3") != []


def test_of_namesakes_only_one_may_be_wrong() -> None:
    one = Node(name="kyle", addresses=("a:1",), sound=True)
    two = Node(name="kyle", addresses=("b:2",))

    def seen(name: str) -> list[str]:
        nodes = [node("cartman"), node(name, error="down: gone")]
        record = talk((0.0, ALL | {"nodes": ["cartman", name]}), (0.1, answer(*nodes, id=1)))
        return faults(record, known(CARTMAN, one, two))

    assert seen("kyle@b:2") == []
    assert seen("kyle@a:1") != []
