"""What happens to the peers, as values: ``Peers`` hands them out, and the node acts on them."""

from typing import NamedTuple

from nodnod_agent.core.membership.member import Member


class PeerUp(NamedTuple):
    """A member can be asked, and its name is known."""

    member: Member


class PeerDown(NamedTuple):
    """A member cannot be asked any more; ``member.error`` says why."""

    member: Member


class PeerRemoved(NamedTuple):
    """A member is forgotten, and cannot be asked any more."""

    member: Member


PeerEvent = PeerUp | PeerDown | PeerRemoved
