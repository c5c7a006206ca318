"""Accepts what comes in at one listening socket: a few connections in each turn of the loop.

An event loop by itself accepts all that wait, a thousand in one turn, and nobody else is served
meanwhile. Those who wait a turn longer wait in the kernel.
"""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable

BACKLOG = 1024
"""Connections that wait in the kernel; of more it forgets the newest, who try again in a second."""

AT_ONCE = 2
"""Connections accepted in one turn, 0.2 ms each."""

SHORT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
REST = 1.0
"""Seconds without accepting where there is nothing left to do it with."""

log = logging.getLogger("nodnod.server")


class Acceptor:
    """One listening socket, which is bound; ``greet`` gets each connection, non-blocking."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        greet: Callable[[socket.socket], None],
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._greet = greet
        self._rest: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Begin to accept. Raises OSError."""
        self._sock.setblocking(False)
        self._sock.listen(BACKLOG)
        self._go_on()

    def close(self) -> None:
        """Accept nobody any more; who waits in the kernel is refused."""
        if self._rest is not None:
            self._rest.cancel()
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()

    def _go_on(self) -> None:
        self._rest = None
        self._loop.add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in SHORT_OF:
                    # Whoever waits keeps the socket readable: without a rest we would spin.
                    log.warning("Cannot accept: %s", os.strerror(error.errno or 0).lower())
                    self._loop.remove_reader(self._sock)
                    self._rest = self._loop.call_later(REST, self._go_on)
                    return
                continue  # this one has gone again
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._greet(connection)
