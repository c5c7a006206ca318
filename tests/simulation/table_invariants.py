"""What must be true of a membership table, whatever it received."""

from msgspec.structs import replace

from nodnod_agent.core.membership import table
from nodnod_client.address import parse_address
from nodnod_client.messages import MemberEntry


def check_table(members: table.MembershipTable, own: MemberEntry) -> None:
    """Its own entry is kept, its size is bounded, and its digest is that of its entries."""
    assert replace(members.own, incarnation=own.incarnation) == own
    assert members.own.incarnation >= own.incarnation
    assert members.own.address not in members.entries
    assert len(members.entries) <= members.most
    assert len(members._forgotten) <= members.most
    for address, one in members.entries.items():
        assert str(parse_address(address)) == address == one.address
        assert one.name.isprintable()
    assert not members._hidden.keys() & members.entries.keys()
    total = sum(table._hash(one) for one in (*members.all(), *members._hidden.values()))
    assert members.digest == f"{total % 2**64:016x}"
