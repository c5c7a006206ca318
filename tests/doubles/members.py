"""Short ways to make answers for stats, member rows (the answer to type 3) and views."""

from typing import Any

from msgspec import to_builtins

from nodnod_client.messages import Answer, MemberInfo, NodeStats


def answer(*nodes: NodeStats, host: str = "a") -> Answer:
    return Answer(host=host, nodes={node.name: node for node in nodes})


def row(name: str, state: str = "up", **fields: Any) -> MemberInfo:
    """Return a member ``name`` at ``name:7070``, in its first run."""
    error = fields.pop("error", "down: connection refused" if state == "down" else "")
    defaults = {
        "name": name,
        "address": f"{name}:7070",
        "instance": f"{name}-1",
        "state": state,
        "since": 1000.0,
        "rtt": 0.0005 if state == "up" else None,
        "version": 2,
        "error": error,
    }
    return MemberInfo(**(defaults | fields))


def view(own: str | MemberInfo, **others: str) -> list[MemberInfo]:
    """Return the view of ``own``: itself up, and others by name in these states."""
    first = row(own) if isinstance(own, str) else own
    return [first, *(row(name, state) for name, state in others.items())]


def wire(*rows: MemberInfo) -> list[dict[str, Any]]:
    """Return the rows as they are in JSON."""
    return [to_builtins(one) for one in rows]
