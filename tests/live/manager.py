"""A service manager's socket, as systemd has one: it hears what an agent tells of itself."""

import asyncio
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE = 30.0
"""Seconds within which a message that is due must come."""


class Manager:
    """Use as a context manager; ``environment`` is what a service is started with."""

    def __init__(self, directory: Path, *, watchdog: float = 0.0) -> None:
        self.path = directory / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.environment = {"NOTIFY_SOCKET": str(self.path)}
        if watchdog:
            self.environment["WATCHDOG_USEC"] = str(int(watchdog * 1e6))

    def __enter__(self) -> Self:
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    async def hear(self, *, within: float = PATIENCE) -> dict[str, str]:
        """The next message, by the names of what it assigns. Raises TimeoutError."""
        async with asyncio.timeout(within):
            message = await asyncio.get_running_loop().sock_recv(self._socket, 4096)
        return dict(line.split("=", 1) for line in message.decode().splitlines())

    async def until(self, name: str, value: str = "1") -> dict[str, str]:
        """Hear on until a message says so; that message. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while (message := await self.hear()).get(name) != value:
                pass
        return message

    def forget(self) -> None:
        """Throw away what has come and was not heard."""
        while True:
            try:
                self._socket.recv(4096)
            except BlockingIOError:
                return
