"""The interfaces through which bytes enter and leave this machine.

They are its cards. Bridges, bonds, VLANs and the interfaces of containers and tunnels carry the same
bytes again; a modem's interface (``ppp0``) has bytes of its own, but no card.
"""

import os
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from nodnod_agent.collectors.sysfs import read_number

_ROUTES = 256 * 1024
"""Bytes of a routing table that are read: a router of the internet has a million routes."""

_TUNNEL_OR_LOOPBACK = (65534, 772)  # ARPHRD_NONE and ARPHRD_LOOPBACK, linux/if_arp.h

_UP, _GATEWAY, _HOST, _REJECT = 0x1, 0x2, 0x4, 0x200  # linux/route.h


class Route(NamedTuple):
    """A default route, or one that leads to a single host through a gateway."""

    interface: str
    is_default: bool


def parse_routes(data: bytes) -> list[Route]:
    """/proc/net/route: interface, destination, gateway, flags, …, mask in column 7."""
    found = []
    for line in data.split(b"\n")[1:]:
        columns = line.split()
        if len(columns) > 7:
            is_default = columns[1] == columns[7] == b"00000000"
            found += _route(columns[0], is_default, columns[3])
    return found


def parse_ipv6_routes(data: bytes) -> list[Route]:
    """/proc/net/ipv6_route: destination, length of its prefix, …, flags, interface."""
    found = []
    for line in data.split(b"\n"):
        columns = line.split()
        if len(columns) == 10:
            is_default = columns[1] == b"00" and not columns[0].strip(b"0")
            found += _route(columns[9], is_default, columns[8])
    return found


def _route(interface: bytes, is_default: bool, flags: bytes) -> list[Route]:
    try:
        bits = int(flags, 16)
    except ValueError:  # cut where reading ended
        return []
    is_host = bits & (_GATEWAY | _HOST) == _GATEWAY | _HOST
    usable = bits & _UP and not bits & _REJECT
    return [Route(os.fsdecode(interface), is_default)] if usable and (is_default or is_host) else []


def choose(
    cards: Collection[str], routes: Iterable[Route], below: Callable[[str], Iterable[str]]
) -> list[str]:
    """The cards, and the interfaces with a default route if no card carries one.

    ``below`` returns the interfaces that an interface is built on. A host route through a gateway
    counts too: the client of a VPN makes one to its server, and takes the default route for itself.
    """
    routes = list(routes)

    def has_card(name: str, seen: set[str]) -> bool:
        seen.add(name)
        return name in cards or any(
            has_card(lower, seen) for lower in below(name) if lower not in seen
        )

    if any(has_card(route.interface, set()) for route in routes):
        return list(cards)
    others = dict.fromkeys(route.interface for route in routes if route.is_default)
    return [*cards, *others]


class Uplinks:
    """Finds them in /sys and /proc; by their names on macOS."""

    def __init__(self, sys: str = "/sys/class/net", proc: str = "/proc/net") -> None:
        self._sys = sys
        self._proc = proc

    def find(self, interfaces: Iterable[str]) -> list[str]:
        """Those among the interfaces; without a card, those that are built on no other."""
        if not os.path.isdir(self._sys):
            return [name for name in interfaces if name.startswith("en")]
        cards = [name for name in interfaces if self._is_card(name)]
        if not cards:  # a container
            return [name for name in interfaces if self._is_end(name)]
        paths = {name: f"{self._sys}/{name}" for name in cards}
        indexes = {read_number(f"{path}/ifindex"): name for name, path in paths.items()}
        # Other cards count the bytes of some as their own: the master of a virtual function (Azure,
        # failover in KVM), and the card behind the ports of a switch on the board, their link.
        elsewhere = {
            name
            for name, path in paths.items()
            if _link(f"{path}/master") in cards
            or indexes.get(read_number(f"{path}/iflink") or -1, name) != name
        }
        routes = parse_routes(self._read("route")) + parse_ipv6_routes(self._read("ipv6_route"))
        return [name for name in choose(cards, routes, self._below) if name not in elsewhere]

    def _is_card(self, name: str) -> bool:
        device = f"{self._sys}/{name}/device"
        # The host's end of a guest's card under Xen is a device, too.
        return os.path.exists(device) and _link(f"{device}/subsystem") != "xen-backend"

    def _is_end(self, name: str) -> bool:
        """Whether it is no bridge, port of one, VLAN, bond, tunnel (tun, WireGuard) or loopback."""
        path = f"{self._sys}/{name}"
        others = (f"{path}/bridge", f"{path}/master")
        return (
            read_number(f"{path}/type") not in _TUNNEL_OR_LOOPBACK
            and not any(map(os.path.lexists, others))
            and not self._below(name)
        )

    def _below(self, name: str) -> list[str]:
        try:
            entries = os.listdir(f"{self._sys}/{name}")
        except OSError:
            entries = []
        lower = [entry.removeprefix("lower_") for entry in entries if entry.startswith("lower_")]
        # PPP over Ethernet: nothing says which session is which interface.
        return lower + (self._pppoe() if name.startswith("ppp") else [])

    def _pppoe(self) -> list[str]:
        rows = [line.split() for line in self._read("pppoe").split(b"\n")[1:]]
        return [os.fsdecode(row[2]) for row in rows if len(row) == 3]

    def _read(self, file: str) -> bytes:
        try:
            with open(f"{self._proc}/{file}", "rb") as opened:
                return opened.read(_ROUTES)
        except OSError:  # without IPv6, or without PPP
            return b""


def _link(path: str) -> str:
    try:
        return os.path.basename(os.readlink(path))
    except OSError:
        return ""
