"""Who is in the cluster, and under which name each node stands in an answer."""

from bisect import bisect
from enum import Enum

from nodnod.address import Address
from nodnod.codec import encode
from nodnod.messages import MAX_NAME_LENGTH
from nodnod_agent.core.entries import error_entry
from nodnod_agent.core.link import Link
from nodnod_agent.core.question import Question, matches

__all__ = ["Member", "Roster", "Standing"]


class Standing(Enum):
    """What an address turned out to be, once somebody answered there."""

    MEMBER = "member"
    SELF = "self"
    ALIAS = "alias"


class Member:
    """One address of the cluster and the node behind it, as far as it is known."""

    def __init__(self, address: Address, *, configured: bool) -> None:
        self.address = address
        self.configured = configured
        self.link: Link | None = None
        self.name = ""
        self.instance = ""
        self.version = 0
        self.error = "not connected yet"
        self.alias_of: Member | None = None
        self.listed = str(address)
        self.key = b""
        self._failures: dict[tuple[str, int], bytes] = {}

    @property
    def up(self) -> bool:
        """Whether it can be asked."""
        return self.link is not None and self.link.up

    def failure(self, error: str, stat_type: int) -> bytes:
        """The node object that stands for it while it cannot be read."""
        entry = self._failures.get((error, stat_type))
        if entry is None:
            if len(self._failures) > 16:
                self._failures.clear()
            entry = self._failures[error, stat_type] = error_entry(self.listed, error, stat_type)
        return entry

    def list_as(self, name: str) -> None:
        """Take the name under which it stands in answers."""
        self.listed = name
        self.key = encode(name) + b":"
        self._failures.clear()

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
        self._names: dict[str, Member] = {}
        self._listing: tuple[Member, ...] | None = None

    def add(self, address: Address, *, configured: bool) -> Member:
        """Take in an address, or find the member that has it."""
        member = self.members.get(address)
        if member is None:
            member = self.members[address] = Member(address, configured=configured)
            self._rename(member)
        return member

    def remove(self, member: Member) -> None:
        """Forget an address."""
        if self.members.pop(member.address, None) is None:
            return
        for alias in self.aliases(member):
            alias.alias_of = None
            self._rename(alias)
        if self._names.get(member.listed) is member:
            del self._names[member.listed]
        self._listing = None
        self.version += 1

    def identify(self, member: Member, name: str, instance: str, version: int) -> Standing:
        """Note who answered at an address; tells whether that is a node of its own.

        An address under which a node answers that is up at another one already is its alias. Where
        the other is down, the node has moved, or come back, and the other is the alias now.
        """
        if instance and instance == self.instance:
            return Standing.SELF
        name = name[:MAX_NAME_LENGTH]
        newly = member.name != name
        member.name, member.instance, member.version = name, instance, version
        member.alias_of = None
        twin = self._twin(member, newly)
        if twin is not None and twin.up:
            member.alias_of = twin
        elif twin is not None:
            for other in self.aliases(twin):
                other.alias_of = member
            twin.alias_of = member
            self._rename(twin)
        self._rename(member)
        return Standing.ALIAS if member.alias_of is not None else Standing.MEMBER

    def aliases(self, member: Member) -> list[Member]:
        """The other addresses of the same node."""
        return [other for other in self.members.values() if other.alias_of is member]

    def listing(self) -> tuple[Member, ...]:
        """The members that stand in an answer, by name; this node itself not among them."""
        if self._listing is None:
            shown = (member for member in self.members.values() if member.alias_of is None)
            self._listing = tuple(sorted(shown, key=lambda member: member.listed))
        return self._listing

    def own_place(self, listing: tuple[Member, ...]) -> int:
        """Where this node itself stands among ``listing``."""
        return bisect(listing, self.name, key=lambda member: member.listed)

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

    def _twin(self, member: Member, newly: bool) -> Member | None:
        """Another listed address of the node that has just answered at ``member``'s."""
        for other in self.members.values():
            if other is member or other.alias_of is not None:
                continue
            if member.instance and other.instance == member.instance:
                return other
            # A name alone tells less: two nodes that were up together are two.
            if newly and member.name and other.name == member.name and not other.up:
                return other
        return None

    def _rename(self, member: Member) -> None:
        if self._names.get(member.listed) is member:
            del self._names[member.listed]
        if member.alias_of is None:
            name = member.name or str(member.address)
            if name == self.name or name in self._names:
                name = f"{name}@{member.address}"
            member.list_as(name)
            self._names[name] = member
        self._listing = None
        self.version += 1
