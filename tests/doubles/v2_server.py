"""A small version-2 agent; the test decides the order of its answers and its ticks."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from doubles.v1_server import V1Server

VERSION_2 = Subprotocol("nodnod.2")


class V2Server(V1Server):
    """Selects ``nodnod.2`` where it is offered, and echoes ids.

    Each answer takes ``delay`` seconds. ``hold`` keeps requests unanswered until ``release``
    answers them in a given order. Streams tick when ``tick`` is called, or by themselves if
    ``ticking`` is set. ``streams`` lists the requests of running streams. ``members`` is the answer
    to type 3, ``alerts`` to type 5, ``silences`` to type 6, ``events``
    to type 7. ``limit`` is the size of the largest request that it says to accept.
    """

    version = 2
    limit = 0

    def __init__(self, name: str = "kyle", *, ticking: bool = False, **options: Any) -> None:
        super().__init__(name, **options)
        self.instance = f"instance of {name}"
        self.ticking = ticking
        self.delay = 0.0
        self.streaming = True
        self.refusal: dict[str, str] | None = None
        self.too_old_for: set[int] = set()
        """The types that it does not know."""
        self.members: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.alerts: list[dict[str, Any]] = []
        self.silences: list[dict[str, Any]] = []
        self.streams: dict[tuple[ServerConnection, Any], dict[str, Any]] = {}
        self.seqs: dict[tuple[ServerConnection, Any], int] = {}
        self._holding = False
        self._held: list[tuple[ServerConnection, dict[str, Any]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await super().__aexit__()

    def select_subprotocol(
        self, connection: ServerConnection, offered: Sequence[Subprotocol]
    ) -> Subprotocol | None:
        return VERSION_2 if VERSION_2 in offered else None

    def introduce(self, connection: ServerConnection, request: Request, response: Response) -> None:
        if "Sec-WebSocket-Protocol" in response.headers:
            response.headers["NodNod-Name"] = quote(self.name)
            response.headers["NodNod-Instance"] = quote(self.instance)
            if self.limit:
                response.headers["NodNod-Limit"] = str(self.limit)

    def answer(self, request: dict[str, Any]) -> dict[str, Any] | None:
        if request.get("type") == 7:
            return {"host": self.name, "events": self.events, "error": ""}
        if request.get("type") == 5:
            return {"host": self.name, "alerts": self.alerts, "error": ""}
        if request.get("type") == 6:
            return self._silence(request)
        if request.get("type") == 3:
            return {"host": self.name, "members": self.members, "error": ""}
        return super().answer(request)

    def _silence(self, request: dict[str, Any]) -> dict[str, Any]:
        """Keep a silence, or forget it, as an agent does; its time is 1000."""
        answer: dict[str, Any] = {"host": self.name, "silences": self.silences, "error": ""}
        if terms := request.get("silence"):
            silence = {"id": f"{len(self.silences):08x}", "node": "*", "rule": "*", "reason": ""}
            silence |= {"by": "kyle", "at": 1000.0, "until": 1000.0 + terms["seconds"]}
            silence |= {name: value for name, value in terms.items() if name in silence}
            self.silences.append(silence)
            answer["silence"] = silence
        elif number := request.get("end"):
            answer["silence"] = next(one for one in self.silences if one["id"] == number)
            self.silences.remove(answer["silence"])
        return answer

    def hold(self) -> None:
        self._holding = True

    async def release(self, *order: int) -> None:
        """Answer the held requests, in the order of these indices (by default, as they came)."""
        held, self._held, self._holding = self._held, [], False
        for index in order or range(len(held)):
            connection, request = held[index]
            await self._reply(connection, request)

    async def tick(self, *, skip: int = 0, second: int = 0) -> int:
        """Send the next tick of every stream that is due, after skipping so many; how many were sent.

        Streams of more than a second are due in every second that is a multiple of theirs.
        """
        due = [
            (key, request)
            for key, request in self.streams.items()
            if second % max(1, round(request.get("every", 1))) == 0
        ]
        for key, request in due:
            self.seqs[key] += skip
            await self._reply(key[0], request, seq=self.seqs[key])
            self.seqs[key] += 1
        return len(due)

    async def say(self, message: str | bytes) -> None:
        """Send a message to every client."""
        for connection in list(self.connections):
            await connection.send(message)

    async def streaming_count(self, count: int) -> None:
        """Wait until exactly so many streams run."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: len(self.streams) == count)

    async def _handle(self, connection: ServerConnection, request: dict[str, Any]) -> None:
        refusal = self.refusal
        if request.get("type") in self.too_old_for:
            refusal = {"error": f"`type` must be …, got {request['type']}", "code": "unknown_type"}
        if refusal is not None:
            answer: dict[str, Any] = {"host": self.name, "nodes": {}, **refusal}
            answer["id"] = request.get("id")
            await connection.send(json.dumps(answer))
        elif request.get("type") == 2:
            await self._stop(connection, request)
        elif "every" in request and self.streaming:
            await self._start(connection, request)
        elif self._holding:
            self._held.append((connection, request))
        else:
            await asyncio.sleep(self.delay)
            await self._thawed.wait()
            await self._reply(connection, request)

    async def _reply(
        self, connection: ServerConnection, request: dict[str, Any], **fields: Any
    ) -> None:
        answer = self.answer(request)
        if answer is not None:
            with contextlib.suppress(ConnectionClosed):
                await connection.send(json.dumps({**answer, "id": request.get("id"), **fields}))

    async def _start(self, connection: ServerConnection, request: dict[str, Any]) -> None:
        key = (connection, request["id"])
        async with self._arrival:
            self.streams[key] = request
            self.seqs[key] = 0
            self._arrival.notify_all()
        if self.ticking:
            task = asyncio.create_task(self._run(key, request["every"]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, key: tuple[ServerConnection, Any], every: float) -> None:
        while key in self.streams:
            await self._reply(key[0], self.streams[key], seq=self.seqs[key])
            self.seqs[key] += 1
            await asyncio.sleep(every)

    async def _stop(self, connection: ServerConnection, request: dict[str, Any]) -> None:
        async with self._arrival:
            found = self.streams.pop((connection, request["id"]), None)
            self._arrival.notify_all()
        done = {"host": self.name, "nodes": {}, "error": "", "id": request["id"], "done": True}
        if not found:
            done |= {"error": "no such stream", "code": "no_such_stream"}
        await connection.send(json.dumps(done))

    async def _count(self, connection: ServerConnection, *, open_: bool) -> None:
        if not open_:
            for key in [key for key in self.streams if key[0] is connection]:
                del self.streams[key]
        await super()._count(connection, open_=open_)
