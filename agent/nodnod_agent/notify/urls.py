"""The URLs of channels and of the heartbeat: what they say, and what may be shown of them."""

import re
from base64 import b64encode
from hashlib import blake2b
from typing import Literal
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from msgspec import Struct

Kind = Literal["webhook", "alertmanager", "apprise", "heartbeat"]

_BUILT_IN: dict[str, tuple[Kind, Literal["http", "https"]]] = {
    "webhook+http": ("webhook", "http"),
    "webhook+https": ("webhook", "https"),
    "alertmanager+http": ("alertmanager", "http"),
    "alertmanager+https": ("alertmanager", "https"),
}

_HEARTBEAT: dict[str, tuple[Kind, Literal["http", "https"]]] = {
    "http": ("heartbeat", "http"),
    "https": ("heartbeat", "https"),
}

# Of most of Apprise's URLs the part behind // is a key: slack://TOKEN/…
_SHOW_HOST = {
    *("form", "forms", "gotify", "gotifys", "http", "https", "json", "jsons"),
    *("mailto", "mailtos", "xml", "xmls"),
}

ALERTMANAGER_PATH = "/api/v2/alerts"

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]{0,31})://")
_HOST = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?|[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?"
)


class UrlError(Exception):
    """Says what is wrong with a URL, and shows nothing of it but its scheme."""


class Endpoint(Struct, frozen=True, repr_omit_defaults=True):
    """One HTTP server: where it is, the path with its query, and the value of Authorization."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str
    authorization: str = ""

    @property
    def name(self) -> str:
        """Host, and the port if it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __repr__(self) -> str:
        return f"<Endpoint {self.name}>"

    __str__ = __repr__


class ChannelUrl(Struct, frozen=True):
    """A URL that has been read. ``endpoints`` are those of the built-in kinds.

    ``label`` is for people, ``id`` is the same on all nodes that have the URL.
    """

    kind: Kind
    url: str
    label: str
    endpoints: tuple[Endpoint, ...] = ()

    @property
    def id(self) -> str:
        """16 hex digits."""
        return blake2b(self.url.encode(), digest_size=8).hexdigest()

    def __repr__(self) -> str:
        return f"<{self.label}>"

    __str__ = __repr__


def parse_channel(url: str) -> ChannelUrl:
    """Read the URL of a channel. Raises UrlError."""
    scheme = _scheme(url)
    if scheme in _BUILT_IN:
        return _over_http(url, *_BUILT_IN[scheme])
    kind = scheme.partition("+")[0]
    if kind in ("webhook", "alertmanager"):
        raise UrlError(f"expected {kind}+http:// or {kind}+https://, got {scheme}://")
    return ChannelUrl("apprise", url, _apprise_label(scheme, url))


def parse_heartbeat(url: str) -> ChannelUrl:
    """Read the URL of the heartbeat. Raises UrlError."""
    scheme = _scheme(url)
    if scheme not in _HEARTBEAT:
        raise UrlError(f"expected http:// or https://, got {scheme}://")
    return _over_http(url, *_HEARTBEAT[scheme])


def _scheme(url: str) -> str:
    if not url.isascii() or not url.isprintable() or " " in url:
        if len(url.split()) > 1:
            raise UrlError(
                "expected one URL, got several words; each channel is an item of its own"
            )
        raise UrlError("expected a URL of ASCII characters, others as %XX")
    found = _SCHEME.match(url)
    if found is None:
        raise UrlError("expected a URL, such as webhook+https://…")
    return found[1]


def _over_http(url: str, kind: Kind, scheme: Literal["http", "https"]) -> ChannelUrl:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise UrlError(f"not a URL behind {_scheme(url)}://") from None
    if "#" in url:
        raise UrlError("a # is sent to no server; write it as %23")
    path = parts.path or "/"
    if kind == "alertmanager":
        if "?" in url:
            raise UrlError("expected no query (?…) in a URL of Alertmanager")
        path = path.rstrip("/") + ALERTMANAGER_PATH
    elif parts.query:
        path = f"{path}?{parts.query}"
    user, at, places = parts.netloc.rpartition("@")
    names = places.split(",") if kind == "alertmanager" else [places]
    endpoints = tuple(_endpoint(name, scheme, path, _basic(user) if at else "") for name in names)
    if len(set(endpoints)) < len(endpoints):
        raise UrlError("one server is there twice")
    shown = ", ".join(endpoint.name for endpoint in endpoints)
    return ChannelUrl(kind, url, f"{kind} {shown}", endpoints)


def _endpoint(
    place: str, scheme: Literal["http", "https"], path: str, authorization: str
) -> Endpoint:
    try:
        split = SplitResult(scheme, place, "", "", "")
        host, port = split.hostname or "", split.port
    except ValueError:
        raise UrlError("expected host or host:port behind //") from None
    if not _HOST.fullmatch(host) or port == 0 or place.endswith(":"):
        raise UrlError("expected host or host:port behind //")
    return Endpoint(scheme, host, port or _DEFAULT_PORTS[scheme], path, authorization)


def _basic(user: str) -> str:
    return f"Basic {b64encode(unquote_to_bytes(user)).decode()}"


def _apprise_label(scheme: str, url: str) -> str:
    if scheme not in _SHOW_HOST:
        return scheme
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    return f"{scheme} {host}" if _HOST.fullmatch(host) else scheme
