"""The cores of nodes, by which the mean of their CPU is weighted."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Struct

from nodnod_client.messages import NodeStats
from nodnod_client.sections import Cores

SECTION = "system"
"""The section that has the number of cores."""


class _System(Struct, rename="camel"):
    cores: Cores
    cpu_limit: float | None = None


def cores_of(node: NodeStats) -> float:
    """Return the cores that a node may use, from its section; 0 if it does not tell."""
    detail = {} if node.detail is UNSET else node.detail
    try:
        system = msgspec.convert(detail.get(SECTION), _System)
    except msgspec.ValidationError:
        return 0
    return max(0, system.cpu_limit or system.cores.logical)


def mean_cpu(nodes: Sequence[NodeStats], cores: Sequence[float]) -> float | None:
    """Return the mean CPU in percent: by cores if all tell theirs, else each node counts the same."""
    weights = cores if all(cores) else [1.0] * len(nodes)
    if not weights:
        return None
    used = sum(node.cpu_used * weight for node, weight in zip(nodes, weights, strict=True))
    return used / sum(weights)
