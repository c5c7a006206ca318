"""HTTP answers: the dashboard's files, the stats as JSON, health, metrics, service discovery.

Requests come from anybody's browser and curl, so every answer says what it is, may not be framed,
and runs no script but ours.
"""

import logging
from collections.abc import Callable, Mapping
from email.utils import formatdate
from functools import cache, cached_property
from http import HTTPStatus
from importlib.resources import files
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from nodnod_agent.collectors.machine import Timing
from nodnod_agent.core.node import Node
from nodnod_agent.core.question import Question
from nodnod_agent.core.requests.delivery import Waiter
from nodnod_client.codec import decode_request, encode
from nodnod_client.errors import RequestError
from nodnod_client.messages import RequestType

if TYPE_CHECKING:
    from nodnod_agent.http.metrics import Metrics

DEFAULT_TIMEOUT = 2.0

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
METRICS = "text/plain; version=0.0.4; charset=utf-8"

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
    query: dict[str, list[str]]
    reply: Reply


class _Waiter(Waiter):
    """A page that waits for the cluster."""

    def __init__(
        self, pages: "Pages", asked: _Asked, timeout: float, done: Callable[[bytes], None]
    ) -> None:
        super().__init__(timeout, pages.cluster.clock.time() + timeout)
        self.pages = pages
        self.asked = asked
        self.done = done

    def deliver(self, body: bytes) -> None:
        """Answer the page."""
        self.pages.waiting.discard(self)
        self.done(body)


class Pages:
    """All pages of one agent, by path; ``timings`` is the sampler's.

    ``later`` has costly work done in a turn of the loop to come.
    """

    def __init__(
        self,
        cluster: Node,
        timings: Callable[[], Mapping[str, Timing]],
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self.cluster = cluster
        self._later = later
        self.waiting: set[_Waiter] = set()
        self._timings = timings
        self._routes: dict[str, Callable[[_Asked], None]] = {
            "/stat": self._stat,
            "/stat/all": self._stat,
            "/members": self._members,
            "/healthz": self._healthz,
            "/sd": self._service_discovery,
            "/metrics": self._own_metrics,
            "/metrics/cluster": self._cluster_metrics,
        }

    def public(self, path: str) -> bool:
        """Whether a page tells nothing of the cluster: anybody may see it."""
        return path == "/healthz" or _file(path) is not None

    def stop(self) -> None:
        """Answer those that wait; the cluster, which has stopped, will not."""
        error = RequestError("shutting_down", "this agent is shutting down")
        body = self.cluster.responder.encoder.refusal(error)
        for waiter in tuple(self.waiting):
            waiter.asked.reply(page(503, JSON, body))
        self.waiting.clear()

    def __call__(self, request: Request, reply: Reply) -> None:
        """Answer a request without a body; ``reply`` is called once, now or when it is known."""
        try:
            url = urlsplit(request.path)
            query = parse_qs(url.query)
        except ValueError:
            self.cluster.counters.page("other", 400)
            reply(page(400, TEXT, b"not a path\n"))
            return
        file = _file(url.path)
        handler = self._routes.get(url.path)
        known = url.path if handler else "dashboard" if file else "other"

        def counted(response: Response) -> None:
            self.cluster.counters.page(known, response.status_code)
            reply(response)

        if request.method not in ("GET", "HEAD"):
            counted(page(405, TEXT, b"GET and HEAD only\n", Allow="GET, HEAD"))
        elif handler is not None:
            handler(_Asked(url.path, query, counted))
        elif file is not None:
            counted(page(200, *file))
        else:
            counted(page(404, TEXT, b"no such page\n"))

    def _stat(self, asked: _Asked) -> None:
        kind = RequestType.STAT_ALL if asked.path == "/stat/all" else RequestType.STAT
        self._ask(kind, asked, lambda body: asked.reply(page(200, JSON, body)))

    def _ask(self, kind: RequestType, asked: _Asked, done: Callable[[bytes], None]) -> None:
        """Ask as a WebSocket client would; the same rules hold for what may be asked."""
        fields: dict[str, object] = {"type": int(kind)}
        for name in ("detail", "nodes"):
            if name in asked.query:
                fields[name] = [part for part in ",".join(asked.query[name]).split(",") if part]
        if "timeout" in asked.query:
            fields["timeout"] = _number(asked.query["timeout"][-1])
        try:
            request = decode_request(encode(fields))
            question = Question.of(request)
        except RequestError as error:
            self.cluster.counters.refused(error.code)
            asked.reply(page(400, JSON, self.cluster.responder.encoder.refusal(error)))
            return
        waiter = _Waiter(self, asked, request.timeout or DEFAULT_TIMEOUT, done)
        self.waiting.add(waiter)
        self.cluster.responder.ask(question, waiter)

    def _own_metrics(self, asked: _Asked) -> None:
        """This node's sections as far as they are at hand; those in ``detail`` are waited for."""
        if "detail" in asked.query:
            self._ask(RequestType.STAT, asked, lambda _: self._tell(asked, self._metrics.own))
        else:
            self._tell(asked, self._metrics.own)

    def _cluster_metrics(self, asked: _Asked) -> None:
        def tell(body: bytes) -> None:
            self._tell(asked, lambda: self._metrics.of_cluster(body))

        self._ask(RequestType.STAT_ALL, asked, tell)

    def _tell(self, asked: _Asked, metrics: Callable[[], bytes]) -> None:
        """Answer in a turn of the loop to come: writing metrics takes long, and others wait."""

        def answer() -> None:
            try:
                text = metrics()
            except Exception:
                log.exception("Could not write the page %s", asked.path)
                asked.reply(page(500, TEXT, b"the log of the agent says why\n"))
            else:
                asked.reply(page(200, METRICS, text))

        self._later(answer)

    @cached_property
    def _metrics(self) -> "Metrics":
        # Not before somebody scrapes: the library takes memory.
        from nodnod_agent.http.metrics import Metrics

        return Metrics(self.cluster, self._timings)

    def _members(self, asked: _Asked) -> None:
        asked.reply(page(200, JSON, self.cluster.responder.members()))

    def _healthz(self, asked: _Asked) -> None:
        asked.reply(page(200, JSON, b'{"status":"ok"}'))

    def _service_discovery(self, asked: _Asked) -> None:
        """Prometheus' http_sd: one group per member that has not left, named by label."""
        groups = [
            {"targets": [member.address], "labels": {"node": member.name}}
            for member in self.cluster.peers.members()
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


def _file(path: str) -> tuple[str, bytes] | None:
    """The file of the dashboard at a path, if there is one there."""
    return _static().get("index.html" if path == "/" else path.removeprefix("/"))


@cache
def _static() -> dict[str, tuple[str, bytes]]:
    """The dashboard's files by name: type and content, read once. They are small."""
    return {
        file.name: (_TYPES[suffix], file.read_bytes())
        for file in files("nodnod_agent").joinpath("dashboard").iterdir()
        if (suffix := file.name[file.name.rfind(".") :]) in _TYPES
    }


def _number(text: str) -> float | str:
    """The number that a text is, or the text, which is then refused; so are NaN and infinity."""
    try:
        number = float(text)
    except ValueError:
        return text
    return number if isfinite(number) else text
