"""A request for stats, sent once or repeated, to agents of either version."""

import asyncio
from collections.abc import AsyncIterator

from msgspec import Struct

from nodnod_agent.console.watching import Lost, repeated
from nodnod_client.client import Client
from nodnod_client.errors import StatFailedError
from nodnod_client.messages import Answer
from nodnod_client.requests import StatOptions

AGENT_SHARE = 0.8
"""Part of a user's timeout in which the agent collects answers; the rest is for the network."""


def agent_deadline(timeout: float) -> float:
    """Return the seconds that the agent gets, so that its answer is here within ``timeout``."""
    return min(30.0, max(0.05, AGENT_SHARE * timeout))


class StatRequest(Struct, frozen=True):
    """Asks for the stats of the cluster or, if ``local``, of the agent's own node.

    ``nodes`` are name patterns, ``detail`` names sections, ``match`` is a pattern of processes;
    ``history`` and ``deadline`` are in seconds, ``until`` is in Unix seconds.
    """

    local: bool = False
    nodes: list[str] | None = None
    detail: list[str] | None = None
    history: float | None = None
    until: float | None = None
    deadline: float | None = None
    match: str | None = None

    async def ask(self, client: Client) -> Answer:
        """Send the request once and return the answer."""
        if self.local:
            return await client.stat(**self.options)
        return await client.stat_all(nodes=self.nodes, **self.options)

    @property
    def options(self) -> StatOptions:
        """The keywords that all requests of a client take."""
        return {
            "detail": self.detail,
            "history": self.history,
            "until": self.until,
            "deadline": self.deadline,
            "match": self.match,
        }


def answers(client: Client, request: StatRequest, every: float) -> AsyncIterator[Answer | Lost]:
    """Yield an answer every ``every`` seconds without end; or the error that prevented it.

    Streams if the agent can, and polls otherwise. Raises StatFailedError if the agent refuses the
    request.
    """
    return repeated(client, every, lambda: _run(client, request, every))


async def _run(client: Client, request: StatRequest, every: float) -> AsyncIterator[Answer]:
    if client.version >= 2:
        try:
            async for answer in client.stream(
                all=not request.local,
                nodes=request.nodes,
                every=every,
                reconnect=False,
                **request.options,
            ):
                yield answer
        except StatFailedError as error:
            if error.code:
                raise
    clock = asyncio.get_running_loop().time
    due = clock()
    while True:
        yield await request.ask(client)
        due = max(due + every, clock())
        await asyncio.sleep(due - clock())
