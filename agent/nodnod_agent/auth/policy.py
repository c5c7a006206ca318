"""Who may in: looks at every request once, before anything else does.

Three questions, in this order. Do they ask for us (Host)? Does a page that may not make them ask
(Origin)? And where the cluster has a secret: do they have a token, and what for? All of it happens
in the handshake; who is in is not looked at again.
"""

import ipaddress
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import NamedTuple
from typing import Protocol as Interface
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from nodnod_agent.auth.authorization import Verified, WrongToken, audience, read_token
from nodnod_agent.auth.hosts import HostPolicy
from nodnod_agent.http.pages import TEXT, page
from nodnod_client.address import Address

_CHALLENGE = 'Bearer realm="nodnod"'
_IN_URL = {"token", "access_token"}


class Admission(NamedTuple):
    """Somebody may in. ``agent``: as an agent, if he says that he is one; ``proof`` is for him."""

    agent: bool
    proof: str = ""


class Refusal(NamedTuple):
    """Somebody may not in: what he is answered, and why, for the log."""

    response: Response
    reason: str


def admit_all(request: Request, local: Address | None, *, tls: bool) -> Admission:
    """No gate: all may in."""
    return Admission(agent=True)


class Verifier(Interface):
    """Who knows a token when he sees one."""

    def verify(self, token: str, own: AbstractSet[str]) -> Verified:
        """Whose token this is, for the agent with these addresses. Raises WrongToken."""


class AuthPolicy:
    """Judges requests, by ``names`` and ``tokens``, which may be replaced; without tokens all may in.

    ``advertised`` is where others dial us; ``public`` tells the paths of pages that anybody may
    see.
    """

    def __init__(self, *, advertised: Address, public: Callable[[str], bool]) -> None:
        self.names = HostPolicy((), lambda address: False)
        self.tokens: Verifier | None = None
        self._advertised = advertised
        self._public = public

    def __call__(
        self, request: Request, local: Address | None, *, tls: bool
    ) -> Admission | Refusal:
        """Judge a request that came to our address ``local``."""
        headers = request.headers
        if wrong := self.names.host_fault(headers):
            return _refusal(*wrong)
        if fault := self.names.origin_fault(headers, tls=tls):
            return _refusal(403, fault)
        if self.tokens is None:
            return Admission(agent=True)
        return self._identify(self.tokens, request, local)

    def _identify(
        self, tokens: Verifier, request: Request, local: Address | None
    ) -> Admission | Refusal:
        headers = request.headers
        try:
            url = urlsplit(request.path)
            if _IN_URL & parse_qs(url.query, keep_blank_values=True).keys():
                fault = "no token in a URL, where logs and histories keep it; send it in a header"
                return _refusal(400, fault)
        except ValueError:
            return _refusal(400, "not a path")
        if not wants_websocket(headers) and self._public(url.path):
            return Admission(agent=False)
        token = read_token(headers)
        if not token:
            return _refusal(401, "one token is needed: Authorization: Bearer …", _CHALLENGE)
        try:
            found = tokens.verify(token, self._own(local))
        except WrongToken as fault:
            refusal = _refusal(401, str(fault), f'{_CHALLENGE}, error="invalid_token"')
            return refusal._replace(reason=f"{fault} {fault.detail}".strip())
        return Admission(agent=found.role == "peer", proof=found.proof)

    def _own(self, local: Address | None) -> set[str]:
        """Where a peer may have dialled to get here.

        The address that the connection came to, rather than all that the machine has: every
        machine has 127.0.0.1, so a token for an impostor there would be good for all of them.
        """
        own = set()
        if local is not None:
            own.add(audience(local))
        if not _is_loopback(self._advertised.host):
            own.add(audience(self._advertised))
        return own


def wants_websocket(headers: Headers) -> bool:
    """Whether a request is to become a WebSocket; some programs would rather have HTTP/2."""
    offered = ",".join(headers.get_all("Upgrade")).lower().split(",")
    return "websocket" in map(str.strip, offered)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refusal(status: int, reason: str, challenge: str = "") -> Refusal:
    more = {"WWW-Authenticate": challenge} if challenge else {}
    return Refusal(page(status, TEXT, f"{reason}\n".encode(), **more), reason)
