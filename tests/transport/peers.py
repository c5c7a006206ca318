"""The two ends of a dialed connection: a link that notes reports, and peers that a test scripts."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from nodnod_agent.core.interfaces import Hello, Wire
from nodnod_agent.transport.dialer import DialAttempt
from nodnod_agent.transport.fair_queue import FairQueue
from nodnod_agent.transport.handshake import SUBPROTOCOL
from nodnod_agent.transport.peer_connection import DialContext
from nodnod_client.address import Address

HELLO = Hello(2, "kåre", "instance-1", "127.0.0.1:7070")
Handler = Callable[[ServerConnection], Awaitable[None]]
StreamHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HOSTS: dict[str, list[str]] = {
    "kyle": ["127.0.0.9", "127.0.0.1"],
    "kenny": ["127.0.0.1", "127.0.0.9"],
    "nowhere": [],
}


async def look_up(address: Address) -> list[Address]:
    """Look up a host without a name server."""
    hosts = HOSTS.get(address.host, [address.host])
    if not hosts:
        raise socket.gaierror(-2, "Name or service not known")
    return [Address(host, address.port) for host in hosts]


class FakeLink:
    """Dials, and notes what is reported."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.reports: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        self.context = DialContext(loop=loop, queue=FairQueue(loop), hello=HELLO, look_up=look_up)

    def start(self, address: Address) -> DialAttempt:
        """Start to dial."""
        return DialAttempt(self.context, address, self)

    async def dial(self, address: Address) -> tuple[Any, ...]:
        """Dial; the first report."""
        self.start(address)
        return await self.next()

    async def next(self) -> tuple[Any, ...]:
        """The next report."""
        return await asyncio.wait_for(self.reports.get(), 10)

    async def drained(self) -> None:
        """Wait until all connections have ended."""
        await self.context.table.drained(10)
        assert not len(self.context.table)

    def opened(self, wire: Wire, hello: Hello) -> None:
        self.reports.put_nowait(("opened", wire, hello))

    def refused(self, reason: str) -> None:
        self.reports.put_nowait(("refused", reason))

    def received(self, text: bytes) -> None:
        self.reports.put_nowait(("received", text))

    def ended(self, reason: str) -> None:
        self.reports.put_nowait(("ended", reason))


def reset(transport: asyncio.WriteTransport) -> None:
    """End a connection with a reset."""
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


@asynccontextmanager
async def peer(
    handler: Handler, *, version: int = 2, headers: dict[str, str] | None = None
) -> AsyncIterator[Address]:
    """An agent that runs ``handler`` for each connection."""

    def add_headers(_: Any, __: Any, response: Any) -> None:
        response.headers.update(headers or {})

    async with serve(
        handler,
        "127.0.0.1",
        0,
        subprotocols=[SUBPROTOCOL] if version == 2 else None,
        process_response=add_headers,
        compression=None,
    ) as server:
        yield Address("127.0.0.1", next(iter(server.sockets)).getsockname()[1])


@asynccontextmanager
async def listening(
    handler: StreamHandler, tls: SSLContext | None = None
) -> AsyncIterator[Address]:
    """A server that runs ``handler`` for each connection, over TLS or not."""
    async with await asyncio.start_server(handler, "127.0.0.1", 0, ssl=tls) as server:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1])
