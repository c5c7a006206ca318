"""A connection before and during its TLS handshake, until it can be handed to who serves it."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol as Interface

from nodnod_agent.transport.fair_queue import FairQueue
from nodnod_client.address import Address
from nodnod_client.tls import explain

GOODBYE_LIMIT = 1.0
"""Seconds that the other side has to say goodbye in TLS."""

SHAKE = 0.0015
"""Seconds of CPU for one handshake, measured with an ECDSA key."""

_HANDSHAKE = b"\x16"
"""What TLS begins with, and HTTP never."""

_PLAIN = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 51\r\n\r\n"
    b"this port speaks TLS: dial it with wss:// or https\n"
)

log = logging.getLogger("nodnod.server")


class Host(Interface):
    """Whose doorstep it is."""

    loop: asyncio.AbstractEventLoop
    turns: FairQueue

    def waits(self, guest: "TlsHandshake") -> bool:
        """Somebody has come; false if there is no room, and he is to go."""

    def waits_no_more(self, guest: "TlsHandshake") -> None:
        """He has come in, or gone."""


class TlsHandshake:
    """Shakes hands, and hands the connection to the protocol that ``inside`` makes.

    The event loop would accept TLS by itself, but then nobody could tell how many are shaking
    hands, nor answer in plain words who does not speak TLS.
    """

    def __init__(
        self,
        host: Host,
        tls: ssl.SSLContext,
        sock: socket.socket,
        seconds: float,
        inside: Callable[["TlsHandshake"], asyncio.Protocol],
    ) -> None:
        self.name = "unknown"
        """The address of the other side, for the log."""
        self.task: asyncio.Task[None] | None = None
        self._host = host
        self._tls = tls
        self._sock: socket.socket | None = sock
        self._end = host.loop.time() + seconds
        self._inside = inside

    def greet(self) -> None:
        """Begin, if there is room."""
        sock = self._sock
        assert sock is not None
        with suppress(OSError):
            peer = sock.getpeername()
            self.name = str(Address(peer[0], peer[1]))
        if self._host.waits(self):
            self.task = self._host.loop.create_task(self._shake(sock))
        else:
            sock.close()

    def abort(self) -> None:
        """End at once."""
        if self._sock is not None:
            # Cancelling would do, but uvloop forgets to close what it was shaking hands with.
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

    async def _shake(self, sock: socket.socket) -> None:
        ours: socket.socket | None = sock
        try:
            async with asyncio.timeout_at(self._end):
                first = await self._first_byte(sock)
            if first == _HANDSHAKE:
                await self._turn()
                ours = None  # whatever becomes of it, its transport closes it
                await self._host.loop.connect_accepted_socket(
                    lambda: self._inside(self),
                    sock,
                    ssl=self._tls,
                    ssl_handshake_timeout=max(0.01, self._end - self._host.loop.time()),
                    ssl_shutdown_timeout=GOODBYE_LIMIT,
                )
            elif first:
                log.warning("No TLS with %s: it speaks none", self.name)
                sock.recv(65536)  # what is left unread would make the end a reset
                sock.send(_PLAIN)
                sock.shutdown(socket.SHUT_WR)
        except ssl.SSLError as error:
            log.warning("No TLS with %s: %s", self.name, explain(error))
        except OSError as error:  # it went away, or took too long
            log.debug("No TLS with %s: %r", self.name, error)
        finally:
            self._sock = None
            if ours is not None:
                ours.close()
            self._host.waits_no_more(self)

    async def _turn(self) -> None:
        """Wait for a turn: however many come at once, what they cost is spread."""
        turn = self._host.loop.create_future()

        def begin() -> None:
            self._host.turns.charge(SHAKE)
            _settle(turn)

        self._host.turns.later(begin)
        await turn

    async def _first_byte(self, sock: socket.socket) -> bytes:
        """What the other side begins with, which stays where it is; empty if it has ended."""
        readable = self._host.loop.create_future()
        self._host.loop.add_reader(sock, _settle, readable)
        try:
            await readable
        finally:
            self._host.loop.remove_reader(sock)
        with suppress(BlockingIOError):
            return sock.recv(1, socket.MSG_PEEK)
        return b""


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
