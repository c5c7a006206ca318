"""Dials peers: each attempt becomes one connection, or is refused."""

import asyncio
import socket
from contextlib import suppress

from nodnod_agent.core.interfaces import DialHandler
from nodnod_agent.net.sockets import dialing_socket
from nodnod_agent.transport.peer_connection import DialContext, PeerConnection, describe
from nodnod_agent.transport.tls_transport import TlsTransport
from nodnod_client.address import Address

DIAL_LIMIT = 5.0
"""Seconds of one attempt, with name look-up and all handshakes."""


class DialAttempt:
    """One attempt to connect; with its context it is the core's Dial.

    Proxies and redirects are not followed.
    """

    def __init__(self, context: DialContext, address: Address, handler: DialHandler) -> None:
        self._context = context
        self._address = address
        self._connection = PeerConnection(context, address, handler)
        self._task = context.loop.create_task(self._run())

    def cancel(self) -> None:
        """End the attempt without a report."""
        self._connection.handler = None
        self._task.cancel()

    async def _run(self) -> None:
        opened = self._connection.opened
        try:
            async with asyncio.timeout(DIAL_LIMIT):
                await self._connect()
                await opened
        except TimeoutError:
            self._refuse(f"no handshake within {DIAL_LIMIT:.3g} s")
        except (OSError, UnicodeError) as error:
            self._refuse(describe(error))
        except asyncio.CancelledError:
            self._connection.handler = None
            self._refuse("cancelled")
            raise
        finally:
            if not opened.done():
                opened.cancel()

    async def _connect(self) -> None:
        *others, last = await self._context.look_up(self._address)
        for address in others:
            with suppress(OSError):
                await self._connect_to(address)
                return
        await self._connect_to(last)

    async def _connect_to(self, address: Address) -> None:
        loop, tls = self._context.loop, self._context.tls
        protocol: asyncio.Protocol = self._connection
        if tls is not None:
            # A certificate names the host as it is configured or advertised.
            protocol = TlsTransport(tls, protocol, self._address.host.partition("%")[0])
        sock = dialing_socket(address)
        try:
            await loop.sock_connect(sock, tuple(address))
            _check_other_end(sock)
        except BaseException:
            sock.close()
            raise
        await loop.create_connection(lambda: protocol, sock=sock)

    def _refuse(self, reason: str) -> None:
        connection = self._connection
        handler, connection.handler = connection.handler, None
        if hasattr(connection, "transport"):
            connection.abort()
            # uvloop reports no connection_lost for a connection that is cancelled as it opens.
            self._context.table.remove(connection)
        if handler is not None:
            handler.refused(reason)


def _check_other_end(sock: socket.socket) -> None:
    """Raise ConnectionError for a socket that is connected to itself.

    The kernel chooses the port of the dialing end. It may be the one that is dialed, if nothing
    listens there.
    """
    other = None
    with suppress(OSError):  # the other end has gone already
        other = sock.getpeername()
    if sock.getsockname() == other:
        raise ConnectionError("connected to itself: nothing listens there")
