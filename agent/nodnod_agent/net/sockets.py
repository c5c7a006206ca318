"""The sockets that an agent listens on, and the address under which others can dial it."""

import ipaddress
import socket
from collections.abc import Iterable

from nodnod_client.address import Address

UNSENT_IN_KERNEL = 16 * 1024
"""Bytes that the kernel may hold for a client before they are sent; more would only grow old there.

By itself it takes megabytes, and a slow subscriber would read ticks of minutes ago.
"""

_NOTSENT_LOWAT: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)

# Documentation addresses (RFC 5737, RFC 3849): asked only which way they would go.
_FAR_AWAY = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


def bind(address: Address) -> list[socket.socket]:
    """Bind every address of a host, all at one port. Raises OSError.

    ``[::]`` takes IPv4 as well, as it does in Go. Nobody can connect before somebody listens.
    """
    wanted = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    port = address.port
    try:
        for family, kind, protocol, _, where in dict.fromkeys(wanted):
            sock = socket.socket(family, kind, protocol)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if _NOTSENT_LOWAT is not None:  # accepted sockets inherit it
                sock.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, UNSENT_IN_KERNEL)
            if family == socket.AF_INET6:
                only = address.host != "::"
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
            sock.bind((where[0], port, *where[2:]))
            port = sock.getsockname()[1]
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def advertised(listen: Address, seeds: Iterable[Address] = ()) -> Address:
    """Where others can dial an agent that listens on ``listen``.

    If that is a wildcard: our address on the way to the first of ``seeds`` on another machine, else
    on the way out.
    """
    ip = _ip(listen.host)
    if ip is None or not ip.is_unspecified:
        return listen
    families = [socket.AF_INET, socket.AF_INET6] if ip.version != 4 else [socket.AF_INET]
    hosts = [*_elsewhere(seeds), *(_FAR_AWAY[family] for family in families)]
    for host in hosts:
        way = _way_to(host) if _family(host) in families else ""
        if way:
            return Address(way, listen.port)
    return Address("127.0.0.1", listen.port)


def reachable(listen: Address, seeds: Iterable[Address]) -> Address:
    """Where to listen if nobody says but ``seeds`` are to be joined, which must be able to dial us.

    That is our address on the way to the first of them on another machine; with none, ``listen``.
    """
    for host in _elsewhere(seeds):
        way = _way_to(host)
        if way:
            return Address(way, listen.port)
    return listen


def out_of_reach(advertise: Address, seeds: Iterable[Address]) -> bool:
    """Whether only this machine can dial ``advertise``, though ``seeds`` are on others."""
    ip = _ip(advertise.host)
    local = advertise.host == "localhost" if ip is None else ip.is_loopback
    return local and bool(_elsewhere(seeds))


def _elsewhere(seeds: Iterable[Address]) -> list[str]:
    """The hosts that are not this machine; a name, which is not looked up here, may be anywhere."""
    hosts = []
    for seed in seeds:
        ip = _ip(seed.host)
        if ip is None and seed.host != "localhost":
            hosts.append(_FAR_AWAY[socket.AF_INET])
        elif ip is not None and not (ip.is_loopback or ip.is_unspecified):
            hosts.append(seed.host)
    return hosts


def _way_to(host: str) -> str:
    """Our own address on the way there; connecting a datagram socket sends nothing."""
    with socket.socket(_family(host), socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((host, 9))
        except OSError:
            return ""
        return str(sock.getsockname()[0])


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
