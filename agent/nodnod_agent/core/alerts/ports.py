"""The ports of alerts: how people are told, and where the whole cluster gives a sign of life."""

from collections.abc import Callable
from typing import Protocol

from nodnod_agent.core.alerts.message import Message

Done = Callable[[bool, str], None]
"""Takes whether a message was delivered, and what the answer was; called once, never during the send."""

Beat = Callable[[Done], None]
"""Gives the sign of life."""


class Notify(Protocol):
    """Begins one delivery; calls ``done`` within 15 s, or a little later."""

    def __call__(self, channel: str, message: Message, done: Done, /) -> None:
        """Send a message over the channel with this id."""


def tell_nobody(channel: str, message: Message, done: Done) -> None:
    """Be the port of an agent that has no channels."""
