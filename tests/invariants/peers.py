"""Doubles of agents, whose numbers show the node and the time; they can also lie."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from bench.harness.invariants.form import FIELDS
from bench.harness.invariants.ground_truth import KnownNode
from doubles.v1_server import V1Server
from doubles.v2_server import V2Server

Say = Callable[[dict[str, Any] | str | bytes], Awaitable[None]]

Lie = Callable[[Say, dict[str, Any]], Awaitable[None]]
"""Gets a way to send something, and the answer that an honest peer would give now."""


async def honest(say: Say, answer: dict[str, Any]) -> None:
    """Send the true answer."""
    await say(answer)


class _Marked(V1Server):
    """Answers in the fields that were asked for, with numbers that no other node has.

    ``lie`` answers each request; it may be changed at any time.
    """

    in_order = False

    def __init__(self, name: str, mark: int) -> None:
        super().__init__(name)
        self.lie: Lie = honest
        self.marks = {
            "cpuUsed": float(mark),
            "memoryTotal": 10**6 + mark,
            "diskTotal": 10**7 + mark,
        }
        self.opened = 0
        """How many connections have been accepted."""
        self._last: asyncio.Task[None] | None = None
        self._saying: set[asyncio.Task[None]] = set()

    def node(self, *, stamped: bool = True) -> KnownNode:
        """How it must stand in an answer; unless ``stamped``, its stamps mean nothing, and its
        objects may hold more than was asked for."""
        return KnownNode(
            name=self.name,
            addresses=[self.address],
            stats=self.marks,
            stamps=("memoryUsed", "diskUsed") if stamped else (),
            extra_fields=not stamped,
        )

    def answer(self, request: dict[str, Any]) -> dict[str, Any] | None:
        if request.get("type", 0) != 0:
            return None
        now = int(monotonic() * 1000)
        numbers = {"memoryUsed": now, "diskUsed": now, "memoryUsedPercent": 1, "diskUsedPercent": 1}
        whole = {"name": self.name, **numbers, **self.marks, "error": ""}
        node = {field: whole[field] for field in FIELDS[request.get("statType", 0)]}
        tail = {"id": request["id"]} if "id" in request else {}
        return {"host": self.name, "nodes": {self.name: node}, "error": "", **tail}

    async def _handle(self, connection: ServerConnection, request: dict[str, Any]) -> None:
        answer = self.answer(request)
        if answer is None:
            return

        before = self._last if self.in_order else None

        async def say(what: dict[str, Any] | str | bytes) -> None:
            if before is not None:
                await asyncio.wait([before])
            await connection.send(json.dumps(what) if isinstance(what, dict) else what)

        async def lie() -> None:
            with suppress(ConnectionClosed):
                await self.lie(say, answer)

        # A lie that takes its time does not delay the next request.
        task = self._last = asyncio.create_task(lie())
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)

    async def _count(self, connection: ServerConnection, *, open_: bool) -> None:
        self.opened += open_
        await super()._count(connection, open_=open_)


class OldPeer(_Marked):
    """A peer of version 1: it answers in order."""

    in_order = True


class Peer(_Marked, V2Server):
    """A peer of version 2."""

    def __init__(self, name: str, mark: int) -> None:
        super().__init__(name, mark)
        self.instance = f"instance {mark}"
