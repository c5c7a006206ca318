"""Hosts that are IP addresses rather than names."""

import ipaddress


def ip_literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Parse a host as an IP address, without its zone; None if it is a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host."""
    ip = ip_literal(host)
    return host == "localhost" if ip is None else ip.is_loopback
