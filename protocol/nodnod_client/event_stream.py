"""A stream of events, without gaps and repetitions, that continues after its connection is lost."""

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from random import Random

from nodnod_client.codec import decode_events
from nodnod_client.connection import AgentConnection
from nodnod_client.errors import ConnectError, StatFailedError
from nodnod_client.mailbox import Mailbox
from nodnod_client.messages import Answer, Event, Request
from nodnod_client.stream import check, reconnected

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
    """Yield each event of one stream once, and stop it at the agent when the reader leaves.

    The arguments and errors are those of ``stream.follow``.
    """
    seen: dict[str, None] = {}
    connection = current()
    while True:
        mailbox = _EventMailbox(connection)
        try:
            request_id = connection.subscribe(request, mailbox)
            try:
                while True:
                    answer, _ = await mailbox.take(within)
                    check(answer, connection)
                    while mailbox.events:
                        event = mailbox.events.popleft()
                        if event.id not in seen:
                            _remember(seen, event.id)
                            yield event
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
            raise too_old(error, connection.url) from None
        connection = await reconnected(reconnect, random)


def too_old(error: StatFailedError, server: str) -> StatFailedError:
    """What a refusal means: an agent of version 2.0 does not know this type."""
    if error.code != "unknown_type":
        return error
    return StatFailedError(f"events need a newer agent than {server} is", error.code)


def _remember(seen: dict[str, None], event_id: str) -> None:
    # An agent tells all that it has after a reconnection, so as many as it keeps are remembered.
    if len(seen) >= 2 * KEPT:
        del seen[next(iter(seen))]
    seen[event_id] = None
