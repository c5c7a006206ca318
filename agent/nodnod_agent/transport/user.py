"""Whom a connection serves."""

from typing import Protocol


class User(Protocol):
    """Whom a pump serves."""

    @property
    def full(self) -> bool:
        """Whether messages had better wait."""

    @property
    def stall_limit(self) -> float:
        """Seconds in which the other side must take some of the output that waits for it."""

    def received(self, text: bytes) -> None:
        """Take a text message, known to be UTF-8."""
