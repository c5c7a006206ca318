"""A cluster of any size that one process pretends to be: for load, for pictures, for what real
machines seldom do. Its page is the real one, with the headers that an agent sends.
"""

import asyncio
import json
import math
import random
import time
from collections.abc import Iterable
from importlib.resources import files
from types import TracebackType
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from nodnod_agent.edge.pages import page

__all__ = ["SimulatedCluster", "SimulatedNode"]

GIB = 2**30
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class SimulatedNode:
    """One machine: its numbers are a function of its seed and the time, so its past agrees."""

    def __init__(self, name: str, seed: int) -> None:
        rng = random.Random(seed)
        self.name = name
        self.error = ""
        self.state = "up"
        self.silent = False
        """Whether it is listed with zeros, as one that cannot be asked."""
        self.detail: dict[str, Any] = {}
        """Sections that are to be other than usual."""
        self.version = 2
        self.cores = rng.choice([4, 8, 8, 16, 32])
        self.memory = rng.choice([8, 16, 32, 64]) * GIB
        self.disk = rng.choice([100, 250, 500, 2000]) * 10**9
        self.since = time.time() - rng.uniform(3600, 40 * 86400)
        self._load = min(0.97, rng.betavariate(1.6, 4.5) + 0.02)
        self._memory = rng.betavariate(3, 3.2)
        self._disk = rng.betavariate(2.4, 2.2)
        self._traffic = 10 ** rng.uniform(3.5, 7.4)
        self._phase = rng.uniform(0, 100)
        self._seed = seed

    def cpu_at(self, moment: float) -> float:
        """Percent."""
        slow = (
            math.sin(moment / 61 + self._phase) * 0.18 + math.sin(moment / 17 + self._phase) * 0.1
        )
        jitter = random.Random(int(moment) * 1009 + self._seed).gauss(0, 0.05)
        return round(
            100 * min(1, max(0.004, self._load * (1 + slow) + jitter * (0.3 + self._load))), 2
        )

    def traffic_at(self, moment: float) -> float:
        """Bytes per second received."""
        jitter = random.Random(int(moment) * 2003 + self._seed).gauss(0, 0.15)
        return round(
            max(0, self._traffic * (1 + 0.4 * math.sin(moment / 29 + self._phase) + jitter)), 1
        )

    def answer(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        """Its object in an answer."""
        stats: dict[str, Any] = {"name": self.name, "cpuUsed": self.cpu_at(now)}
        for kind, total, share in (
            ("disk", self.disk, self._disk),
            ("memory", self.memory, self._memory + 0.02 * math.sin(now / 40 + self._phase)),
        ):
            used = int(total * share)
            stats |= {f"{kind}Total": total, f"{kind}Used": used}
            stats[f"{kind}UsedPercent"] = 100 * used / total
        if self.silent:
            stats = {name: 0 if name != "name" else value for name, value in stats.items()}
        stats["error"] = self.error
        if not self.silent and self.version == 2:
            if request.get("detail"):
                sections = self._sections(now)
                stats["detail"] = {name: sections.get(name) for name in request["detail"]}
            if request.get("history"):
                stats["history"] = self._history(now, int(request["history"]))
        return stats

    def _history(self, now: float, seconds: int) -> dict[str, Any]:
        every = max(1, math.ceil(seconds / 600))
        moments = [now - i * every for i in range(seconds // every)][::-1]
        traffic = [self.traffic_at(moment) for moment in moments]
        memory = round(100 * self._memory, 2)
        return {
            "every": float(every),
            "end": now,
            "cpuUsed": [self.cpu_at(moment) for moment in moments],
            "memoryUsedPercent": [memory] * len(moments),
            "recvBytes": traffic,
            "sentBytes": [round(value * 0.4, 1) for value in traffic],
            "load1": [round(self.cpu_at(moment) * self.cores / 100, 2) for moment in moments],
        }

    def _sections(self, now: float) -> dict[str, Any]:
        cpu = self.cpu_at(now)
        used = int(self.memory * self._memory)
        processes = [
            {
                "pid": 1200 + i,
                "name": f"worker-{i}",
                "user": "app",
                "cpu": cpu / (i + 1),
                "rss": used // (i + 3),
            }
            for i in range(15)
        ]
        return {
            "system": {
                "os": "Debian GNU/Linux 12 (bookworm)",
                "kernel": "Linux 6.1.0",
                "architecture": "x86_64",
                "cores": {"logical": self.cores, "physical": self.cores // 2},
                "bootTime": self.since,
                "agentVersion": "2.0.0",
                "pythonVersion": "3.11.7",
                "scope": "host",
                "cpuLimit": None,
                "memoryLimit": None,
            },
            "cpu": {
                "used": cpu,
                "user": cpu * 0.8,
                "system": cpu * 0.2,
                "iowait": 0.4,
                "steal": 0.0,
                "cores": [
                    min(100, max(0, cpu + 12 * math.sin(now / 7 + i))) for i in range(self.cores)
                ],
                "frequency": 2596.1,
            },
            "load": {"load1": 1.2, "load5": 1.0, "load15": 0.8},
            "memory": {
                "total": self.memory,
                "used": used,
                "available": self.memory - used,
                "cached": (self.memory - used) // 2,
                "buffers": self.memory // 50,
                "swapTotal": 2 * GIB,
                "swapUsed": 300 * 2**20,
            },
            "filesystems": [
                {
                    "mount": "/",
                    "device": "/dev/vda",
                    "type": "ext4",
                    "total": self.disk,
                    "used": int(self.disk * self._disk),
                    "free": int(self.disk * (1 - self._disk)),
                    "inodesUsedPercent": 4.2,
                    "counted": True,
                },
                {
                    "mount": "/boot/efi",
                    "device": "/dev/vdb",
                    "type": "vfat",
                    "total": 2**29,
                    "used": 2**23,
                    "free": 2**29 - 2**23,
                    "inodesUsedPercent": None,
                    "counted": True,
                },
            ],
            "diskio": {
                "vda": {
                    "readBytes": 82e3,
                    "writeBytes": 2.3e6,
                    "reads": 4.0,
                    "writes": 61.0,
                    "busyPercent": 7.1,
                }
            },
            "network": {
                "eth0": {
                    "recvBytes": self.traffic_at(now),
                    "sentBytes": self.traffic_at(now) * 0.4,
                    "packets": 812.0,
                    "errors": 0.0,
                    "drops": 0.0,
                }
            },
            "pressure": {
                "cpu": {"some": 4.12, "full": 0.0},
                "memory": {"some": 0.0, "full": 0.0},
                "io": {"some": 0.3, "full": 0.1},
            },
            "sensors": {
                "temperatures": [{"name": "Package id 0", "value": 61.0, "critical": 100.0}],
                "fans": [{"name": "fan1", "rpm": 2300.0}],
                "battery": None,
            },
            "processes": {"count": 311, "byCpu": processes, "byMemory": processes},
            "gpu": None,
        } | self.detail


class SimulatedCluster:
    """Answers as an agent does. ``requests`` records what was asked, ``streams`` what runs.

    Streams tick by themselves, or (``by_hand``) when ``tick`` is called. ``token``: what a client
    must offer to be let in.
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

    async def __aenter__(self) -> "SimulatedCluster":
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
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
        """Vanish without a goodbye."""
        for task in self._tasks:
            task.cancel()
        for connection in self.connections:
            connection.transport.abort()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        self.streams.clear()

    def fail(self, name: str, error: str, *, state: str = "up", silent: bool = True) -> None:
        """Let a node be as the agent would list it."""
        node = self.nodes[name]
        node.error, node.state, node.silent, node.since = error, state, silent, time.time()

    async def tick(self) -> None:
        """Answer every stream once."""
        for (connection, _), request in list(self.streams.items()):
            await self._reply(connection, request)

    async def say(self, message: dict[str, Any]) -> None:
        """Send this to everybody."""
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
            async for text in connection:
                await self._take(connection, json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            self.connections.discard(connection)
            for key in [key for key in self.streams if key[0] is connection]:
                del self.streams[key]

    async def _take(self, connection: ServerConnection, request: dict[str, Any]) -> None:
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
            try:
                await connection.send(json.dumps(message))
            except ConnectionClosed:
                pass

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
