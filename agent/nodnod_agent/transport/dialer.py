"""Dials peers: each attempt becomes one connection, or is refused."""

import asyncio
from contextlib import suppress

from nodnod_agent.core.interfaces import DialHandler
from nodnod_agent.transport.peer_connection import DialContext, PeerConnection, describe
from nodnod_agent.transport.writer import CLOSE_LIMIT
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
        tls = self._context.tls
        # A certificate names the host as it is configured or advertised.
        name = None if tls is None else self._address.host.partition("%")[0]
        await self._context.loop.create_connection(
            lambda: self._connection,
            *address,
            ssl=tls,
            server_hostname=name,
            # uvloop does not close a socket that is cancelled in mid-handshake, but at this limit.
            ssl_handshake_timeout=None if tls is None else DIAL_LIMIT,
            ssl_shutdown_timeout=None if tls is None else CLOSE_LIMIT,
        )

    def _refuse(self, reason: str) -> None:
        connection = self._connection
        handler, connection.handler = connection.handler, None
        if hasattr(connection, "transport"):
            connection.abort()
            # uvloop reports no connection_lost for a connection that is cancelled as it opens.
            self._context.table.remove(connection)
        if handler is not None:
            handler.refused(reason)
