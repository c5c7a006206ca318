"""Access control: decides about every request once, during the handshake, before anything else.

It checks three things, in this order: whether the request is for this agent (Host), whether a web
page may send it (Origin), and, if the cluster has a secret, what its token grants. A connection
that has been admitted is not checked again.
"""

from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from nodnod_agent.auth.authorization import WrongToken, audience, read_token
from nodnod_agent.auth.hosts import HostPolicy
from nodnod_agent.auth.tokens import Tokens
from nodnod_agent.http.pages import TEXT, page
from nodnod_agent.net.ip import is_loopback
from nodnod_client.address import Address

_CHALLENGE = 'Bearer realm="nodnod"'
_TOKEN_PARAMETERS = {"token", "access_token"}


class Admission(NamedTuple):
    """A request is admitted.

    ``agent``: it may act as a peer; ``proof`` is sent back to it. ``operator`` is the name
    of the client that may silence alerts, empty if unknown; ``None`` if it may not.
    """

    agent: bool
    proof: str = ""
    operator: str | None = None


class Refusal(NamedTuple):
    """A request is refused: the response, and the reason for the log."""

    response: Response
    reason: str


class AuthPolicy:
    """Admits or refuses requests. Without ``tokens`` authentication is off.

    ``hosts`` and ``tokens`` may be replaced at any time. Peers dial us at ``advertised``.
    ``is_public`` tells the paths of pages that need no token.
    """

    def __init__(self, *, advertised: Address, is_public: Callable[[str], bool]) -> None:
        self.hosts = HostPolicy()
        self.tokens: Tokens | None = None
        self._advertised = advertised
        self._is_public = is_public

    def __call__(
        self, request: Request, local: Address | None, *, tls: bool
    ) -> Admission | Refusal:
        """Decide about a request that arrived at our address ``local``."""
        headers = request.headers
        host_error = self.hosts.host_error(headers)
        if host_error and not _is_plain_health_check(request):
            return _refusal(*host_error)
        if origin_error := self.hosts.origin_error(headers, tls=tls):
            return _refusal(403, origin_error)
        if self.tokens is None:
            return Admission(agent=True, operator="")  # whoever may read may silence
        return self._authenticate(self.tokens, request, local)

    def _authenticate(
        self, tokens: Tokens, request: Request, local: Address | None
    ) -> Admission | Refusal:
        headers = request.headers
        try:
            url = urlsplit(request.path)
            if _TOKEN_PARAMETERS & parse_qs(url.query, keep_blank_values=True).keys():
                # URLs end up in logs and browser histories.
                return _refusal(400, "send the token in a header, not in the URL")
        except ValueError:
            return _refusal(400, "not a path")
        if not wants_websocket(headers) and self._is_public(url.path):
            return Admission(agent=False)
        token = read_token(headers)
        if not token:
            return _refusal(401, "one token is needed: Authorization: Bearer …", _CHALLENGE)
        try:
            verified = tokens.verify(token, self._audiences(local))
        except WrongToken as error:
            refusal = _refusal(401, str(error), f'{_CHALLENGE}, error="invalid_token"')
            return refusal._replace(reason=f"{error} {error.detail}".strip())
        operator = verified.holder if verified.operates else None
        return Admission(verified.role == "peer", verified.proof, operator)

    def _audiences(self, local: Address | None) -> set[str]:
        """The addresses at which a peer may have dialed this agent.

        One is the local address of the connection. The machine's other addresses are left out:
        every machine has 127.0.0.1, so a token for an impostor there would be valid everywhere.
        """
        addresses = [] if local is None else [local]
        if not is_loopback(self._advertised.host):
            addresses.append(self._advertised)
        return {audience(address) for address in addresses}


def _is_plain_health_check(request: Request) -> bool:
    """Whether this is what HAProxy and others ask by default: HTTP/1.0, which needs no Host.

    Browsers do not speak it, so that Host protects nothing here.
    """
    return (
        request.protocol == "HTTP/1.0"
        and "Host" not in request.headers
        and request.path.partition("?")[0] == "/healthz"
        and not wants_websocket(request.headers)
    )


def wants_websocket(headers: Headers) -> bool:
    """Whether a request asks for a WebSocket upgrade; some clients ask for HTTP/2 instead."""
    offered = ",".join(headers.get_all("Upgrade")).lower().split(",")
    return "websocket" in map(str.strip, offered)


def _refusal(status: int, reason: str, challenge: str = "") -> Refusal:
    more = {"WWW-Authenticate": challenge} if challenge else {}
    return Refusal(page(status, TEXT, f"{reason}\n".encode(), **more), reason)
