"""What this agent believes of the membership, and how two such beliefs become one.

Every member vouches for itself under an incarnation that only grows; of two entries for an address
the one with the higher incarnation is right, whoever tells it. So merging is the same in any order
and any number of times, and all views that have heard the same agree.
"""

from collections import deque
from collections.abc import Callable, Iterable
from hashlib import blake2b
from heapq import nsmallest

import msgspec

from nodnod_agent.core.rate_limit import RateLimit
from nodnod_client.address import parse_address
from nodnod_client.codec import encode
from nodnod_client.errors import AddressError, NodNodError
from nodnod_client.messages import MAX_INT, MemberEntry, MemberInfo

MAX_MEMBERS = 4096
"""Members known besides this one, those that left included; each costs about 1 KB."""

DAY = 24 * 3600.0
REMEMBERED = 2 * DAY
"""Seconds for which a member that left is remembered, so that old news do not bring it back."""

REFUTE_EVERY = 10.0
"""Seconds between two refutations: two agents that advertise one address never agree whose it is."""

RECENT = 64
"""Changes remembered, to tell a peer that lacks the last of them no more than these."""

AHEAD = DAY
"""Seconds that an incarnation may lie in the future, for clocks that differ."""

MAX_ENTRY = 1000
"""Bytes of one entry as it is sent: so the longest list is a message that agents take, 4 MiB."""

_DIGEST_RANGE = 1 << 64


class EntryRefused(NodNodError):  # noqa: N818  # it reads as what happened: an entry was refused
    """An entry that cannot be taken, and why."""


class TableFull(EntryRefused):
    """There is no room for one more."""


class MembershipTable:
    """The entries of all members by address, and a digest that is equal where views are equal."""

    def __init__(self, own: MemberEntry, wall: Callable[[], float]) -> None:
        self.own = own
        self.entries: dict[str, MemberEntry] = {}
        self._wall = wall
        self._sum = _hash(own)
        self._forgotten: dict[str, int] = {}
        self._refuted = False
        self._refutations = RateLimit(1, per=REFUTE_EVERY)
        self._left = 0
        """How many of the entries are of members that left."""
        self._recent: deque[tuple[str, str]] = deque(maxlen=RECENT)
        """The last changes: the digest before each, and the address whose entry changed."""

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

    def since(self, digest: str) -> list[MemberEntry] | None:
        """What somebody lacks who knows what we knew when our digest was this; ``None``: who knows.

        It is what nearly everybody lacks while one piece of news goes round.
        """
        digests = [before for before, _ in self._recent]
        if digest not in digests:
            return None
        changed = {address for _, address in list(self._recent)[digests.index(digest) :]}
        return [one for address in changed if (one := self.entries.get(address)) is not None]

    def knows(self, entry: MemberEntry) -> bool:
        """Whether this is no news, at a glance."""
        known = self.entries.get(entry.address)
        if known is not None:
            return known == entry or not _newer(entry, known)
        return entry.incarnation <= self._forgotten.get(entry.address, -1)

    def merge(self, entry: MemberEntry) -> MemberEntry | None:
        """Take an entry in; tells it as it now stands, if it was news. Raises Refused."""
        if self.knows(entry):
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
            self._left -= entry.state == "left"
            self._sum = (self._sum - _hash(entry)) % _DIGEST_RANGE
            self._recent.clear()  # who knew what we knew then lacks nothing: we do
            if len(self._forgotten) >= MAX_MEMBERS:
                self._forgotten.clear()
            self._forgotten[address] = entry.incarnation

    def moved(self, address: str, instance: str) -> bool:
        """Say of a process that it is not at an address any more, for it is at another one now.

        All who have seen it move say the same, of the same minute, so it is news to few. Who is
        there all the same refutes it. Tells whether it is news.
        """
        entry = self.entries.get(address)
        if entry is None or entry.state == "left" or entry.instance != instance:
            return False
        since = self._wall() // 60 * 60
        self._put(msgspec.structs.replace(entry, state="left", since=since))
        return True

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
        """Drop those that left so long ago that nobody can bring them back.

        And our own word, if our clock was so far ahead when we gave it that nobody has taken it.
        """
        now = self._wall()
        if self.own.incarnation > (now + AHEAD) * 1000:
            self._become(msgspec.structs.replace(self.own, incarnation=int(now * 1000)))
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
            address = parse_address(entry.address)
        except AddressError as error:
            raise EntryRefused(str(error)) from None
        if not address.dialable:
            raise EntryRefused(f"{entry.name} at {address}, which nobody can dial")
        if not (entry.name.isprintable() and entry.instance.isprintable()):
            raise EntryRefused(f"{entry.name!r} is not a printable name")
        if entry.name != entry.name.strip():
            raise EntryRefused(f"{entry.name!r} is no name: there is a space at its end")
        limit = (self._wall() + AHEAD) * 1000
        if entry.incarnation > limit:
            raise EntryRefused(
                f"{entry.name} has started more than a day in the future; is a clock wrong?"
            )
        if entry.since * 1000 > limit:
            raise EntryRefused(
                f"{entry.name} left more than a day in the future; is a clock wrong?"
            )
        # One way to say a thing: the digest is made of what is said. Only who left did so some time.
        when = {"since": entry.since} if entry.state == "left" and entry.since else {}
        entry = MemberEntry(
            entry.name, str(address), entry.instance, entry.incarnation, entry.state, **when
        )
        if len(encode(entry)) > MAX_ENTRY:
            raise EntryRefused(f"the entry of {entry.name[:64]} is longer than {MAX_ENTRY} bytes")
        return entry

    def _refute(self, entry: MemberEntry) -> None:
        """Somebody speaks for our address: what is newer than our word was not said by us."""
        claim = f"{entry.name} claims {entry.address}, which is our own address"
        if _newer(entry, self.own):
            again, due = self._refuted, self._refutations.take(self._wall())
            if due:
                self._refuted = True
                incarnation = min(entry.incarnation + 1, MAX_INT)
                self._become(msgspec.structs.replace(self.own, incarnation=incarnation))
            # Once it may be our own word, of before a restart or of a clock that has been set back.
            if not due or (again and entry.state != "left"):
                raise EntryRefused(f"{claim}; do two agents advertise it?")
        elif entry.instance == self.own.instance:
            return
        if entry.name != self.own.name:
            raise EntryRefused(claim)

    def _make_room(self) -> None:
        """Forget some of those that left, the first first: addresses may change with each start."""
        if not self._left:
            raise TableFull(f"{MAX_MEMBERS} members are known already")
        left = (entry for entry in self.entries.values() if entry.state == "left")
        for entry in nsmallest(MAX_MEMBERS // 16, left, key=lambda entry: entry.since):
            self.forget(entry.address)

    def _become(self, own: MemberEntry) -> None:
        self._recent.append((self.digest, own.address))
        self._sum = (self._sum - _hash(self.own) + _hash(own)) % _DIGEST_RANGE
        self.own = own

    def _put(self, entry: MemberEntry) -> None:
        self._recent.append((self.digest, entry.address))
        known = self.entries.get(entry.address)
        if known is not None:
            self._sum -= _hash(known)
            self._left -= known.state == "left"
        self._left += entry.state == "left"
        self.entries[entry.address] = entry
        self._sum = (self._sum + _hash(entry)) % _DIGEST_RANGE


def _newer(entry: MemberEntry, known: MemberEntry) -> bool:
    # Equal incarnations that differ come from no honest member: all must still choose alike.
    return _rank(entry) > _rank(known)


def _rank(entry: MemberEntry) -> tuple[int, bool, str, str, float]:
    return entry.incarnation, entry.state == "left", entry.instance, entry.name, entry.since


def _hash(entry: MemberEntry) -> int:
    return int.from_bytes(blake2b(encode(entry), digest_size=8).digest())
