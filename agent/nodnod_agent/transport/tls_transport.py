"""TLS between a socket and a connection: the protocol of the one, the transport of the other.

Event loops have TLS of their own. But there a large message is encrypted at once and then counts as
sent, the time for a close runs while output is still on its way, no direction ends alone, and each
connection keeps buffers as large as its largest message. Here, all of that is as it is without TLS.
"""

import asyncio
import ssl
from contextlib import suppress
from typing import Any, ClassVar, cast

RECORD = 16 * 1024
"""The most bytes that a record holds."""

OUTPUT_PIECE = 8 * 1024
"""Bytes that are encrypted at once, to a record: the buffers of OpenSSL never shrink."""


class TlsTransport(asyncio.Transport, asyncio.Protocol):
    """One end of a TLS connection. What is written before the handshake goes out after it."""

    __slots__ = (
        "_early",
        "_ended",
        "_error",
        "_incoming",
        "_input_ended",
        "_outgoing",
        "_tls",
        "connection",
        "encrypts",
        "socket",
    )

    socket: asyncio.Transport

    input_piece: ClassVar[int] = RECORD
    """Bytes that are given to OpenSSL at once, for the same reason."""

    def __init__(
        self, tls: ssl.SSLContext, connection: asyncio.Protocol, host: str | None = None
    ) -> None:
        """``host`` is whom the server's certificate must name; without it, this end is the server."""
        super().__init__()
        self.connection = connection
        self.encrypts = False
        """Whether the handshake is complete."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = tls.wrap_bio(self._incoming, self._outgoing, host is None, host)
        self._early = b""
        self._ended = self._input_ended = False
        """Whether a direction has ended."""
        self._error: ssl.SSLError | None = None

    # What the socket's transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass it on; a client begins the handshake."""
        self.socket = cast(asyncio.Transport, transport)
        self.connection.connection_made(self)
        if not self._tls.server_side:
            self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        """Decrypt input, and pass it on."""
        if self._input_ended:
            return
        if self._ended:  # the connection drops it, so it need not be decrypted
            self.connection.data_received(data)
            return
        texts: list[bytes] = []
        try:
            self._decrypt(data, texts)
        except ssl.SSLError as error:
            self._error = error
        if self._outgoing.pending:  # the handshake, or an alert that tells why it fails
            self.socket.write(self._outgoing.read())
        if texts:
            self.connection.data_received(texts[0] if len(texts) == 1 else b"".join(texts))
        if self._error is not None:
            self.socket.close()
        elif self._input_ended and not self.connection.eof_received():
            self.close()

    def eof_received(self) -> bool | None:
        """Pass it on, whether or not TLS has told the end: no request ends with its connection."""
        return self.connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on, with what failed in TLS."""
        connection, self.connection = self.connection, asyncio.Protocol()  # no reference cycle
        connection.connection_lost(self._error or exc)

    def pause_writing(self) -> None:
        """Pass it on."""
        self.connection.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self.connection.resume_writing()

    # What the connection calls.

    def write(self, data: Any) -> None:
        """Encrypt output, and leave it to the socket's transport."""
        if not self.encrypts:
            self._early += data
            return
        pieces = []
        try:
            for start in range(0, len(data), OUTPUT_PIECE):
                self._tls.write(data[start : start + OUTPUT_PIECE])
                pieces.append(self._outgoing.read())
        except ssl.SSLError:
            return  # TLS has failed, and the connection is about to be lost
        self.socket.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def write_eof(self) -> None:
        """End this direction."""
        self._end()
        self.socket.write_eof()

    def can_write_eof(self) -> bool:
        """Whether one direction can end alone."""
        return True

    def close(self) -> None:
        """End once all output is sent."""
        self._end()
        self.socket.close()

    def abort(self) -> None:
        """End at once."""
        self.socket.abort()

    def is_closing(self) -> bool:
        """Whether it ends, or has ended."""
        return self.socket.is_closing()

    def pause_reading(self) -> None:
        """Read nothing for now."""
        self.socket.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self.socket.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set how many bytes of unsent output pause the connection."""
        self.socket.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Bytes of unsent output."""
        return self.socket.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """The ``sslcontext``, the ``cipher`` after the handshake, or what the socket has."""
        if name == "sslcontext":
            return self._tls.context
        if name == "cipher":
            return self._tls.cipher()
        return self.socket.get_extra_info(name, default)

    def _decrypt(self, data: bytes, texts: list[bytes]) -> None:
        """Add to ``texts`` what the input holds. Raises ssl.SSLError."""
        tls, incoming, piece = self._tls, self._incoming, self.input_piece
        for start in range(0, len(data) or 1, piece):
            incoming.write(data[start : start + piece])
            try:
                if not self.encrypts:
                    tls.do_handshake()
                    self.encrypts = True
                    self.write(self._early)
                while incoming.pending:
                    text = tls.read(RECORD)
                    if not text:
                        self._input_ended = True
                        return
                    texts.append(text)
            except ssl.SSLWantReadError:  # the rest of a record is still to come
                pass

    def _end(self) -> None:
        """Tell the other side that nothing more comes."""
        if not self._ended:
            self._ended = True
            with suppress(
                ssl.SSLError
            ):  # that its own end is still to come, or that TLS has failed
                self._tls.unwrap()
            self.socket.write(self._outgoing.read())
