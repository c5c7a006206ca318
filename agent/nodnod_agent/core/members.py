"""Who is in the cluster, and under which name each node stands in an answer."""

from bisect import bisect
from enum import Enum

from nodnod.address import Address
from nodnod.codec import encode
from nodnod.messages import MAX_NAME_LENGTH, MemberInfo, PeerAnswer
from nodnod_agent.core.entries import error_entry, from_peer
from nodnod_agent.core.link import Link
from nodnod_agent.core.question import Question, matches

__all__ = ["NOT_CONNECTED", "Member", "Roster", "Standing"]

NOT_CONNECTED = "not connected yet"


class Standing(Enum):
    """What an address turned out to be, once somebody answered there."""

    MEMBER = "member"
    SELF = "self"
    ALIAS = "alias"


class Member:
    """One address of the cluster and the node behind it, as far as it is known."""

    __slots__ = (
        "_entry",
        "_failures",
        "_terms",
        "address",
        "alias_of",
        "configured",
        "error",
        "instance",
        "key",
        "left",
        "link",
        "listed",
        "name",
        "proved",
        "since",
        "version",
    )

    def __init__(self, address: Address, *, configured: bool) -> None:
        self.address = address
        self.configured = configured
        self.link: Link | None = None
        self.name = ""
        self.instance = ""
        self.version = 0
        self.error = NOT_CONNECTED
        self.left = False
        """It said goodbye, or so it seems: it is not missed, and not listed until it comes back."""
        self.proved = configured
        """Whether it has ever answered, or somebody stands for it by having configured it."""
        self.since = 0.0
        """When it was last seen to come up or go down, in Unix seconds."""
        self.alias_of: Member | None = None
        self.listed = str(address)
        self.key = b""
        self._terms: tuple[object, ...] = ()
        self._entry = b""
        self._failures: dict[tuple[str, int], bytes] = {}

    @property
    def up(self) -> bool:
        """Whether it can be asked."""
        return self.link is not None and self.link.up

    @property
    def log_key(self) -> dict[str, str]:
        """For its log lines, which are limited by key: many members that go down get one each."""
        return {"key": str(self.address)}

    @property
    def present(self) -> bool:
        """Whether it, or the same process at another address, can be asked."""
        same = self.alias_of
        return self.up or (same is not None and same.up and same.instance == self.instance)

    def failure(self, error: str, stat_type: int) -> bytes:
        """The node object that stands for it while it cannot be read."""
        entry = self._failures.get((error, stat_type))
        if entry is None:
            if len(self._failures) > 16:
                self._failures.clear()
            entry = self._failures[error, stat_type] = error_entry(self.listed, error, stat_type)
        return entry

    def entry(self, answer: PeerAnswer, question: Question) -> bytes:
        """Its node object in its answer, see from_peer; what it repeats is not checked again."""
        raw = bytes(next(iter(answer.nodes.values()))) if len(answer.nodes) == 1 else b""
        terms = (question, self.name, self.listed, self.version, raw)
        if terms != self._terms:
            self._entry = from_peer(
                answer, question, name=self.name, listed=self.listed, version=self.version
            )
            self._terms = terms
        return self._entry

    def list_as(self, name: str) -> None:
        """Take the name under which it stands in answers."""
        self.listed = name
        self.key = encode(name) + b":"
        self._failures.clear()

    def info(self) -> MemberInfo:
        """Its row of the answer to type 3."""
        wire = self.link.wire if self.link is not None else None
        return MemberInfo(
            name=self.listed,
            address=str(self.address),
            instance=self.instance,
            state="up" if self.up else "down",
            since=self.since or None,
            rtt=wire.rtt if wire is not None else None,
            version=self.version or None,
            error=self.error,
        )

    def __str__(self) -> str:
        return f"[{self.name or self.address} : {self.address}]"


class Roster:
    """All members by address, each listed exactly once, none over another."""

    def __init__(self, name: str, instance: str) -> None:
        self.name = name
        self.instance = instance
        self.members: dict[Address, Member] = {}
        self.version = 0
        """Grows with every change of who is listed, and how."""
        self._listed: dict[str, Member] = {}
        self._called: dict[str, list[Member]] = {}
        self._listing: tuple[Member, ...] | None = None
        self._placed: tuple[Member, ...] | None = None
        self._place = 0

    def add(self, address: Address, *, configured: bool) -> Member:
        """Take in an address, or find the member that has it."""
        member = self.members.get(address)
        if member is None:
            member = self.members[address] = Member(address, configured=configured)
            self._relist(member)
        elif configured:
            member.configured = member.proved = True
        return member

    def remove(self, member: Member) -> None:
        """Forget an address; what were other addresses of the same node stand for themselves."""
        if self.members.pop(member.address, None) is None:
            return
        aliases = self.aliases(member)
        self._call(member, "")
        member.left = True
        self._relist(member)
        for alias in aliases:
            alias.alias_of = None
            self._relist(alias)

    def identify(self, member: Member, name: str, instance: str, version: int) -> Standing:
        """Note who answered at an address; tells whether that is a node of its own.

        An address under which a node answers that is up at another one already is its alias. Where
        the other is down, the node has moved, or come back, and the other is the alias now.
        """
        if instance and instance == self.instance:
            return Standing.SELF
        name = name[:MAX_NAME_LENGTH]
        # One that stood for itself under this name before has its own place among its namesakes.
        newly = member.version == 0 or member.name != name or member.alias_of is not None
        for one in (*self.aliases(member), member):
            self._call(one, name)
        member.instance, member.version = instance, version
        member.proved, member.left, member.alias_of = True, False, None
        twin = self._twin(member, newly)
        if twin is not None and twin.up:
            member.alias_of = twin
        elif twin is not None:
            for other in self.aliases(twin):
                other.alias_of = member
            twin.alias_of = member
            self._relist(twin)
        self._relist(member)
        return Standing.MEMBER if member.alias_of is None else Standing.ALIAS

    def hear_of(self, member: Member, name: str, instance: str) -> Standing:
        """Note who is said to be at an address, until somebody answers us there.

        While a node of that name is up elsewhere, it is taken for the same one; with our own name
        it may be ourselves, from before we moved, and is not missed.
        """
        self._call(member, name[:MAX_NAME_LENGTH])
        member.instance = instance
        member.left = member.name == self.name and not member.proved
        same = (other for other in self._others(member) if other.up)
        member.alias_of = next(same, None)
        self._relist(member)
        if member.alias_of is not None and member.alias_of.instance == instance:
            return Standing.ALIAS
        return Standing.MEMBER

    def leave(self, member: Member) -> None:
        """Note that a member said goodbye."""
        member.left = True
        self._relist(member)

    def aliases(self, member: Member) -> list[Member]:
        """The other addresses of the same node."""
        named = self._called.get(member.name, ()) if member.name else ()
        return [other for other in named if other.alias_of is member]

    def listing(self) -> tuple[Member, ...]:
        """The members that stand in an answer, by name; this node itself not among them."""
        if self._listing is None:
            members = self.members.values()
            shown = (one for one in members if one.alias_of is None and not one.left)
            self._listing = tuple(sorted(shown, key=lambda member: member.listed))
        return self._listing

    def rows(self, address: str, started: float) -> list[MemberInfo]:
        """Who is listed, as type 3 has them: first this node, which listens at ``address``."""
        own = MemberInfo(self.name, address, self.instance, "up", started, 0.0, 2, "")
        return [own, *(member.info() for member in self.listing())]

    def own_place(self, listing: tuple[Member, ...]) -> int:
        """Where this node itself stands among ``listing``."""
        if listing is not self._placed:
            self._placed = listing
            self._place = bisect(listing, self.name, key=lambda member: member.listed)
        return self._place

    def select(self, question: Question) -> tuple[tuple[Member, ...], bool, list[str]]:
        """The members that a question is about, whether this node is, and names nobody has."""
        nodes = question.nodes
        if question.here:
            return (), True, []
        if nodes is None:
            return self.listing(), True, []
        members = tuple(member for member in self.listing() if matches(member.listed, nodes))
        own = matches(self.name, nodes)
        known = {member.listed for member in members} | ({self.name} if own else set())
        unknown = [node for node in nodes if node not in known and not set(node) & set("*?[")]
        return members, own, unknown

    def _others(self, member: Member) -> list[Member]:
        """Those listed that say that they have the same name."""
        named = self._called.get(member.name, ()) if member.name else ()
        return [other for other in named if other is not member and other.alias_of is None]

    def _twin(self, member: Member, newly: bool) -> Member | None:
        """Another listed address of the node that has just answered at ``member``'s."""
        for other in self._others(member):
            if member.instance and other.instance == member.instance:
                return other
            # A name alone tells less: two nodes that were up together are two.
            if newly and not other.up:
                return other
        return None

    def _call(self, member: Member, name: str) -> None:
        if member.name:
            namesakes = self._called[member.name]
            namesakes.remove(member)
            if not namesakes:
                del self._called[member.name]
        member.name = name
        if name:
            self._called.setdefault(name, []).append(member)

    def _relist(self, member: Member) -> None:
        if self._listed.get(member.listed) is member:
            del self._listed[member.listed]
        if member.alias_of is None and not member.left:
            name = member.name or str(member.address)
            while name == self.name or name in self._listed:  # a node may be named like that too
                name = f"{name}@{member.address}"
            member.list_as(name)
            self._listed[name] = member
        self._listing = None
        self.version += 1
