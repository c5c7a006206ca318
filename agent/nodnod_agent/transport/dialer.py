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
    """One attempt to connect to an address; it can be cancelled."""

    def __init__(self, context: DialContext, address: Address, handler: DialHandler) -> None:
        self._context = context
        self._address = address
        self._handler: DialHandler | None = handler
        self._task = context.loop.create_task(self._run(handler))

    def cancel(self) -> None:
        """End the attempt without a report."""
        self._handler = None
        self._task.cancel()

    async def _run(self, handler: DialHandler) -> None:
        connection = PeerConnection(self._context, self._address, handler)
        try:
            async with asyncio.timeout(DIAL_LIMIT):
                await self._connect(connection)
                await connection.opened
        except TimeoutError:
            self._refuse(connection, f"no handshake within {DIAL_LIMIT:.3g} s")
        except (OSError, UnicodeError) as error:
            self._refuse(connection, describe(error))
        except asyncio.CancelledError:
            self._handler = None
            self._refuse(connection, "cancelled")
            raise
        finally:
            if not connection.opened.done():
                connection.opened.cancel()

    async def _connect(self, connection: PeerConnection) -> None:
        *others, last = await self._context.look_up(self._address)
        for address in others:
            with suppress(OSError):
                await self._connect_to(address, connection)
                return
        await self._connect_to(last, connection)

    async def _connect_to(self, address: Address, connection: PeerConnection) -> None:
        tls = self._context.tls
        # A certificate names the host as it is configured or advertised.
        name = None if tls is None else self._address.host.partition("%")[0]
        await self._context.loop.create_connection(
            lambda: connection,
            *address,
            ssl=tls,
            server_hostname=name,
            # uvloop does not close a socket that is cancelled in mid-handshake, but at this limit.
            ssl_handshake_timeout=None if tls is None else DIAL_LIMIT,
            ssl_shutdown_timeout=None if tls is None else CLOSE_LIMIT,
        )

    def _refuse(self, connection: PeerConnection, reason: str) -> None:
        handler, connection.handler = connection.handler, None
        if hasattr(connection, "transport"):
            connection.abort()
            # uvloop reports no connection_lost for a connection that is cancelled as it opens.
            self._context.table.remove(connection)
        if handler is not None and self._handler is not None:
            handler.refused(reason)


class Dialer:
    """The core's Dial."""

    def __init__(self, context: DialContext) -> None:
        self.context = context

    def __call__(self, address: Address, handler: DialHandler) -> DialAttempt:
        """Start one attempt, and report to ``handler``. Proxies and redirects are not followed."""
        return DialAttempt(self.context, address, handler)
