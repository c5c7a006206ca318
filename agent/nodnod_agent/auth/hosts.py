"""Which Host and which Origin a request may have: what stands between an agent and web pages.

Any page that an operator looks at can make his browser connect to ports that he can reach. The
browser tells in Origin whose page it is; and where the page's own name has been made to lead to
us, which makes us its own origin, it tells that name in Host.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from websockets.datastructures import Headers

from nodnod_client.address import Address

# Browsers leave out the zone of a link-local address, which is what follows the percent sign.
_HOST = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+)(?:%[A-Za-z0-9_.-]{1,15})?\]|([A-Za-z0-9_.-]{1,253}))(?::([0-9]{1,5}))?"
)
_PORTS = {"http": 80, "https": 443}


class HostPolicy:
    """What this agent is called, and whose pages may ask it.

    ``own`` are host names of ours; ``member`` tells whether an agent of the cluster listens at an
    address; ``hosts`` and ``origins`` are what the configuration adds.
    """

    def __init__(
        self,
        own: Iterable[str],
        member: Callable[[Address], bool],
        *,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
    ) -> None:
        self._member = member
        self._hosts = {_plain(name) for name in ("localhost", *own, *hosts)}
        self._origins = frozenset(origins)

    def host_fault(self, headers: Headers) -> tuple[int, str] | None:
        """The status that answers a request with such a Host, and why; None if it is right."""
        found = _host(headers)
        if found is None:
            return 400, "expected one Host header, host or host:port"
        host, _ = found
        if _is_literal(host) or host in self._hosts:
            return None
        return 421, f"{host[:80]} is no name of this agent; allowedHosts in its settings adds names"

    def origin_fault(self, headers: Headers, *, tls: bool) -> str:
        """What is wrong with the Origin of a request; empty if nothing is, or there is none.

        ``tls``: the request came over TLS that we end ourselves.
        """
        values = headers.get_all("Origin")
        if not values:
            return ""
        origin = values[0].lower()
        if len(values) == 1 and (origin in self._origins or self._is_ours(origin, headers, tls)):
            return ""
        return (
            f"pages of {values[0][:80]!a} may not ask this agent; "
            "allowedOrigins in its settings adds origins"
        )

    def _is_ours(self, origin: str, headers: Headers, tls: bool) -> bool:
        try:
            url = urlsplit(origin)
            usual = _PORTS[url.scheme]
            port = url.port or usual
        except (KeyError, ValueError):  # "null" among them
            return False
        host = _plain(url.hostname or "")
        if f"{url.scheme}://{url.netloc}" != origin or "@" in url.netloc or not host:
            return False
        if tls and url.scheme != "https":
            return False
        asked = _host(headers)
        if asked is not None and (host, port) == (asked[0], asked[1] or usual):
            return True
        return self._member(Address(host, port))


def _host(headers: Headers) -> tuple[str, int] | None:
    """The one Host header: a host in lower case without brackets, and a port, 0 if there is none."""
    values = headers.get_all("Host")
    parts = _HOST.fullmatch(values[0]) if len(values) == 1 else None
    if parts is None:
        return None
    return _plain(parts[1] or parts[2]), int(parts[3] or 0)


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
