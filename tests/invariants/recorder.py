"""Clients that keep sending one agent all kinds of requests, and have the answers judged."""

import asyncio
import json
import random
import ssl
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any, Self

from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bench.harness.invariants.answers import DEFAULT_TIMEOUT, Judge
from bench.harness.invariants.conversation import Conversation, Counts, Violation
from bench.harness.invariants.ground_truth import GRACE, GroundTruth, KnownNode
from bench.harness.invariants.requests import MAX_IN_FLIGHT, random_request
from bench.harness.pauses import Pauses
from eventually import SLACK, eventually

PACE = 0.05
"""Seconds from one burst of requests to the next, by default."""

TIMEOUTS = (0.2, 0.5, 1.0)

LEAST = 12
"""Answers over each connection; fewer would show nothing."""

PATIENCE = 10.0
"""Seconds in which there must be so many."""


class Pass(Struct, frozen=True):
    """What a client authenticates with."""

    token: str = ""
    tls: ssl.SSLContext | None = None

    def connect(self, address: str, **options: Any) -> connect:
        """A WebSocket to an agent, without keepalive of its own."""
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


class Watcher:
    """One connection: sends requests until told to stop, and collects the violations."""

    def __init__(
        self,
        connection: ClientConnection,
        node: KnownNode,
        judge: Judge,
        request: Callable[[Conversation], dict[str, Any]],
        rng: random.Random,
        pace: float,
    ) -> None:
        self.connection = connection
        self.violations: list[Violation] = []
        self.conversation = Conversation(node, judge, Counts(), self.violations.append)
        self.stopping = False
        self._request = request
        self._rng = rng
        self._pace = pace

    @property
    def over(self) -> bool:
        return self.conversation.over

    @property
    def answers(self) -> int:
        return self.conversation.counts.answered

    async def listen(self) -> None:
        try:
            while True:
                text = await self.connection.recv(decode=False)
                self.conversation.received(text, monotonic())
        except ConnectionClosed as closed:
            self.conversation.ended(str(closed), monotonic())

    async def keep_asking(self) -> None:
        while not self.stopping and not self.over:
            for _ in range(self._rng.choice((1, 1, 2, 4))):
                if self.conversation.in_flight < MAX_IN_FLIGHT:
                    await self.send(self._request(self.conversation))
            await asyncio.sleep(self._pace)

    async def send(self, request: dict[str, Any]) -> None:
        if not self.over:
            self.conversation.sent(request, monotonic())
            with suppress(ConnectionClosed):
                await self.connection.send(json.dumps(request))


class Recorder:
    """Two connections to one agent, whose ``node`` is known; use as an async context manager.

    ``mixed`` sends every kind of request. ``prompt`` sends requests that involve no faulty node, so
    that nothing may delay an answer, and listens to a stream of the whole cluster.
    """

    mixed: Watcher
    prompt: Watcher

    def __init__(
        self,
        address: str,
        healthy: list[str],
        entry: Pass,
        node: KnownNode,
        truth: GroundTruth,
        *,
        pid: int | None = None,
        pace: float = PACE,
        seed: int = 0,
    ) -> None:
        self.address = address
        self._pid = pid
        self._healthy = healthy
        self._entry = entry
        self.node = node
        self.truth = truth
        self._judge = Judge(truth)
        self._pace = pace
        self._rng = random.Random(seed)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def watchers(self) -> tuple[Watcher, Watcher]:
        return self.mixed, self.prompt

    @property
    def violations(self) -> list[str]:
        return [str(one) for watcher in self.watchers for one in watcher.violations]

    async def __aenter__(self) -> Self:
        self.mixed = await self._connect(self._any_request)
        self.prompt = await self._connect(self._prompt_request)
        await self.prompt.send({"type": 1, "every": 0.25, "id": "stream"})
        for watcher in self.watchers:
            self._tasks.append(asyncio.create_task(watcher.listen()))
            self._tasks.append(asyncio.create_task(watcher.keep_asking()))
        watched = () if self._pid is None else ((self.node, self._pid),)
        self._tasks.append(asyncio.create_task(Pauses(self.truth, lambda: watched).run()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for watcher in self.watchers:
            watcher.connection.transport.abort()
            await watcher.connection.wait_closed()

    async def finish(self) -> None:
        """Stop asking, once there are enough answers, and wait for those that are due."""
        with suppress(AssertionError):
            await eventually(self._has_enough, within=PATIENCE)
        for watcher in self.watchers:
            watcher.stopping = True
        with suppress(AssertionError):  # an answer that is missing is a violation
            await eventually(self._has_all, within=DEFAULT_TIMEOUT + 2 * (GRACE + SLACK))
        for watcher in self.watchers:
            if not watcher.over:
                watcher.conversation.check_overdue(monotonic())

    def too_few(self) -> list[str]:
        """Which connection had fewer answers than would show anything."""
        return [
            f"only {watcher.answers} answers came, which shows nothing"
            for watcher in self.watchers
            if watcher.answers < LEAST
        ]

    def _has_enough(self) -> bool:
        return all(watcher.over or watcher.answers >= LEAST for watcher in self.watchers)

    def _has_all(self) -> bool:
        return all(watcher.over or not watcher.conversation.in_flight for watcher in self.watchers)

    async def _connect(self, request: Callable[[Conversation], dict[str, Any]]) -> Watcher:
        connection = await self._entry.connect(self.address)
        return Watcher(connection, self.node, self._judge, request, self._rng, self._pace)

    def _any_request(self, conversation: Conversation) -> dict[str, Any]:
        request = random_request(self._rng, [*self._healthy, "nobody"], TIMEOUTS)
        return request | ({"id": conversation.new_id()} if self._rng.random() < 0.5 else {})

    def _prompt_request(self, conversation: Conversation) -> dict[str, Any]:
        kind = self._rng.choices((0, 1, 3), (4, 4, 1))[0]
        request: dict[str, Any] = {"type": kind, "id": conversation.new_id()}
        return request | ({"nodes": self._healthy} if kind == 1 else {})
