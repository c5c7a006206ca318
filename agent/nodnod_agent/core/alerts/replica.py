"""The alert table as gossip sees it: packed into messages, and taken out of them."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import Raw

from nodnod_agent.core.alerts.entries import Key, Name, UnknownNode
from nodnod_agent.core.alerts.table import AlertTable
from nodnod_agent.core.exchange import Fields, Sizes, Taken
from nodnod_agent.core.membership.table import EntryRefused
from nodnod_client.alerts import Alert, Delivery, Silence
from nodnod_client.codec import decode, encode
from nodnod_client.errors import WireError
from nodnod_client.messages import Join, PeerAnswer

MOST = 512
"""Entries that are taken out of one message; no agent packs as many. The others come again."""

SIZES = Sizes(request=14 * 1024, answer=48 * 1024, examined=2048)

_KINDS: tuple[tuple[str, msgspec.json.Decoder[Any]], ...] = (
    ("alerts", msgspec.json.Decoder(Alert)),
    ("deliveries", msgspec.json.Decoder(Delivery)),
    ("silences", msgspec.json.Decoder(Silence)),
)
"""The fields of a message in the order in which they are taken: a delivery needs its alert."""

_FIELDS: dict[type, str] = {Alert: "alerts", Delivery: "deliveries", Silence: "silences"}


class AlertReplica:
    """Packs entries, and tells of those that came in and were news."""

    field = "alerts"
    sizes = SIZES

    def __init__(
        self, table: AlertTable, changed: Callable[[list[Name], list[Alert]], None]
    ) -> None:
        """``changed`` takes what has changed by one message, and the alerts among that."""
        self._table = table
        self._changed = changed
        self.since = table.since
        self.have = table.have

    @property
    def digest(self) -> str:
        """That of the table."""
        return self._table.digest

    def beyond(self, have: str, address: str) -> list[Name]:
        """What an agent lacks that has these: first its own alerts, which it may have had before a restart."""
        lacking = self._table.beyond(have)
        return sorted(lacking, key=lambda one: not isinstance(one, Key) or one.address != address)

    def packed(self, names: Iterable[Name], size: int) -> tuple[Fields, list[Name]]:
        """The fields of a message with these silences and alerts, each with its deliveries."""
        fields: Fields = {}
        left = list(names)
        for place, name in enumerate(left):
            texts = [(_FIELDS[type(one)], encode(one)) for one in self._table.entries(name)]
            if fields and sum(len(text) + 1 for _, text in texts) > size:
                return fields, left[place:]
            for field, text in texts:
                size -= len(text) + 1
                if size >= 0:
                    fields.setdefault(field, []).append(Raw(text))
        return fields, []

    def take(self, message: Join | PeerAnswer, most: int) -> Taken:
        """Take the entries in a message."""
        changed: dict[Name, None] = {}
        alerts: list[Alert] = []
        examined, fault = 0, ""
        most = min(most, MOST)
        for field, decoder in _KINDS:
            for raw in (getattr(message, field) or ())[: most - examined]:
                examined += 1
                try:
                    entry = decode(decoder, bytes(raw))
                    name = self._table.merge(entry)
                except WireError as error:
                    fault = fault or f"`{field}`: {error}"
                except UnknownNode:
                    pass  # a newcomer hears of alerts before it knows all nodes: they come again
                except EntryRefused as error:
                    fault = fault or str(error)
                else:
                    if name is not None:
                        changed[name] = None
                        alerts += [entry] if isinstance(entry, Alert) else []
        if changed:
            self._changed(list(changed), alerts)
        return Taken(bool(changed), examined, fault)
