"""A channel: one way to tell people, which is one URL."""

from abc import ABC, abstractmethod

from nodnod_agent.core.alerts.message import Message
from nodnod_agent.notify.outgoing import Done
from nodnod_agent.notify.urls import ChannelUrl, Kind


class Channel(ABC):
    """Sends messages to where its URL says.

    ``id`` is the same on all nodes that have the URL. ``label`` is for people: scheme and host.
    """

    def __init__(self, url: ChannelUrl) -> None:
        self.id = url.id
        self.label = url.label
        self.kind: Kind = url.kind

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.label}>"

    @abstractmethod
    def send(self, message: Message, done: Done) -> None:
        """Send a message; ``done(ok, why)`` comes once, within 15 s, and never during this call.

        ``why`` says what the answer was, without the label.
        """
