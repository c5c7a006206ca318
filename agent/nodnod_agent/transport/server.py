"""The server: its listening sockets, and the connections accepted from them."""

import asyncio
import socket
from collections.abc import Iterable

from nodnod_agent.transport.accepted_tls import AcceptedTls
from nodnod_agent.transport.acceptor import Acceptor
from nodnod_agent.transport.server_connection import ServerConnection, ServerContext

CHECK_EVERY = 1.0
"""Seconds between two checks of all connections."""


class Server:
    """Listens, accepts, and checks its connections every second."""

    def __init__(self, context: ServerContext) -> None:
        self.context = context
        self._loop = context.loop
        self._acceptors: list[Acceptor] = []
        self._opening: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def listen(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections on sockets that are bound. Raises OSError."""
        for sock in sockets:
            acceptor = Acceptor(self._loop, sock, self._connect)
            acceptor.open()
            self._acceptors.append(acceptor)
        self._schedule_check()

    def close(self) -> None:
        """Accept no more, and end incomplete handshakes; other connections stay open."""
        for acceptor in self._acceptors:
            acceptor.close()
        if self._timer is not None:
            self._timer.cancel()
        self.context.table.close()

    async def drained(self, seconds: float) -> None:
        """Wait until all connections have ended; abort those that are open after that time."""
        await self.context.table.drained(seconds)
        for entry in self.context.table:
            entry.abort()
        await self.context.table.drained(1.0)
        await asyncio.sleep(0)

    def _connect(self, sock: socket.socket) -> None:
        task = self._loop.create_task(self._open(sock))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, sock: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, sock)
        except OSError:  # the client has gone
            sock.close()

    def _protocol(self) -> asyncio.Protocol:
        connection, tls = ServerConnection(self.context), self.context.tls
        return connection if tls is None else AcceptedTls(tls, connection)

    def _check(self, due: float) -> None:
        now = self._loop.time()
        self.context.counters.loop_lag.add(max(0.0, round(now - due, 6)))
        for entry in self.context.table:
            entry.check(now)
        self._schedule_check()

    def _schedule_check(self) -> None:
        due = self._loop.time() + CHECK_EVERY
        self._timer = self._loop.call_at(due, self._check, due)
