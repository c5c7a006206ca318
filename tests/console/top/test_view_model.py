"""The nodes of the last answer, their order, and their recent history."""

import pytest

from doubles.alert_rows import alert_row
from doubles.members import answer, row
from nodnod_agent.console.node_condition import Condition
from nodnod_agent.console.top.view_model import ORDERS, Row, ViewModel, sorted_rows, totals
from nodnod_client.messages import Answer, NodeStats


def node(name: str, cpu: float = 0.0, error: str = "") -> NodeStats:
    return NodeStats(name, cpu, 10, 2, 20.0, 100, 50, 50.0, error)


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
    ("order", "reverse", "pattern", "names"),
    [
        ("name", False, "", "zed dan alice Bob carl"),
        ("name", True, "", "zed dan carl Bob alice"),
        ("cpu", False, "", "zed dan alice Bob carl"),
        ("cpu", True, "", "zed dan Bob carl alice"),
        ("name", False, "AL", "alice"),
        ("name", False, "b", "Bob"),
        ("name", False, "*a*", "dan alice carl"),
        ("name", False, "[ac]*", "alice carl"),
        ("name", False, "?ob", "Bob"),
        ("name", False, "nobody", ""),
        ("name", False, "AL, b*  c*", "alice carl"),
        ("name", False, "al b", "alice Bob"),
    ],
)
def test_rows_are_filtered_and_sorted_with_problems_first(
    order: str, reverse: bool, pattern: str, names: str
) -> None:
    rows = sorted_rows(model(*MIXED).rows, order, reverse=reverse, pattern=pattern)
    assert [row.node.name for row in rows] == names.split()


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("tag:role=db", "alice Bob"),
        ("tag:role=w*", "carl"),
        ("tag:role", "alice Bob carl"),
        ("tag:site", ""),
        ("tag:", ""),
    ],
)
def test_rows_are_filtered_by_tags(pattern: str, names: str) -> None:
    one = model(*MIXED)
    roles = {"Bob": "db", "alice": "db", "carl": "web"}
    tagged = [row(name, tags={"role": role}) for name, role in roles.items()]
    one.update_members([*tagged, row("dan", "left", tags={"role": "db"})])
    rows = sorted_rows(one.rows, "name", reverse=False, pattern=pattern)
    assert [found.node.name for found in rows] == names.split()


def test_the_time_of_an_error_is_that_of_its_first_answer() -> None:
    one = model(node("a", error="x"))
    for wall, error, since in ((1001.0, "y", 1000.0), (1002.0, "", None), (1003.0, "x", 1003.0)):
        one.update(answer(node("a", error=error)), 100.0, wall)
        assert one.rows[0].since == since


def test_the_agent_may_know_an_earlier_time_of_an_error() -> None:
    one = model(node("a", error="x"), node("b"))
    one.update_members([row(name, "down", since=500.0) for name in "abc"])
    assert [row.since for row in one.rows] == [500.0, None]


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        (node("a"), [node("a")], False),
        (node("a"), [node("a", error="x")], True),
        (node("a", error="x"), [node("a")], True),
        (node("a", error="x"), [node("a", error="y")], False),
        (node("a", error="x"), [], True),
    ],
)
def test_an_update_tells_whether_other_nodes_have_errors(
    before: NodeStats, after: list[NodeStats], changed: bool
) -> None:
    assert model(before).update(answer(*after), 101.0, 1001.0) is changed


def newest(row: Row) -> list[float | None]:
    return row.history.cells(0, 60, 105.0)[-2:]


def test_a_snapshot_does_not_change() -> None:
    one = model(node("a", 10))
    snapshot = one.snapshot()
    one.update(answer(node("a", 90)), 105.0, 1005.0)
    assert snapshot[0].node.cpu_used == 10
    assert newest(snapshot[0]) == [10, None]


def test_the_history_of_a_node_ends_when_it_is_no_longer_listed() -> None:
    one = model(node("a", 10))
    one.update(answer(), 101.0, 1001.0)
    one.update(answer(node("a", 20)), 105.0, 1005.0)
    assert newest(one.rows[0]) == [None, 20]


def test_a_node_with_an_error_adds_nothing_to_its_history() -> None:
    one = model(node("a", 10))
    one.update(answer(node("a", error="down: x")), 105.0, 1005.0)
    assert newest(one.rows[0]) == [10, None]


def test_an_invalid_history_affects_no_other_node() -> None:
    one = model(node("a", 10), node("b", 10))
    bad = NodeStats("a", history={"every": "soon"})
    good = NodeStats("b", history={"every": 1, "end": 0, "cpuUsed": [30, 30, 30, 30, 30, 30, 30]})
    one.backfill(Answer(nodes={"a": bad, "b": good, "c": good}), 100.0)
    assert [row.history.cells(0, 60, 100.0)[-2] for row in one.rows] == [None, 30]


def test_the_past_of_a_dead_node_stands_where_it_was() -> None:
    one = model(node("a", 10), node("b", error="down: x"))
    own = NodeStats("a", history={"every": 1, "end": 1000, "cpuUsed": [5.0]})
    past = {"every": 5, "end": 970, "keptBy": "a", "cpuUsed": [80.0, 90.0]}
    one.backfill(Answer("a", nodes={"a": own, "b": NodeStats("b", history=past)}), 100.0)
    dead = next(row for row in one.rows if row.node.name == "b")
    assert dead.history.cells(0, 60, 100.0)[-9:] == [
        None,
        80,
        90,
        None,
        None,
        None,
        None,
        None,
        None,
    ]


def test_totals_are_of_nodes_with_current_numbers() -> None:
    faulty = node("eve", 40, error="disk: cannot be read")
    silent = NodeStats("fay", error="disk: cannot be read")
    late = NodeStats("gus", error="no answer within 2 s")
    total = totals(model(*MIXED, faulty, silent, late).rows, {})
    assert total.nodes == 8
    assert total.problems == {Condition.DOWN: 1, Condition.ERROR: 2, Condition.STALE: 2}
    assert total.cpu_used == pytest.approx((130 + 40) / 4)
    assert (total.memory_used, total.memory_total) == (200, 400)
    assert (total.disk_used, total.disk_total) == (8, 40)
    assert (total.received, total.sent) == (None, None)
    assert totals([], {}).cpu_used is None


@pytest.mark.parametrize(
    ("cores", "mean"),
    [
        ({"Bob": 1.0, "alice": 8.0, "carl": 1.0, "zed": 64.0}, (20 + 720 + 20) / 10),
        ({"Bob": 1.0, "alice": 8.0}, 130 / 3),  # carl does not tell
    ],
)
def test_the_mean_of_cpu_is_by_cores_where_all_tell_theirs(
    cores: dict[str, float], mean: float
) -> None:
    assert totals(model(*MIXED).rows, cores).cpu_used == pytest.approx(mean)


def test_traffic_is_the_newest_point_of_nodes_with_current_numbers() -> None:
    one = model(*MIXED)
    history = {"every": 1, "end": 0, "recvBytes": [1.0, 30.0], "sentBytes": [2.0, None]}
    one.update_traffic(answer(*(NodeStats(name, history=history) for name in ("Bob", "zed"))))
    assert {row.node.name: row.received for row in one.rows if row.received} == {"Bob": 30.0}
    total = totals(one.rows, {})
    assert (total.received, total.sent) == (30.0, 0.0)
    ranked = sorted_rows(one.rows, "traffic", reverse=False)
    assert [row.node.name for row in ranked] == ["zed", "dan", "Bob", "alice", "carl"]


def test_a_critical_alert_is_trouble_in_every_order() -> None:
    one = model(*MIXED)
    one.alerts = [
        alert_row("carl", severity="critical"),
        alert_row("Bob", severity="critical", silenced=True),
        alert_row("Bob"),
    ]
    for order in ORDERS:
        for reverse in (False, True):
            rows = sorted_rows(one.rows, order, reverse=reverse)
            assert [row.node.name for row in rows][:3] == ["zed", "dan", "carl"]
