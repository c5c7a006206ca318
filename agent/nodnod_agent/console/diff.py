"""Where the views that agents have of one cluster differ: a pure function of the views.

A *view* is the answer of one agent to type 3: itself first, then whom it knows, and how. First all
rows of all views are sorted out by the node that they are about; then every node is looked at
through all views but its own.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from nodnod_agent.console.correlate import NodeRows, sorted_out
from nodnod_client.messages import MemberInfo

KINDS = ("one_way", "down", "unheard", "left", "other_run", "unasked")
"""What can differ, in the order in which it is told."""


class Difference(Struct, frozen=True):
    """One thing that is not the same for all, and all ``nodes`` that it is the matter with.

    * ``one_way``: ``observers`` see the nodes down, which themselves see the observers up
    * ``down``: the observers see the nodes down, which are up for others, or have answered us
    * ``unheard``: the observers do not list the nodes, which others do
    * ``left``: for the observers the nodes have left, and not for others
    * ``other_run``: the observers have a link to another process than the one that answered us
    * ``unasked``: the nodes are up for the observers, but could not be asked

    ``reasons`` are the observers', for ``unasked`` ours. ``others`` tells, by state, for whom else
    the nodes are what; it is empty where the nodes have answered for themselves.
    """

    kind: str
    nodes: tuple[str, ...]
    observers: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    others: dict[str, tuple[str, ...]] = {}


class Report(Struct, frozen=True):
    """What came of a comparison; the lists hold names.

    ``asked``: whose views were compared. ``up``: who has answered, or is up for somebody. ``down``:
    who is down for all that list it. ``old``: who is version 1, and so has no view to ask for.
    """

    differences: tuple[Difference, ...]
    asked: tuple[str, ...]
    up: tuple[str, ...]
    down: tuple[str, ...]
    old: tuple[str, ...]


class _Fact(Struct, frozen=True):
    """One observer's share in a difference."""

    kind: str
    observer: str
    reason: str = ""


_Key = tuple[str, tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...], tuple[str, ...]]
"""What nodes must have in common to be told of together: kind, observers, others, our reasons."""


def compare(
    views: Sequence[Sequence[MemberInfo]], failures: Mapping[str, str] | None = None
) -> Report:
    """Compare these views; one that does not even list its own agent is passed over.

    ``failures`` says, by address, who could not be asked, and why.
    """
    nodes = sorted_out([view for view in views if view])
    found: dict[_Key, tuple[set[str], set[str]]] = {}
    for node in nodes:
        facts = [*_seen(node, nodes), *_unasked(node, failures or {})]
        for kind in {fact.kind for fact in facts}:
            same = [fact for fact in facts if fact.kind == kind]
            observers = tuple(sorted(fact.observer for fact in same))
            why = {fact.reason for fact in same if fact.reason}
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
        up=_labels(node for node in nodes if _alive(node)),
        down=_labels(node for node in nodes if not _alive(node) and node.seen("down")),
        old=_labels(node for node in nodes if node.old),
    )


def _alive(node: NodeRows) -> bool:
    return node.asked or bool(node.seen("up"))


def _seen(node: NodeRows, nodes: Sequence[NodeRows]) -> Iterator[_Fact]:
    """Who sees ``node`` otherwise than it is, or than others see it."""
    alive = _alive(node)
    if not alive and not node.seen("down"):  # it has left, for all who still remember
        return
    for observer in nodes:
        if not observer.asked or observer is node:
            continue
        row = node.rows.get(observer)
        if row is None:
            yield _Fact("unheard", observer.label)
        elif row.state == "left":
            yield _Fact("left", observer.label)
        elif row.state == "down" and alive:
            back = observer.rows.get(node)
            kind = "one_way" if back is not None and back.state == "up" else "down"
            yield _Fact(kind, observer.label, row.error.removeprefix("down: "))
        elif row.state == "up" and node.asked and row.instance != node.instance:
            yield _Fact("other_run", observer.label)


def _unasked(node: NodeRows, failures: Mapping[str, str]) -> Iterator[_Fact]:
    if node.asked or node.old:
        return
    why = next((failures[one] for one in node.addresses if one in failures), "")
    for name in node.seen("up"):
        yield _Fact("unasked", name, why)


def _others(node: NodeRows, kind: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """How else a node is seen that has not answered for itself."""
    if node.asked or kind == "unasked":
        return ()
    states = ((state, tuple(node.seen(state))) for state in ("up", "down", "left"))
    return tuple((state, names) for state, names in states if names and state != kind)


def _labels(nodes: Iterable[NodeRows]) -> tuple[str, ...]:
    return tuple(sorted(node.label for node in nodes))
