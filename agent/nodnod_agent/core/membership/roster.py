"""All members of the cluster, by the name under which each node is listed in an answer."""

from bisect import bisect
from collections.abc import Callable
from functools import cache

from nodnod_agent.core.membership.member import Member, MemberState
from nodnod_agent.core.membership.table import MembershipTable
from nodnod_agent.core.pattern import matcher
from nodnod_agent.core.question import Question
from nodnod_agent.core.tag_pattern import tag_matcher
from nodnod_client.address import Address
from nodnod_client.messages import MAX_NAME_LENGTH


class Roster:
    """Every known address, and for each node the one address that stands for it.

    A node is keyed by its name; until that is known, by its address; and if its name is taken,
    by ``name@address``.
    """

    def __init__(self, table: MembershipTable) -> None:
        self.name = table.own.name
        self.instance = table.own.instance
        self.nodes: dict[str, Member] = {}
        """The listed members, by the name under which each is listed."""
        self.members: dict[Address, Member] = {}
        """All members, listed or not, by address."""
        self.version = 0
        """Grows with every change of ``nodes`` and of tags."""
        self.met: dict[str, None] = {}
        """Hosts at which a node has answered, the first few thousand."""
        self.is_near: Callable[[Member], bool] = lambda _: True
        """Whether a node is in the mesh of this one, where others are reached by other means."""
        self._table = table
        self._namesakes: dict[str, dict[Member, None]] = {}
        """Members by the name that they claim. Thousands may claim the same, all made up."""
        self._listing: tuple[Member, ...] | None = None
        self._own_place: tuple[tuple[Member, ...], int] = (), 0

    def add(self, address: Address, *, configured: bool) -> Member:
        """Add an address, or find its member."""
        member = self.members.get(address)
        if member is None:
            member = self.members[address] = Member(address, configured=configured)
            self._set(member, MemberState.LISTED)
        elif configured:
            member.configured = member.trusted = True
        return member

    def remove(self, member: Member) -> None:
        """Forget an address; the other addresses of its node stand for themselves."""
        if self.members.pop(member.address, None) is None:
            return
        freed = self._listed_name(member)
        self._set(member, MemberState.REMOVED)
        self.detach(self.aliases(member))
        self._rename(member, "")
        self._reassign(freed)

    def leave(self, member: Member) -> None:
        """Note that a member said goodbye, or has moved elsewhere."""
        freed = self._listed_name(member)
        self._set(member, MemberState.LEFT)
        self._reassign(freed)

    def identify(self, member: Member, name: str, instance: str, version: int) -> None:
        """Note which node has answered at an address.

        The address is an alias if the same process is up at another one. Else it stands for the
        node, and these become its aliases: the other addresses of the process, the one from which
        the node has moved, and all that only others have told us of, since the node may have moved
        several times before we started. If a node does answer there, it stands for itself again.
        """
        name = name[:MAX_NAME_LENGTH]
        if len(self.met) < self._table.most:
            self.met[member.address.host] = None
        # A member that was listed under this name before is one of several nodes that share it.
        newly = member.verified_as[0] != name or member.alias_of is not None
        if newly:
            member.named_at = member.changed_at
        freed = self._listed_name(member)
        for one in (*self.aliases(member), member):
            self._rename(one, name)
        member.instance, member.version, member.verified_as = instance, version, (name, instance)
        member.trusted, member.alias_of = True, None
        others = self._other_nodes(member)
        same = [other for other in others if instance and other.instance == instance]
        member.alias_of = next((other for other in same if other.up), None)
        if member.alias_of is None:
            self._add_aliases(member, {*same, *_moved_from(others, newly=newly)})
        self._set(member, MemberState.ALIAS if member.alias_of else MemberState.LISTED)
        self._reassign(freed)

    def note_claim(self, member: Member, name: str, instance: str) -> None:
        """Note which node others say is at an address, until a node answers us there.

        While a node of that name is up elsewhere, the two are taken for one. A node with our own
        name may be ourselves, before we moved: it is not listed.
        """
        name, freed = name[:MAX_NAME_LENGTH], self._listed_name(member)
        if name != member.name:
            self.detach(self.aliases(member))
        if member.alias_of is not None:
            member.verified_as = ("", "")  # as an alias it was no node of its own
        self._rename(member, name)
        member.instance = instance
        # Only the node listed under the very name: thousands may claim the same.
        node = self.nodes.get(name)
        known = node is not None and node is not member and node.name == name and node.up
        member.alias_of = node if known else None
        state = MemberState.ALIAS if known else MemberState.LISTED
        if name == self.name and not member.verified:
            state = MemberState.LEFT
        self._set(member, state)
        self._reassign(freed)

    def moved_to(self, member: Member, heard: float) -> Member | None:
        """The node that a member, last heard at ``heard``, now is elsewhere; its alias from now on.

        A namesake that first answered after that was never up together with the member: the node
        had moved, and answered again, before its old address was missed.
        """
        for other in self._other_nodes(member):
            if other.verified and other.named_at > heard:
                self._add_aliases(other, {member})
                self._set(other, other.state)
                return other
        return None

    def detach(self, aliases: list[Member]) -> None:
        """Let addresses of a node that is gone stand for themselves.

        One that is only claimed to be that node's may belong to a namesake that is up.
        """
        if not aliases:
            return
        gone = aliases[0].alias_of
        namesakes = (one for one in self._namesakes[aliases[0].name] if one.up and one is not gone)
        up = next((one for one in namesakes if one.alias_of is None), None)
        for alias in aliases:
            alias.alias_of = None if alias.verified else up
            if not alias.left:
                self._set(alias, MemberState.ALIAS if alias.alias_of else MemberState.LISTED)

    def addresses_of(self, address: Address, name: str, instance: str) -> list[Member]:
        """The addresses of one process: the one it claims, and those where it has answered."""
        at = self.members.get(address)
        found = [one for one in self._namesakes.get(name, ()) if one.instance == instance]
        return found if at is None or at in found else [at, *found]

    def aliases(self, member: Member) -> list[Member]:
        """The other addresses of a member's node; an alias has none."""
        if member.alias_of is not None:
            return []
        namesakes = self._namesakes.get(member.name, ()) if member.name else ()
        return [other for other in namesakes if other.alias_of is member]

    def listing(self) -> tuple[Member, ...]:
        """The listed members, sorted by name; this node is not among them."""
        if self._listing is None:
            self._listing = tuple(self.nodes[name] for name in sorted(self.nodes))
        return self._listing

    def own_place(self, listing: tuple[Member, ...]) -> int:
        """The index at which this node belongs in ``listing``."""
        if listing is not self._own_place[0]:
            place = bisect(listing, self.name, key=lambda member: member.listed)
            self._own_place = listing, place
        return self._own_place[1]

    def select(self, question: Question) -> tuple[tuple[Member, ...], bool, list[str]]:
        """The members that a question is about, whether this node is, and the unknown names."""
        if question.local:
            return (), True, []
        if question.nodes is None:
            return self._listing or self.listing(), True, []
        fits = matcher(question.name_patterns)
        listing = self.listing()
        if patterns := question.tag_patterns:
            tagged = tag_matcher(patterns)
            members = tuple(one for one in listing if fits(one.listed) or tagged(self.tags(one)))
            own = fits(self.name) or tagged(self._table.own.tags)
        else:
            members = tuple(member for member in listing if fits(member.listed))
            own = fits(self.name)
        unknown = (name for name in question.names if name not in self.nodes)
        return members, own, [name for name in unknown if name != self.name]

    def names(
        self, question: Question, name_of: Callable[[Member], str] = lambda member: member.listed
    ) -> Callable[[str], bool]:
        """A test whether a question is about the node of a name, whether it is up, down or gone.

        ``name_of`` is which name of a member is meant; by default that in answers.
        """
        if question.nodes is None:
            return _any_name
        named = cache(matcher(question.name_patterns))  # few names are asked for often
        if not question.tag_patterns:
            return named
        members, own, _ = self.select(question)
        tagged = set(map(name_of, members)) | ({self.name} if own else set())
        return lambda name: name in tagged or named(name)

    def tags(self, member: Member) -> dict[str, str]:
        """The tags of the node behind a listed member, up or down."""
        entries = self._table.entries
        if (entry := entries.get(str(member.address))) is not None:
            return entry.tags
        # It may advertise another address than the configured one.
        known = (entries.get(str(alias.address)) for alias in self.aliases(member))
        own = (one.tags for one in known if one is not None and one.instance == member.instance)
        return next(own, {})

    def tags_changed(self) -> None:
        """Note that answers may be about other nodes now."""
        self.version += 1

    def unique(self, name: str) -> bool:
        """Whether one node has this name, and only one: agents list namesakes differently."""
        claims = self._namesakes.get(name, ()) if name != self.name else ()
        return sum(one.alias_of is None and not one.left for one in claims) == 1

    @property
    def namesakes(self) -> int:
        """Other nodes that are up and have this node's name."""
        claimed = self._namesakes.get(self.name, ())
        return sum(one.up and one.state is MemberState.LISTED for one in claimed)

    def _other_nodes(self, member: Member) -> list[Member]:
        """The other members that claim the same name, without aliases."""
        namesakes = self._namesakes.get(member.name, ()) if member.name else ()
        return [other for other in namesakes if other is not member and other.alias_of is None]

    def _add_aliases(self, member: Member, gone: set[Member]) -> None:
        """Have these, and their own aliases, be other addresses of ``member``."""
        # In one pass: thousands may claim this name.
        for one in self._namesakes.get(member.name, ()) if gone else ():
            if one in gone or one.alias_of in gone:
                one.alias_of = member
                self._set(one, MemberState.LEFT if one.left else MemberState.ALIAS)

    def _rename(self, member: Member, name: str) -> None:
        if member.name:
            namesakes = self._namesakes[member.name]
            del namesakes[member]
            if not namesakes:
                del self._namesakes[member.name]
        member.name = name
        if name:
            self._namesakes.setdefault(name, {})[member] = None

    def _listed_name(self, member: Member) -> str:
        """The name that a change of this member may free: empty if it is listed as ``name@…``."""
        return member.name if self.nodes.get(member.name) is member else ""

    def _reassign(self, name: str) -> None:
        """List another node that claims a freed name under it."""
        if name and name not in self.nodes:
            for member in self._namesakes.get(name, ()):
                if member.alias_of is None and not member.left:
                    self._set(member, member.state)
                    return

    def _set(self, member: Member, state: MemberState) -> None:
        """Set a member's state, and key it by its name if it is listed."""
        if self.nodes.get(member.listed) is member:
            del self.nodes[member.listed]
        member.state = state
        if state is MemberState.LISTED:
            name = member.name or str(member.address)
            while name == self.name or name in self.nodes:  # a node's own name may look like that
                name = f"{name}@{member.address}"
            member.list_as(name)
            self.nodes[name] = member
        self._listing = None
        self.version += 1


def _any_name(_: str) -> bool:
    return True


def _moved_from(namesakes: list[Member], *, newly: bool) -> list[Member]:
    """The ``namesakes`` where a node was before, given that it has just answered elsewhere.

    Two nodes that were up together are two. So of the verified ones that are down the node is one:
    the one lost last, and none if it answers where it was listed before (not ``newly``). Unverified
    ones may all be this node, at earlier times.
    """
    down = [one for one in namesakes if not one.up]
    missed = {one for one in down if one.verified and not one.left}
    last = max(missed, key=lambda one: one.changed_at, default=None) if newly else None
    return [one for one in down if one is last or one not in missed]
