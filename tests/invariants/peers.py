"""Peers in the place of agents, whose numbers say whose they are and of when; and such as lie."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from doubles.v1_server import V1Server
from doubles.v2_server import V2Server
from invariants.record import Node
from simulation.answers import FIELDS

Say = Callable[[dict[str, Any] | str | bytes], Awaitable[None]]

Lie = Callable[[Say, dict[str, Any]], Awaitable[None]]
"""Is given a way to say something, and the answer that an honest peer would give now."""


async def honest(say: Say, answer: dict[str, Any]) -> None:
    """Say it as it is."""
    await say(answer)


class _Marked(V1Server):
    """Answers in the fields that were asked for, with numbers that nobody else has.

    ``lie`` may be changed at any time; it is asked what to say to each question.
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
        """Connections that have come until now."""
        self._last: asyncio.Task[None] | None = None
        self._saying: set[asyncio.Task[None]] = set()

    def node(self, *, sound: bool, stamped: bool = True) -> Node:
        """How it must stand in an answer; one whose stamps mean nothing may say too much as well."""
        return Node(
            name=self.name,
            addresses=(self.address,),
            sound=sound,
            stats=self.marks,
            stamped=stamped,
            chatty=not stamped,
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

        # A lie that takes its time does not keep the next question from being asked.
        task = self._last = asyncio.create_task(lie())
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)

    async def _count(self, connection: ServerConnection, *, open_: bool) -> None:
        self.opened += open_
        await super()._count(connection, open_=open_)


class OldPeer(_Marked):
    """A peer of version 1: whatever it says, it says it in order."""

    in_order = True


class Peer(_Marked, V2Server):
    """A peer of version 2."""

    def __init__(self, name: str, mark: int) -> None:
        super().__init__(name, mark)
        self.instance = f"instance {mark}"
