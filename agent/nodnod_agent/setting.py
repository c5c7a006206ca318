"""What one setting is called, and what its value must be: a row of the table of settings."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

__all__ = ["Setting"]


class Setting(Struct, frozen=True, kw_only=True):
    """What one field of ``Settings`` is called, and what its value must be.

    ``key`` is its place in the file, with dots for objects in objects. ``kind`` stands for its
    value in the help; a flag without one is a switch. ``check`` and ``read`` are as in checks.py.
    """

    field: str
    key: str
    kind: str
    help: str
    check: Callable[[Any, str], Any]
    read: Callable[[str], Any] = str
    is_flag: bool = True

    @property
    def flag(self) -> str:
        """The flag, without its dashes."""
        return self.field.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable. One that is empty counts as not set."""
        return f"NODNOD_{self.field.upper()}"
