"""The newest numbers of each node, which all agents publish while somebody wants to see them.

Who shows them takes a *lease*: a call to all, good for ten seconds and renewed while clients ask. While
there is one each agent publishes its numbers with every sample. So what is asked for all the time
costs a node one message per sample, however many look at it from however many agents.
"""

from collections.abc import Callable

from msgspec import Raw

from nodnod_agent.core.encoding import peer_node, relabeled_node
from nodnod_agent.core.interfaces import Clock, Random, Timer
from nodnod_agent.core.membership.member import Member
from nodnod_agent.core.membership.roster import Roster
from nodnod_agent.core.question import Question
from nodnod_client.address import Address
from nodnod_client.errors import WireError
from nodnod_client.messages import PeerAnswer

LEASE = 10.0
"""Seconds for which a lease is good."""

RENEWED = 5.0
"""Seconds after which it is renewed, while clients ask."""

LONGEST = 60.0
"""Seconds that another agent's lease may be good for."""

APART = 0.5
"""Seconds between two samples besides the regular ones, however many agents want one at once."""

LARGEST = 4 * 1024
"""Bytes of a sample that are kept; those of agents have some 300."""

FRESH = 1.5
"""Intervals for which numbers answer a question; later ones are waited for."""


_WHOLE = Question()


class _Numbers:
    """What one node has published last."""

    __slots__ = ("at", "data", "entries", "good_for", "name")

    def __init__(self, name: str, data: bytes, at: float, good_for: float) -> None:
        self.name = name
        self.data = data
        self.at = at
        self.good_for = good_for
        self.entries: dict[tuple[str, int], bytes] = {}
        """Its node objects by its listed name and stat type."""

    def entry(self, member: Member, stat_type: int) -> bytes:
        """Its node object in an answer."""
        key = member.listed, stat_type
        entry = self.entries.get(key)
        if entry is None:
            answer = PeerAnswer(nodes={self.name: Raw(self.data)})
            try:
                entry = peer_node(answer, _WHOLE, name=self.name, listed=member.listed, version=2)
                if stat_type:
                    entry = relabeled_node(entry, member.listed, "", stat_type)
            except WireError as error:
                entry = member.failure(str(error), stat_type)
            self.entries[key] = entry
        return entry


class Samples:
    """The numbers of others while this agent shows them, and its own while others do."""

    def __init__(
        self,
        roster: Roster,
        covers: Callable[[Member], bool],
        publish: Callable[[], None],
        call: Callable[[float, bool], None],
        clock: Clock,
        rng: Random,
        spread: float,
    ) -> None:
        """``publish`` sends what this agent has. ``covers`` tells which members do that.

        ``call`` asks all for theirs, for some seconds; with True they publish the first within ``spread`` seconds.
        """
        self._roster = roster
        self.covers = covers
        self._publish = publish
        self._call = call
        self._clock = clock
        self._rng = rng
        self._spread = spread
        self._newest: dict[Address, _Numbers] = {}
        self._renew_at = float("-inf")
        self.since = float("-inf")
        """When the lease began."""
        self._until = float("-inf")
        """Until when others want this node's numbers."""
        self._first: Timer | None = None
        """The sample that somebody wants at once."""
        self._first_at = float("-inf")
        """When that was published last."""

    @property
    def leased(self) -> bool:
        """Whether this agent has a lease."""
        return self._clock.time() < self._renew_at + LEASE - RENEWED

    def want(self) -> None:
        """Have all publish their samples for the next seconds."""
        now = self._clock.time()
        if now >= self._renew_at:
            is_first = not self.leased
            if is_first:
                self.since = now
            self._renew_at = now + RENEWED
            self._call(LEASE, is_first)

    def renew(self) -> None:
        """Renew the lease with the next question: there is a process that has not heard of it."""
        if self.leased:
            self._renew_at = self._clock.time()

    def end(self) -> None:
        """Forget what others have sent, and the own lease."""
        self._newest.clear()
        self._renew_at = float("-inf")

    def stop(self) -> None:
        """Publish nothing more."""
        self._until = float("-inf")
        if self._first is not None:
            self._first.cancel()

    def called(self, lease: float, *, is_first: bool) -> None:
        """Another agent wants this node's samples for so many seconds, the first of them at once."""
        now = self._clock.time()
        is_first |= self._until < now
        self._until = max(self._until, now + min(lease, LONGEST))
        if is_first and self._first is None:
            when = max(now + self._rng.uniform(0.0, self._spread), self._first_at + APART)
            self._first = self._clock.call_at(when, self._publish_first)

    def sampled(self) -> None:
        """This node has a new sample."""
        if self._clock.time() < self._until and self._first is None:
            self._publish()

    def take(self, address: Address, name: str, data: bytes, every: float) -> Member | None:
        """Take the numbers of the node at an address; the member that they are of, if it is known.

        ``every`` is the interval of its samples in seconds.
        """
        data = data[:LARGEST]  # which is refused when it is shown
        self._newest[address] = _Numbers(name, data, self._clock.time(), FRESH * max(every, 1.0))
        return self._roster.members.get(address)

    def fresh(self, member: Member, question: Question) -> bytes | None:
        """The node object of a member, if its numbers are new enough."""
        newest = self._newest.get(member.address)
        if newest is None or newest.name != member.name:
            return None
        if newest.at + newest.good_for < self._clock.time():
            return None
        return newest.entry(member, question.stat_type)

    def forget(self, address: Address) -> None:
        """Drop the numbers of a process that is down."""
        self._newest.pop(address, None)

    def _publish_first(self) -> None:
        self._first, self._first_at = None, self._clock.time()
        self._publish()
