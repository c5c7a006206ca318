"""Listening sockets, and the addresses at which other machines can dial them."""

import socket
from collections.abc import Iterable

from nodnod_agent.net.ip import ip_literal, is_loopback
from nodnod_client.address import Address

UNSENT_IN_KERNEL = 16 * 1024
"""Bytes that the kernel may hold unsent for one client; more would only grow old there.

The default is megabytes: a slow subscriber would read ticks that are minutes old.
"""

_NOTSENT_LOWAT: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)

# Documentation addresses (RFC 5737, RFC 3849). They stand for any host on the internet; nothing is
# sent to them.
_FAR_AWAY = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


def bind(address: Address) -> list[socket.socket]:
    """Bind every address of a host, all at one port; nothing listens yet. Raises OSError.

    ``[::]`` accepts IPv4 as well, as in Go.
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


def dialing_socket(address: Address) -> socket.socket:
    """Return a non-blocking socket for one connection to an IP address.

    The kernel may give it the port of an agent on this machine that is down. Only sockets that all
    have ``SO_REUSEADDR`` do not keep that agent from listening there again, even in TIME_WAIT.
    """
    sock = socket.socket(_family(address.host), socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def advertised_address(listen: Address, seeds: Iterable[Address] = ()) -> Address:
    """Return the address at which others can dial an agent that listens on ``listen``.

    For a wildcard this is the local address that routes to the first of ``seeds`` on another
    machine, else the one that routes to the internet, else the loopback address.
    """
    ip = ip_literal(listen.host)
    if ip is None or not ip.is_unspecified:
        return listen
    families = [socket.AF_INET, socket.AF_INET6] if ip.version != 4 else [socket.AF_INET]
    for host in (*_remote_hosts(seeds), *(_FAR_AWAY[family] for family in families)):
        local = _local_address_to(host) if _family(host) in families else ""
        if local:
            return Address(local, listen.port)
    return Address("127.0.0.1", listen.port)


def default_listen_address(default: Address, seeds: Iterable[Address]) -> Address:
    """Return where an agent listens if only ``seeds`` to join are set: they must reach it.

    This is the local address that routes to the first of them on another machine, else ``default``.
    """
    for host in _remote_hosts(seeds):
        local = _local_address_to(host)
        if local:
            return Address(local, default.port)
    return default


def is_unreachable(advertise: Address, seeds: Iterable[Address]) -> bool:
    """Whether only this machine can dial ``advertise`` although some ``seeds`` are elsewhere."""
    return is_loopback(advertise.host) and bool(_remote_hosts(seeds))


def _remote_hosts(seeds: Iterable[Address]) -> list[str]:
    """The hosts on other machines. A name is not looked up and counts as far away."""
    hosts = []
    for seed in seeds:
        ip = ip_literal(seed.host)
        if ip is None and seed.host != "localhost":
            hosts.append(_FAR_AWAY[socket.AF_INET])
        elif ip is not None and not (ip.is_loopback or ip.is_unspecified):
            hosts.append(seed.host)
    return hosts


def _local_address_to(host: str) -> str:
    """Our address on the route to a host; connecting a datagram socket sends nothing."""
    with socket.socket(_family(host), socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((host, 9))
        except OSError:
            return ""
        return str(sock.getsockname()[0])


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
