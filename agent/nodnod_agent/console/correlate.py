"""Which rows of which views are about the same node."""

from collections import Counter
from collections.abc import Callable, Sequence

from nodnod_client.messages import MemberInfo


class NodeRows:
    """One node of the cluster, and how each agent that was asked sees it.

    ``asked`` says that it told its own view. ``rows`` holds what others say of it, by the node that
    says so.
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
        """Whether it speaks version 1 only, as far as anybody knows."""
        return not self.asked and any(row.version == 1 for row in self.rows.values())

    @property
    def addresses(self) -> list[str]:
        """All under which it is known."""
        return sorted({self.address, *(row.address for row in self.rows.values())})

    def seen(self, state: str) -> list[str]:
        """Who of the others sees it so."""
        return sorted(seer.label for seer, row in self.rows.items() if row.state == state)

    def note(self, observer: "NodeRows", row: MemberInfo) -> None:
        """Take what ``observer`` says of it, and what that tells of a node that was not asked."""
        self.rows[observer] = row
        if not self.asked:
            self.instance = self.instance or row.instance
            if self.name == self.address:  # nobody who came before knew its name
                self.name = self.label = row.name


# How a row is known to be about a node, where the instance does not tell; all rows of a view are
# tried by one before the next. One and the same name and address is the same node in another run
# of it. Who has never met a node knows only its address. A name alone is that of a node that has
# moved; two that are up under one name are two.
_TESTS: tuple[Callable[[NodeRows, MemberInfo], bool], ...] = (
    lambda node, row: (row.name, row.address) == (node.name, node.address),
    lambda node, row: row.address == node.address and not (row.instance and node.instance),
    lambda node, row: row.name == node.name and (row.state != "up" or not row.instance),
)


def sorted_out(views: Sequence[Sequence[MemberInfo]]) -> list[NodeRows]:
    """All nodes of these views, of which none is empty; first those whose views they are."""
    seers: list[tuple[NodeRows, Sequence[MemberInfo]]] = []
    nodes: list[NodeRows] = []
    for own, *others in views:
        if own.instance not in {node.instance for node in nodes}:  # else it was asked twice
            node = NodeRows(own, asked=True)
            nodes.append(node)
            seers.append((node, others))
    for seer, rows in seers:
        _sort_out(seer, rows, nodes)
    there = [node for node in nodes if node.asked or node.seen("up") or node.seen("down")]
    names = Counter(node.name for node in there)
    for node in there:
        if names[node.name] > 1:
            node.label = f"{node.name}@{node.address}"
    return nodes


def _sort_out(seer: NodeRows, rows: Sequence[MemberInfo], nodes: list[NodeRows]) -> None:
    """Hand out the rows of one view, each node at most one; who left has the last choice."""
    there = [row for row in rows if row.state != "left"]
    left = [row for row in rows if row.state == "left"]
    free = {node: None for node in nodes if node is not seer}
    named = {node.instance: node for node in free if node.instance}
    for several in (there, left):
        remaining = []
        for row in several:  # nearly all are found so; to try all nodes with all rows takes long
            node = named.get(row.instance)
            if node is None or node not in free:
                remaining.append(row)
            else:
                node.note(seer, row)
                del free[node]
        for test in _TESTS:
            homeless = []
            for row in remaining:
                node = next((known for known in free if test(known, row)), None)
                if node is None:
                    homeless.append(row)
                else:
                    node.note(seer, row)
                    del free[node]
            remaining = homeless
        for row in remaining:
            node = NodeRows(row, asked=False)
            node.note(seer, row)
            nodes.append(node)
