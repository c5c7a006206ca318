"""The connections between this agent and its peers, whichever side has dialed."""

from collections import Counter
from collections.abc import Callable

from nodnod_agent.core.interfaces import Clock, Dial, DialHandler, Hello, Random, Wire
from nodnod_agent.core.membership.dial_queue import DialQueue
from nodnod_agent.core.membership.keepalive import STALL, Keepalive, pace
from nodnod_agent.core.membership.link import Link
from nodnod_agent.core.membership.member import Member
from nodnod_client.address import Address


class Links:
    """The link to each member, dialed at a limited rate and kept alive; and inbound connections."""

    def __init__(
        self,
        clock: Clock,
        rng: Random,
        dial: Dial,
        drop: Callable[[Link, str], None],
        is_free: Callable[[Address], bool],
    ) -> None:
        """``drop`` takes a link whose peer is silent, and the reason to cut it.

        The rate of dials is limited, but for the addresses that are free.
        """
        self.members: dict[Link, Member] = {}
        self.dials = DialQueue(dial, clock, rng, is_free)
        self._clock = clock
        self._rng = rng
        self._keepalive = Keepalive(clock, rng, lambda: self.members, drop, self._inbound_heard)
        self._up: Counter[str] = Counter()
        """Links that are up, by the peer's instance."""
        self._inbound: dict[str, Wire] = {}
        """The newest connection that each peer has dialed to us, by the peer's instance."""

    def start(self) -> None:
        """Begin to ping."""
        self._keepalive.start()

    def stop(self) -> None:
        """Close every link, and stop dialing."""
        self._keepalive.stop()
        self.dials.stop()
        for link in self.members:
            link.retire()

    def up(self) -> list[Member]:
        """The members that can be asked."""
        return [member for link, member in self.members.items() if link.up]

    def reaches(self, instance: str) -> bool:
        """Whether a link leads to this process."""
        return instance in self._up

    def create(self, member: Member, handler: DialHandler) -> Link:
        """Give a member a link, which is idle."""
        dial = self.dials.verified if member.trusted else self.dials.unverified
        link = Link(member.address, handler, clock=self._clock, rng=self._rng, dial=dial)
        member.link = link
        self.members[link] = member
        return link

    def retire(self, link: Link) -> None:
        """Close a link for good."""
        self.members.pop(link).link = None
        link.retire()

    def opened(self, link: Link, instance: str) -> None:
        """Note that a link to this process is up."""
        self._up[instance] += 1
        self.dials.opened(link.address)

    def ended(self, link: Link) -> None:
        """Note that a link is no longer up."""
        assert link.hello is not None
        instance = link.hello.instance
        self._up[instance] -= 1
        if not self._up[instance]:
            del self._up[instance]

    def inbound_opened(self, hello: Hello, wire: Wire) -> None:
        """Note that a peer has dialed us."""
        self._inbound[hello.instance] = wire

    def inbound_ended(self, hello: Hello, wire: Wire) -> None:
        """Note that a connection that a peer had dialed to us has ended."""
        if self._inbound.get(hello.instance) is wire:
            del self._inbound[hello.instance]

    def has_inbound(self, instance: str) -> bool:
        """Whether this process has dialed us."""
        return instance in self._inbound

    def silent_since(self, link: Link) -> float | None:
        """When the peer of a link that has ended was last heard, if it has missed a ping since."""
        heard = max(link.last_heard, self._inbound_heard(link))
        missed = heard + pace(len(self.members)).ping + STALL
        return heard if self._clock.time() > missed else None

    def _inbound_heard(self, link: Link) -> float:
        wire = self._inbound.get(link.hello.instance) if link.hello is not None else None
        return wire.heard if wire is not None else 0.0
