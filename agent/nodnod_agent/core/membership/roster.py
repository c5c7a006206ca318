"""Who is in the cluster, and under which name each node stands in an answer."""

from bisect import bisect
from enum import Enum
from typing import Protocol

from nodnod_agent.core.membership.member import Member
from nodnod_agent.core.pattern import matcher
from nodnod_agent.core.question import Question
from nodnod_client.address import Address
from nodnod_client.messages import MAX_NAME_LENGTH, MemberInfo, PeerAnswer


class Standing(Enum):
    """What an address turned out to be, once somebody answered there."""

    MEMBER = "member"
    SELF = "self"
    ALIAS = "alias"


class PeerOwner(Protocol):
    """Who acts on what peers do."""

    def peer_up(self, member: Member) -> None:
        """A member can be asked, and we know its name."""

    def peer_down(self, member: Member) -> None:
        """It cannot be asked any more; ``member.error`` says why."""

    def peer_gone(self, member: Member) -> None:
        """It is not listed any more."""

    def peer_answer(self, member: Member, query: int, answer: PeerAnswer) -> None:
        """It answered."""

    def peer_spoiled(self, member: Member, query: int | None, reason: str) -> None:
        """It sent what is no answer, to this query or to who knows which."""


class Roster:
    """All members by address, each listed exactly once, none over another."""

    def __init__(self, name: str, instance: str) -> None:
        self.name = name
        self.instance = instance
        self.members: dict[Address, Member] = {}
        self.version = 0
        """Grows with every change of who is listed, and how."""
        self._listed: dict[str, Member] = {}
        self._called: dict[str, dict[Member, None]] = {}
        """Whoever says that it has a name, in order. There may be thousands of one name, made up."""
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
        name = self._held(member)
        member.left = True
        self._relist(member)
        self.part(*self.aliases(member))
        self._call(member, "")
        self._pass_on(name)

    def identify(self, member: Member, name: str, instance: str, version: int) -> Standing:
        """Note who answered at an address; tells whether that is a node of its own.

        An address under which a node answers that is up at another one already is its alias. Where
        the other is down, the node has moved, or come back, and the other is the alias now. So are
        all addresses of that name that we were only told of: it may have moved more than once before
        we came. Who answers there after all stands for itself again.
        """
        if instance and instance == self.instance:
            return Standing.SELF
        name = name[:MAX_NAME_LENGTH]
        # One that stood for itself under this name before has its own place among its namesakes.
        newly = member.met[0] != name or member.alias_of is not None
        if newly:
            member.began = member.moment
        before = self._held(member)
        for one in (*self.aliases(member), member):
            self._call(one, name)
        member.instance, member.version, member.met = instance, version, (name, instance)
        member.proved, member.left, member.alias_of = True, False, None
        others = self._others(member)
        same = [other for other in others if instance and other.instance == instance]
        member.alias_of = next((other for other in same if other.up), None)
        if member.alias_of is None:
            self._join({*same, *_may_have_moved(others, newly=newly)}, member)
        self._relist(member)
        self._pass_on(before)
        return Standing.MEMBER if member.alias_of is None else Standing.ALIAS

    def hear_of(self, member: Member, name: str, instance: str) -> Standing:
        """Note who is said to be at an address, until somebody answers us there.

        While a node of that name is up elsewhere, it is taken for the same one; with our own name
        it may be ourselves, from before we moved, and is not missed.
        """
        name, before = name[:MAX_NAME_LENGTH], self._held(member)
        if name != member.name:
            self.part(*self.aliases(member))
        if member.alias_of is not None:
            member.met = ("", "")  # it had no place of its own
        self._call(member, name)
        member.instance = instance
        member.left = member.name == self.name and member.hearsay
        # Only the one that stands under that name: there may be thousands that are called so.
        same = self._listed.get(member.name)
        known = same is not None and same is not member and same.name == member.name and same.up
        member.alias_of = same if known else None
        self._relist(member)
        self._pass_on(before)
        if member.alias_of is not None and member.alias_of.instance == instance:
            return Standing.ALIAS
        return Standing.MEMBER

    def replaced(self, member: Member, heard: float) -> Member | None:
        """Note that a member was silent before its end, since it was ``heard``; who took its place.

        A namesake that we have met since then was not up together with it: the node has moved, and
        was there again before its old address was missed.
        """
        for other in self._others(member):
            if not other.hearsay and other.began > heard:
                self._join({member}, other)
                self._relist(other)
                return other
        return None

    def leave(self, member: Member) -> None:
        """Note that a member said goodbye."""
        name = self._held(member)
        member.left = True
        self._relist(member)
        self._pass_on(name)

    def part(self, *aliases: Member) -> None:
        """Let what were other addresses of a node stand for themselves.

        One that is only said to be a node's may be that of another which has the name and is up.
        """
        if not aliases:
            return
        before = aliases[0].alias_of
        named = (one for one in self._called[aliases[0].name] if one.up and one is not before)
        up = next((one for one in named if one.alias_of is None), None)
        for alias in aliases:
            alias.alias_of = up if alias.hearsay else None
            self._relist(alias)

    def behind(self, address: Address, name: str, instance: str) -> list[Member]:
        """The addresses of one process: where it says that it is, and where we have met it."""
        at = self.members.get(address)
        met = [one for one in self._called.get(name, ()) if one.instance == instance]
        return met if at is None or at in met else [at, *met]

    def aliases(self, member: Member) -> list[Member]:
        """The other addresses of the same node; what is one itself has none."""
        if member.alias_of is not None:
            return []
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
        fits = matcher(nodes)
        members = tuple(member for member in self.listing() if fits(member.listed))
        own = fits(self.name)
        known = {member.listed for member in members} | ({self.name} if own else set())
        return members, own, [name for name in question.literals if name not in known]

    def _others(self, member: Member) -> list[Member]:
        """Those listed that say that they have the same name."""
        named = self._called.get(member.name, ()) if member.name else ()
        return [other for other in named if other is not member and other.alias_of is None]

    def _join(self, gone: set[Member], member: Member) -> None:
        """Have these, and their own aliases, be other addresses of ``member``."""
        # In one pass: somebody may have told us of thousands of that name.
        for one in self._called.get(member.name, ()) if gone else ():
            if one in gone or one.alias_of in gone:
                one.alias_of = member
                self._relist(one)

    def _call(self, member: Member, name: str) -> None:
        if member.name:
            namesakes = self._called[member.name]
            del namesakes[member]
            if not namesakes:
                del self._called[member.name]
        member.name = name
        if name:
            self._called.setdefault(name, {})[member] = None

    def _held(self, member: Member) -> str:
        """The name that it has to itself, if any: it will be somebody else's when it is free."""
        return member.name if self._listed.get(member.name) is member else ""

    def _pass_on(self, name: str) -> None:
        """Let another of that name have it, if nobody is listed under it any more."""
        if name and name not in self._listed:
            for member in self._called.get(name, ()):
                if member.alias_of is None and not member.left:
                    self._relist(member)
                    return

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


def _may_have_moved(namesakes: list[Member], *, newly: bool) -> list[Member]:
    """Those among ``namesakes`` that are a node which has come up elsewhere: where it was before.

    Two nodes that were up together are two. So of those that we have met and miss it is one, the
    last that we lost, and none if it comes up at a place of its own, not ``newly``. Whom we were only
    told of may all be this one, at times before ours; who answers there after all stands for itself.
    """
    down = [one for one in namesakes if not one.up]
    missed = {one for one in down if not (one.hearsay or one.left)}
    last = max(missed, key=lambda one: one.moment, default=None) if newly else None
    return [one for one in down if one is last or one not in missed]
