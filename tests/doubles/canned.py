"""A TCP server that answers every connection with the same bytes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.harness.closing import stop_accepting


@asynccontextmanager
async def canned(reply: bytes | None, calls: Counter[bytes] | None = None) -> AsyncIterator[str]:
    """Answer the first bytes of each connection with ``reply`` and hang up; with None, only listen.

    Gives the address; ``calls`` counts connections by their reply.
    """
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if reply is not None:
            if calls is not None:
                calls[reply] += 1
            await reader.read(4096)
            writer.write(reply)
            await writer.drain()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        await stop_accepting(server.sockets)
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()
