"""What must be true of a view of the members, whatever it was told."""

from msgspec.structs import replace

from nodnod.address import parse_address
from nodnod.messages import MemberEntry
from nodnod_agent.core import view as view_module
from nodnod_agent.core.view import View

__all__ = ["check_view"]


def check_view(view: View, own: MemberEntry) -> None:
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
