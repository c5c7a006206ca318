"""A version-1 client: sends no ids, matches answers by order, and can pipeline."""

import asyncio
import json
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect


class V1Client:
    """Use as an async context manager."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._connection: ClientConnection | None = None

    async def __aenter__(self) -> Self:
        self._connection = await connect(f"ws://{self.address}/", proxy=None)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.close()

    @property
    def subprotocol(self) -> str | None:
        return self._open.subprotocol

    async def send(self, *requests: dict[str, Any] | str | bytes) -> None:
        """Send all of them without waiting for any answer."""
        for request in requests:
            await self._open.send(json.dumps(request) if isinstance(request, dict) else request)

    async def receive(self, count: int = 1, *, within: float = 20.0) -> list[dict[str, Any]]:
        """The next so many answers, in the order of their arrival."""
        async with asyncio.timeout(within):
            return [json.loads(await self._open.recv()) for _ in range(count)]

    async def ask(self, *types: int, within: float = 20.0) -> list[dict[str, Any]]:
        """Pipeline one request of each type; the n-th answer answers the n-th request."""
        await self.send(*({"type": type_, "statType": 0} for type_ in types))
        return await self.receive(len(types), within=within)

    async def closed(self, *, within: float = 20.0) -> int | None:
        """Wait until the other side has closed; gives the close code."""
        async with asyncio.timeout(within):
            await self._open.wait_closed()
        return self._open.close_code

    def abort(self) -> None:
        """Cut the connection without a close frame."""
        self._open.transport.abort()

    @property
    def _open(self) -> ClientConnection:
        assert self._connection is not None
        return self._connection
