"""The socket of a service manager, like that of systemd: receives the messages of an agent."""

import asyncio
import socket
from pathlib import Path
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

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    async def receive(self, *, within: float = PATIENCE) -> dict[str, str]:
        """The next message: values by name. Raises TimeoutError."""
        async with asyncio.timeout(within):
            message = await asyncio.get_running_loop().sock_recv(self._socket, 4096)
        return dict(line.split("=", 1) for line in message.decode().splitlines())

    async def until(self, name: str, value: str = "1") -> dict[str, str]:
        """The next message with this value. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while (message := await self.receive()).get(name) != value:
                pass
        return message

    def discard(self) -> None:
        """Throw away all messages that have come."""
        while True:
            try:
                self._socket.recv(4096)
            except BlockingIOError:
                return
