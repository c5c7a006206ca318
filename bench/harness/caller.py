"""Client connections of the benchmarks, on the agent's own transport."""

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from functools import partial
from math import inf
from ssl import SSLContext
from typing import Any, TypeVar

from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.uri import parse_uri

from bench.harness.load_connection import LoadConnection
from nodnod_agent.transport.connection import Connection
from nodnod_agent.transport.fair_queue import FairQueue
from nodnod_agent.transport.frames import Framer, WholeClientFrames
from nodnod_agent.transport.half_messages import HalfMessages
from nodnod_client.address import Address
from nodnod_client.errors import ConnectError

MAX_ANSWER = 16 * 1024 * 1024
DIAL_LIMIT = 10.0
AT_ONCE = 100
"""Connections that are opened at the same time; more would wait in the listener's backlog."""

FRAMER = Framer(mask=True)
"""Messages to many servers: each is framed once."""


class _Unfair(FairQueue):
    """Serves its connection at once: a benchmark has no others to be fair to."""

    def update(self, now: float) -> None:
        """Allow any use of the CPU."""
        self.threshold = inf


class Caller(Connection):
    """One client connection; a subclass decides what to do with its messages."""

    __slots__ = ("opened",)

    ws: WholeClientFrames
    full = False  # it reads all that comes, for it has asked for that
    stall_limit = 5.0

    def __init__(self, loop: asyncio.AbstractEventLoop, server: Address) -> None:
        ws = WholeClientFrames(parse_uri(server.url), max_size=MAX_ANSWER)
        super().__init__(loop, ws, FRAMER, _Unfair(loop), HalfMessages())
        self.opened: asyncio.Future[None] = loop.create_future()

    def received(self, text: bytes) -> None:
        """Take a text message."""

    def input_ended(self) -> bool:
        """Return False: nobody asks it anything."""
        return False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the upgrade request."""
        super().connection_made(transport)
        self.ws.send_request(self.ws.connect())
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report a connection that was never opened."""
        super().connection_lost(exc)
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("closed during the handshake"))

    def handshake(self, event: Request | Response) -> None:
        """The connection is open."""
        self.receiver = self
        if not self.opened.done():
            self.opened.set_result(None)

    def bad_handshake(self, error: Exception) -> None:
        """The server refused the upgrade."""
        if not self.opened.done():
            what = str(error)
            if isinstance(error, InvalidStatus):
                what = f"HTTP {error.response.status_code}"
            self.opened.set_exception(ConnectionError(f"no WebSocket there: {what}"))


class Requester(Caller):
    """Sends a request and waits for its answer."""

    __slots__ = ("_answer", "_due")

    def __init__(self, loop: asyncio.AbstractEventLoop, server: Address) -> None:
        super().__init__(loop, server)
        self._answer: asyncio.Future[bytes] | None = None
        self._due = 0

    async def ask(self, request: bytes, times: int = 1) -> bytes:
        """The answer to a request, as it came; to the last one of several that are sent at once."""
        self._answer = asyncio.get_running_loop().create_future()
        self._due = times
        for _ in range(times):
            self.send(request)
        return await self._answer

    def received(self, text: bytes) -> None:
        """Take an answer; what comes without a request, as of a stream, is dropped."""
        self._due -= 1
        if self._answer is not None and self._due == 0 and not self._answer.done():
            self._answer.set_result(text)


@asynccontextmanager
async def requesters(servers: Iterable[Address]) -> AsyncIterator[list[Requester]]:
    """One connection to each server until the block ends. Raises ConnectError."""
    loop = asyncio.get_running_loop()
    opened: list[Requester] = []
    try:
        for server in servers:
            opened += await connect_all(partial(Requester, loop, server), server, 1)
        yield opened
    finally:
        for one in opened:
            one.abort()


AnyCaller = TypeVar("AnyCaller", bound=Caller | LoadConnection)
Result = TypeVar("Result")


async def connect_all(
    make: Callable[[], AnyCaller], server: Address, count: int, tls: SSLContext | None = None
) -> list[AnyCaller]:
    """Open ``count`` connections. Raises ConnectError with the address and the reason."""
    loop = asyncio.get_running_loop()

    async def connect(_: int) -> AnyCaller:
        caller = make()
        await loop.create_connection(lambda: caller, *server, ssl=tls)
        await caller.opened
        return caller

    callers: list[AnyCaller] = []
    try:
        while len(callers) < count:
            several = min(AT_ONCE, count - len(callers))
            async with asyncio.timeout(DIAL_LIMIT):
                # All are awaited: asyncio would log a failure that is never fetched.
                opened = await asyncio.gather(*map(connect, range(several)), return_exceptions=True)
            for caller in opened:
                if isinstance(caller, BaseException):
                    raise caller
                callers.append(caller)
    except TimeoutError:
        raise ConnectError(f"cannot connect to {server}: nothing within {DIAL_LIMIT:g} s") from None
    except OSError as error:
        number = error.errno or 0  # that of a failed look-up is negative, and no errno
        reason = os.strerror(number).lower() if number > 0 else error.strerror or str(error)
        raise ConnectError(f"cannot connect to {server}: {reason}") from None
    return callers


def allow_files(connections: int) -> None:
    """Raise the limit of open files, as far as the system lets us, for so many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on the fastest event loop there is here."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(coroutine)


def new_loop() -> asyncio.AbstractEventLoop:
    """The fastest event loop there is here."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def framed(text: bytes) -> bytes:
    """A text message as a client sends it."""
    return Frame(Opcode.TEXT, text).serialize(mask=True)
