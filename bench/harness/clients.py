"""Clients that keep asking one agent, over three connections, whatever is done to it.

One sends all kinds of requests, each with an id; one asks as version 1 does, without ids; one listens
to streams. When a connection ends, they connect again.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Any

from bench.harness.agent_process import AgentProcess
from bench.harness.caller import Caller, connect_all
from bench.harness.invariants.conversation import Conversation
from bench.harness.invariants.requests import MAX_IN_FLIGHT, random_request
from nodnod_client.address import Address
from nodnod_client.codec import encode
from nodnod_client.errors import ConnectError

PACE = 0.1
"""Seconds between two rounds of requests over each connection."""

LOOK_EVERY = 0.25
RETRY = 0.1
TIMEOUTS = (None, None, None, None, 0.25, 1.0, 2.0, 3.0)
STREAMS: tuple[dict[str, Any], ...] = (
    {"type": 1, "every": 0.5},
    {"type": 0, "every": 1, "statType": 1},
    {"type": 1, "every": 2, "history": 5},
)


class JudgedClient(Caller):
    """One connection; a conversation takes down what goes over it, after a call of ``look``."""

    __slots__ = ("_look", "conversation")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        server: Address,
        conversation: Conversation,
        look: Callable[[], None],
    ) -> None:
        super().__init__(loop, server)
        self.conversation = conversation
        self._look = look

    def ask(self, request: dict[str, Any]) -> None:
        """Send a request, unless so many are unanswered that it would wait unread."""
        if self.conversation.in_flight < MAX_IN_FLIGHT and not self.conversation.over:
            self.conversation.sent(request, monotonic())
            self.send(encode(request))

    def received(self, text: bytes) -> None:
        """Judge an answer."""
        self._look()
        self.conversation.received(text, monotonic())

    def connection_lost(self, exc: Exception | None) -> None:
        """Judge whether the connection had to end."""
        super().connection_lost(exc)
        opened = self.opened
        if opened.done() and not opened.cancelled() and opened.exception() is None:
            why = f"{exc or self.ws.close_exc}" if self.ws.close_rcvd is None else "closed"
            self._look()
            self.conversation.ended(self.cut or why, monotonic())

    def leave(self) -> None:
        """Close it, without waiting for answers."""
        self.conversation.over = True
        self.abort()


class Clients:
    """All clients of one agent. ``names`` are those of all nodes.

    ``look`` is called before anything is judged, so that it is known what time was lost.
    """

    def __init__(
        self,
        agent: AgentProcess,
        names: list[str],
        converse: Callable[[], Conversation],
        seed: object,
        look: Callable[[], None],
    ) -> None:
        self._agent = agent
        self._names = names
        self._converse = converse
        self._rng = random.Random(f"clients {seed}")
        self._clients: set[JudgedClient] = set()
        self._stopping = False
        self._look = look

    async def run(self) -> None:
        """Keep asking until cancelled, or told to finish."""
        async with asyncio.TaskGroup() as group:
            for work in (self._ask_anything, self._ask_in_order, self._listen):
                group.create_task(self._reconnect(work))

    async def burst(self, connections: int, requests: int) -> None:
        """Ask much at once over further connections, and close them when all is answered."""

        async def work(client: JudgedClient) -> None:
            conversation = client.conversation
            for _ in range(requests):
                client.ask({"type": 1, "id": conversation.new_id()})
            while conversation.in_flight and not conversation.over:
                await asyncio.sleep(LOOK_EVERY)
                conversation.check_overdue(monotonic())

        await asyncio.gather(*(self._connect(work) for _ in range(connections)))

    async def finish(self, within: float) -> None:
        """Ask no more, and wait for the answers that are due."""
        self._stopping = True
        end = monotonic() + within
        while monotonic() < end and any(one.conversation.in_flight for one in self._clients):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        self.check_overdue()

    def check_overdue(self) -> None:
        """Report what should have come by now."""
        self._look()
        now = monotonic()
        for client in self._clients:
            client.conversation.check_overdue(now)

    async def _reconnect(self, work: Callable[[JudgedClient], Awaitable[None]]) -> None:
        while True:
            await self._connect(work)
            await asyncio.sleep(RETRY)

    async def _connect(self, work: Callable[[JudgedClient], Awaitable[None]]) -> None:
        """One connection from its begin to its end; none where nothing listens."""
        loop, server = asyncio.get_running_loop(), self._agent.endpoint
        try:
            (client,) = await connect_all(
                lambda: JudgedClient(loop, server, self._converse(), self._look), server, 1
            )
        except ConnectError:
            return
        self._clients.add(client)
        try:
            await work(client)
        finally:
            self._clients.discard(client)
            client.leave()

    async def _ask_anything(self, client: JudgedClient) -> None:
        async for count in self._rounds(client):
            for _ in range(count):
                request = random_request(self._rng, self._names, TIMEOUTS)
                client.ask({**request, "id": client.conversation.new_id()})

    async def _ask_in_order(self, client: JudgedClient) -> None:
        async for count in self._rounds(client):
            for _ in range(count):
                client.ask({"type": self._rng.choice((0, 1, 1)), "statType": 0})

    async def _listen(self, client: JudgedClient) -> None:
        for stream in STREAMS:
            client.ask({**stream, "id": client.conversation.new_id()})
        async for _ in self._rounds(client):
            pass

    async def _rounds(self, client: JudgedClient) -> AsyncIterator[int]:
        while not client.conversation.over:
            if not self._stopping:
                yield self._rng.choice((1, 1, 1, 2, 5))
            await asyncio.sleep(PACE * self._rng.uniform(0.5, 1.5))
