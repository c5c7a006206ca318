"""Plain HTTP: the dashboard's files, the stats as JSON, health, metrics, service discovery.

Any browser may send a request. So every response states its content type, forbids framing, and
allows no scripts but the dashboard's.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from functools import cache, cached_property, partial
from http import HTTPStatus
from importlib.resources import files
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from nodnod_agent.collectors.moment import Timing
from nodnod_agent.core.node import Node
from nodnod_agent.core.question import Question
from nodnod_agent.core.requests.delivery import Waiter
from nodnod_agent.core.requests.event_streams import EventQuery
from nodnod_agent.core.requests.request_cache import DEFAULT_TIMEOUT
from nodnod_client.codec import decode_request, encode
from nodnod_client.errors import RequestError
from nodnod_client.messages import Request as NodeRequest
from nodnod_client.messages import RequestType
from nodnod_client.tags import label

if TYPE_CHECKING:
    from nodnod_agent.http.metrics import Metrics


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

_STATS = ("/stat", "/stat/all")

Reply = Callable[[Response], None]

log = logging.getLogger("nodnod.pages")


class _PageRequest(NamedTuple):
    """A GET or HEAD request: its path, its query parameters, and how to respond."""

    path: str
    query: dict[str, list[str]]
    reply: Reply


class _PageWaiter(Waiter, eq=False):
    """A page that waits for an answer of the node; ``on_answer`` gets it."""

    pages: "Pages"
    request: _PageRequest
    on_answer: Callable[[bytes], None]

    def deliver(self, body: bytes) -> None:
        """Respond with the answer."""
        self.pages.waiting.discard(self)
        self.on_answer(body)


class Pages:
    """All pages of one agent, by path.

    ``timings`` is the sampler's. ``later`` schedules expensive work on the event loop. ``scraped``
    names sections that are sampled for every scrape of this node's metrics. ``expiries`` tells when
    certificates expire, in Unix seconds, by setting.
    """

    def __init__(
        self,
        node: Node,
        timings: Callable[[], Mapping[str, Timing]],
        later: Callable[[Callable[[], None]], None],
        scraped: Sequence[str] = (),
        *,
        expiries: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self.node = node
        self.waiting: set[_PageWaiter] = set()
        self._later = later
        self._timings = timings
        self._scraped = scraped
        self._expiries = expiries
        self._routes: dict[str, Callable[[_PageRequest], None]] = {
            **dict.fromkeys(_STATS, self._stat),
            "/members": self._members,
            "/alerts": self._alerts,
            "/events": self._events,
            "/healthz": self._healthz,
            "/sd": self._service_discovery,
            "/metrics": self._own_metrics,
            "/metrics/cluster": self._cluster_metrics,
        }

    def is_public(self, path: str) -> bool:
        """Whether a page says nothing about the cluster, so that it needs no token."""
        return path == "/healthz" or _file(path) is not None

    def stop(self) -> None:
        """Respond to waiting requests with an error; the node has stopped and will not answer."""
        error = RequestError("shutting_down", "this agent is shutting down")
        body = self.node.responder.encoder.refusal(error)
        for waiter in tuple(self.waiting):
            waiter.request.reply(page(503, JSON, body))
        self.waiting.clear()

    def __call__(self, request: Request, reply: Reply) -> None:
        """Respond to a request without a body: ``reply`` is called once, now or later."""
        try:
            url = urlsplit(request.path)
            query = parse_qs(url.query)
        except ValueError:
            self.node.counters.page("other", 400)
            reply(page(400, TEXT, b"not a path\n"))
            return
        file = _file(url.path)
        handler = self._routes.get(url.path)
        name = url.path if handler else "dashboard" if file else "other"

        def counted(response: Response) -> None:
            self.node.counters.page(name, response.status_code)
            reply(response)

        if request.method not in ("GET", "HEAD"):
            counted(page(405, TEXT, b"GET and HEAD only\n", Allow="GET, HEAD"))
        elif handler is not None:
            handler(_PageRequest(url.path, query, counted))
        elif file is not None:
            counted(page(200, *file))
        else:
            counted(page(404, TEXT, b"no such page\n"))

    def _stat(self, request: _PageRequest) -> None:
        kind = RequestType.STAT_ALL if request.path == "/stat/all" else RequestType.STAT
        self._ask(kind, request, lambda _, body: request.reply(page(200, JSON, body)))

    def _ask(
        self,
        kind: RequestType,
        request: _PageRequest,
        on_answer: Callable[[Question, bytes], None],
    ) -> None:
        """Send a request to the node under the same rules as a WebSocket client's."""
        responder = self.node.responder
        try:
            decoded = _request(kind, request.query)
            question = Question.of(decoded)
        except RequestError as error:
            self._refuse(request, error)
            return
        if request.path not in _STATS:
            question = question.without_history
        timeout = decoded.timeout or DEFAULT_TIMEOUT
        deadline = self.node.clock.time() + timeout
        waiter = _PageWaiter(timeout, deadline, (), self, request, partial(on_answer, question))
        self.waiting.add(waiter)
        responder.ask(question, waiter)

    def _events(self, request: _PageRequest) -> None:
        try:
            query = EventQuery.of(_request(RequestType.EVENTS, request.query))
        except RequestError as error:
            self._refuse(request, error)
        else:
            request.reply(page(200, JSON, self.node.responder.events(query)))

    def _alerts(self, request: _PageRequest) -> None:
        try:
            question = Question.of(_request(RequestType.ALERTS, request.query))
        except RequestError as error:
            self._refuse(request, error)
        else:
            request.reply(page(200, JSON, self.node.responder.alert_list(question)))

    def _refuse(self, request: _PageRequest, error: RequestError) -> None:
        self.node.counters.refused(error.code)
        request.reply(page(400, JSON, self.node.responder.encoder.refusal(error)))

    def _own_metrics(self, request: _PageRequest) -> None:
        """Respond with the sections that are known; those in ``detail`` are collected first."""
        if detail := [*request.query.get("detail", ()), *self._scraped]:
            request = request._replace(query=request.query | {"detail": detail})

        def write(question: Question) -> None:
            self._write(request, lambda: self._metrics.of_node(question.match))

        if detail:
            self._ask(RequestType.STAT, request, lambda question, _: write(question))
        else:
            write(Question())

    def _cluster_metrics(self, request: _PageRequest) -> None:
        def write(_: Question, body: bytes) -> None:
            self._write(request, lambda: self._metrics.of_cluster(body))

        self._ask(RequestType.STAT_ALL, request, write)

    def _write(self, request: _PageRequest, metrics: Callable[[], bytes]) -> None:
        """Respond later: writing metrics takes long, and would delay other requests."""

        def write() -> None:
            try:
                text = metrics()
            except Exception:
                log.exception("Could not write the page %s", request.path)
                request.reply(page(500, TEXT, b"the log of the agent has the reason\n"))
            else:
                request.reply(page(200, METRICS, text))

        self._later(write)

    @cached_property
    def _metrics(self) -> "Metrics":
        # With the first scrape: the library takes memory.
        from nodnod_agent.http.metrics import Metrics

        return Metrics(self.node, self._timings, self._expiries)

    def _members(self, request: _PageRequest) -> None:
        request.reply(page(200, JSON, self.node.responder.members()))

    def _healthz(self, request: _PageRequest) -> None:
        request.reply(page(200, JSON, b'{"status":"ok"}'))

    def _service_discovery(self, request: _PageRequest) -> None:
        """Respond for Prometheus' http_sd: one group per member that has not left, with its tags.

        Version 1 serves no metrics, and a configured node that was never met may be one. A node with
        an instance is none: others tell of it, and they only tell of version 2.
        """
        groups = [
            {
                "targets": [member.address],
                "labels": {"node": member.name, **_tag_labels(member.tags)},
            }
            for member in self.node.peers.members()
            if member.state != "left"
            and member.version != 1
            and (member.version or member.instance)
        ]
        request.reply(page(200, JSON, encode(groups)))


def _tag_labels(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags as labels that Prometheus drops unless a rule of relabeling takes them."""
    return {f"__meta_nodnod_tag_{label(key)}": value for key, value in tags.items()}


def page(status: int, kind: str, body: bytes, **more: str) -> Response:
    """Return a response, after which the connection is closed."""
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
    """Return the type and content of the dashboard's file at a path, if there is one."""
    return _static().get("index.html" if path == "/" else path.removeprefix("/"))


@cache
def _static() -> dict[str, tuple[str, bytes]]:
    """Return type and content of the dashboard's files by name. They are small, and read once."""
    return {
        file.name: (_TYPES[suffix], file.read_bytes())
        for file in files("nodnod_agent").joinpath("dashboard").iterdir()
        if (suffix := file.name[file.name.rfind(".") :]) in _TYPES
    }


def _request(kind: RequestType, query: Mapping[str, list[str]]) -> NodeRequest:
    """Return the request that query parameters stand for. Raises RequestError."""
    fields: dict[str, object] = {"type": int(kind)}
    for name in ("detail", "nodes"):
        if name in query:
            items = ",".join(query[name]).split(",")
            fields[name] = [item for item in items if item]
    for name in ("timeout", "history", "until", "since"):
        if name in query:
            fields[name] = _number(query[name][-1])
    if "match" in query:
        fields["match"] = query["match"][-1]
    return decode_request(encode(fields))


def _number(text: str) -> float | str:
    """Return a finite number, or the text unchanged, which is then refused."""
    try:
        number = float(text)
    except ValueError:
        return text
    return number if isfinite(number) else text
