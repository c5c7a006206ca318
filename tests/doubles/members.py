"""Rows of the answer to type 3, and views of them, made short."""

from typing import Any

from nodnod_client.messages import MemberInfo


def row(name: str, state: str = "up", **fields: Any) -> MemberInfo:
    """A member ``name`` at ``name:7070``, in its first run."""
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
    """What ``own`` sees: itself up, and others by name in these states."""
    first = row(own) if isinstance(own, str) else own
    return [first, *(row(name, state) for name, state in others.items())]


def wire(*rows: MemberInfo) -> list[dict[str, Any]]:
    """The same as JSON has it."""
    return [{field: getattr(one, field) for field in one.__struct_fields__} for one in rows]
