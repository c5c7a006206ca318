"""Other ends of links: agents that do as the test says, and who is told what becomes of it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from nodnod_agent.core.interfaces import Hello, Wire
from nodnod_agent.transport.handshake import SUBPROTOCOL
from nodnod_client.address import Address

HELLO = Hello(2, "kåre", "instance-1", "127.0.0.1:7070")
Handler = Callable[[ServerConnection], Awaitable[None]]


class FakeEnd:
    """Notes what is reported."""

    def __init__(self) -> None:
        self.reports: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()

    def opened(self, wire: Wire, hello: Hello) -> None:
        self.reports.put_nowait(("opened", wire, hello))

    def refused(self, reason: str) -> None:
        self.reports.put_nowait(("refused", reason))

    def received(self, text: bytes) -> None:
        self.reports.put_nowait(("received", text))

    def ended(self, reason: str) -> None:
        self.reports.put_nowait(("ended", reason))

    async def next(self) -> tuple[Any, ...]:
        return await asyncio.wait_for(self.reports.get(), 10)


NAMES: dict[str, list[str]] = {"kyle": ["127.0.0.9", "127.0.0.1"], "nowhere": []}


async def by_name(address: Address) -> list[Address]:
    """Look a name up, without a name server."""
    hosts = NAMES.get(address.host, [address.host])
    if not hosts:
        raise socket.gaierror(-2, "Name or service not known")
    return [Address(host, address.port) for host in hosts]


@asynccontextmanager
async def peer(
    handler: Handler, *, version: int = 2, headers: dict[str, str] | None = None
) -> AsyncIterator[Address]:
    """An agent that does what ``handler`` does with each connection."""

    def name_itself(_: Any, __: Any, response: Any) -> None:
        response.headers.update(headers or {})

    async with serve(
        handler,
        "127.0.0.1",
        0,
        subprotocols=[SUBPROTOCOL] if version == 2 else None,
        process_response=name_itself,
        compression=None,
    ) as server:
        yield Address("127.0.0.1", next(iter(server.sockets)).getsockname()[1])


async def wait_closed(connection: ServerConnection) -> None:
    await connection.wait_closed()
