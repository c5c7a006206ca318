"""The sockets that an agent listens on, and the address under which others can dial it."""

import ipaddress
import socket

from nodnod.address import Address

__all__ = ["advertised", "bind"]

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


def advertised(listen: Address) -> Address:
    """Where others can dial an agent that listens on ``listen``: a guess if it is a wildcard."""
    try:
        wildcard = ipaddress.ip_address(listen.host).is_unspecified
    except ValueError:
        wildcard = False
    if not wildcard:
        return listen
    families = [socket.AF_INET, socket.AF_INET6] if listen.host == "::" else [socket.AF_INET]
    for family in families:
        host = _outward(family)
        if host:
            return Address(host, listen.port)
    return Address("127.0.0.1", listen.port)


def _outward(family: socket.AddressFamily) -> str:
    """Our own address on the way out; connecting a datagram socket sends nothing."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((_FAR_AWAY[family], 9))
        except OSError:
            return ""
        return str(sock.getsockname()[0])
