"""Compares the views that agents have of one cluster: a pure function of the views.

A *view* is the answer of an agent to type 3: its own row first, then those of the nodes it knows.
The rows of all views are correlated by node; then each node is compared across all views but its
own.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from nodnod_agent.console.correlate import NodeRows, correlate
from nodnod_client.messages import MemberInfo

KINDS = ("one_way", "down", "unheard", "left", "other_run", "unasked")
"""The kinds of differences, in the order of a report."""


class Difference(Struct, frozen=True):
    """One difference between views, and all ``nodes`` that it applies to.

    * ``one_way``: the observers list the nodes as down, the nodes list the observers as up
    * ``down``: the observers list the nodes as down, but others list them as up or they answered
    * ``unheard``: the observers do not list the nodes, but others do
    * ``left``: the observers list the nodes as left, but others do not
    * ``other_run``: the observers are linked to another process than the one that answered
    * ``unasked``: the observers list the nodes as up, but they could not be asked

    ``reasons`` are the errors of the observers, or with ``unasked`` our own. ``others`` holds the
    nodes that list ``nodes`` in another state, by that state; it is empty if ``nodes`` answered.
    """

    kind: str
    nodes: tuple[str, ...]
    observers: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    others: dict[str, tuple[str, ...]] = {}


class Report(Struct, frozen=True):
    """The result of a comparison; the lists hold node names.

    ``asked``: nodes whose views were compared. ``up``: nodes that answered or that any view lists
    as up. ``down``: nodes that every view with them lists as down. ``old``: nodes of version 1,
    which have no view.
    """

    differences: tuple[Difference, ...]
    asked: tuple[str, ...]
    up: tuple[str, ...]
    down: tuple[str, ...]
    old: tuple[str, ...]


class _Finding(Struct, frozen=True):
    """What one observer contributes to a difference."""

    kind: str
    observer: str
    reason: str = ""


_Key = tuple[str, tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...], tuple[str, ...]]
"""What nodes of one difference have in common: kind, observers, others, our reasons."""


def compare(
    views: Sequence[Sequence[MemberInfo]], failures: Mapping[str, str] | None = None
) -> Report:
    """Compare these views; an empty one is ignored.

    ``failures`` holds, by address, why agents could not be asked.
    """
    nodes = correlate([view for view in views if view])
    found: dict[_Key, tuple[set[str], set[str]]] = {}
    for node in nodes:
        findings = [*_observed(node, nodes), *_unasked(node, failures or {})]
        for kind in {finding.kind for finding in findings}:
            same = [finding for finding in findings if finding.kind == kind]
            observers = tuple(sorted(finding.observer for finding in same))
            why = {finding.reason for finding in same if finding.reason}
            ours = tuple(sorted(why)) if kind == "unasked" else ()
            key = (kind, observers, _others(node, kind), ours)
            names, reasons = found.setdefault(key, (set(), set()))
            names.add(node.label)
            reasons |= why
    differences = [
        Difference(kind, tuple(sorted(names)), observers, tuple(sorted(reasons)), dict(others))
        for (kind, observers, others, _), (names, reasons) in found.items()
    ]
    differences.sort(key=lambda one: (KINDS.index(one.kind), one.nodes, one.observers))
    return Report(
        tuple(differences),
        asked=_labels(node for node in nodes if node.asked),
        up=_labels(node for node in nodes if _up(node)),
        down=_labels(node for node in nodes if not _up(node) and node.observers("down")),
        old=_labels(node for node in nodes if node.old),
    )


def _up(node: NodeRows) -> bool:
    return node.asked or bool(node.observers("up"))


def _observed(node: NodeRows, nodes: Sequence[NodeRows]) -> Iterator[_Finding]:
    """Find the observers whose row contradicts the node itself or other observers."""
    up = _up(node)
    if not up and not node.observers("down"):  # every view that lists it says that it has left
        return
    for observer in nodes:
        if not observer.asked or observer is node:
            continue
        row = node.rows.get(observer)
        if row is None:
            yield _Finding("unheard", observer.label)
        elif row.state == "left":
            yield _Finding("left", observer.label)
        elif row.state == "down" and up:
            back = observer.rows.get(node)
            kind = "one_way" if back is not None and back.state == "up" else "down"
            yield _Finding(kind, observer.label, row.error.removeprefix("down: "))
        elif row.state == "up" and node.asked and row.instance != node.instance:
            yield _Finding("other_run", observer.label)


def _unasked(node: NodeRows, failures: Mapping[str, str]) -> Iterator[_Finding]:
    if node.asked or node.old:
        return
    why = next((failures[one] for one in node.addresses if one in failures), "")
    for name in node.observers("up"):
        yield _Finding("unasked", name, why)


def _others(node: NodeRows, kind: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the other states in which a node is listed that was not asked."""
    if node.asked or kind == "unasked":
        return ()
    states = ((state, tuple(node.observers(state))) for state in ("up", "down", "left"))
    return tuple((state, names) for state, names in states if names and state != kind)


def _labels(nodes: Iterable[NodeRows]) -> tuple[str, ...]:
    return tuple(sorted(node.label for node in nodes))
