"""The alert table: every alert in the cluster, who was told of it, and the silences.

Of two entries for one key the newer is right, whichever agent tells it, and what has no room is chosen
by the entries alone. So entries can be merged in any order and any number of times.
"""

from collections.abc import Callable
from hashlib import blake2b
from heapq import heappop, heappush
from math import inf, isfinite
from typing import Any

from msgspec.structs import replace

from nodnod_agent.core.alerts.entries import (
    Entry,
    Key,
    Name,
    Rank,
    Told,
    UnknownNode,
    check_ahead,
    check_text,
    is_ahead,
    is_newer,
    key_of,
    named,
    rank,
    silence_place,
    silence_rank,
    stage,
)
from nodnod_agent.core.membership.table import DAY, EntryRefused
from nodnod_agent.core.set_digest import SetDigest, pack_hashes, packed, unpack_hashes
from nodnod_client.alerts import Alert, Delivery, Silence
from nodnod_client.codec import encode
from nodnod_client.messages import MemberEntry

MAX_ALERTS = 4096
MAX_OF_NODE = 64
MAX_CHANNELS = 16
"""Channels whose deliveries are kept for one alert."""
MAX_SILENCES = 256
MAX_EVICTED = 4096
"""Alerts without room that are remembered."""

KEPT_RESOLVED = DAY
"""Seconds for which an alert is kept after its end, so that its end can still be told."""

LEFT_GRACE = 300.0
"""Seconds from a goodbye until the alerts of the node end: it may have been a restart."""

HAS_LEFT = "the node has left"
"""The text of alerts that ended because their node left on purpose: nobody is told."""

LONGEST_SILENCE = 366 * DAY
"""What other agents may tell; clients may ask for less."""

RECENT = 256
"""Changes remembered, so that a peer that lacks only the latest is sent only these."""

_Version = tuple[Any, ...]


class AlertTable:
    """The entries by key, and a digest that is equal for equal tables.

    ``member`` finds the membership entry of an address.
    """

    def __init__(
        self, member: Callable[[str], MemberEntry | None], wall: Callable[[], float]
    ) -> None:
        self.alerts: dict[Key, Alert] = {}
        self.silences: dict[str, Silence] = {}
        self._told: dict[Key, dict[str, Told]] = {}
        self._of_node: dict[str, dict[Key, None]] = {}
        """The keys by address."""
        self._member = member
        self._wall = wall
        self._digest: SetDigest[Name] = SetDigest(RECENT)
        """Changes are known by keys, and by the ids of silences."""
        self._sums: dict[Name, int] = {}
        """What each alert with its deliveries, and each silence, adds to the digest."""
        self._evicted: dict[Name, _Version] = {}
        """The version of each entry that has lost its place, so that no earlier one comes back."""
        self._ranks: list[Rank] = []
        """A heap with the ranks of all alerts, and some that are outdated."""

    @property
    def digest(self) -> str:
        """16 hexadecimal digits."""
        return str(self._digest)

    def of(self, address: str) -> list[Alert]:
        """The alerts of the node at an address."""
        return [self.alerts[key] for key in self._of_node.get(address, ())]

    def told(self, key: Key, channel: str) -> Told:
        """What is known of telling people of an alert over a channel; not to be changed."""
        return self._told.get(key, {}).get(channel, Told())

    def firing(self, address: str, rule: str) -> bool:
        """Whether there is an alert of a rule about the node at an address as a whole."""
        alert = self.alerts.get(Key(address, rule, ""))
        return alert is not None and alert.state == "firing"

    def entries(self, name: Name) -> list[Entry]:
        """A silence, or an alert and its deliveries after it; empty if it is not there."""
        if isinstance(name, str):
            return [self.silences[name]] if name in self.silences else []
        if (alert := self.alerts.get(name)) is None:
            return []
        return [alert, *(one for told in self._told.get(name, {}).values() for one in told.all)]

    def since(self, digest: str) -> list[Name] | None:
        """What an agent lacks whose table equals ours at an earlier digest, else ``None``."""
        return self._digest.since(digest)

    def have(self) -> str:
        """Which entries this table has: their hashes, for ``beyond`` of another table."""
        return pack_hashes(self._sums.values())

    def beyond(self, have: str) -> list[Name]:
        """What an agent lacks that has these, the newest first. ValueError if it has nothing."""
        theirs = unpack_hashes(have)
        lacking = [name for name, value in self._sums.items() if packed(value) not in theirs]
        return sorted(lacking, key=self._rank, reverse=True)

    def merge(self, entry: Entry) -> Name | None:
        """Take an entry; returns what has changed if it was news. Raises EntryRefused."""
        if isinstance(entry, Alert):
            key = key_of(entry)
            return key if self._merge_alert(key, entry) else None
        if isinstance(entry, Delivery):
            key = key_of(entry)
            return key if self._merge_delivery(key, entry) else None
        return entry.id if self._merge_silence(entry) else None

    def forget(self, address: str) -> None:
        """Drop the alerts of a node that is forgotten."""
        for key in list(self._of_node.get(address, ())):
            self._drop(key)

    def expire(self) -> list[Name]:
        """Drop what is over, end the alerts of nodes that left; returns what has changed or gone.

        What is a day ahead is of a time when our clock was: no other agent has taken it.
        What ends with a goodbye looks the same at all agents: it is no news to them.
        """
        now, changed = self._wall(), list[Name]()
        for silence in list(self.silences.values()):
            if now > silence.until:
                self._drop_silence(silence)
                changed.append(silence.id)
        for key, alert in list(self.alerts.items()):
            if is_ahead(alert.epoch / 1000, now):
                self._drop(key)
                changed.append(key)
                continue
            if alert.state == "resolved":
                if now - alert.since > KEPT_RESOLVED:
                    self._drop(key)
                    changed.append(key)
                continue
            member = self._member(key.address)
            if member is not None and member.state == "left" and now - member.since > LEFT_GRACE:
                epoch = alert.epoch + 1
                since = member.since
                self._put(
                    key, replace(alert, epoch=epoch, state="resolved", since=since, text=HAS_LEFT)
                )
                changed.append(key)
        return changed

    # Alerts.

    def _merge_alert(self, key: Key, alert: Alert) -> bool:
        known = self.alerts.get(key)
        if known is not None and is_ahead(known.epoch / 1000, self._wall()):
            self._drop(key)  # our clock has been set back
            known = None
        if known is not None and (alert == known or not is_newer(alert, known)):
            return False
        if key in self._evicted and alert.epoch < self._evicted[key][0]:
            return False
        self._check_alert(alert)
        if alert.state == "resolved" and self._wall() - alert.since > KEPT_RESOLVED:
            return False
        if known is None and not self._make_room(key, alert):
            self._remember(key, (alert.epoch,))
            return False
        self._put(key, alert)
        return True

    def _check_alert(self, alert: Alert) -> None:
        check_text(alert, "node", "rule", "object", "text")
        for field in ("value", "threshold", "since"):
            value = getattr(alert, field)
            if value is not None and not isfinite(value):
                raise EntryRefused(f"{named(alert)}: `{field}` is {value}, which is no number")
        check_ahead(alert, self._wall(), epoch=alert.epoch / 1000, since=alert.since)
        member = self._member(alert.address)
        if member is None:
            raise UnknownNode(f"{named(alert)}: `address` is of no known node")
        # An older one may be of the time before the node got another name.
        if alert.node != member.name and alert.epoch > member.incarnation:
            why = f"`node` is {alert.node!r}, but {member.name!r} is at {alert.address}"
            raise EntryRefused(f"{named(alert)}: {why}")

    def _rank(self, name: Name) -> Rank:
        """What has the lowest rank goes where there is no room, and is told last."""
        if isinstance(name, str):
            return True, inf, (name,)
        return rank(name, self.alerts[name])

    def _make_room(self, key: Key, alert: Alert) -> bool:
        """Drop the alert that ranks lowest where there is no room; false if the new one would."""
        of_node = self._of_node.get(key.address, {})
        if len(of_node) >= MAX_OF_NODE:
            lowest = min(of_node, key=self._rank)
        elif len(self.alerts) >= MAX_ALERTS:
            lowest = self._lowest()
        else:
            return True
        if rank(key, alert) < self._rank(lowest):
            return False
        self._remember(lowest, (self.alerts[lowest].epoch,))
        self._drop(lowest)
        return True

    def _lowest(self) -> Key:
        """The key of the lowest rank of all."""
        while True:
            lowest = self._ranks[0]
            key: Key = lowest[2]
            if key in self.alerts and self._rank(key) == lowest:
                return key
            heappop(self._ranks)

    def _put(self, key: Key, alert: Alert) -> None:
        self._digest.changing(key)
        self._replace(key, self.alerts.get(key), alert)
        self._evicted.pop(key, None)
        self.alerts[key] = alert
        heappush(self._ranks, rank(key, alert))
        if len(self._ranks) > 2 * len(self.alerts) + MAX_OF_NODE:
            self._ranks = sorted(map(self._rank, self.alerts))
        self._of_node.setdefault(key.address, {})[key] = None

    def _drop(self, key: Key) -> None:
        of_node = self._of_node[key.address]
        del of_node[key]
        if not of_node:
            del self._of_node[key.address]
        del self.alerts[key]
        self._told.pop(key, None)
        self._digest.add(-self._sums.pop(key))
        self._digest.forget_changes()

    # Deliveries.

    def _merge_delivery(self, key: Key, delivery: Delivery) -> bool:
        alert = self.alerts.get(key)
        if alert is None or delivery.epoch > alert.epoch:
            return False  # it comes again with its alert
        channels = self._told.get(key, {})
        told = channels.get(delivery.channel)
        if told is None:
            told = Told()
            if len(channels) >= MAX_CHANNELS and delivery.channel < min(channels):
                return False
        if not told.lacks(delivery):
            return False
        self._check_delivery(delivery)
        self._digest.changing(key)
        channels = self._told.setdefault(key, {})
        channels[delivery.channel] = told
        if delivery.state == "sent":
            self._replace(key, told.sent, delivery)
            told.sent = delivery
            for alert_state, tried in list(told.tried.items()):
                if stage(tried) <= stage(delivery):
                    self._replace(key, tried, None)
                    del told.tried[alert_state]
        else:
            self._replace(key, told.tried.get(delivery.alert), delivery)
            told.tried[delivery.alert] = delivery
        if len(channels) > MAX_CHANNELS:
            for dropped in channels.pop(min(channels)).all:
                self._replace(key, dropped, None)
        return True

    def _check_delivery(self, delivery: Delivery) -> None:
        check_text(delivery, "by")
        check_ahead(delivery, self._wall(), at=delivery.at)

    # Silences.

    def _merge_silence(self, silence: Silence) -> bool:
        known, now = self.silences.get(silence.id), self._wall()
        if known is not None and silence_rank(silence) <= silence_rank(known):
            return False
        if silence.until <= now:
            return False
        check_text(silence, "node", "rule", "reason", "by")
        check_ahead(silence, now, at=silence.at)
        if not silence.until - now <= LONGEST_SILENCE:
            raise EntryRefused(f"{named(silence)}: `until` is more than a year in the future")
        if silence.id in self._evicted and silence_rank(silence) < self._evicted[silence.id]:
            return False
        self._digest.changing(silence.id)
        self._replace(silence.id, known, silence)
        self._evicted.pop(silence.id, None)
        self.silences[silence.id] = silence
        if len(self.silences) > MAX_SILENCES:
            lowest = min(self.silences.values(), key=silence_place)
            self._remember(lowest.id, silence_rank(lowest))
            self._drop_silence(lowest)
        return silence.id in self.silences

    def _drop_silence(self, silence: Silence) -> None:
        del self.silences[silence.id]
        self._digest.add(-self._sums.pop(silence.id))
        self._digest.forget_changes()

    # Both.

    def _remember(self, name: Name, version: _Version) -> None:
        if len(self._evicted) >= MAX_EVICTED:
            for first in list(self._evicted)[: MAX_EVICTED // 16]:
                del self._evicted[first]
        self._evicted[name] = version

    def _replace(self, name: Name, old: Entry | None, new: Entry | None) -> None:
        """Have the digest count one entry for another."""
        change = (_hash(new) if new is not None else 0) - (_hash(old) if old is not None else 0)
        self._sums[name] = self._sums.get(name, 0) + change
        self._digest.add(change)


def _hash(entry: Entry) -> int:
    kind = type(entry).__name__.encode()[:1]
    return int.from_bytes(blake2b(encode(entry), digest_size=8, person=kind).digest())
