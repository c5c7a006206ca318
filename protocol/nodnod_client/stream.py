"""A stream of answers that outlives the connection it came on."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from random import Random

from nodnod_client.connection import AgentConnection
from nodnod_client.errors import ConnectError, StatFailedError
from nodnod_client.messages import Answer, Request

FIRST_DELAY = 0.25
LONGEST_DELAY = 15.0


class StreamAnswer(Answer, frozen=True, omit_defaults=True):
    """One answer of a stream, and what is missing before it.

    ``missed`` counts the ticks between the answer before and this one that were not delivered:
    skipped because the reader was slow, or lost while there was no connection (then counted from
    the time that passed). ``reconnected`` says that the connection broke in between.
    """

    missed: int = 0
    reconnected: bool = False


async def follow(
    request: Request,
    current: Callable[[], AgentConnection],
    reconnect: Callable[[float], Awaitable[AgentConnection]] | None,
    patience: float,
    random: Random,
) -> AsyncGenerator[StreamAnswer, None]:
    """Yield the answers of one stream, and stop it at the agent when the reader leaves.

    With ``reconnect``, which waits so many seconds and then connects, it goes on after a lost
    connection: after 0.25 s doubling to 15 s (full jitter), for ever. An agent that sends nothing for ``patience`` seconds is
    taken for lost. Raises StatFailedError where the agent refuses, ConnectError without
    ``reconnect``, and whatever ``current`` and ``reconnect`` raise beside it.
    """
    gaps = Gaps(request.every or 0.0)
    clock = asyncio.get_running_loop().time
    connection = current()
    while True:
        mailbox = Mailbox()
        try:
            ticket = connection.subscribe(request, mailbox)
            try:
                while True:
                    answer = await mailbox.take(patience)
                    _check(answer, connection)
                    yield gaps.mark(answer, clock())
            finally:
                connection.unsubscribe(ticket)
        except ConnectError:
            if reconnect is None:
                raise
        except TimeoutError:
            # The link may be half dead: nobody else gets anything over it either.
            connection.abort(f"no tick from {connection.url} for {patience:g} s")
            if reconnect is None:
                raise ConnectError(f"no tick from {connection.url} for {patience:g} s") from None
        assert reconnect is not None
        connection = await _persist(reconnect, random)
        gaps.broken()


async def _persist(
    reconnect: Callable[[float], Awaitable[AgentConnection]], random: Random
) -> AgentConnection:
    longest = FIRST_DELAY
    while True:
        try:
            return await reconnect(random.uniform(0, longest))
        except ConnectError:
            longest = min(2 * longest, LONGEST_DELAY)


def _check(answer: Answer, connection: AgentConnection) -> None:
    if answer.code == "shutting_down" or answer.done:
        connection.abort(f"{connection.url} is shutting down")
        raise ConnectError(f"{connection.url} is shutting down")
    if answer.error:
        raise StatFailedError(answer.error, answer.code)
    if answer.seq is None:
        raise StatFailedError(f"{connection.url} answers, but does not stream")


class Mailbox:
    """Room for one answer, the newest: what a slow reader left lying is overwritten."""

    def __init__(self) -> None:
        self._newest: Answer | None = None
        self._end: str | None = None
        self._news = asyncio.Event()

    def answered(self, answer: Answer, _message: bytes = b"", /) -> None:
        """See Waiter."""
        self._newest = answer
        self._news.set()

    def lost(self, why: str) -> None:
        """See Waiter."""
        self._end = why
        self._news.set()

    async def take(self, patience: float) -> Answer:
        """Wait for the next answer. Raises ConnectError, or TimeoutError after ``patience``."""
        async with asyncio.timeout(patience):
            await self._news.wait()
        answer, self._newest = self._newest, None
        if answer is None:
            raise ConnectError(self._end or "")
        if self._end is None:
            self._news.clear()
        return answer


class Gaps:
    """Counts the ticks that a reader did not get: by ``seq``, and by the clock over a break."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._expected = 0
        self._seen: float | None = None
        self._broken = False

    def broken(self) -> None:
        """The connection was made anew, and ``seq`` starts again."""
        self._expected = 0
        self._broken = True

    def mark(self, answer: Answer, now: float) -> StreamAnswer:
        """Say what is missing before this answer."""
        seq = answer.seq or 0
        missed = max(0, seq - self._expected)
        reconnected = self._broken and self._seen is not None
        if reconnected and self._seen is not None and self._every > 0:
            missed = max(missed, round((now - self._seen) / self._every) - 1)
        self._expected, self._seen, self._broken = seq + 1, now, False
        return StreamAnswer(
            host=answer.host,
            nodes=answer.nodes,
            id=answer.id,
            seq=answer.seq,
            missed=missed,
            reconnected=reconnected,
        )
