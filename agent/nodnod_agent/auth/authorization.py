"""How a token is sent with a request, and what a verified token grants."""

from msgspec import Struct
from websockets.datastructures import Headers

from nodnod_agent.net.ip import ip_literal
from nodnod_client.address import Address

SUBPROTOCOL_PREFIX = "nodnod.bearer."
"""Prefix of a token that is sent as a WebSocket subprotocol: a browser can set no header."""

PROOF = "NodNod-Proof"
"""Response header in which an agent proves to its dialer that it knows the secret too."""

_SCHEME = "Bearer "


class Verified(Struct, frozen=True):
    """What a token grants to its ``holder``.

    ``proof``, for a peer only, shows it that we know the secret too.
    """

    role: str
    proof: str = ""
    holder: str = ""

    @property
    def operates(self) -> bool:
        """Whether the holder may change what the cluster does, as agents do anyway."""
        return self.role in ("operate", "peer")


class WrongToken(Exception):  # noqa: N818  # the fault is the sender's
    """A token is refused. The message may be sent to the client; ``detail`` is for our own log."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


def read_token(headers: Headers) -> str:
    """Return the token of a request; empty if there is none or more than one."""
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


def write_token(headers: Headers, token: str) -> None:
    """Add a token to the headers of a request."""
    headers["Authorization"] = _SCHEME + token


def audience(address: Address) -> str:
    """Return an address as tokens name it: the same text at both ends of a connection."""
    host = address.host.partition("%")[0]  # each machine has its own zone of a link-local address
    literal = ip_literal(host)
    if literal is None:
        return str(Address(host.lower(), address.port))
    mapped = getattr(literal, "ipv4_mapped", None)  # an IPv6 socket that accepted an IPv4 peer
    return str(Address(str(mapped or literal), address.port))
