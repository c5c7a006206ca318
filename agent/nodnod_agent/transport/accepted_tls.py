"""TLS of an accepted connection: its share of the CPU, and clients that do not use TLS."""

import logging
import ssl
from time import perf_counter

from nodnod_agent.transport.server_connection import ServerConnection
from nodnod_agent.transport.tls_transport import TlsTransport
from nodnod_client.tls import explain

_HANDSHAKE = b"\x16"
"""The first byte of TLS, and never that of HTTP."""

log = logging.getLogger("nodnod.server")


class AcceptedTls(TlsTransport):
    """The server's end. Input waits encrypted where other connections need the CPU.

    A handshake takes 1.5 ms, and a read 20 ms if each byte is a record of its own. So the first input
    waits in the fair queue in any case, and later input is decrypted in pieces, which are charged to
    the connection.
    """

    __slots__ = ("_begun", "_paused", "_waiting", "cpu_used")

    connection: ServerConnection

    input_piece = 4 * 1024  # connections are many, and messages of clients short

    def __init__(self, tls: ssl.SSLContext, connection: ServerConnection) -> None:
        super().__init__(tls, connection)
        self.cpu_used = 0.0
        self._begun = False
        self._waiting = b""
        self._paused = False
        """Whether the connection wants to read nothing."""

    def data_received(self, data: bytes) -> None:
        """Decrypt input at once, or let it wait; refuse a client that does not use TLS."""
        connection = self.connection
        queue = connection.queue
        if self._ended:
            super().data_received(data)
        elif not self._begun and not data.startswith(_HANDSHAKE):
            self._refuse()
        elif (
            self._begun
            and len(data) <= self.input_piece
            and (
                connection.cpu_used < queue.threshold
                or queue.admits(connection, connection.loop.time())
            )
        ):
            self._take(data)
        else:
            self._waiting = data
            self.socket.pause_reading()
            self._enqueue()

    def serve(self) -> None:
        """Decrypt one piece of the input that waits."""
        self._begun = True
        data, self._waiting = self._waiting, self._waiting[self.input_piece :]
        try:
            self._take(data[: self.input_piece])
        except BaseException:
            self.abort()  # as an event loop does where data_received fails
            raise
        if self.socket.is_closing():
            self._waiting = b""
        elif self._waiting:
            self._enqueue()
        elif not self._paused:
            self.socket.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the fair queue, and log a handshake that failed."""
        self.connection.queue.remove(self)
        if self._error is not None and not self.encrypts:
            name, reason = self.connection.name, explain(self._error)
            log.warning("TLS handshake with client %s failed: %s", name, reason)
        super().connection_lost(exc)

    def pause_reading(self) -> None:
        """Read nothing for now."""
        self._paused = True
        super().pause_reading()

    def resume_reading(self) -> None:
        """Read again, once no input waits."""
        self._paused = False
        if not self._waiting:
            super().resume_reading()

    def _take(self, piece: bytes) -> None:
        connection = self.connection
        began, used = perf_counter(), connection.cpu_used
        super().data_received(piece)
        seconds, queue = perf_counter() - began, connection.queue
        used = max(used, queue.credit) + seconds / connection.weight
        connection.cpu_used = min(used, queue.ceiling)

    def _enqueue(self) -> None:
        self.cpu_used = self.connection.cpu_used
        self.connection.queue.enqueue(self)

    def _refuse(self) -> None:
        """Answer without TLS."""
        log.warning("client %s did not use TLS", self.connection.name)
        self._ended = True
        self.connection.transport = self.socket
        self.connection.refuse("this port speaks TLS: dial it with wss:// or https\n")
