"""What happens to the peers, as values: ``Peers`` hands them out, and the node acts on them."""

from typing import NamedTuple

from nodnod_agent.core.membership.member import Member
from nodnod_client.errors import WireError
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


class PeerReplied(NamedTuple):
    """A member has answered a query, or has sent something that is no answer.

    ``query`` is ``None`` for an error that belongs to no query in particular.
    """

    member: Member
    query: int | None
    answer: PeerAnswer | WireError


PeerEvent = PeerUp | PeerDown | PeerRemoved | PeerReplied
