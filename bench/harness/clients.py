"""Clients that keep asking one agent, over three connections, whatever is done to it.

One asks all sorts of things, each with an id; one asks as version 1 does, without; one listens to
streams. When the agent is a new process, they come again.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from time import monotonic
from typing import Any

from bench.harness.caller import Caller, connect_all
from bench.harness.talk import Talk
from nodnod_client.address import Address
from nodnod_client.codec import encode
from nodnod_client.errors import ConnectError

PACE = 0.1
"""Seconds between two rounds of questions over each connection."""

LOOK_EVERY = 0.25
RETRY = 0.1
MOST_IN_FLIGHT = 40
"""Below what an agent takes at a time, so that a deadline begins when the question is sent."""

TIMEOUTS = (0.25, 1.0, 2.0, 3.0)
STREAMS: tuple[dict[str, Any], ...] = (
    {"type": 1, "every": 0.5},
    {"type": 0, "every": 1, "statType": 1},
    {"type": 1, "every": 2, "history": 5},
)


class Guest(Caller):
    """One connection, all that goes over which is told to a talk."""

    __slots__ = ("talk",)

    def __init__(self, loop: asyncio.AbstractEventLoop, server: Address, talk: Talk) -> None:
        super().__init__(loop, server)
        self.talk = talk

    def ask(self, request: dict[str, Any]) -> None:
        """Send a question, unless so many are unanswered that it would wait unread."""
        if self.talk.in_flight < MOST_IN_FLIGHT and not self.talk.over:
            self.talk.asks(request, monotonic())
            self.send(encode(request))

    def received(self, text: bytes) -> None:
        """See User."""
        self.talk.heard(text, monotonic())

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        opened = self.opened
        if opened.done() and not opened.cancelled() and opened.exception() is None:
            why = f"{exc or self.ws.close_exc}" if self.ws.close_rcvd is None else "closed"
            self.talk.ended(self.cut or why, monotonic())

    def leave(self) -> None:
        """End it; what is owed is not waited for."""
        self.talk.over = True
        self.abort()


class Guests:
    """All clients of one agent. ``where`` is its address now; ``names`` are all there are."""

    def __init__(
        self,
        where: Callable[[], Address],
        names: list[str],
        new_talk: Callable[[], Talk],
        seed: object,
    ) -> None:
        self._where = where
        self._names = names
        self._new_talk = new_talk
        self._rng = random.Random(f"guests {seed}")
        self._guests: set[Guest] = set()
        self._stopping = False

    async def stay(self) -> None:
        """Keep asking until cancelled, or told to finish."""
        async with asyncio.TaskGroup() as group:
            for work in (self._ask_anything, self._ask_in_order, self._listen):
                group.create_task(self._come_again(work))

    async def burst(self, connections: int, questions: int) -> None:
        """Ask much at once over further connections, and go when all is answered."""

        async def work(guest: Guest) -> None:
            for _ in range(questions):
                guest.ask({"type": 1, "id": guest.talk.new_id()})
            while guest.talk.in_flight and not guest.talk.over:
                await asyncio.sleep(LOOK_EVERY)
                guest.talk.look(monotonic())

        await asyncio.gather(*(self._visit(work) for _ in range(connections)))

    async def finish(self, within: float) -> None:
        """Ask no more, and wait for what is owed."""
        self._stopping = True
        end = monotonic() + within
        while monotonic() < end and any(one.talk.in_flight for one in self._guests):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        self.look()

    def look(self) -> None:
        """Have all talks report what is overdue."""
        now = monotonic()
        for guest in self._guests:
            guest.talk.look(now)

    async def _come_again(self, work: Callable[[Guest], Awaitable[None]]) -> None:
        while True:
            await self._visit(work)
            await asyncio.sleep(RETRY)

    async def _visit(self, work: Callable[[Guest], Awaitable[None]]) -> None:
        """One connection from its begin to its end; none where nobody is there."""
        loop, server = asyncio.get_running_loop(), self._where()
        try:
            (guest,) = await connect_all(lambda: Guest(loop, server, self._new_talk()), server, 1)
        except ConnectError:
            return
        self._guests.add(guest)
        try:
            await work(guest)
        finally:
            self._guests.discard(guest)
            guest.leave()

    async def _ask_anything(self, guest: Guest) -> None:
        async for count in self._rounds(guest):
            for _ in range(count):
                guest.ask({**self._question(), "id": guest.talk.new_id()})

    async def _ask_in_order(self, guest: Guest) -> None:
        async for count in self._rounds(guest):
            for _ in range(count):
                guest.ask({"type": self._rng.choice((0, 1, 1)), "statType": 0})

    async def _listen(self, guest: Guest) -> None:
        for stream in STREAMS:
            guest.ask({**stream, "id": guest.talk.new_id()})
        async for _ in self._rounds(guest):
            pass

    async def _rounds(self, guest: Guest) -> AsyncIterator[int]:
        while not guest.talk.over:
            if not self._stopping:
                yield self._rng.choice((1, 1, 1, 2, 5))
            await asyncio.sleep(PACE * self._rng.uniform(0.5, 1.5))

    def _question(self) -> dict[str, Any]:
        rng = self._rng
        question: dict[str, Any] = {"type": rng.choices((0, 1, 3), (3, 12, 1))[0]}
        if question["type"] == 3:
            return question
        question["statType"] = rng.choice((0, 0, 1, 2, 3))
        if rng.random() < 0.5:
            question["timeout"] = rng.choice(TIMEOUTS)
        if rng.random() < 0.1:
            question["history"] = 5
        if question["type"] == 1 and rng.random() < 0.4:
            question["nodes"] = list(self._patterns())
        return question

    def _patterns(self) -> Iterator[str]:
        rng = self._rng
        yield rng.choice(self._names)
        if rng.random() < 0.3:
            yield rng.choice(self._names)[:1] + "*"
        if rng.random() < 0.1:
            yield "nobody"
