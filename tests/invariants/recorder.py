"""A client that keeps asking one agent all sorts of things, and writes down all that comes back."""

import asyncio
import json
import random
import ssl
from contextlib import suppress
from time import monotonic
from typing import Any, Self

from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from eventually import SLACK, eventually
from invariants.record import STREAM, Talk
from invariants.verdict import GRACE
from nodnod_agent.core.requests.session import DEFAULT_TIMEOUT

PACE = 0.05
"""Seconds from one burst of questions to the next, unless told otherwise."""

MOST_IN_FLIGHT = 40
"""Below what an agent takes at a time, so that a deadline begins when the question is sent."""

TIMEOUTS = (0.2, 0.5, 1.0)

LEAST = 12
"""Answers over each connection, below which a record shows nothing."""

PATIENCE = 10.0
"""Seconds in which there must be so many."""


class Pass(Struct, frozen=True):
    """What lets a client in."""

    token: str = ""
    tls: ssl.SSLContext | None = None

    def connect(self, address: str, **options: Any) -> connect:
        """A WebSocket to an agent; it neither pings nor gives up by itself."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        scheme = "ws" if self.tls is None else "wss"
        return connect(
            f"{scheme}://{address}/",
            proxy=None,
            compression=None,
            ping_interval=None,
            max_size=None,
            additional_headers=headers,
            ssl=self.tls,
            **options,
        )


class Recorder:
    """Two connections to one agent; use as an async context manager.

    ``mixed`` asks whatever there is. ``prompt`` asks what the harmed have no part in, so that
    nothing may delay an answer, and listens to a stream of the whole cluster.
    """

    def __init__(
        self, address: str, sound: list[str], entry: Pass, *, pace: float = PACE, seed: int = 0
    ) -> None:
        self.address = address
        self.mixed = Talk()
        self.prompt = Talk()
        self._sound = sound
        self._entry = entry
        self._pace = pace
        self._rng = random.Random(seed)
        self._last_id = 0
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._connections: list[ClientConnection] = []

    @property
    def talks(self) -> tuple[Talk, Talk]:
        return self.mixed, self.prompt

    async def __aenter__(self) -> Self:
        stream = {"type": 1, "every": 0.25, "id": STREAM}
        for talk, question, first in (
            (self.mixed, self._any_question, None),
            (self.prompt, self._prompt_question, stream),
        ):
            connection = await self._entry.connect(self.address)
            self._connections.append(connection)
            if first is not None:
                await self._send(connection, talk, first)
            for work in (
                self._listen(connection, talk),
                self._keep_asking(connection, talk, question),
            ):
                self._tasks.append(asyncio.create_task(work))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for connection in self._connections:
            connection.transport.abort()
            await connection.wait_closed()

    async def finish(self) -> None:
        """Ask no more, once there is enough of it, and wait for what is owed."""
        with suppress(AssertionError):
            await eventually(self._has_enough, within=PATIENCE)
        self._stopping = True
        with suppress(AssertionError):  # which the verdict knows better
            await eventually(self._is_owed_nothing, within=DEFAULT_TIMEOUT + 2 * (GRACE + SLACK))
        for talk in self.talks:
            talk.until = monotonic()

    def short(self) -> list[str]:
        """What is not there to be judged."""
        return [
            f"only {talk.answers} answers were recorded, which shows nothing"
            for talk in self.talks
            if talk.answers < LEAST
        ]

    def _has_enough(self) -> bool:
        return all(talk.ended is not None or talk.answers >= LEAST for talk in self.talks)

    def _is_owed_nothing(self) -> bool:
        return all(talk.ended is not None or talk.answers >= talk.questions for talk in self.talks)

    async def _listen(self, connection: ClientConnection, talk: Talk) -> None:
        try:
            while True:
                text = await connection.recv()
                talk.heard.append((monotonic(), str(text)))
        except ConnectionClosed as closed:
            talk.ended, talk.why = monotonic(), str(closed)

    async def _keep_asking(self, connection: ClientConnection, talk: Talk, question: Any) -> None:
        while not self._stopping and talk.ended is None:
            for _ in range(self._rng.choice((1, 1, 2, 4))):
                if talk.questions - talk.answers < MOST_IN_FLIGHT:
                    await self._send(connection, talk, question())
            await asyncio.sleep(self._pace)

    async def _send(
        self, connection: ClientConnection, talk: Talk, request: dict[str, Any]
    ) -> None:
        moment = monotonic()
        try:
            await connection.send(json.dumps(request))
        except ConnectionClosed:
            return
        talk.sent.append((moment, request))

    def _any_question(self) -> dict[str, Any]:
        rng = self._rng
        question: dict[str, Any] = {"type": rng.choices((0, 1, 3, 99), (3, 8, 1, 1))[0]}
        if rng.random() < 0.5:
            question["id"] = self._new_id()
        if question["type"] > 1:
            return question
        question["statType"] = rng.randrange(4)
        question["timeout"] = rng.choice(TIMEOUTS)
        if rng.random() < 0.2:
            question["nodes"] = [rng.choice([*self._sound, "nobody"])]
        if rng.random() < 0.4:
            question["history"] = 5
        return question

    def _prompt_question(self) -> dict[str, Any]:
        kind = self._rng.choices((0, 1, 3), (4, 4, 1))[0]
        question: dict[str, Any] = {"type": kind, "id": self._new_id()}
        return question | ({"nodes": self._sound} if kind == 1 else {})

    def _new_id(self) -> int | str:
        self._last_id += 1
        return self._rng.choice((self._last_id, f"q{self._last_id}"))
