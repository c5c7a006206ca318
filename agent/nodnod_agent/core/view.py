"""What this agent believes of the membership, and how two such beliefs become one.

Every member vouches for itself under an incarnation that only grows; of two entries for an address
the one with the higher incarnation is right, whoever tells it. So merging is the same in any order
and any number of times, and all views that have heard the same agree.
"""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from heapq import nsmallest

import msgspec

from nodnod.address import parse_address
from nodnod.codec import encode
from nodnod.errors import AddressError, NodNodError
from nodnod.messages import MAX_INT, MemberEntry, MemberInfo

__all__ = ["MAX_MEMBERS", "Refused", "View"]

MAX_MEMBERS = 4096
"""Members known besides this one, those that left included; each costs about 1 KB."""

DAY = 24 * 3600.0
REMEMBERED = 2 * DAY
"""Seconds for which a member that left is remembered, so that old news do not bring it back."""

AHEAD = DAY
"""Seconds that an incarnation may lie in the future, for clocks that differ."""

MAX_ENTRY = 1000
"""Bytes of one entry as it is sent: so the longest list is a message that agents take, 4 MiB."""

_DIGEST_RANGE = 1 << 64


class Refused(NodNodError):  # noqa: N818  # it reads as what happened: an entry was refused
    """An entry that cannot be taken, and why."""


class View:
    """The entries of all members by address, and a digest that is equal where views are equal."""

    def __init__(self, own: MemberEntry, wall: Callable[[], float]) -> None:
        self.own = own
        self.entries: dict[str, MemberEntry] = {}
        self._wall = wall
        self._sum = _hash(own)
        self._forgotten: dict[str, int] = {}

    @property
    def digest(self) -> str:
        """16 hexadecimal digits."""
        return f"{self._sum:016x}"

    def all(self) -> list[MemberEntry]:
        """Every entry, our own first."""
        return [self.own, *self.entries.values()]

    def gone(self) -> list[MemberInfo]:
        """Those that left, as rows of the answer to type 3."""
        return [
            MemberInfo(one.name, one.address, one.instance, "left", one.since, None, 2, "")
            for one in self.entries.values()
            if one.state == "left"
        ]

    def beyond(self, known: Iterable[MemberEntry]) -> list[MemberEntry]:
        """What somebody lacks who knows ``known``."""
        theirs = {entry.address: entry for entry in known}
        return [
            entry
            for entry in self.all()
            if (other := theirs.get(entry.address)) is None or _newer(entry, other)
        ]

    def merge(self, entry: MemberEntry) -> MemberEntry | None:
        """Take an entry in; tells it as it now stands, if it was news. Raises Refused."""
        if self.entries.get(entry.address) == entry:
            return None
        entry = self._checked(entry)
        if entry.address == self.own.address:
            self._refute(entry)
            return None
        known = self.entries.get(entry.address)
        if known is not None:
            if not _newer(entry, known):
                return None
        elif entry.incarnation <= self._forgotten.get(entry.address, -1) or (
            entry.state == "left" and self._wall() - entry.since > REMEMBERED
        ):
            return None
        elif len(self.entries) >= MAX_MEMBERS:
            if entry.state == "left":  # nobody misses it
                return None
            self._make_room()
        self._forgotten.pop(entry.address, None)
        self._put(entry)
        return entry

    def forget(self, address: str) -> None:
        """Drop an entry, and do not learn it again from those who have it still."""
        entry = self.entries.pop(address, None)
        if entry is not None:
            self._sum = (self._sum - _hash(entry)) % _DIGEST_RANGE
            if len(self._forgotten) >= MAX_MEMBERS:
                self._forgotten.clear()
            self._forgotten[address] = entry.incarnation

    def recall(self, entry: MemberEntry) -> MemberEntry | None:
        """What to tell a member that calls and that we have given up; ``None`` if we have not.

        Its refutation is news to all who have forgotten it, and they learn of it again.
        """
        if entry.incarnation > self._forgotten.get(entry.address, -1):
            return None
        incarnation = min(self._forgotten[entry.address] + 1, MAX_INT)
        return msgspec.structs.replace(
            entry, incarnation=incarnation, state="left", since=self._wall()
        )

    def expire(self) -> None:
        """Drop those that left so long ago that nobody can bring them back."""
        now = self._wall()
        for entry in list(self.entries.values()):
            if entry.state == "left" and now - entry.since > REMEMBERED:
                self.forget(entry.address)

    def leave(self) -> None:
        """Say of ourselves that we leave."""
        self._become(
            msgspec.structs.replace(
                self.own,
                incarnation=self.own.incarnation + 1,
                state="left",
                since=self._wall(),
            )
        )

    def _checked(self, entry: MemberEntry) -> MemberEntry:
        try:
            address = str(parse_address(entry.address))
        except AddressError as error:
            raise Refused(str(error)) from None
        if not (entry.name.isprintable() and entry.instance.isprintable()):
            raise Refused(f"{entry.name!r} is not a printable name")
        limit = (self._wall() + AHEAD) * 1000
        if entry.incarnation > limit:
            raise Refused(f"the incarnation of {entry.name} lies more than a day in the future")
        if entry.since * 1000 > limit:
            raise Refused(f"{entry.name} left more than a day in the future")
        entry = msgspec.structs.replace(entry, address=address)
        if len(encode(entry)) > MAX_ENTRY:
            raise Refused(f"the entry of {entry.name[:64]} is longer than {MAX_ENTRY} bytes")
        return entry

    def _refute(self, entry: MemberEntry) -> None:
        """Somebody speaks for our address: what is newer than our word was not said by us."""
        if entry.instance == self.own.instance and entry.incarnation <= self.own.incarnation:
            return
        if entry.incarnation >= self.own.incarnation:
            incarnation = min(entry.incarnation + 1, MAX_INT)
            self._become(msgspec.structs.replace(self.own, incarnation=incarnation))
        if entry.name != self.own.name:
            raise Refused(f"{entry.name} claims {entry.address}, which is our own address")

    def _make_room(self) -> None:
        """Forget some of those that left, the first first: addresses may change with each start."""
        left = (entry for entry in self.entries.values() if entry.state == "left")
        oldest = nsmallest(MAX_MEMBERS // 16, left, key=lambda entry: entry.since)
        if not oldest:
            raise Refused(f"{MAX_MEMBERS} members are known already")
        for entry in oldest:
            self.forget(entry.address)

    def _become(self, own: MemberEntry) -> None:
        self._sum = (self._sum - _hash(self.own) + _hash(own)) % _DIGEST_RANGE
        self.own = own

    def _put(self, entry: MemberEntry) -> None:
        known = self.entries.get(entry.address)
        if known is not None:
            self._sum -= _hash(known)
        self.entries[entry.address] = entry
        self._sum = (self._sum + _hash(entry)) % _DIGEST_RANGE


def _newer(entry: MemberEntry, known: MemberEntry) -> bool:
    # Equal incarnations that differ come from no honest member: all must still choose alike.
    return _rank(entry) > _rank(known)


def _rank(entry: MemberEntry) -> tuple[int, bool, str, str]:
    return entry.incarnation, entry.state == "left", entry.instance, entry.name


def _hash(entry: MemberEntry) -> int:
    return int.from_bytes(blake2b(encode(entry), digest_size=8).digest())
