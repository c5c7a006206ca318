"""One question, asked once or again and again, whatever version the agent is."""

import asyncio
from collections.abc import AsyncIterator

from msgspec import Struct

from nodnod_client.client import Client
from nodnod_client.errors import ConnectError, RequestTimeoutError, StatFailedError
from nodnod_client.messages import Answer

RETRY = 1.0
"""Seconds between attempts to connect again."""


class StatRequest(Struct, frozen=True):
    """What to ask: the cluster, or the agent's own node.

    ``detail`` names sections; ``history`` and ``deadline`` are in seconds.
    """

    local: bool = False
    nodes: list[str] | None = None
    detail: list[str] | None = None
    history: float | None = None
    deadline: float | None = None

    async def ask(self, client: Client) -> Answer:
        """Ask once."""
        if self.local:
            return await client.stat(
                detail=self.detail, history=self.history, deadline=self.deadline
            )
        return await client.stat_all(
            nodes=self.nodes, detail=self.detail, history=self.history, deadline=self.deadline
        )


async def answers(
    client: Client, question: StatRequest, every: float
) -> AsyncIterator[Answer | ConnectError | RequestTimeoutError]:
    """An answer every so many seconds, for ever; in between, what kept one from coming.

    Streams where the agent can, and polls where it cannot. Raises StatFailedError where the agent
    refuses the question itself.
    """
    while True:
        try:
            await client.connect()
            async for answer in _run(client, question, every):
                yield answer
        except (ConnectError, RequestTimeoutError) as error:
            yield error
        await asyncio.sleep(min(every, RETRY))


async def _run(client: Client, question: StatRequest, every: float) -> AsyncIterator[Answer]:
    if client.version >= 2:
        try:
            async for answer in client.stream(
                all=not question.local,
                nodes=question.nodes,
                detail=question.detail,
                history=question.history,
                deadline=question.deadline,
                every=every,
                reconnect=False,
            ):
                yield answer
        except StatFailedError as error:
            if error.code:
                raise
    clock = asyncio.get_running_loop().time
    due = clock()
    while True:
        yield await question.ask(client)
        due = max(due + every, clock())
        await asyncio.sleep(due - clock())
