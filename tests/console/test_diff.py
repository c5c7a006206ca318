"""Differences between views: tables of views in, differences and sentences out."""

import time

import pytest

from doubles.members import row, view
from nodnod_agent.console.diff import Difference, compare
from nodnod_agent.console.diff_text import conclusion, sentence, sentences
from nodnod_client.messages import MemberInfo

View = list[MemberInfo]
REFUSED = ("connection refused",)
A, B, OLD = row("a"), row("b"), row("old", version=1, instance="")


def differences(*views: View, **failures: str) -> list[Difference]:
    found = {f"{name}:7070": why for name, why in failures.items()}
    return list(compare(views, found).differences)


AGREEING = {
    "one alone": [view("a")],
    "two that see each other": [view("a", b="up"), view("b", a="up")],
    "down for all": [view("a", b="up", c="down"), view("b", a="up", c="down")],
    "down for all, and it need not answer": [view("a", b="down")],
    "left, and only one remembers": [view("a", b="up", c="left"), view("b", a="up")],
    "one node at several addresses": [
        [A, row("b", address="10.0.0.2:7070")],
        [row("b", address="0.0.0.0:7070"), row("a", address="a.example:7070")],
    ],
    "an earlier run that left": [
        [A, B, row("b", address="b:7070", instance="b-0", state="left")],
        view("b", a="up"),
    ],
    "a version-1 node, up for all": [
        [A, B, OLD],
        [B, A, row("old", version=1, instance="", address="[::1]:7070")],
    ],
    "down for all, and one does not know the name": [
        [A, B, row("c:7070", "down", address="c:7070", instance="")],
        view("b", a="up", c="down"),
    ],
    "down for all, in different runs": [
        [A, B, row("c", "down", instance="c-0")],
        view("b", a="up", c="down"),
    ],
    "an empty view": [view("a", b="up"), view("b", a="up"), []],
    "one asked twice": [view("a", b="up"), view("b", a="up"), view("b", a="down")],
    "two nodes with one name": [
        [A, row("x", instance="x-1"), row("x@y:7070", instance="x-2")],
        [row("x", address="x:7070", instance="x-1"), A, row("x", instance="x-2")],
        [row("x", address="y:7070", instance="x-2"), A, row("x", instance="x-1")],
    ],
}


@pytest.mark.parametrize("views", AGREEING.values(), ids=AGREEING)
def test_these_views_agree(views: list[View]) -> None:
    assert differences(*views, b="connection refused") == []


DIFFERING = {
    "a link broken in both directions": (
        [view("a", b="up", c="up"), view("b", a="up", c="down"), view("c", a="up", b="down")],
        [Difference("down", ("b",), ("c",), REFUSED), Difference("down", ("c",), ("b",), REFUSED)],
    ),
    "a one-way link: a sees b up, b sees a down": (
        [view("a", b="up"), view("b", a="down")],
        [Difference("one_way", ("a",), ("b",), REFUSED)],
    ),
    "a node that one other does not know": (
        [view("a", b="up", c="up"), view("b", a="up"), view("c", a="up", b="up")],
        [Difference("unheard", ("c",), ("b",))],
    ),
    "a node that has left for one other": (
        [view("a", b="up", c="up"), view("b", a="up", c="left"), view("c", a="up", b="up")],
        [Difference("left", ("c",), ("b",))],
    ),
    "a link to a process that no longer exists": (
        [[A, row("b", instance="b-0")], view("b", a="up")],
        [Difference("other_run", ("b",), ("a",))],
    ),
    "down for the first agent asked": (
        [view("a", b="down"), view("b", a="up")],
        [Difference("one_way", ("b",), ("a",), REFUSED)],
    ),
    "known at its former address": (
        [[A, row("b", "down", instance="b-0", address="elsewhere:7070")], view("b", a="up")],
        [Difference("one_way", ("b",), ("a",), REFUSED)],
    ),
    "down for one, unknown to another": (
        [view("a", b="up", c="down"), view("b", a="up")],
        [Difference("unheard", ("c",), ("b",), (), {"down": ("a",)})],
    ),
    "left for one, down for another": (
        [view("a", b="up", c="down"), view("b", a="up", c="left")],
        [Difference("left", ("c",), ("b",), (), {"down": ("a",)})],
    ),
    "a version-1 node that is down for one": (
        [[A, B, OLD], [B, A, row("old", "down", version=1, instance="")]],
        [Difference("down", ("old",), ("b",), REFUSED, {"up": ("a",)})],
    ),
    "nodes with one name are told apart by address": (
        [
            [A, row("x", address="x:1", instance="1")],
            [row("x", address="x:1", instance="1"), A],
            [row("x", address="x:2", instance="2"), A, row("x", address="x:1", instance="1")],
        ],
        [Difference("unheard", ("x@x:2",), ("a", "x@x:1"))],
    ),
}


@pytest.mark.parametrize(("views", "expected"), DIFFERING.values(), ids=DIFFERING)
def test_these_views_differ_here(views: list[View], expected: list[Difference]) -> None:
    assert differences(*views) == expected
    assert differences(*reversed(views)) == expected


def test_a_node_that_is_up_but_could_not_be_asked_is_a_difference() -> None:
    views = [view("a", b="up", c="up"), view("b", a="up", c="down")]
    assert differences(*views, c="no handshake within 5 s") == [
        Difference("down", ("c",), ("b",), REFUSED, {"up": ("a",)}),
        Difference("unasked", ("c",), ("a",), ("no handshake within 5 s",)),
    ]


def test_a_partitioned_cluster_is_two_differences() -> None:
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


def test_large_views_are_compared_in_a_few_seconds() -> None:
    names = [f"n{number}" for number in range(200)]
    views = [view(name, **{n: "up" for n in names if n != name}) for name in names]
    began = time.process_time()
    assert differences(*views) == []
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("difference", "text"),
    [
        (
            Difference("down", ("c",), ("a", "b"), REFUSED),
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
def test_a_difference_is_one_sentence(difference: Difference, text: str) -> None:
    assert sentence(difference) == text


def test_two_directions_of_a_broken_link_are_one_sentence() -> None:
    views = view("a", b="down", c="up"), view("b", a="down", c="up"), view("c", a="up", b="up")
    found = differences(*views)
    assert len(found) == 2
    assert sentences(found) == ["a and b are down for each other: connection refused"]


def test_a_direction_without_its_counterpart_is_a_sentence_of_its_own() -> None:
    found = differences(view("a", b="down", c="up"), view("c", a="up", b="up"), b="timed out")
    assert len(found) == 2
    assert sentences(found) == [sentence(one) for one in found]


@pytest.mark.parametrize(
    ("views", "text"),
    [
        ([view("a")], "asked 1 agent, there is no other: 1 node up"),
        (
            [view("a", b="up", c="down"), view("b", a="up", c="down")],
            "2 agents agree: 2 nodes up, 1 down (c)",
        ),
        (
            [[*view("a", b="up"), OLD], view("b", a="up")],
            "asked 2 agents: their views differ · not asked, as version 1 has no view: old",
        ),
        ([view("a", b="up"), view("b", a="down")], "asked 2 agents: their views differ"),
    ],
)
def test_the_conclusion_is_one_line(views: list[View], text: str) -> None:
    assert conclusion(compare(views)) == text
