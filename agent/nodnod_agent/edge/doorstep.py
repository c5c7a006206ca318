"""A connection before and during its TLS handshake, until it can be handed to who serves it."""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol as Interface
from typing import cast

from nodnod.address import Address
from nodnod.tls import explain

__all__ = ["Doorstep", "Host"]

GOODBYE_LIMIT = 1.0
"""Seconds that the other side has to say goodbye in TLS."""

_PLAIN = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 51\r\n\r\n"
    b"this port speaks TLS: dial it with wss:// or https\n"
)

log = logging.getLogger("nodnod.server")


class Host(Interface):
    """Whose doorstep it is."""

    loop: asyncio.AbstractEventLoop

    def waits(self, guest: "Doorstep") -> bool:
        """Somebody has come; false if there is no room, and he is to go."""

    def waits_no_more(self, guest: "Doorstep") -> None:
        """He has come in, or gone."""


class Doorstep(asyncio.Protocol):
    """Shakes hands, and passes the connection on to the protocol that ``inside`` makes.

    The event loop could do so by itself, but then nobody would know how many are shaking hands,
    nor why a handshake came to nothing.
    """

    def __init__(
        self,
        host: Host,
        tls: ssl.SSLContext,
        seconds: float,
        inside: Callable[[], asyncio.Protocol],
    ) -> None:
        self._host = host
        self._tls = tls
        self._seconds = seconds
        self._inside = inside
        self._early: list[bytes] = []
        self._gone = False
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Its address, for the log."""
        peer = self._transport.get_extra_info("peername") if self._transport else None
        return str(Address(peer[0], peer[1])) if peer else "unknown"

    def abort(self) -> None:
        """End at once."""
        self._gone = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol; said once: TLS comes between, and has its own way to tell."""
        self._transport = cast(asyncio.Transport, transport)
        if self._host.waits(self):
            self._task = self._host.loop.create_task(self._shake(self._transport))
        else:
            self.abort()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol: what comes so soon that the handshake is over but we do not know."""
        self._early.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._gone = True
        if self._task is None:
            self._host.waits_no_more(self)

    async def _shake(self, transport: asyncio.Transport) -> None:
        name = self.name  # as long as it is known
        plain = _duplicate(transport)
        try:
            secured = await self._host.loop.start_tls(
                transport,
                self,
                self._tls,
                server_side=True,
                ssl_handshake_timeout=self._seconds,
                ssl_shutdown_timeout=GOODBYE_LIMIT,
            )
        except ssl.SSLError as error:
            log.warning("No TLS with %s: %s", name, explain(error))
            if error.reason == "HTTP_REQUEST" and plain is not None:
                with suppress(OSError):
                    plain.send(_PLAIN)
                    plain.shutdown(socket.SHUT_WR)
        except OSError as error:  # it went away, or took too long
            log.debug("No TLS with %s: %s", name, error)
        else:
            if not self._gone and secured is not None:
                self._hand_over(secured)
        finally:
            if plain is not None:
                plain.close()
            self._host.waits_no_more(self)

    def _hand_over(self, secured: asyncio.Transport) -> None:
        self._host.waits_no_more(self)  # or it would count twice
        protocol = self._inside()
        secured.set_protocol(protocol)
        protocol.connection_made(secured)
        for data in self._early:
            protocol.data_received(data)


def _duplicate(transport: asyncio.Transport) -> socket.socket | None:
    """The same connection once more: who speaks no TLS is told so after the transport has ended."""
    sock = transport.get_extra_info("socket")
    try:
        return socket.socket(fileno=os.dup(sock.fileno()))
    except OSError:
        return None
