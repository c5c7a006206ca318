"""What the log tells of members that are down: each once, until it is back or gone."""

import logging

from nodnod_agent.core.membership.member import Member

log = logging.getLogger("nodnod")


class Losses:
    """Whose loss has been told."""

    def __init__(self) -> None:
        self._told: set[Member] = set()

    def tell(self, member: Member, reason: str, *, was_up: bool) -> None:
        """Tell that a member is lost, or cannot be reached, unless nobody misses it."""
        if member in self._told or member.left or member.alias_of is not None:
            return
        self._told.add(member)
        where, key = member.address, member.log_key
        if was_up:
            log.warning("Lost connection with node: %s. Reason: %s", member, reason, extra=key)
        else:
            log.warning("Could not connect to node: %s. Error: %s", where, reason, extra=key)

    def over(self, member: Member) -> None:
        """It is back, or missed no more: the next loss is told again."""
        self._told.discard(member)
