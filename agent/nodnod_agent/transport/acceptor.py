"""Accepts the connections of one listening socket, a few in each loop iteration.

An event loop by itself accepts all that wait, a thousand in one iteration, and serves no client
meanwhile. Here the others wait in the kernel.
"""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable

BACKLOG = 1024
"""Connections that wait in the kernel. It drops further ones, which try again in a second."""

MAX_PER_ITERATION = 2
"""Connections accepted in one loop iteration; each takes 0.2 ms."""

OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
RETRY_AFTER = 1.0
"""Seconds without accepting after one of these errors."""

log = logging.getLogger("nodnod.server")


class Acceptor:
    """One listening socket, which is bound; ``accepted`` gets each connection, non-blocking."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        accepted: Callable[[socket.socket], None],
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._accepted = accepted
        self._retry: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Begin to accept. Raises OSError."""
        self._sock.setblocking(False)
        self._sock.listen(BACKLOG)
        self._resume()

    def close(self) -> None:
        """Close the socket: the kernel refuses connections that wait."""
        if self._retry is not None:
            self._retry.cancel()
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()

    def _resume(self) -> None:
        self._retry = None
        self._loop.add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        for _ in range(MAX_PER_ITERATION):
            try:
                connection, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in OUT_OF_RESOURCES:
                    # The socket stays readable: without a pause this would be a busy loop.
                    log.warning("Cannot accept: %s", os.strerror(error.errno or 0).lower())
                    self._loop.remove_reader(self._sock)
                    self._retry = self._loop.call_later(RETRY_AFTER, self._resume)
                    return
                continue  # the client has gone
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._accepted(connection)
