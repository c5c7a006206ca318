"""Host and origin policy: protects the agent from web pages that the operator opens.

Any page can make a browser connect to ports that the browser can reach. The browser sends the
page's origin in ``Origin``. A page can also point its own host name at the agent (DNS rebinding),
which makes the agent its own origin; the browser then sends that host name in ``Host``.
"""

import re
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from websockets.datastructures import Headers

from nodnod_agent.net.ip import ip_literal

# Browsers leave out the zone of a link-local address, which is what follows the percent sign.
_HOST = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+)(?:%[A-Za-z0-9_.-]{1,15})?\]|([A-Za-z0-9_.-]{1,253}))(?::([0-9]{1,5}))?"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


class HostPolicy:
    """The host names of this agent, and the origins whose pages may send requests to it.

    ``own`` holds this agent's host names. ``is_member`` tells whether a page of an origin (scheme,
    host, port) may come from an agent of the cluster. ``hosts`` and ``origins`` are added by the
    configuration.
    """

    def __init__(
        self,
        own: Iterable[str] = (),
        is_member: Callable[[str, str, int], bool] = lambda scheme, host, port: False,
        *,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
    ) -> None:
        self._is_member = is_member
        self._hosts = {_normalized(name) for name in ("localhost", *own, *hosts)}
        self._origins = frozenset(origins)

    def host_error(self, headers: Headers) -> tuple[int, str] | None:
        """Return the status and reason that refuse the Host of a request; None accepts it."""
        found = _host_and_port(headers)
        if found is None:
            return 400, "expected one Host header, host or host:port"
        host, _ = found
        if host in self._hosts or ip_literal(host) is not None:
            return None
        return 421, f"{host[:80]} is not a name of this agent; add it to allowedHosts"

    def origin_error(self, headers: Headers, *, tls: bool) -> str:
        """Return the reason that refuses the Origin of a request; empty if accepted or absent.

        ``tls``: the request came over TLS that this agent terminates.
        """
        values = headers.get_all("Origin")
        if not values:
            return ""
        origin = values[0].lower()
        if len(values) == 1 and (
            origin in self._origins or self._is_cluster_origin(origin, headers, tls)
        ):
            return ""
        return f"origin {values[0][:80]!a} is not allowed; add it to allowedOrigins"

    def _is_cluster_origin(self, origin: str, headers: Headers, tls: bool) -> bool:
        """Whether an origin is this agent, by its Host header, or another member."""
        try:
            url = urlsplit(origin)
            default_port = _DEFAULT_PORTS[url.scheme]
            port = url.port or default_port
        except (KeyError, ValueError):  # "null" among them
            return False
        host = _normalized(url.hostname or "")
        if f"{url.scheme}://{url.netloc}" != origin or "@" in url.netloc or not host:
            return False
        if tls and url.scheme != "https":
            return False
        requested = _host_and_port(headers)
        if requested is not None and (host, port) == (requested[0], requested[1] or default_port):
            return True
        return self._is_member(url.scheme, host, port)


def _host_and_port(headers: Headers) -> tuple[str, int] | None:
    """Parse the one Host header: a host in lower case without brackets, and a port or 0."""
    values = headers.get_all("Host")
    parts = _HOST.fullmatch(values[0]) if len(values) == 1 else None
    if parts is None:
        return None
    return _normalized(parts[1] or parts[2]), int(parts[3] or 0)


def _normalized(name: str) -> str:
    return name.lower().removesuffix(".")
