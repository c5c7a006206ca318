"""A simulated cluster of any size in one process: for load, screenshots and rare states.

It serves the real dashboard, with the headers that an agent sends.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterable
from importlib.resources import files
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from bench.harness.closing import stop_accepting
from browser.machine import SimulatedNode
from nodnod_agent.http.pages import page

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class SimulatedCluster:
    """Answers as an agent does. ``requests`` are those received, ``streams`` those that run.

    Streams tick every second, or (``by_hand``) when ``tick`` is called. A client must offer
    ``token``, if it is not empty.
    """

    def __init__(self, names: Iterable[str], *, by_hand: bool = False, token: str = "") -> None:
        self.nodes = {name: SimulatedNode(name, seed) for seed, name in enumerate(names)}
        self.host = next(iter(self.nodes))
        self.token = token
        self.left: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.streams: dict[tuple[ServerConnection, Any], dict[str, Any]] = {}
        self.connections: set[ServerConnection] = set()
        self.refusals = 0
        self._by_hand = by_hand
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: Server | None = None
        self.port = 0
        self.frozen = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def start(self) -> None:
        """Listen, after a stop on the same port."""
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            self.port,
            process_request=self._page,
            select_subprotocol=lambda connection, offered: (
                "nodnod.2" if "nodnod.2" in offered else None
            ),
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        """Abort all connections without a close frame."""
        assert self._server is not None
        await stop_accepting(self._server.sockets)
        for task in self._tasks:
            task.cancel()
        for connection in self.connections:
            connection.transport.abort()
        self._server.close()
        await self._server.wait_closed()
        self.streams.clear()

    def fail(self, name: str, error: str, *, state: str = "up", silent: bool = True) -> None:
        """Give a node an error, as an agent lists it."""
        node = self.nodes[name]
        node.error, node.state, node.silent, node.since = error, state, silent, time.time()

    async def tick(self) -> None:
        """Answer every stream once."""
        for (connection, _), request in list(self.streams.items()):
            await self._reply(connection, request)

    async def broadcast(self, message: dict[str, Any]) -> None:
        """Send a message to every client."""
        for connection in list(self.connections):
            await self._send(connection, message)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request, without its id."""
        now = time.time()
        if request.get("type") == 3:
            return {"host": self.host, "members": self._members(), "error": ""}
        wanted = request.get("nodes")
        nodes = {
            name: node.answer(request, now)
            for name, node in self.nodes.items()
            if (request.get("type") == 1 or name == self.host)
            and (wanted is None or name in wanted)
        }
        return {"host": self.host, "nodes": nodes, "error": ""}

    def _members(self) -> list[dict[str, Any]]:
        present = sorted(self.nodes.values(), key=lambda node: node.name != self.host)
        left = [{"name": name, "state": "left", "since": time.time() - 130.0} for name in self.left]
        rows = [
            {
                "name": node.name,
                "state": node.state,
                "since": node.since,
                "error": node.error,
                "version": node.version,
            }
            for node in present
        ]
        common = {"instance": "1", "rtt": 0.0004, "version": 2, "error": ""}
        return [
            {**common, "address": f"10.0.{place // 250}.{place % 250 + 1}:7070", **row}
            for place, row in enumerate([*rows, *left])
        ]

    async def _serve(self, connection: ServerConnection) -> None:
        self.connections.add(connection)
        try:
            with contextlib.suppress(ConnectionClosed):
                async for text in connection:
                    await self._receive(connection, json.loads(text))
        finally:
            self.connections.discard(connection)
            for key in [key for key in self.streams if key[0] is connection]:
                del self.streams[key]

    async def _receive(self, connection: ServerConnection, request: dict[str, Any]) -> None:
        self.requests.append(request)
        key = (connection, request.get("id"))
        if request.get("type") == 2:
            self.streams.pop(key, None)
            await self._send(
                connection,
                {"host": self.host, "nodes": {}, "error": "", "id": key[1], "done": True},
            )
            return
        await self._reply(connection, request)
        if "every" in request:
            self.streams[key] = request
            if not self._by_hand:
                task = asyncio.create_task(self._run(key, request))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _run(self, key: tuple[ServerConnection, Any], request: dict[str, Any]) -> None:
        while key in self.streams:
            await asyncio.sleep(request["every"])
            await self._reply(key[0], request)

    async def _reply(self, connection: ServerConnection, request: dict[str, Any]) -> None:
        await self._send(connection, {**self.answer(request), "id": request.get("id")})

    async def _send(self, connection: ServerConnection, message: dict[str, Any]) -> None:
        if not self.frozen:
            with contextlib.suppress(ConnectionClosed):
                await connection.send(json.dumps(message))

    def _page(self, connection: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if "Upgrade" in request.headers:
            if (
                self.token
                and f"nodnod.bearer.{self.token}" not in request.headers["Sec-WebSocket-Protocol"]
            ):
                self.refusals += 1
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
        file = files("nodnod_agent").joinpath("dashboard", name)
        if kind is None or not file.is_file():
            return page(404, "text/plain", b"no such page\n")
        return page(200, f"{kind}; charset=utf-8", file.read_bytes())
