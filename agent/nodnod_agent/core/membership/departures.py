"""The rules by which addresses that a node has left are removed from the roster."""

from nodnod_agent.core.membership.member import Member
from nodnod_agent.core.membership.roster import Roster
from nodnod_agent.core.membership.table import MembershipTable
from nodnod_client.messages import MemberEntry


def removed_with(roster: Roster, member: Member) -> list[Member]:
    """The members that go when an address is no longer configured.

    If its node is neither up nor configured at any address, that is all of them.
    """
    node = member.alias_of or member
    known = [node, *roster.aliases(node)]
    return [member] if any(one.up or one.configured for one in known) else known


def left_behind(roster: Roster, member: Member) -> list[Member]:
    """The addresses of earlier processes of a member's node, which have answered us.

    An unverified address of the same name proves nothing: it may be another node that was up beside
    this one, and is down now.
    """
    aliases = roster.aliases(member)
    before = {one.instance for one in aliases if one.verified and not one.up} - {member.instance}
    return [one for one in aliases if one.instance in before]


def successors(roster: Roster, table: MembershipTable, member: Member) -> list[Member]:
    """A leaving member's aliases where, by the table, a later process is: these stay."""
    aliases, entries = roster.aliases(member), table.entries
    known = (entries.get(str(one.address)) for one in (member, *aliases))
    own = (one.incarnation for one in known if one is not None and one.instance == member.instance)
    last = max(own, default=None)
    return [
        one
        for one in aliases
        if one.instance != member.instance
        and last is not None
        and (entry := entries.get(str(one.address))) is not None
        and entry.state == "up"
        and entry.incarnation > last
    ]


def replacement(table: MembershipTable, member: Member) -> MemberEntry | None:
    """The other process that, by the table, is at the address of a member that has gone.

    Its entry may have come before the end of the first process reached us.
    """
    entry = table.entries.get(str(member.address))
    if entry is None or entry.state == "left" or entry.instance == member.instance:
        return None
    return entry
