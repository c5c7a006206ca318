"""The client's end of TLS, as bytes and on a socket: each direction ends when a test says so."""

import ssl
from collections.abc import Callable
from contextlib import suppress

from live.raw import RawClient

MOST = 16 * 1024

Connect = Callable[..., RawClient]
"""Makes a client, over TLS or not."""


class TlsEnd:
    """Encrypts and decrypts; ``ended`` once the server has told the end of its stream."""

    def __init__(self, context: ssl.SSLContext, host: str = "127.0.0.1") -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self.shaken = self.ended = False
        self.alert = ""
        """What the server has said is wrong, in the words of OpenSSL."""
        self.decrypt(b"")

    def to_send(self) -> bytes:
        """What is to be sent to the server."""
        return self._outgoing.read()

    def encrypt(self, data: bytes, size: int = MOST) -> bytes:
        """Data in records of a size."""
        for start in range(0, len(data), size):
            self._tls.write(data[start : start + size])
        return self.to_send()

    def end(self) -> bytes:
        """The end of the client's stream."""
        with suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        return self.to_send()

    def decrypt(self, data: bytes) -> bytes:
        """What the server has sent, or has sent since the handshake."""
        self._incoming.write(data)
        texts = []
        try:
            if not self.shaken:
                self._tls.do_handshake()
                self.shaken = True
            while text := self._tls.read(MOST):
                texts.append(text)
            self.ended = True
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.alert = error.reason
        return b"".join(texts)


class TlsRawClient(RawClient):
    """A `RawClient` over TLS."""

    def __init__(
        self, port: int, context: ssl.SSLContext, *, receive_buffer: int | None = None
    ) -> None:
        super().__init__(port, receive_buffer=receive_buffer)
        self.tls = TlsEnd(context)

    async def __aenter__(self) -> "TlsRawClient":
        await super().__aenter__()
        while not self.tls.shaken:
            await super().send(self.tls.to_send())
            await self._more()
        await super().send(self.tls.to_send())
        return self

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            await super().send(self.tls.encrypt(piece))

    async def end(self) -> None:
        """End this side's stream for TLS; the socket stays as it is."""
        await super().send(self.tls.end())

    async def send_and_end(self, data: bytes) -> None:
        await super().send(self.tls.encrypt(data) + self.tls.end())

    def decode(self, data: bytes) -> bytes:
        return self.tls.decrypt(data)
