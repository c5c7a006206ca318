"""The nodes of the configuration: listed and dialed from the start, and never forgotten."""

from nodnod_agent.core.membership import departures
from nodnod_agent.core.membership.member import LOOKING_UP, NOT_CONNECTED
from nodnod_agent.core.membership.peers import Peers
from nodnod_agent.core.membership.seeds import Seeds
from nodnod_client.address import Address


class ConfiguredNodes:
    """Adds and removes the addresses that the configured nodes stand for."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._seeds = Seeds()

    def add(self, address: Address) -> None:
        """Dial an address, and never forget it."""
        self._seeds.add(address)
        self._configure(address)

    def expect(self, seed: Address) -> None:
        """List a host name; it is dialed once ``resolved`` tells its addresses."""
        self._seeds.add(seed)
        member = self._peers.roster.add(seed, configured=True)
        if member.link is None:
            member.error = LOOKING_UP

    def resolved(self, seed: Address, addresses: list[Address]) -> None:
        """Take the addresses of a host name: one node, or one for each address.

        An empty list means that the look-up failed: the addresses known before stay.
        """
        added, dropped = self._seeds.resolved(seed, addresses)
        for address in sorted(added):
            self._configure(address)
        for address in dropped:
            self._unconfigure(address)
        self._peers.finish()

    def remove(self, seed: Address) -> None:
        """Take a node out of the configuration; one that is up stays as a learned member."""
        for address in self._seeds.remove(seed):
            self._unconfigure(address, for_good=True)
        self._peers.finish()

    def _configure(self, address: Address) -> None:
        member = self._peers.roster.add(address, configured=True)
        if member.link is None:
            member.error = NOT_CONNECTED
        self._peers.link(member).dial()

    def _unconfigure(self, address: Address, *, for_good: bool = False) -> None:
        roster, table = self._peers.roster, self._peers.gossip.table
        member = roster.members.get(address)
        if member is None:
            return
        member.configured = False
        # An address that a name server no longer returns may be one that should be seen as down.
        learned = not for_good and str(address) in table.entries
        if learned or (member.reachable and (member.version != 1 or not for_good)):
            return
        for one in departures.removed_with(roster, member) if for_good else [member]:
            left, gone = one.left, str(one.address)
            self._peers.forget(one)
            if not left and table.hide(gone):  # all agents know, and remember, who has left
                self._peers.gossip.doubts.add(gone)
