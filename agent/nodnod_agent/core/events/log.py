"""The event log: the events that this agent holds, and how two logs merge.

An event is what its JSON says, and never changes. So a log is a set, and logs can be merged in any
order and any number of times. Which events are kept depends on the set alone too: of each origin (the
run of an agent that wrote them) the newest 250, and of those the newest 1,000.
"""

import re
from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from math import isfinite

from msgspec import Struct
from msgspec.structs import replace

from nodnod_agent.core.interfaces import Clock
from nodnod_agent.core.set_digest import HASH_SIZE, SetDigest, pack_hashes, unpack_hashes
from nodnod_client.codec import decode_event, encode
from nodnod_client.errors import NodNodError, WireError
from nodnod_client.messages import MAX_INT, MAX_NAME_LENGTH, Event
from nodnod_client.printable import replace_unprintable

MAX_EVENTS = 1000

MAX_OF_ORIGIN = 250
"""Events kept of one origin: a noisy agent must not push out what others have seen."""

MAX_TEXT = 200
"""Characters of a text."""

MAX_ID = 96
MAX_INSTANCE = 64

MAX_SIZE = 1000
"""Bytes of one event as agents tell it: a thousand fit into an answer."""

AHEAD = 24 * 3600.0
"""Seconds by which an event may lie in the future, as for members: clocks differ."""

SAME = 30.0
"""Seconds within which several agents may have written the same: each had not heard of the others."""

RECENT = 64
"""Events remembered by the digest before them, so that a peer that lacks only the latest gets these."""

STATES = frozenset(("started", "joined", "restarted", "renamed", "up", "down", "left"))
"""The kinds that say what state a node is in from then on."""

ALERTS = frozenset(("alert-fired", "alert-cleared"))
"""The kinds about one alert, which their texts begin with."""

Place = tuple[float, str, int]
"""Time, id and hash of an event: its place in the order of all events."""

_STATE = "state"

_KIND = re.compile(r"[a-z-]{1,32}")
_ID = re.compile(r"[!-~]+-[0-9]+")


class EventRefused(NodNodError):  # noqa: N818  # it says what happened
    """An event is not taken; the text says why."""


class Record(Struct, frozen=True):
    """One event of the log.

    ``text`` is its JSON as agents tell it, with the fields that only newer agents know. ``number``
    counts arrivals, and ``when`` is the arrival on the core's clock. ``repeats``: an event that
    arrived before says the same.
    """

    event: Event
    text: bytes
    hash: int
    number: int
    when: float
    repeats: bool

    @property
    def place(self) -> Place:
        """Its place in the order of all events."""
        return self.event.at, self.event.id, self.hash


class EventLog:
    """The events of the cluster, as far as this agent knows them, and its own pen."""

    def __init__(self, origin: str, clock: Clock, wall: Callable[[], float]) -> None:
        """``origin`` is the instance of this agent, which is random for each start."""
        self.arrived = 0
        """The number of events that have come in, dropped ones included."""
        self._origin = origin
        self._clock = clock
        self._wall = wall
        self._written = 0
        self._records: dict[int, Record] = {}
        """By hash, in the order of arrival."""
        self._order: list[Place] = []
        """The places of all records, sorted."""
        self._origins: dict[str, list[Place]] = {}
        """Those of each origin, sorted too."""
        self._last: dict[tuple[str, str, str], Record] = {}
        """The record about each topic that arrived last."""
        self._digest: SetDigest[int] = SetDigest(RECENT)
        """Arrivals are known by hashes."""

    def __len__(self) -> int:
        return len(self._records)

    @property
    def digest(self) -> str:
        """16 hexadecimal digits, equal for equal logs."""
        return str(self._digest)

    def write(
        self,
        kind: str,
        node: str,
        text: str,
        *,
        instance: str,
        at: float | None = None,
        more: int = 0,
    ) -> Record:
        """Note that something has happened, now or ``at`` a time.

        ``instance`` is that of the node, ``more`` the number of further nodes that it stands for.
        The text is cut where it is too long.
        """
        event = Event(
            id=f"{self._origin}-{self._written}",
            at=self._wall() if at is None else at,
            node=replace_unprintable(node)[:MAX_NAME_LENGTH],
            kind=kind,
            text=replace_unprintable(text)[:MAX_TEXT],
            instance=instance[:MAX_INSTANCE],
            more=more,
        )
        self._written += 1
        if (over := len(encode(event)) - MAX_SIZE) > 0:
            kept = event.text.encode()[:-over].decode(errors="ignore")
            event = replace(event, text=kept)
        record = self._record(event, encode(event))
        self._keep(record)
        return record

    def merge(self, raw: bytes) -> bool:
        """Take an event that another agent tells; whether it is news. Raises EventRefused."""
        _check_size(raw)
        try:
            event, text = decode_event(raw)
        except WireError as error:
            raise EventRefused(f"not an event: {error}") from None
        _check_size(text)  # numbers may be longer than they were
        if _hash(text) in self._records:
            return False
        _check(event, self._wall())
        return self._keep(self._record(event, text))

    def shown(self, since: float | None, fits: Callable[[str], bool]) -> list[bytes]:
        """The events after a time about the nodes that fit, oldest first; what repeats is left out."""
        last: dict[tuple[str, str, str], Event] = {}
        texts = []
        for *_, key in self._order:
            record = self._records[key]
            event = record.event
            topic = _topic(event)
            if _same(last.get(topic), event):
                continue
            last[topic] = event
            if (since is None or event.at > since) and fits(event.node):
                texts.append(record.text)
        return texts

    def after(self, number: int) -> list[Record]:
        """The records that arrived after that ``number`` of arrivals, in their order."""
        found = []
        for record in self.newest():
            if record.number <= number:
                break
            found.append(record)
        return found[::-1]

    def state(self, node: str, instance: str) -> Record | None:
        """What was last heard of the state of this run of a node."""
        return self._last.get((node, instance, _STATE))

    def newest(self) -> Iterator[Record]:
        """The records, the last arrival first."""
        return reversed(self._records.values())

    def since(self, digest: str) -> list[Record] | None:
        """The records that an agent lacks whose log equals ours at an earlier digest, else ``None``."""
        hashes = self._digest.since(digest)
        if hashes is None:
            return None
        return [self._records[key] for key in hashes if key in self._records]

    def have(self) -> str:
        """Which events this log has: their hashes, for ``beyond`` of another log."""
        return pack_hashes(self._records)

    def beyond(self, have: str) -> list[Record]:
        """The records that an agent lacks which has these, newest first. ValueError if it has nothing."""
        theirs = unpack_hashes(have)
        return [self._records[key] for *_, key in reversed(self._order) if key not in theirs]

    def _record(self, event: Event, text: bytes) -> Record:
        last = self._last.get(_topic(event))
        repeats = last is not None and _same(last.event, event)
        return Record(event, text, _hash(text), self.arrived + 1, self._clock.time(), repeats)

    def _keep(self, record: Record) -> bool:
        """Add a record, and drop the one that has to go for it; false if that is itself."""
        of_origin = self._origins.get(_origin(record.event), [])
        leaving = None
        if len(of_origin) >= MAX_OF_ORIGIN:
            leaving = of_origin[0]
        elif len(self._order) >= MAX_EVENTS:
            leaving = self._order[0]
        if leaving is not None and record.place < leaving:
            return False
        self.arrived = record.number
        self._digest.changing(record.hash)
        self._records[record.hash] = record
        self._last[_topic(record.event)] = record
        insort(self._order, record.place)
        insort(self._origins.setdefault(_origin(record.event), of_origin), record.place)
        self._digest.add(record.hash)
        if leaving is not None:
            self._drop(leaving)
        return True

    def _drop(self, place: Place) -> None:
        self._order.remove(place)
        record = self._records.pop(place[2])
        topic, origin = _topic(record.event), _origin(record.event)
        if self._last.get(topic) is record:
            del self._last[topic]
        self._origins[origin].remove(place)
        if not self._origins[origin]:
            del self._origins[origin]
        self._digest.add(-record.hash)


def within(records: Iterable[Record], size: int) -> list[Record]:
    """The first of the records, as many as fit into ``size`` bytes."""
    kept = []
    for record in records:
        size -= len(record.text) + 1
        if size < 0:
            break
        kept.append(record)
    return kept


def _check_size(text: bytes) -> None:
    if len(text) > MAX_SIZE:
        raise EventRefused(f"an event of {len(text)} bytes, more than {MAX_SIZE}")


def _check(event: Event, now: float) -> None:
    """Raise EventRefused for an event that no agent writes."""
    if len(event.id) > MAX_ID or not _ID.fullmatch(event.id):
        raise EventRefused("`id` must be an instance, a dash and a number, at most 96 characters")
    if not 1 <= len(event.node) <= MAX_NAME_LENGTH or not event.node.isprintable():
        raise EventRefused("`node` must be a printable name of 1 to 128 characters")
    if not _KIND.fullmatch(event.kind):
        raise EventRefused("`kind` must be 1 to 32 small letters and dashes")
    if len(event.text) > MAX_TEXT or not event.text.isprintable():
        raise EventRefused("`text` must be printable and have at most 200 characters")
    if len(event.instance) > MAX_INSTANCE or not event.instance.isprintable():
        raise EventRefused("`instance` must be printable and have at most 64 characters")
    if not 0 <= event.more <= MAX_INT:
        raise EventRefused("`more` must be a number of nodes")
    if not (isfinite(event.at) and event.at >= 0):
        raise EventRefused("`at` must be a Unix time")
    if event.at > now + AHEAD:
        raise EventRefused(
            f"{event.node} {event.kind}: more than a day in the future; is a clock wrong?"
        )


def _same(before: Event | None, event: Event) -> bool:
    """Whether ``before``, the last event on the same topic, says the same.

    One origin knows what it has written: what it writes twice has happened twice.
    """
    return (
        before is not None
        and not event.more
        and before.kind == event.kind
        and abs(before.at - event.at) <= SAME
        and _origin(before) != _origin(event)
    )


def _topic(event: Event) -> tuple[str, str, str]:
    """What an event is about: the state of one run of a node, or one other kind of thing of it."""
    what = _STATE if event.kind in STATES else event.kind
    if event.kind in ALERTS:
        what += " " + event.text.partition(": ")[0]
    return event.node, event.instance, what


def _origin(event: Event) -> str:
    return event.id.rpartition("-")[0]


def _hash(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=HASH_SIZE).digest())
