"""What the last answer said, in which order, and what went before."""

import pytest

from nodnod_agent.console.node_condition import Condition
from nodnod_agent.console.top.view_model import ViewModel, sorted_rows, totals
from nodnod_client.messages import Answer, NodeStats


def node(name: str, cpu: float = 0.0, error: str = "") -> NodeStats:
    return NodeStats(name, cpu, 10, 2, 20.0, 100, 50, 50.0, error)


def answer(*nodes: NodeStats) -> Answer:
    return Answer(host="a", nodes={one.name: one for one in nodes})


def model(*nodes: NodeStats) -> ViewModel:
    result = ViewModel(1.0)
    result.update(answer(*nodes), 100.0, 1000.0)
    return result


MIXED = (
    node("Bob", 20),
    node("alice", 90),
    node("zed", error="down: x"),
    node("carl", 20),
    node("dan", 55, error="stale: last heard 4.0 s ago"),
)


@pytest.mark.parametrize(
    ("order", "reverse", "names"),
    [
        ("name", False, ["zed", "dan", "alice", "Bob", "carl"]),
        ("name", True, ["zed", "dan", "carl", "Bob", "alice"]),
        ("cpu", False, ["zed", "dan", "alice", "Bob", "carl"]),
        ("cpu", True, ["zed", "dan", "Bob", "carl", "alice"]),
    ],
)
def test_rows_are_sorted_and_trouble_comes_first(
    order: str, reverse: bool, names: list[str]
) -> None:
    rows = sorted_rows(model(*MIXED).rows, order, reverse=reverse)
    assert [row.node.name for row in rows] == names


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("", ["zed", "dan", "alice", "Bob", "carl"]),
        ("AL", ["alice"]),
        ("b", ["Bob"]),
        ("*a*", ["dan", "alice", "carl"]),
        ("[ac]*", ["alice", "carl"]),
        ("?ob", ["Bob"]),
        ("nobody", []),
    ],
)
def test_rows_are_filtered_by_name(pattern: str, names: list[str]) -> None:
    rows = sorted_rows(model(*MIXED).rows, "name", reverse=False, pattern=pattern)
    assert [row.node.name for row in rows] == names


def test_a_node_has_its_error_since_it_was_first_seen_with_it() -> None:
    one = model(node("a", error="x"))
    one.update(answer(node("a", error="y")), 101.0, 1001.0)
    assert one.rows[0].since == 1000.0
    one.update(answer(node("a")), 102.0, 1002.0)
    assert one.rows[0].since is None
    one.update(answer(node("a", error="x")), 103.0, 1003.0)
    assert one.rows[0].since == 1003.0


def test_others_may_know_since_when() -> None:
    one = model(node("a", error="x"), node("b"))
    one.set_since({"a": 500.0, "b": 500.0, "c": 500.0})
    assert [row.since for row in one.rows] == [500.0, None]


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ((node("a"),), (node("a"),), False),
        ((node("a"),), (node("a", error="x"),), True),
        ((node("a", error="x"),), (node("a"),), True),
        ((node("a", error="x"),), (node("a", error="y"),), False),
        ((node("a", error="x"),), (), True),
    ],
)
def test_a_change_of_who_is_in_trouble_is_told(
    before: tuple[NodeStats, ...], after: tuple[NodeStats, ...], changed: bool
) -> None:
    assert model(*before).update(answer(*after), 101.0, 1001.0) is changed


def test_what_is_frozen_does_not_change() -> None:
    one = model(node("a", 10))
    frozen = one.snapshot()
    one.update(answer(node("a", 90)), 105.0, 1005.0)
    assert frozen[0].node.cpu_used == 10
    assert frozen[0].history.cells(0, 60, 105.0)[-2:] == [10, None]


def test_the_past_of_a_node_that_is_gone_is_forgotten() -> None:
    one = model(node("a", 10))
    one.update(answer(), 101.0, 1001.0)
    one.update(answer(node("a", 20)), 105.0, 1005.0)
    assert one.rows[0].history.cells(0, 60, 105.0)[-2:] == [None, 20]


def test_a_node_in_trouble_adds_nothing_to_its_past() -> None:
    one = model(node("a", 10))
    one.update(answer(node("a", error="down: x")), 105.0, 1005.0)
    assert one.rows[0].history.cells(0, 60, 105.0)[-2:] == [10, None]


def test_a_history_of_nonsense_harms_nobody() -> None:
    one = model(node("a", 10), node("b", 10))
    bad = NodeStats("a", history={"every": "soon"})
    good = NodeStats("b", history={"every": 1, "end": 0, "cpuUsed": [30, 30, 30, 30, 30, 30, 30]})
    one.backfill(Answer(nodes={"a": bad, "b": good, "c": good}), 100.0)
    assert [row.history.cells(0, 60, 100.0)[-2] for row in one.rows] == [None, 30]


def test_sums_leave_out_nodes_in_trouble() -> None:
    total = totals(model(*MIXED).rows)
    assert total.nodes == 5
    assert total.problems == {Condition.DOWN: 1, Condition.STALE: 1}
    assert total.cpu_used == pytest.approx(130 / 3)
    assert (total.memory_used, total.memory_total) == (150, 300)
    assert (total.disk_used, total.disk_total) == (6, 30)


def test_sums_of_nobody_are_nothing() -> None:
    assert totals([]).cpu_used == 0.0
