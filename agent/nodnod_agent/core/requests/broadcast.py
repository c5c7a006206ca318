"""One question to the whole cluster: its members, their answers and the waiting requests."""

from bisect import bisect

from nodnod_agent.core.encoding import AnswerEncoder, renamed_node
from nodnod_agent.core.membership.member import Member
from nodnod_agent.core.membership.roster import Roster
from nodnod_agent.core.question import Question
from nodnod_agent.core.requests.delivery import Waiter
from nodnod_agent.core.requests.kept_query import KeptQuery


class Broadcast:
    """A snapshot of the roster at the moment of the question, filled with answers.

    A member that is down at that moment has its error at once: it may come up before the others
    have answered, and is not asked all the same.
    """

    def __init__(
        self,
        id: int,  # noqa: A002
        question: Question,
        roster: Roster,
        waiters: list[Waiter],
    ) -> None:
        self.id = id
        self.question = question
        self.waiters = waiters
        self._members, self.own, self._unknown = roster.select(question)
        self._version = roster.version
        self.pending: dict[Member, None] = {}
        """The members whose answers are missing."""
        self.asked_for_less: set[Member] = set()
        """Those of an older version, which were asked for less history."""
        self._entries: dict[Member, bytes] = {}
        self.awaits_sample = False
        """Whether this node's own sample is missing a section."""
        self.kept: KeptQuery | None = None
        """The question for the past of the members that are down."""
        self.down: dict[Member, bytes] = {}
        """The members that were down at that moment, and their errors as node objects."""
        for member in self._members:
            link = member.link
            if link is not None and link.up:
                self.pending[member] = None
            else:
                entry = member.failure(member.error, question.stat_type)
                self.down[member] = self._entries[member] = entry

    def take(self, member: Member, entry: bytes) -> bool:
        """Note the node object of a member; whether that was the last."""
        self._entries[member] = entry
        del self.pending[member]
        return not self.pending

    @property
    def complete(self) -> bool:
        """Whether nothing more is expected."""
        return not (
            self.pending or self.awaits_sample or (self.kept is not None and self.kept.pending)
        )

    def take_kept(self, member: Member, history: bytes) -> None:
        """Note the past of a member that is down, beside its error."""
        self._entries[member] = b'%b,"history":%b}' % (self.down[member][:-1], history)

    def content(self, roster: Roster) -> tuple[object, ...]:
        """What decides the complete answer, besides this node's object."""
        return roster.version, self._version, *map(self._entries.__getitem__, self._members)

    def body(
        self, roster: Roster, encoder: AnswerEncoder, own: bytes | None, error: str = ""
    ) -> bytes:
        """The answer, with this node's object ``own``; ``error`` stands for missing members."""
        stat_type = self.question.stat_type
        entries = self._entries
        if self.pending:
            entries = entries | {one: one.failure(error, stat_type) for one in self.pending}
        if self._version != roster.version:
            return self._relisted_body(roster, encoder, own, entries)
        nodes = [member.key + entries[member] for member in self._members]
        place = roster.own_place(self._members) if own is not None else 0
        return encoder.nodes(nodes, own, place, self._unknown, stat_type)

    def _relisted_body(
        self,
        roster: Roster,
        encoder: AnswerEncoder,
        own: bytes | None,
        entries: dict[Member, bytes],
    ) -> bytes:
        """The answer where the roster has changed since the broadcast.

        A name may belong to another member now, and a member may have turned out to be an address
        of another. Each node stands in the answer once, under its present name. A node that has
        left meanwhile, and was asked for by its name, is unknown.
        """
        nodes: dict[Member, bytes] = {}
        gone = set(self._unknown)
        for member, entry in entries.items():
            node = member.alias_of or member
            if node.left:
                gone.add(member.listed)
            elif node is member or node not in nodes:
                nodes[node] = entry
        named = {node.listed: node.key + renamed_node(nodes[node], node.listed) for node in nodes}
        names = sorted(named)
        found = {*names, roster.name} if own is not None else named
        unknown = [name for name in self.question.names if name in gone and name not in found]
        place = bisect(names, roster.name)
        return encoder.nodes(
            [named[name] for name in names], own, place, unknown, self.question.stat_type
        )
