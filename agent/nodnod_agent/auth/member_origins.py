"""The origins of other members: where pages may have been opened that now ask this agent.

A page outlives the agent that served it. So what counts is not who is a member now, but what the
membership table still knows: members that are up, are down, have left, or were lost.
"""

from collections.abc import Callable, Container
from typing import NamedTuple

from nodnod_agent.net.ip import ip_literal, is_loopback
from nodnod_client.address import Address, parse_address
from nodnod_client.messages import MemberEntry
from nodnod_client.origins import ToldOrigin, parse_origin

_USUAL_PORTS = {"http": 80, "https": 443}
_LOCAL_DOMAINS = (".local", ".localhost", ".internal", ".home.arpa", ".lan", ".test")
"""Domains in which nobody can register a name for a page on the internet."""


class Known(NamedTuple):
    """What an agent knows of others: their entries, and the addresses that it lists or dials."""

    entries: tuple[MemberEntry, ...] = ()
    addresses: tuple[Address, ...] = ()


class MemberOrigins:
    """A test for origins of members, made of what is ``known`` at the time of a request.

    ``version`` changes with ``known``. ``believed``: whoever can say anything about members knows
    the secret. Else they may be anybody, so only hosts count that no page on the internet can have,
    those in ``hosts``, and those for which ``met`` says that an agent has answered there.
    """

    def __init__(
        self,
        known: Callable[[], Known] = Known,
        version: Callable[[], object] = lambda: 0,
        met: Callable[[str], bool] = lambda host: False,
        *,
        hosts: Container[str] = (),
        believed: bool = False,
    ) -> None:
        self._known = known
        self._version = version
        self._met = met
        self._hosts = hosts
        self._believed = believed
        self._of: object = None
        self._origins: frozenset[tuple[str, str, int]] = frozenset()
        self._ports: frozenset[int] = frozenset()

    def accept(self, scheme: str, host: str, port: int) -> bool:
        """Whether a page of this origin may have come from a member."""
        version = self._version()
        if version != self._of:
            self._of = version
            self._origins, self._ports = _collect(self._known())
        if is_loopback(host):  # each member can be opened so, on its own machine or by a tunnel
            return port in self._ports
        told = (scheme, host, port) in self._origins or ("", host, port) in self._origins
        return told and (self._believed or self._is_near(host))

    def _is_near(self, host: str) -> bool:
        if host in self._hosts or self._met(host):
            return True
        ip = ip_literal(host)
        if ip is None:
            return "." not in host or host.endswith(_LOCAL_DOMAINS)
        return not (getattr(ip, "ipv4_mapped", None) or ip).is_global


def _collect(known: Known) -> tuple[frozenset[tuple[str, str, int]], frozenset[int]]:
    """The origins of all members, with an empty scheme where any will do; and their ports."""
    found = {("", address.host, address.port) for address in known.addresses}
    ports = {address.port for address in known.addresses}
    for entry in known.entries:
        address = parse_address(entry.address)
        ports.add(address.port)
        found.add(("", address.host, address.port))
        told = [one for text in entry.origins if (one := parse_origin(text)) is not None]
        for scheme, host, port in (ToldOrigin("", entry.name.lower(), 0), *told):
            if scheme:
                found.add((scheme, host, port or _USUAL_PORTS[scheme]))
            else:  # at no other port: the machine may have a web site of its own
                found.add(("", host, port or address.port))
                ports.add(port or address.port)
    return frozenset(found), frozenset(ports)
