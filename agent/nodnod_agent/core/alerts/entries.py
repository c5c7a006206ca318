"""The entries of the alert table: what each is about, which of two is right, and what is refused."""

from typing import Any, NamedTuple

from msgspec import Struct

from nodnod_agent.core.membership.table import AHEAD, EntryRefused
from nodnod_client.alerts import Alert, AlertState, Delivery, Silence
from nodnod_client.codec import encode

Entry = Alert | Delivery | Silence


class Key(NamedTuple):
    """What an alert is about."""

    address: str
    rule: str
    object: str


Name = Key | str
"""What an entry belongs to: an alert, or the silence of this id."""

Rank = tuple[bool, float, Any]


class UnknownNode(EntryRefused):
    """An alert about a node that this agent does not know, perhaps not yet."""


class Told(Struct):
    """What is known of telling people of one alert over one channel, also of its earlier epochs."""

    sent: Delivery | None = None
    """The last message."""
    tried: dict[AlertState, Delivery] = {}
    """The last claim or failure of what comes after ``sent``: of a problem, and of its end."""

    @property
    def all(self) -> list[Delivery]:
        """All of these."""
        return [*([self.sent] if self.sent is not None else []), *self.tried.values()]

    @property
    def is_known(self) -> bool:
        """Whether people know of the problem, and do not know that it is over.

        Where a claim was not followed by anything, an agent died, perhaps after its message.
        """
        sent, tried = self.sent, self.tried.get("firing")
        if sent is not None and sent.alert == "firing":
            return True
        return tried is not None and (tried.state == "claim" or tried.doubt)

    def lacks(self, delivery: Delivery) -> bool:
        """Whether a delivery is later than what is known."""
        if delivery.state == "sent":
            return self.sent is None or _is_later(delivery, self.sent)
        if self.sent is not None and stage(delivery) <= stage(self.sent):
            return False
        tried = self.tried.get(delivery.alert)
        return tried is None or _is_later(delivery, tried)


def key_of(entry: Alert | Delivery) -> Key:
    """The key of an alert, or of the alert that a delivery is about."""
    return Key(entry.address, entry.rule, entry.object)


def rank(key: Key, alert: Alert) -> Rank:
    """The alert with the lowest rank goes where there is no room."""
    return alert.state == "firing", alert.epoch, key


def is_newer(alert: Alert, known: Alert) -> bool:
    """Whether an alert is right and the known one for its key is not."""
    # Two agents may note one event at once: all must choose the same of the two.
    if alert.epoch != known.epoch:
        return alert.epoch > known.epoch
    return (alert.since, alert.text, encode(alert)) < (known.since, known.text, encode(known))


def stage(delivery: Delivery) -> tuple[int, int]:
    """Which message about an alert it is."""
    return delivery.epoch, delivery.round


def silence_rank(silence: Silence) -> tuple[bool, float, bytes]:
    """Of one silence the entry with the higher rank is right."""
    return silence.ended, silence.at, encode(silence)


def silence_place(silence: Silence) -> tuple[bool, float, str]:
    """The silence with the lowest place goes where there is no room: those that were ended first."""
    return not silence.ended, silence.until, silence.id


def check_text(entry: Entry, *fields: str) -> None:
    """Raise EntryRefused if one of these fields is not printable."""
    for field in fields:
        text = getattr(entry, field)
        if not text.isprintable():
            raise EntryRefused(f"{named(entry)}: `{field}` is not printable: {text[:64]!r}")


def check_ahead(entry: Entry, now: float, **moments: float) -> None:
    """Raise EntryRefused if one of these fields, in Unix seconds, is far ahead of ``now``."""
    for field, moment in moments.items():
        if is_ahead(moment, now):
            why = f"`{field}` is more than a day in the future; is a clock wrong?"
            raise EntryRefused(f"{named(entry)}: {why}")


def is_ahead(moment: float, now: float) -> bool:
    """Whether a time is so far ahead of ``now`` that no agent takes it."""
    return not moment <= now + AHEAD


def named(entry: Entry) -> str:
    """Which entry a refusal is about."""
    if isinstance(entry, Silence):
        return f"the silence {entry.id}"
    kind = "the alert" if isinstance(entry, Alert) else "a delivery of the alert"
    return f"{kind} {entry.rule[:64]!r} of {entry.address[:100]!r}"


def _is_later(delivery: Delivery, known: Delivery) -> bool:
    if (order := (stage(delivery), delivery.at)) != (other := (stage(known), known.at)):
        return order > other
    return encode(delivery) > encode(known)
