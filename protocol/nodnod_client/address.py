"""The address of an agent: ``host:port``, ``[v6]:port``, or a host alone (port 7070)."""

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple

from nodnod_client.errors import AddressError

DEFAULT_PORT = 7070

# RFC 1123 labels, with the underscore that container networks use. The zone of a link-local
# address ("fe80::1%eth0") is an interface name; the standard library does not check it.
_ZONE = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")


class Address(NamedTuple):
    """A host (name or IP literal, without brackets) and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The WebSocket URL of the agent that listens here."""
        return f"ws://{self}/"

    @property
    def dialable(self) -> bool:
        """False for an address of no machine or of many: 0.0.0.0, ::, broadcast, multicast.

        True for every name: it is not looked up.
        """
        try:
            ip = ipaddress.ip_address(self.host)
        except ValueError:
            return True
        ip = getattr(ip, "ipv4_mapped", None) or ip
        return not (ip.is_unspecified or ip.is_multicast or ip == _BROADCAST)


_BROADCAST = ipaddress.IPv4Address("255.255.255.255")


# Gossip repeats the same few thousand addresses.
@lru_cache(maxsize=8192)
def parse_address(
    text: str, *, any_port: bool = False, default_port: int = DEFAULT_PORT
) -> Address:
    """Parse an address. ``any_port`` allows port 0, which listens on a free port.

    Raises AddressError with what was expected and what was given.
    """
    if "://" in text or "/" in text.partition("%")[0]:
        raise AddressError(f"expected host:port, not a URL, got {_quoted(text)}")
    host, port = _split(text, str(default_port))
    lowest = 0 if any_port else 1
    # isdigit alone accepts the digits of every script.
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and lowest <= int(port) <= 65535):
        raise AddressError(f"port must be {lowest}–65535, got {_quoted(port)}")  # noqa: RUF001
    return Address(_host(host, text), int(port))


def _split(text: str, default: str) -> tuple[str, str]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise AddressError(f"expected [v6 address]:port, got {_quoted(text)}")
        if ":" not in host:
            raise AddressError(f"brackets are only for an IPv6 address, got {_quoted(text)}")
        return host, rest[1:] if rest else default
    if text.count(":") > 1:  # an IPv6 literal without brackets has no port
        return text, default
    host, colon, port = text.partition(":")
    return host, port if colon else default


def _host(host: str, text: str) -> str:
    if ":" in host:
        _, percent, zone = host.partition("%")
        try:
            if percent and not _ZONE.fullmatch(zone):
                raise ValueError(zone)
            return str(ipaddress.IPv6Address(host))
        except ValueError:
            raise AddressError(f"not an IPv6 address: {_quoted(text)}") from None
    if not host:
        raise AddressError(f"host is missing in {_quoted(text)}")
    if re.fullmatch(r"[0-9.]+", host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise AddressError(f"not an IPv4 address: {_quoted(text)}") from None
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise AddressError(f"not a host name: {_quoted(text)}")
    return host.lower()


def _quoted(text: str) -> str:
    quoted = text if re.fullmatch(r"-?[0-9]+", text) else repr(text)
    return quoted if len(quoted) <= 80 else quoted[:77] + "…"
