"""A stream of answers that continues after its connection is lost."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from random import Random
from typing import NamedTuple

from nodnod_client.alerts import Alerts
from nodnod_client.codec import decode_alerts
from nodnod_client.connection import AgentConnection
from nodnod_client.errors import ConnectError, StatFailedError
from nodnod_client.mailbox import Mailbox
from nodnod_client.messages import Answer, Request
from nodnod_client.requests import too_old

FIRST_DELAY = 0.25
LONGEST_DELAY = 15.0
"""Bounds of the wait before a reconnection, in seconds."""


class StreamAnswer(Answer, frozen=True, omit_defaults=True):
    """One answer of a stream, and what is missing before it.

    ``missed`` is the number of ticks since the previous answer that were not delivered: skipped
    because the reader was slow, or lost without a connection (then estimated from the time that
    passed). ``reconnected`` is true on the first answer after the connection was lost.
    """

    missed: int = 0
    reconnected: bool = False


class Tick(NamedTuple):
    """One answer of a stream: decoded as far as all answers are alike, and as it came."""

    connection: AgentConnection
    mailbox: Mailbox
    answer: Answer
    message: bytes


async def ticks(
    request: Request,
    current: Callable[[], AgentConnection],
    reconnect: Callable[[float], Awaitable[AgentConnection]] | None,
    within: float,
    random: Random,
    open_mailbox: Callable[[AgentConnection], Mailbox] = lambda _: Mailbox(),
) -> AsyncGenerator[Tick, None]:
    """Yield the answers of one stream, and stop it at the agent when the reader leaves.

    ``reconnect`` waits for a number of seconds and then connects. With it the stream continues
    after a lost connection, with delays of at most 0.25 s that double to 15 s (full jitter). An
    agent that sends nothing for ``within`` seconds counts as lost. Raises StatFailedError if the
    agent refuses, ConnectError without ``reconnect``, and what ``current`` and ``reconnect`` raise.
    """
    connection = current()
    while True:
        mailbox = open_mailbox(connection)
        try:
            request_id = connection.subscribe(request, mailbox)
            try:
                while True:
                    answer, message = await mailbox.take(within)
                    check(answer, connection)
                    yield Tick(connection, mailbox, answer, message)
            finally:
                connection.unsubscribe(request_id)
        except ConnectError:
            if reconnect is None:
                raise
        except TimeoutError:
            # The connection may be half open: no other request is answered over it either.
            reason = f"no tick from {connection.url} for {within:g} s"
            connection.abort(reason)
            if reconnect is None:
                raise ConnectError(reason) from None
        except StatFailedError as error:
            raise too_old(error, request, connection.url) from None
        connection = await reconnected(reconnect, random)


async def follow(
    request: Request,
    current: Callable[[], AgentConnection],
    reconnect: Callable[[float], Awaitable[AgentConnection]] | None,
    within: float,
    random: Random,
) -> AsyncGenerator[StreamAnswer, None]:
    """Yield the stats of one stream; arguments and errors are those of ``ticks``."""
    gaps = Gaps(request.every or 0.0)
    clock = asyncio.get_running_loop().time
    last: AgentConnection | None = None
    async with aclosing(ticks(request, current, reconnect, within, random)) as found:
        async for tick in found:
            if last is not None and tick.connection is not last:
                gaps.reset()
            last = tick.connection
            yield gaps.mark(tick.answer, clock())


async def follow_alerts(
    request: Request,
    current: Callable[[], AgentConnection],
    reconnect: Callable[[float], Awaitable[AgentConnection]] | None,
    within: float,
    random: Random,
) -> AsyncGenerator[Alerts, None]:
    """Yield the alerts of one stream; arguments and errors are those of ``ticks``."""
    async with aclosing(ticks(request, current, reconnect, within, random)) as found:
        async for tick in found:
            yield tick.connection.decoded(decode_alerts, tick.message)


async def reconnected(
    reconnect: Callable[[float], Awaitable[AgentConnection]], random: Random
) -> AgentConnection:
    """Connect again, after longer and longer waits, without end."""
    longest = FIRST_DELAY
    while True:
        try:
            return await reconnect(random.uniform(0, longest))
        except ConnectError:
            longest = min(2 * longest, LONGEST_DELAY)


def check(answer: Answer, connection: AgentConnection) -> None:
    """Raise what an answer that is no tick of a stream means."""
    if answer.code == "shutting_down" or answer.done:
        reason = f"{connection.url} is shutting down"
        connection.abort(reason)
        raise ConnectError(reason)
    if answer.error:
        raise StatFailedError(answer.error, answer.code)
    if answer.seq is None:
        raise StatFailedError(f"{connection.url} answers, but does not stream")


class Gaps:
    """Counts the ticks that a reader did not get: by ``seq``, and by time after a reconnection."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._next_seq = 0
        self._last_answer: float | None = None
        self._reset = False

    def reset(self) -> None:
        """Begin again on a new connection, where ``seq`` starts at 0."""
        self._next_seq = 0
        self._reset = True

    def mark(self, answer: Answer, now: float) -> StreamAnswer:
        """The answer with the number of ticks missed before it; ``now`` in seconds."""
        seq = answer.seq or 0
        missed = max(0, seq - self._next_seq)
        before = self._last_answer if self._reset else None
        if before is not None and self._every > 0:
            missed = max(missed, round((now - before) / self._every) - 1)
        self._next_seq, self._last_answer, self._reset = seq + 1, now, False
        return StreamAnswer(
            host=answer.host,
            nodes=answer.nodes,
            id=answer.id,
            seq=answer.seq,
            missed=missed,
            reconnected=before is not None,
        )
