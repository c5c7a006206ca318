"""Where views differ: tables of views in, differences out."""

import time

import pytest

from doubles.members import row, view
from nodnod_agent.console.diff import Difference, compare
from nodnod_agent.console.diff_text import conclusion, sentence, sentences
from nodnod_client.messages import MemberInfo

View = list[MemberInfo]
REFUSED = ("connection refused",)


def differences(*views: View, **failures: str) -> list[Difference]:
    found = {f"{name}:7070": why for name, why in failures.items()}
    return list(compare(views, found).differences)


# Views that agree


@pytest.mark.parametrize(
    "views",
    [
        pytest.param([view("a")], id="one alone"),
        pytest.param([view("a", b="up"), view("b", a="up")], id="two that see each other"),
        pytest.param(
            [view("a", b="up", c="down"), view("b", a="up", c="down")], id="down for everybody"
        ),
        pytest.param(
            [view("a", b="up", c="left"), view("b", a="up")], id="left, and not all remember"
        ),
        pytest.param(
            [
                [row("a"), row("b", address="10.0.0.2:7070")],
                [row("b", address="0.0.0.0:7070"), row("a", address="a.example:7070")],
            ],
            id="one node at several addresses",
        ),
        pytest.param(
            [
                [row("a"), row("b"), row("b", address="b:7070", instance="b-0", state="left")],
                view("b", a="up"),
            ],
            id="an earlier run that left",
        ),
        pytest.param(
            [
                [row("a"), row("b"), row("old", version=1, instance="")],
                [row("b"), row("a"), row("old", version=1, instance="", address="[::1]:7070")],
            ],
            id="a version-1 node, up for all",
        ),
        pytest.param(
            [
                [row("a"), row("b"), row("c:7070", "down", address="c:7070", instance="")],
                view("b", a="up", c="down"),
            ],
            id="down for all, and one has never learnt its name",
        ),
        pytest.param(
            [
                [row("a"), row("b"), row("c", "down", instance="c-0")],
                view("b", a="up", c="down"),
            ],
            id="down for all, seen in different runs",
        ),
        pytest.param([view("a", b="up"), view("b", a="up"), []], id="an empty view"),
        pytest.param(
            [view("a", b="up"), view("b", a="up"), view("b", a="down")], id="one asked twice"
        ),
        pytest.param(
            [
                [row("a"), row("x", instance="x-1"), row("x@y:7070", instance="x-2")],
                [row("x", address="x:7070", instance="x-1"), row("a"), row("x", instance="x-2")],
                [row("x", address="y:7070", instance="x-2"), row("a"), row("x", instance="x-1")],
            ],
            id="two nodes of one name",
        ),
    ],
)
def test_these_views_agree(views: list[View]) -> None:
    assert differences(*views) == []


# Views that differ


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        pytest.param(
            [view("a", b="up", c="up"), view("b", a="up", c="down"), view("c", a="up", b="down")],
            [
                Difference("down", ("b",), ("c",), REFUSED),
                Difference("down", ("c",), ("b",), REFUSED),
            ],
            id="a link cut in both directions",
        ),
        pytest.param(
            [view("a", b="up"), view("b", a="down")],
            [Difference("one_way", ("a",), ("b",), REFUSED)],
            id="a one-way link: a sees b up, b sees a down",
        ),
        pytest.param(
            [view("a", b="up", c="up"), view("b", a="up"), view("c", a="up", b="up")],
            [Difference("unheard", ("c",), ("b",))],
            id="one who has not heard of another",
        ),
        pytest.param(
            [view("a", b="up", c="up"), view("b", a="up", c="left"), view("c", a="up", b="up")],
            [Difference("left", ("c",), ("b",))],
            id="one for whom another has left",
        ),
        pytest.param(
            [[row("a"), row("b", instance="b-0")], view("b", a="up")],
            [Difference("other_run", ("b",), ("a",))],
            id="a link to a process that is no more",
        ),
        pytest.param(
            [view("a", b="down"), view("b", a="up")],
            [Difference("one_way", ("b",), ("a",), REFUSED)],
            id="down for the one who was asked first",
        ),
        pytest.param(
            [
                [row("a"), row("b", "down", instance="b-0", address="elsewhere:7070")],
                view("b", a="up"),
            ],
            [Difference("one_way", ("b",), ("a",), REFUSED)],
            id="known at the place from which it has moved",
        ),
        pytest.param(
            [view("a", b="up", c="down"), view("b", a="up")],
            [Difference("unheard", ("c",), ("b",), (), {"down": ("a",)})],
            id="one that is down for one, and unheard of for the other",
        ),
        pytest.param(
            [view("a", b="up", c="down"), view("b", a="up", c="left")],
            [Difference("left", ("c",), ("b",), (), {"down": ("a",)})],
            id="left for one, missed by another",
        ),
    ],
)
def test_this_is_where_these_views_differ(views: list[View], expected: list[Difference]) -> None:
    assert differences(*views) == expected


def test_a_node_that_could_not_be_asked_is_a_difference_where_it_is_up() -> None:
    views = [view("a", b="up", c="up"), view("b", a="up", c="down")]
    assert differences(*views, c="no handshake within 5 s") == [
        Difference("down", ("c",), ("b",), REFUSED, {"up": ("a",)}),
        Difference("unasked", ("c",), ("a",), ("no handshake within 5 s",)),
    ]


def test_a_node_that_is_down_for_all_need_not_answer() -> None:
    assert differences(view("a", b="down"), b="connection refused") == []


def test_version_1_is_named_and_no_difference() -> None:
    report = compare([[row("a"), row("old", version=1, instance="")]])
    assert report.differences == ()
    assert report.old == ("old",)
    assert report.up == ("a", "old")


def test_version_1_is_compared_all_the_same() -> None:
    old = {"version": 1, "instance": ""}
    views = [
        [row("a"), row("b"), row("old", **old)],
        [row("b"), row("a"), row("old", "down", **old)],
    ]
    assert differences(*views) == [Difference("down", ("old",), ("b",), REFUSED, {"up": ("a",)})]


def test_nodes_of_one_name_are_told_by_their_addresses() -> None:
    views = [
        [row("a"), row("x", address="x:1", instance="1")],
        [row("x", address="x:1", instance="1"), row("a")],
        [row("x", address="x:2", instance="2"), row("a"), row("x", address="x:1", instance="1")],
    ]
    assert differences(*views) == [Difference("unheard", ("x@x:2",), ("a", "x@x:1"))]


def test_a_cluster_cut_in_two_is_two_differences() -> None:
    left, right = [f"l{i}" for i in range(10)], [f"r{i}" for i in range(10)]
    views = [
        view(name, **{n: "up" if n in side else "down" for n in left + right if n != name})
        for side in (left, right)
        for name in side
    ]
    assert differences(*views) == [
        Difference("down", tuple(left), tuple(right), REFUSED),
        Difference("down", tuple(right), tuple(left), REFUSED),
    ]


def test_the_order_of_views_changes_nothing() -> None:
    views = [
        view("a", b="up", c="up", d="down"),
        view("b", a="up", c="down", d="left"),
        view("c", a="down", b="up"),
    ]
    assert differences(*views) == differences(*reversed(views))


def test_large_views_are_compared_in_no_time() -> None:
    names = [f"n{number}" for number in range(200)]
    views = [view(name, **{n: "up" for n in names if n != name}) for name in names]
    began = time.process_time()
    assert differences(*views) == []
    assert time.process_time() - began < 5


# In words


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (
            Difference("down", ("c",), ("a", "b"), ("connection refused",)),
            "c is down for a and b: connection refused",
        ),
        (
            Difference("down", ("c",), ("b",), REFUSED, {"up": ("a",)}),
            "c is down for b: connection refused · up for a",
        ),
        (
            Difference("one_way", ("a", "b"), ("c",), ("no sign of life for 5 s",)),
            "one-way: a and b see c up, but are down for c: no sign of life for 5 s",
        ),
        (Difference("unheard", ("c",), ("b",)), "c is not known to b"),
        (Difference("left", ("c",), ("b",)), "c has left for b"),
        (
            Difference("other_run", ("b",), ("a",)),
            "b is another process for a than the one that answered",
        ),
        (
            Difference("unasked", ("c",), ("a",), ("timed out",)),
            "c is up for a, but could not be asked: timed out",
        ),
        (
            Difference("unheard", tuple("abcdefgh"), ("z",)),
            "a, b, c, d, e and 3 more are not known to z",
        ),
    ],
)
def test_a_difference_is_one_sentence(difference: Difference, words: str) -> None:
    assert sentence(difference) == words


def test_two_sides_of_one_cut_are_one_line() -> None:
    found = differences(
        view("a", b="down", c="up"), view("b", a="down", c="up"), view("c", a="up", b="up")
    )
    assert len(found) == 2
    assert sentences(found) == ["a and b are down for each other: connection refused"]


def test_who_is_down_for_one_that_could_not_be_asked_stands_alone() -> None:
    found = differences(view("a", b="down", c="up"), view("c", a="up", b="up"), b="timed out")
    assert sentences(found) == [sentence(one) for one in found]
    assert len(found) == 2


@pytest.mark.parametrize(
    ("views", "words"),
    [
        ([view("a")], "asked 1 agent, there is no other: 1 node up"),
        (
            [view("a", b="up", c="down"), view("b", a="up", c="down")],
            "2 agents agree: 2 nodes up, 1 down (c)",
        ),
        (
            [[*view("a", b="up"), row("old", version=1, instance="")], view("b", a="up")],
            "asked 2 agents: their views differ · not asked, as version 1 has no view: old",
        ),
        ([view("a", b="up"), view("b", a="down")], "asked 2 agents: their views differ"),
    ],
)
def test_the_conclusion_is_one_line(views: list[View], words: str) -> None:
    assert conclusion(compare(views)) == words
