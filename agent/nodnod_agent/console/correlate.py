"""Finds the rows of different views that are about the same node."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from nodnod_client.messages import MemberInfo


class NodeRows:
    """One node of the cluster, and its row in each view.

    ``asked`` is true if the node's own view is among the views. ``rows`` holds what the others say
    about it, by the node that says so.
    """

    def __init__(self, row: MemberInfo, *, asked: bool) -> None:
        self.instance = row.instance
        self.name = row.name
        self.address = row.address
        self.label = row.name
        self.asked = asked
        self.rows: dict[NodeRows, MemberInfo] = {}

    @property
    def old(self) -> bool:
        """Whether the node speaks only version 1, as far as the views tell."""
        return not self.asked and any(row.version == 1 for row in self.rows.values())

    @property
    def addresses(self) -> list[str]:
        """All addresses by which the node is known."""
        return sorted({self.address, *(row.address for row in self.rows.values())})

    def observers(self, state: str) -> list[str]:
        """Return the labels of the nodes that list this one in ``state``."""
        return sorted(other.label for other, row in self.rows.items() if row.state == state)

    def add(self, observer: "NodeRows", row: MemberInfo) -> None:
        """Add the row of ``observer``, and learn from it if the node was not asked."""
        self.rows[observer] = row
        if not self.asked:
            self.instance = self.instance or row.instance
            if self.name == self.address:  # no earlier observer knew the name
                self.name = self.label = row.name


_Test = Callable[[NodeRows, MemberInfo], bool]

# Tests for whether a row is about a node, if the instance does not tell; all rows of a view are
# tried with one test before the next. The same name and address is another run of the same node. An
# observer that has never reached a node knows only its address. The name alone matches a node that
# has moved; two nodes that are up with the same name are two.
_TESTS: tuple[_Test, ...] = (
    lambda node, row: (row.name, row.address) == (node.name, node.address),
    lambda node, row: row.address == node.address and not (row.instance and node.instance),
    lambda node, row: row.name == node.name and (row.state != "up" or not row.instance),
)


def correlate(views: Sequence[Sequence[MemberInfo]]) -> list[NodeRows]:
    """Return all nodes of these views, none of which is empty; the views' own nodes come first."""
    observers: list[tuple[NodeRows, Sequence[MemberInfo]]] = []
    nodes: list[NodeRows] = []
    for own, *others in views:
        if own.instance not in {node.instance for node in nodes}:  # else it was asked twice
            node = NodeRows(own, asked=True)
            nodes.append(node)
            observers.append((node, others))
    for observer, rows in observers:
        _match(observer, rows, nodes)
    present = [
        node for node in nodes if node.asked or node.observers("up") or node.observers("down")
    ]
    names = Counter(node.name for node in present)
    for node in present:
        if names[node.name] > 1:
            node.label = f"{node.name}@{node.address}"
    return nodes


def _match(observer: NodeRows, rows: Sequence[MemberInfo], nodes: list[NodeRows]) -> None:
    """Give each row of a view to a node, at most one row per node; make nodes for the rest.

    Rows of nodes that have left come last: they must not take the place of a present node.
    """
    free = {node: None for node in nodes if node is not observer}
    by_instance = {node.instance: node for node in free if node.instance}

    def assign(
        rows: Sequence[MemberInfo], find: Callable[[MemberInfo], NodeRows | None]
    ) -> list[MemberInfo]:
        rest = []
        for row in rows:
            node = find(row)
            if node is None or node not in free:
                rest.append(row)
            else:
                node.add(observer, row)
                del free[node]
        return rest

    for left in (False, True):
        group = [row for row in rows if (row.state == "left") is left]
        # The instance identifies nearly all rows; to test all nodes with all rows takes long.
        rest = assign(group, lambda row: by_instance.get(row.instance))
        for test in _TESTS:
            rest = assign(rest, partial(_first, free, test))
        for row in rest:
            nodes.append(NodeRows(row, asked=False))
            nodes[-1].add(observer, row)


def _first(nodes: Iterable[NodeRows], test: _Test, row: MemberInfo) -> NodeRows | None:
    return next((node for node in nodes if test(node, row)), None)
