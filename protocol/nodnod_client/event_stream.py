"""A stream of events, without gaps and repetitions, that continues after its connection is lost."""

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from random import Random

from nodnod_client.codec import decode_events
from nodnod_client.connection import AgentConnection
from nodnod_client.errors import ConnectError
from nodnod_client.mailbox import Mailbox
from nodnod_client.messages import Answer, Event, Request
from nodnod_client.stream import ticks

KEPT = 1000
"""Events that an agent keeps: of more that a reader has not taken, the oldest are dropped."""


class _EventMailbox(Mailbox):
    """Keeps all events of the answers that the reader has not taken yet."""

    def __init__(self, connection: AgentConnection) -> None:
        super().__init__()
        self.events: deque[Event] = deque(maxlen=KEPT)
        self._connection = connection

    def put(self, answer: Answer, message: bytes = b"") -> None:
        if not answer.error:
            try:
                self.events += self._connection.decoded(decode_events, message).events
            except ConnectError:  # the connection is ended with the reason
                return
        super().put(answer)


async def follow_events(
    request: Request,
    current: Callable[[], AgentConnection],
    reconnect: Callable[[float], Awaitable[AgentConnection]] | None,
    within: float,
    random: Random,
) -> AsyncGenerator[Event, None]:
    """Yield each event of one stream once; arguments and errors are those of ``stream.ticks``."""
    seen: dict[str, None] = {}
    found = ticks(request, current, reconnect, within, random, _EventMailbox)
    async with aclosing(found):
        async for tick in found:
            assert isinstance(tick.mailbox, _EventMailbox)
            while tick.mailbox.events:
                event = tick.mailbox.events.popleft()
                if event.id not in seen:
                    _remember(seen, event.id)
                    yield event


def _remember(seen: dict[str, None], event_id: str) -> None:
    # An agent tells all that it has after a reconnection, so as many as it keeps are remembered.
    if len(seen) >= 2 * KEPT:
        del seen[next(iter(seen))]
    seen[event_id] = None
