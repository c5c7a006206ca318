"""A simulated cluster of any size in one process: for load, screenshots and rare states.

It serves the real dashboard, with the headers that an agent sends.
"""

import json
import time
from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from browser.machine import SimulatedNode
from doubles.v2_server import V2Server
from nodnod_agent.http.pages import page

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class SimulatedCluster(V2Server):
    """An agent that answers for simulated ``nodes``, and lists the names in ``left`` as members.

    Streams tick every second, or (``by_hand``) when ``tick`` is called. A client must offer
    ``token``, if it is not empty. Nothing is sent while ``frozen`` is set. ``dashboard`` is where the
    files of the page are, if not in this checkout's.
    """

    nodes: dict[str, SimulatedNode]  # type: ignore[assignment]

    def __init__(self, names: Iterable[str], *, by_hand: bool = False, token: str = "") -> None:
        nodes = {name: SimulatedNode(name, seed) for seed, name in enumerate(names)}
        super().__init__(next(iter(nodes)), ticking=not by_hand)
        self.nodes = nodes
        self.token = token
        self.left: list[str] = []
        self.alerts: list[dict[str, Any]] | None = []
        """What it answers to type 5; ``None``: it is of a version that knows of no alerts."""
        self.silences: list[dict[str, Any]] = []
        self.operates = True
        """Whether the client may silence."""
        self.frozen = False
        self.dashboard: Traversable = files("nodnod_agent").joinpath("dashboard")

    @property
    def url(self) -> str:
        return f"http://{self.address}/"

    async def start(self) -> None:
        """Listen, after a stop on the same port."""
        await self.__aenter__()

    async def stop(self) -> None:
        """Abort all connections without a close frame."""
        await self.__aexit__()

    def fail(self, name: str, error: str, *, state: str = "up", silent: bool = True) -> None:
        """Give a node an error, as an agent lists it."""
        node = self.nodes[name]
        node.error, node.state, node.silent, node.since = error, state, silent, time.time()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request, without its id."""
        now = time.time()
        if request.get("type") in (5, 6):
            return {"host": self.name} | self._alerts(request, now)
        if request.get("type") == 3:
            return {"host": self.name, "members": self._rows(), "error": ""}
        if request.get("type") == 7:
            of = request.get("nodes")
            events = [event for event in self.events if of is None or event["node"] in of]
            return {"host": self.name, "events": events, "error": ""}
        wanted = request.get("nodes")
        nodes = {
            name: node.answer(request, now)
            for name, node in self.nodes.items()
            if (request.get("type") == 1 or name == self.name)
            and (wanted is None or name in wanted)
        }
        return {"host": self.name, "nodes": nodes, "error": ""}

    def alert(self, node: str, rule: str, severity: str = "critical", **fields: Any) -> None:
        """Let an alert of a node fire, as an agent tells of it."""
        usual = {"object": "", "epoch": 1, "state": "firing", "value": 93.21, "threshold": 90.0}
        usual |= {"since": time.time() - 300, "told": [], "silenced": False}
        usual["text"] = f"{rule} is 93 % used (above 90 %)"
        assert self.alerts is not None
        self.alerts.append(usual | {"node": node, "rule": rule, "severity": severity} | fields)

    def _alerts(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        if self.alerts is None:
            kind = request["type"]
            error = f"`type` must be one of 0, 1, 2, 3, 4, got {kind}"
            return {"nodes": {}, "error": error, "code": "unknown_type"}
        if request["type"] == 5:
            return {"alerts": self.alerts, "error": ""}
        if not self.operates and ("silence" in request or "end" in request):
            error = "a token with the role `operate` is needed"
            return {"nodes": {}, "error": error, "code": "forbidden"}
        if "silence" in request:
            terms = request["silence"]
            number, until = f"{len(self.silences):08x}", now + terms["seconds"]
            made = {"id": number, "until": until, "by": "stan", "at": now}
            made |= {name: terms[name] for name in ("node", "rule", "reason")}
            self.silences = [*self.silences, made]
        self.silences = [one for one in self.silences if one["id"] != request.get("end")]
        return {"silences": self.silences, "error": ""}

    def _rows(self) -> list[dict[str, Any]]:
        present = sorted(self.nodes.values(), key=lambda node: node.name != self.name)
        left = [{"name": name, "state": "left", "since": time.time() - 130.0} for name in self.left]
        rows = [
            {
                "name": node.name,
                "state": node.state,
                "since": node.since,
                "error": node.error,
                "version": node.version,
                **({"tags": node.tags} if node.tags else {}),
            }
            for node in present
        ]
        common = {"instance": "1", "rtt": 0.0004, "version": 2, "error": ""}
        return [
            {**common, "address": f"10.0.{place // 250}.{place % 250 + 1}:7070", **row}
            for place, row in enumerate([*rows, *left])
        ]

    async def _start(self, connection: ServerConnection, request: dict[str, Any]) -> None:
        await super()._start(connection, request)
        if not self.ticking:
            await self._reply(connection, request)

    async def _reply(
        self, connection: ServerConnection, request: dict[str, Any], **fields: Any
    ) -> None:
        if not self.frozen:
            await super()._reply(connection, request, **fields)

    def process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if "Upgrade" in request.headers:
            if (
                self.token
                and f"nodnod.bearer.{self.token}" not in request.headers["Sec-WebSocket-Protocol"]
            ):
                return page(401, "text/plain", b"a token is needed\n")
            return None
        if path == "/members":
            admitted = (
                not self.token or request.headers.get("Authorization") == f"Bearer {self.token}"
            )
            body = json.dumps(self.answer({"type": 3})).encode()
            return page(200, "application/json", body) if admitted else page(401, "text/plain", b"")
        name = path.removeprefix("/") or "index.html"
        kind = TYPES.get(name.rpartition(".")[2])
        file = self.dashboard.joinpath(name)
        if kind is None or not file.is_file():
            return page(404, "text/plain", b"no such page\n")
        return page(200, f"{kind}; charset=utf-8", file.read_bytes())
