"""The event log as gossip sees it: packed into messages, and taken out of them."""

from collections.abc import Iterable

from msgspec import Raw

from nodnod_agent.core.events.log import EventLog, EventRefused, Record, within
from nodnod_agent.core.exchange import Fields, Sizes, Taken
from nodnod_client.messages import Join, PeerAnswer


class EventReplica:
    """Packs events, and merges those that come in."""

    field = "events"
    sizes = Sizes()

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.since = log.since
        self.have = log.have

    @property
    def digest(self) -> str:
        """That of the log."""
        return self.log.digest

    def beyond(self, have: str, _: str) -> list[Record]:
        """What an agent lacks that has these."""
        return self.log.beyond(have)

    def packed(self, names: Iterable[Record], size: int) -> tuple[Fields, list[Record]]:
        """The fields of a message with the first of these events, and the others."""
        left = list(names)
        piece = within(left, size)
        fields = {"events": [Raw(record.text) for record in piece]} if piece else {}
        return fields, left[len(piece) :]

    def take(self, message: Join | PeerAnswer, most: int) -> Taken:
        """Take the events in a message."""
        news, examined, fault = False, 0, ""
        for raw in (message.events or ())[:most]:
            examined += 1
            try:
                news |= self.log.merge(bytes(raw))
            except EventRefused as error:
                fault = fault or str(error)
        return Taken(news, examined, fault)
