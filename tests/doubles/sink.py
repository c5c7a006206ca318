"""A web server that keeps what it is sent, and answers as a test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.message import Message
from email.parser import Parser
from ssl import SSLContext
from typing import Any, NamedTuple

from bench.harness.closing import stop_accepting

PATIENCE = 30.0

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Received(NamedTuple):
    """A request; ``headers`` ignore case."""

    method: str
    path: str
    headers: Message
    body: bytes
    port: int
    """Of the other side."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Behavior = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What happens on a connection once its request has come; it is closed afterwards."""


def answer(data: bytes) -> Behavior:
    """Send these bytes."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return behave


def status(code: int, *headers: str, body: bytes = b"") -> Behavior:
    """Answer with a status."""
    lines = [f"HTTP/1.1 {code} X", f"Content-Length: {len(body)}", *headers, "", ""]
    return answer("\r\n".join(lines).encode() + body)


taken = answer(OK)
"""Take everything."""


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Say nothing until the other side ends."""
    await reader.read()


def drip(data: bytes) -> Behavior:
    """Send these bytes, then a byte again and again."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    return behave


def flood(data: bytes) -> Behavior:
    """Send these bytes, then more and more of them."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(data)
            await writer.drain()

    return behave


async def close(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """End without an answer."""


class Sink:
    """``behavior`` may be replaced at any time; what comes in waits in order to be taken.

    ``choose`` says how each request is answered; without it, it is ``behavior``.
    """

    def __init__(self, behavior: Behavior) -> None:
        self.behavior = behavior
        self.choose: Callable[[Received], Behavior] = lambda request: self.behavior
        self.port = 0
        self.ended = asyncio.Event()
        """Whether a connection has ended."""
        self._received: asyncio.Queue[Received] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def next(self) -> Received:
        """The next request. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            return await self._received.get()

    @property
    def is_empty(self) -> bool:
        """Whether all requests that came have been taken."""
        return self._received.empty()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, _, fields = head.partition("\r\n")
            headers = Parser().parsestr(fields)
            body = await reader.readexactly(int(headers.get("Content-Length", 0)))
            port = writer.get_extra_info("peername")[1]
            received = Received(*first.split()[:2], headers, body, port)
            self._received.put_nowait(received)
            await self.choose(received)(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self.ended.set()
            writer.close()

    async def end(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


@asynccontextmanager
async def sink(behavior: Behavior = taken, tls: SSLContext | None = None) -> AsyncIterator[Sink]:
    """Run one on a free port of loopback."""
    found = Sink(behavior)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        await stop_accepting(server.sockets)
        server.close()
        await found.end()
        await server.wait_closed()
