"""One TLS handshake of a client: the part of its connection before the first decrypted byte."""

import asyncio
import logging
import socket
import ssl
from contextlib import suppress

from nodnod_agent.transport.server_connection import ServerConnection, ServerContext
from nodnod_client.address import Address
from nodnod_client.tls import explain

SHUTDOWN_LIMIT = 1.0
"""Seconds that the other side has to complete the end of TLS."""

HANDSHAKE_COST = 0.0015
"""Seconds of CPU for one handshake, measured with an ECDSA key."""

_TLS_RECORD = b"\x16"
"""The first byte of TLS, and never that of HTTP."""

_PLAIN = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 51\r\n\r\n"
    b"this port speaks TLS: dial it with wss:// or https\n"
)

log = logging.getLogger("nodnod.server")


class TlsHandshake:
    """Runs the handshake, then hands the socket to a `ServerConnection`.

    The event loop can do this by itself. But then nothing limits how many handshakes are under way,
    and a client that does not use TLS gets no readable answer.
    """

    def __init__(self, context: ServerContext, tls: ssl.SSLContext, sock: socket.socket) -> None:
        """The handshake begins at once, if the table has room."""
        self.name = "unknown"
        self._context = context
        self._loop = context.loop
        self._tls = tls
        self._sock = sock
        self._accepted_at = context.loop.time()
        self._deadline = self._accepted_at + context.limits.handshake
        with suppress(OSError):
            peer = sock.getpeername()
            self.name = str(Address(peer[0], peer[1]))
        if context.table.add(self):
            self._task = context.loop.create_task(self._run())
        else:
            sock.close()

    def abort(self) -> None:
        """End the handshake at once."""
        # Not by cancelling: uvloop would not close a socket in mid-handshake.
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    async def _run(self) -> None:
        sock = self._sock
        to_close: socket.socket | None = sock
        try:
            async with asyncio.timeout_at(self._deadline):
                first = await self._first_byte()
            if first == _TLS_RECORD:
                await self._wait_in_queue()
                to_close = None  # from here on the transport closes it, in any case
                await self._loop.connect_accepted_socket(
                    lambda: ServerConnection(self._context, self._accepted_at, self),
                    sock,
                    ssl=self._tls,
                    ssl_handshake_timeout=max(0.01, self._deadline - self._loop.time()),
                    ssl_shutdown_timeout=SHUTDOWN_LIMIT,
                )
            elif first:
                log.warning("client %s did not use TLS", self.name)
                sock.recv(65536)  # closing with unread input would reset the connection
                sock.send(_PLAIN)
                sock.shutdown(socket.SHUT_WR)
        except ssl.SSLError as error:
            log.warning("TLS handshake with client %s failed: %s", self.name, explain(error))
        except OSError as error:  # the client has gone, or took too long
            log.debug("TLS handshake with client %s failed: %r", self.name, error)
        finally:
            if to_close is not None:
                to_close.close()
            self._context.table.remove(self)

    async def _wait_in_queue(self) -> None:
        """Wait in the fair queue: the CPU of many handshakes at once is spread."""
        served = self._loop.create_future()

        def serve() -> None:
            self._context.queue.charge(HANDSHAKE_COST)
            _set_done(served)

        self._context.queue.enqueue_call(serve)
        await served

    async def _first_byte(self) -> bytes:
        """The first byte from the client, which stays in the socket; empty if the stream ended."""
        readable = self._loop.create_future()
        self._loop.add_reader(self._sock, _set_done, readable)
        try:
            await readable
        finally:
            self._loop.remove_reader(self._sock)
        with suppress(BlockingIOError):
            return self._sock.recv(1, socket.MSG_PEEK)
        return b""


def _set_done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
