"""What must be true of a view of the members, whatever it was told."""

from msgspec.structs import replace

from nodnod_agent.core.membership import table as view_module
from nodnod_agent.core.membership.table import MembershipTable
from nodnod_client.address import parse_address
from nodnod_client.messages import MemberEntry


def check_view(view: MembershipTable, own: MemberEntry) -> None:
    """It is who it was, holds no more than it may, and its digest is that of what it holds."""
    assert replace(view.own, incarnation=own.incarnation) == own
    assert view.own.incarnation >= own.incarnation
    assert view.own.address not in view.entries
    assert len(view.entries) <= view_module.MAX_MEMBERS
    assert len(view._forgotten) <= view_module.MAX_MEMBERS
    for address, one in view.entries.items():
        assert str(parse_address(address)) == address == one.address
        assert one.name.isprintable()
    total = sum(view_module._hash(one) for one in view.all())
    assert view.digest == f"{total % 2**64:016x}"
