"""HTTP answers: the dashboard's files, the stats as JSON, health, metrics, service discovery.

Requests come from anybody's browser and curl, so every answer says what it is, may not be framed,
and runs no script but ours.
"""

import logging
from collections.abc import Callable
from email.utils import formatdate
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from nodnod.codec import decode_request, encode
from nodnod.errors import RequestError
from nodnod.messages import RequestType
from nodnod_agent.core.cluster import Cluster
from nodnod_agent.core.question import Question

__all__ = ["Pages", "page"]

DEFAULT_TIMEOUT = 2.0

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

_SECURITY = {
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

Reply = Callable[[Response], None]

log = logging.getLogger("nodnod.pages")


class _Asked(NamedTuple):
    """A GET or HEAD: where it goes, its query parameters, and how to answer."""

    path: str
    query: dict[str, str]
    reply: Reply


class _Waiter:
    """A page that waits for the cluster."""

    def __init__(self, timeout: float, now: float, done: Callable[[bytes], None]) -> None:
        self.timeout = timeout
        self.deadline = now + timeout
        self.settle = done


class Pages:
    """All pages of one agent, by path."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._routes: dict[str, Callable[[_Asked], None]] = {
            "/stat": self._stat,
            "/stat/all": self._stat,
            "/members": self._members,
            "/healthz": self._healthz,
            "/sd": self._service_discovery,
        }

    def __call__(self, request: Request, reply: Reply) -> None:
        """Answer a request without a body; ``reply`` is called once, now or when it is known."""
        if request.method not in ("GET", "HEAD"):
            reply(page(405, TEXT, b"GET and HEAD only\n", Allow="GET, HEAD"))
            return
        try:
            url = urlsplit(request.path)
            query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        except ValueError:
            reply(page(400, TEXT, b"not a path\n"))
            return
        handler = self._routes.get(url.path)
        if handler is not None:
            handler(_Asked(url.path, query, reply))
            return
        name = "index.html" if url.path == "/" else url.path.removeprefix("/")
        file = _static().get(name)
        reply(page(200, *file) if file is not None else page(404, TEXT, b"no such page\n"))

    def _stat(self, asked: _Asked) -> None:
        kind = RequestType.STAT_ALL if asked.path == "/stat/all" else RequestType.STAT
        self._ask(kind, asked, lambda body: asked.reply(page(200, JSON, body)))

    def _ask(self, kind: RequestType, asked: _Asked, done: Callable[[bytes], None]) -> None:
        """Ask as a WebSocket client would; the same rules hold for what may be asked."""
        fields: dict[str, object] = {"type": int(kind)}
        for name in ("detail", "nodes"):
            if name in asked.query:
                fields[name] = [part for part in asked.query[name].split(",") if part]
        if "timeout" in asked.query:
            fields["timeout"] = _number(asked.query["timeout"])
        try:
            request = decode_request(encode(fields))
            question = Question.of(request)
        except RequestError as error:
            asked.reply(page(400, JSON, self._cluster.answers.refusal(error)))
            return
        now = self._cluster.clock.time()
        self._cluster.ask(question, _Waiter(request.timeout or DEFAULT_TIMEOUT, now, done))

    def _members(self, asked: _Asked) -> None:
        asked.reply(page(200, JSON, self._cluster.members_body()))

    def _healthz(self, asked: _Asked) -> None:
        asked.reply(page(200, JSON, b'{"status":"ok"}'))

    def _service_discovery(self, asked: _Asked) -> None:
        """Prometheus' http_sd: one group per member that has not left, named by label."""
        groups = [
            {"targets": [member.address], "labels": {"node": member.name}}
            for member in self._cluster.peers.members()
            if member.state != "left" and member.version != 1
        ]
        asked.reply(page(200, JSON, encode(groups)))


def page(status: int, kind: str, body: bytes, **more: str) -> Response:
    """One HTTP answer, after which the connection ends."""
    headers = Headers(
        {
            "Date": formatdate(usegmt=True),
            "Connection": "close",
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            **_SECURITY,
            **more,
        }
    )
    return Response(status, HTTPStatus(status).phrase, headers, body)


@cache
def _static() -> dict[str, tuple[str, bytes]]:
    """The dashboard's files by name: type and content, read once. They are small."""
    return {
        file.name: (_TYPES[suffix], file.read_bytes())
        for file in files("nodnod_agent").joinpath("dashboard").iterdir()
        if (suffix := file.name[file.name.rfind(".") :]) in _TYPES
    }


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
