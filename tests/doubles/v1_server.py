"""A version-1 agent: answers in order, one request at a time, and never with an id."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from bench.harness.closing import stop_accepting

STATS = {
    "cpuUsed": 5.0,
    "diskTotal": 249769419776,
    "diskUsed": 66792268800,
    "diskUsedPercent": 26.741571830491146,
    "memoryTotal": 8589934592,
    "memoryUsed": 5699850240,
    "memoryUsedPercent": 66.35499000549316,
}


def node_object(name: str, *, error: str = "", **stats: Any) -> dict[str, Any]:
    """A node object with all seven stats; with an error they are zeros by default."""
    numbers = dict.fromkeys(STATS, 0) if error else STATS
    return {"name": name, **numbers, **stats, "error": error}


class V1Server:
    """Use as an async context manager; the system chooses the ``port``.

    ``nodes`` are the node objects of type 1 (by default its own). ``freeze`` holds back all
    answers, ``thaw`` sends them, late and in order. ``requests`` lists all requests that were read,
    over all connections.
    """

    version = 1

    def __init__(
        self,
        name: str = "kyle",
        *,
        stats: dict[str, Any] | None = None,
        nodes: Sequence[dict[str, Any]] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.name = name
        self.stats = stats or {}
        self.nodes = nodes
        self.host = host
        self.port = port
        self.requests: list[dict[str, Any]] = []
        self.connections: set[ServerConnection] = set()
        self._server: Server | None = None
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._arrival = asyncio.Condition()

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def freeze(self) -> None:
        self._thawed.clear()

    def thaw(self) -> None:
        self._thawed.set()

    async def arrived(self, count: int) -> None:
        """Wait until so many requests have been read."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: len(self.requests) >= count)

    async def connected(self, count: int) -> None:
        """Wait until exactly so many connections are open."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: len(self.connections) == count)

    async def drop(self) -> None:
        """Cut every connection without a close frame."""
        for connection in list(self.connections):
            connection.transport.abort()
            await connection.wait_closed()

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve,
            self.host,
            self.port,
            compression=None,
            select_subprotocol=self.select_subprotocol,
            process_request=self.process_request,
            process_response=self.introduce,
            ping_interval=None,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        await stop_accepting(self._server.sockets)
        for connection in self.connections:
            connection.transport.abort()
        self.thaw()  # closing waits for handlers that hold back an answer
        self._server.close()
        await self._server.wait_closed()

    def select_subprotocol(
        self, connection: ServerConnection, offered: Sequence[Subprotocol]
    ) -> Subprotocol | None:
        return None

    def process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """The answer to a request that shall not become a WebSocket, or None."""
        return None

    def introduce(self, connection: ServerConnection, request: Request, response: Response) -> None:
        """Add headers to the handshake; version 1 adds none."""

    async def _serve(self, connection: ServerConnection) -> None:
        await self._count(connection, open_=True)
        try:
            async for text in connection:
                try:
                    request = json.loads(text)
                except ValueError:
                    return
                if not isinstance(request, dict):
                    return
                await self._arrive(request)
                await self._handle(connection, request)
        except ConnectionClosed:
            pass
        finally:
            await self._count(connection, open_=False)

    async def _handle(self, connection: ServerConnection, request: dict[str, Any]) -> None:
        answer = self.answer(request)
        await self._thawed.wait()
        if answer is not None:
            await connection.send(json.dumps(answer))

    def answer(self, request: dict[str, Any]) -> dict[str, Any] | None:
        kind = request.get("type", 0)
        if kind not in (0, 1):
            return None
        own = node_object(self.name, **self.stats)
        nodes = [own] if kind == 0 or self.nodes is None else self.nodes
        return {
            "host": self.name,
            "nodes": {node["name"]: node for node in nodes},
            "error": "",
        }

    async def _arrive(self, request: dict[str, Any]) -> None:
        async with self._arrival:
            self.requests.append(request)
            self._arrival.notify_all()

    async def _count(self, connection: ServerConnection, *, open_: bool) -> None:
        async with self._arrival:
            (self.connections.add if open_ else self.connections.discard)(connection)
            self._arrival.notify_all()
