"""The membership table: the entries that this agent holds, and how two tables merge.

Of two entries for an address the one with the higher incarnation is right, whichever agent tells it.
So entries can be merged in any order and any number of times.

Tags, the channels that a member can send over, and the origins of its pages belong to an entry but
decide neither which of two is right nor the digest, because agents that do not know them drop them
when they pass an entry on. Lost ones are filled in from any agent that has them, and corrected by the
member itself.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from heapq import nsmallest
from typing import Any

from msgspec.structs import replace

from nodnod_agent.core.rate_limit import RateLimit
from nodnod_agent.core.set_digest import SetDigest
from nodnod_client.address import parse_address
from nodnod_client.codec import encode
from nodnod_client.errors import AddressError, NodNodError
from nodnod_client.messages import MAX_INT, MAX_SENDS, MemberEntry, MemberInfo
from nodnod_client.origins import MAX_ORIGIN_LENGTH, MAX_ORIGINS, origins_fault
from nodnod_client.tags import MAX_TAG_LENGTH, MAX_TAGS, tags_fault

MAX_MEMBERS = 4096
"""Entries besides our own, members that left included; each costs about 1 KB, and what its tags take."""

MAX_FAR = 16_384
"""The same over a backplane, where a member costs no connection."""

DAY = 24 * 3600.0
REMEMBERED = 2 * DAY
"""Seconds for which a member that left is remembered, so that old news does not bring it back, and so
that its pages can go on with another agent; a lost one for as long since it was last there."""

REFUTE_EVERY = 10.0
"""Seconds between two refutations: two agents that advertise one address would never stop."""

RECENT = 64
"""Changes remembered, so that a peer that lacks only the latest is sent only these."""

AHEAD = DAY
"""Seconds by which an incarnation may lie in the future: clocks differ."""

MAX_ENTRY = 1000
"""Bytes of one entry as it is sent, without tags: so the longest list fits into a message, 4 MiB."""

MAX_EXTRAS = (
    MAX_TAGS * (4 * MAX_TAG_LENGTH + 6) + MAX_SENDS * 19 + MAX_ORIGINS * (MAX_ORIGIN_LENGTH + 3)
)
"""Bytes of the tags, channels and origins of an entry, at most: four for a character of a tag, quotes
and a comma."""


class EntryRefused(NodNodError):  # noqa: N818  # it says what happened
    """An entry is not taken; the text says why."""


class TableFull(EntryRefused):
    """There is no room for one more entry."""


class MembershipTable:
    """The entries of all members by address, and a digest that is equal for equal tables."""

    def __init__(
        self, own: MemberEntry, wall: Callable[[], float], most: int = MAX_MEMBERS
    ) -> None:
        """``most`` is how many others there may be."""
        self.own = own
        self.most = most
        self.entries: dict[str, MemberEntry] = {}
        self.wall = wall
        self._digest: SetDigest[str] = SetDigest(RECENT)
        """Changes are known by addresses."""
        self._digest.add(_hash(own))
        self._forgotten: dict[str, int] = {}
        self._hidden: dict[str, MemberEntry] = {}
        """Forgotten entries that others list: they count for the digest."""
        self._lost: dict[str, tuple[MemberEntry, float]] = {}
        """Forgotten members that were here, and until when their origins count."""
        self.version = 0
        """Grows with every change of the others' entries."""
        self._refuted = False
        self._refutations = RateLimit(1, per=REFUTE_EVERY)
        self._left = 0
        """The number of entries of members that left."""

    @property
    def digest(self) -> str:
        """16 hexadecimal digits."""
        return str(self._digest)

    def all(self) -> list[MemberEntry]:
        """Every entry, our own first."""
        return [self.own, *self.entries.values()]

    def remembered(self) -> tuple[MemberEntry, ...]:
        """The entries of all others, and those of members that were lost within two days."""
        now = self.wall()
        lost = (entry for entry, until in self._lost.values() if now < until)
        return *self.entries.values(), *lost

    def gone(self) -> list[MemberInfo]:
        """The members that left, as rows of the answer to type 3."""
        return [
            MemberInfo(
                one.name, one.address, one.instance, "left", one.since, None, 2, "", one.tags
            )
            for one in self.entries.values()
            if one.state == "left"
        ]

    def beyond(self, known: Iterable[MemberEntry]) -> list[MemberEntry]:
        """The entries that an agent lacks whose entries are ``known``."""
        theirs = {entry.address: entry for entry in known}
        return [
            entry
            for entry in self.all()
            if (other := theirs.get(entry.address)) is None or _newer(entry, other)
        ]

    def since(self, digest: str) -> list[MemberEntry] | None:
        """The entries that an agent lacks whose table equals ours at an earlier digest, else ``None``.

        While one piece of news spreads, nearly every agent lacks just that.
        """
        changed = self._digest.since(digest)
        if changed is None:
            return None
        return [one for address in changed if (one := self.entries.get(address)) is not None]

    def knows(self, entry: MemberEntry, *, own_word: bool = False) -> bool:
        """Whether an entry is certainly no news; cheaper than ``merge``."""
        known = self.entries.get(entry.address)
        if known is not None:
            return known == entry or not (_newer(entry, known) or _corrects(entry, known, own_word))
        if (hidden := self._hidden.get(entry.address)) is not None:
            return not _newer(entry, hidden)
        return entry.incarnation <= self._forgotten.get(entry.address, -1)

    def merge(self, entry: MemberEntry, *, own_word: bool = False) -> MemberEntry | None:
        """Take an entry; returns it as it now stands if it was news. Raises EntryRefused.

        ``own_word`` says that the member itself has sent it.
        """
        if self.knows(entry, own_word=own_word):
            return None
        entry = self._checked(entry)
        if entry.address == self.own.address:
            self._refute(entry)
            return None
        known = self.entries.get(entry.address)
        if known is not None:
            if not _newer(entry, known):
                if not _corrects(entry, known, own_word):
                    return None
                # No change for the digest, so none that others could lack.
                self.entries[entry.address] = entry = replace(known, **_extras(entry))
                self.version += 1
                return entry
            if not entry.origins and entry.instance == known.instance:
                entry = replace(entry, origins=known.origins)  # passed on by an older agent
        elif (
            entry.address not in self._hidden
            and entry.incarnation <= self._forgotten.get(entry.address, -1)
        ) or (entry.state == "left" and self.wall() - entry.since > REMEMBERED):
            return None
        elif len(self.entries) >= self.most:
            if entry.state == "left":  # it was never known here
                return None
            self._make_room()
        self._forgotten.pop(entry.address, None)
        self.drop_hidden(entry.address)
        self._put(entry)
        return entry

    def hide(self, address: str) -> bool:
        """Forget a member that others may list: tables agree until it is dropped.

        Returns whether it is hidden now.
        """
        entry = self.entries.get(address)
        self.forget(address)
        if entry is None or len(self._hidden) >= self.most:
            return False
        self._hidden[address] = entry
        self._digest.add(_hash(entry))
        return True

    def drop_hidden(self, address: str) -> None:
        """Note that no other agent lists a hidden member."""
        entry = self._hidden.pop(address, None)
        if entry is not None:
            self._digest.add(-_hash(entry))
            self._digest.forget_changes()

    def gave_up(self, address: str) -> bool:
        """Whether a member was forgotten, by this agent and by all that it knows to list it."""
        return address in self._forgotten and address not in self._hidden

    def lose(self, address: str, remember: float) -> bool:
        """Hide a member that was lost, but for its origins, which count for some more seconds."""
        if (entry := self.entries.get(address)) is not None and len(self._lost) < self.most:
            self._lost[address] = entry, self.wall() + remember
        return self.hide(address)

    def forget(self, address: str) -> None:
        """Drop an entry, and do not take it again from agents that still have it."""
        entry = self.entries.pop(address, None)
        if entry is not None:
            self.version += 1
            self._left -= entry.state == "left"
            self._digest.add(-_hash(entry))
            self._digest.forget_changes()
            if len(self._forgotten) >= self.most:
                del self._forgotten[next(iter(self._forgotten))]
            self._forgotten[address] = entry.incarnation

    def moved(self, address: str, instance: str) -> bool:
        """Note that a process has left an address, since it is at another one now.

        All agents that see it move note the same, with the same minute, so it is news to few. A
        process that is there after all refutes it. Returns whether it is news.
        """
        entry = self.entries.get(address)
        if entry is None or entry.state == "left" or entry.instance != instance:
            return False
        since = self.wall() // 60 * 60
        self._put(replace(entry, state="left", since=since))
        return True

    def recall(self, entry: MemberEntry) -> MemberEntry | None:
        """The entry that tells a member that it was forgotten here, or has left, as another process at its
        address has told; ``None`` if it is known.

        The member refutes it, and its refutation is news to all agents that have forgotten it.
        """
        known = self.entries.get(entry.address)
        if known is not None and known.state == "left" and _newer(known, entry):
            return known
        if entry.incarnation > self._forgotten.get(entry.address, -1):
            return None
        incarnation = min(self._forgotten[entry.address] + 1, MAX_INT)
        return replace(entry, incarnation=incarnation, state="left", since=self.wall())

    def expire(self) -> None:
        """Drop members that left so long ago that no agent can bring them back.

        Renew our own entry if our clock was so far ahead that no agent has taken it.
        """
        now = self.wall()
        if self.own.incarnation > (now + AHEAD) * 1000:
            self._become(replace(self.own, incarnation=int(now * 1000)))
        for entry in list(self.entries.values()):
            if entry.state == "left" and now - entry.since > REMEMBERED:
                self.forget(entry.address)
        for address in [one for one, (_, until) in self._lost.items() if now >= until]:
            del self._lost[address]
            self.version += 1

    def revise(
        self,
        *,
        tags: Mapping[str, str] | None = None,
        sends: Iterable[str] | None = None,
        origins: Iterable[str] | None = None,
    ) -> None:
        """Give our own entry other tags, channels or origins."""
        own = self.own
        extras = {
            "tags": own.tags if tags is None else dict(tags),
            "sends": own.sends if sends is None else list(sends),
            "origins": own.origins if origins is None else list(origins),
        }
        self._become(replace(own, incarnation=min(own.incarnation + 1, MAX_INT), **extras))

    def leave(self) -> None:
        """Note in our own entry that we leave."""
        incarnation = self.own.incarnation + 1
        self._become(replace(self.own, incarnation=incarnation, state="left", since=self.wall()))

    def _checked(self, entry: MemberEntry) -> MemberEntry:
        try:
            address = parse_address(entry.address)
        except AddressError as error:
            raise EntryRefused(str(error)) from None
        if not address.dialable:
            raise EntryRefused(f"{entry.name} at {address}, which cannot be dialed")
        if not (entry.name.isprintable() and entry.instance.isprintable()):
            raise EntryRefused(f"{entry.name!r} is not a printable name")
        if entry.name != entry.name.strip():
            raise EntryRefused(f"{entry.name!r} is no name: there is a space at its end")
        limit = (self.wall() + AHEAD) * 1000
        for moment, what in ((entry.incarnation, "has started"), (entry.since * 1000, "left")):
            if moment > limit:
                why = f"{entry.name} {what} more than a day in the future; is a clock wrong?"
                raise EntryRefused(why)
        if fault := tags_fault(entry.tags):
            raise EntryRefused(f"the tags of {entry.name[:64]}: expected {fault}")
        if fault := origins_fault(entry.origins):
            raise EntryRefused(f"the origins of {entry.name[:64]}: expected {fault}")
        # Digests are made of entries, so equal ones must look equal: only a member that left has a time.
        told = MemberEntry(entry.name, str(address), entry.instance, entry.incarnation, entry.state)
        if entry.state == "left" and entry.since:
            told = replace(told, since=entry.since)
        if len(encode(told)) > MAX_ENTRY:
            raise EntryRefused(f"the entry of {entry.name[:64]} is longer than {MAX_ENTRY} bytes")
        return replace(told, **_extras(entry)) if has_extras(entry) else told

    def _refute(self, entry: MemberEntry) -> None:
        """Refute an entry for our address that is newer than our own: we did not make it."""
        claim = f"{entry.name} claims {entry.address}, which is our own address"
        if _newer(entry, self.own):
            again, due = self._refuted, self._refutations.take(self.wall())
            if due:
                self._refuted = True
                incarnation = min(entry.incarnation + 1, MAX_INT)
                self._become(replace(self.own, incarnation=incarnation))
            # The first may be our own, from before a restart or before the clock was set back.
            if not due or (again and entry.state != "left"):
                raise EntryRefused(f"{claim}; do two agents advertise it?")
        elif entry.instance == self.own.instance:
            return
        if entry.name != self.own.name:
            raise EntryRefused(claim)

    def _make_room(self) -> None:
        """Forget the members that left first: addresses may change with each start."""
        if not self._left:
            raise TableFull(f"{self.most} members are known already")
        left = (entry for entry in self.entries.values() if entry.state == "left")
        for entry in nsmallest(self.most // 16, left, key=lambda entry: entry.since):
            self.forget(entry.address)

    def _become(self, own: MemberEntry) -> None:
        self._digest.changing(own.address)
        self._digest.add(_hash(own) - _hash(self.own))
        self.own = own

    def _put(self, entry: MemberEntry) -> None:
        self._digest.changing(entry.address)
        self.version += 1
        known = self.entries.get(entry.address)
        if known is not None:
            self._digest.add(-_hash(known))
            self._left -= known.state == "left"
        self._left += entry.state == "left"
        self.entries[entry.address] = entry
        self._digest.add(_hash(entry))


def _newer(entry: MemberEntry, known: MemberEntry) -> bool:
    # Different entries with equal incarnations are not honest, but all agents must choose the same.
    return _rank(entry) > _rank(known)


def has_extras(entry: MemberEntry) -> bool:
    """Whether an entry has anything that not all agents pass on."""
    return bool(entry.tags or entry.sends or entry.origins)


def _extras(entry: MemberEntry) -> dict[str, Any]:
    """What of an entry not all agents pass on."""
    return {"tags": entry.tags, "sends": entry.sends, "origins": entry.origins}


def _corrects(entry: MemberEntry, known: MemberEntry, own_word: bool) -> bool:
    """Whether an entry that is as right as ours has the extras that ours should have."""
    return (
        _extras(entry) != _extras(known)
        and (own_word or not has_extras(known))
        and known.state == "up"
        and _rank(entry) == _rank(known)
    )


def _rank(entry: MemberEntry) -> tuple[int, bool, str, str, float]:
    return entry.incarnation, entry.state == "left", entry.instance, entry.name, entry.since


def _hash(entry: MemberEntry) -> int:
    told_by_all = replace(entry, tags={}, sends=[], origins=[]) if has_extras(entry) else entry
    return int.from_bytes(blake2b(encode(told_by_all), digest_size=8).digest())
