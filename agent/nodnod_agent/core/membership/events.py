"""What happens to the peers, as values: ``Peers`` hands them out, and the node acts on them."""

from typing import NamedTuple

from nodnod_agent.core.membership.member import Member
from nodnod_client.messages import PeerAnswer


class PeerUp(NamedTuple):
    """A member can be asked, and its name is known."""

    member: Member


class PeerDown(NamedTuple):
    """A member cannot be asked any more; ``member.error`` says why."""

    member: Member


class PeerRemoved(NamedTuple):
    """A member is forgotten."""

    member: Member


class PeerAnswered(NamedTuple):
    """A member has answered a query."""

    member: Member
    query: int
    answer: PeerAnswer


class PeerFailed(NamedTuple):
    """A member sent something else than an answer: to this query, or ``None`` if that is unknown."""

    member: Member
    query: int | None
    reason: str


PeerEvent = PeerUp | PeerDown | PeerRemoved | PeerAnswered | PeerFailed
