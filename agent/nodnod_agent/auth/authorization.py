"""How a token travels, and what is known of who bears it."""

import ipaddress

from msgspec import Struct
from websockets.datastructures import Headers

from nodnod_client.address import Address

SUBPROTOCOL_PREFIX = "nodnod.bearer."
"""What a token has before it where it comes as a subprotocol: a browser can set no header."""

PROOF = "NodNod-Proof"
"""The header in which an agent proves to who dialled it that it knows the secret too."""

_SCHEME = "Bearer "


class Verified(Struct, frozen=True):
    """Whose token it is. ``proof``, for a peer only, shows him that we know the secret too."""

    role: str
    proof: str = ""


class WrongToken(Exception):  # noqa: N818  # it is no error of ours
    """A token that is not accepted, and why, in words that may be told to whoever sent it.

    ``detail`` is for our own log.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


def read_token(headers: Headers) -> str:
    """The token that came with a request; empty if none did, or more than one."""
    found = [
        value[len(_SCHEME) :].strip()
        for value in headers.get_all("Authorization")
        if value[: len(_SCHEME)].lower() == _SCHEME.lower()
    ]
    offered = ",".join(headers.get_all("Sec-WebSocket-Protocol")).split(",")
    found += [
        name.strip().removeprefix(SUBPROTOCOL_PREFIX)
        for name in offered
        if name.strip().startswith(SUBPROTOCOL_PREFIX)
    ]
    return found[0] if len(found) == 1 else ""


def audience(address: Address) -> str:
    """An address as tokens name it: the same, seen from either end of a connection."""
    host = address.host.partition("%")[0]  # the zone of a link-local address is each machine's own
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return str(Address(host.lower(), address.port))
    mapped = getattr(literal, "ipv4_mapped", None)  # a socket of IPv6 that took one of IPv4
    return str(Address(str(mapped or literal), address.port))


def write_token(headers: Headers, token: str) -> None:
    """Send a token along."""
    headers["Authorization"] = _SCHEME + token
