"""The connection to one of several NATS servers, which comes back whenever it is lost."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from nodnod_agent.backplane.access import NatsAccess, NatsServer
from nodnod_agent.backplane.client import CLOSE_LIMIT, NatsClient, NatsError
from nodnod_agent.core.interfaces import BackplaneCounters, BackplaneHandler, Random
from nodnod_client.address import Address

RETRY = 2.0
"""Seconds between two tries of the servers at most; it may be half as long, so that agents do not
come all at one moment. The first try after a loss comes within half of it."""

CANCEL_AGAIN = CLOSE_LIMIT + 1.0
"""Seconds after which a task that was cancelled is cancelled again: in Python 3.11 `asyncio.wait_for`, on which
nats-py waits, loses a cancellation that comes together with its result."""

LOOKUP_LIMIT = 5.0
"""Seconds for looking up the name of a server."""

DEFAULT_MAX_PAYLOAD = 1024 * 1024
"""Bytes, of a server that is not configured otherwise."""

LookUp = Callable[[Address], Awaitable[list[Address]]]
"""The addresses of a host, one or more. Raises OSError."""

log = logging.getLogger("nodnod")


class NatsBackplane:
    """The core's Backplane. It tries to connect for ever, from ``start`` to ``stop``."""

    def __init__(
        self,
        access: NatsAccess,
        *,
        loop: asyncio.AbstractEventLoop,
        look_up: LookUp,
        rng: Random,
    ) -> None:
        self._access = access
        self._loop = loop
        self._look_up = look_up
        self._rng = rng
        self.counters = BackplaneCounters()
        self._subjects: dict[str, None] = {}
        self._client: NatsClient | None = None
        self._task: asyncio.Task[None] | None = None
        self._reasons: dict[str, str] = {}
        """Of each server, or address of one, why it could not be reached when that was last logged."""
        self._lost_at: float | None = None
        """When the connection was lost, on the loop's clock; None before the first one."""
        self._is_told_down = False

    @property
    def up(self) -> bool:
        """Whether it is connected, and all subscriptions are in place."""
        return self._client is not None and self._client.live

    @property
    def server(self) -> str:
        """The server to which it is connected; empty if it is not."""
        return str(self._client.server) if self._client is not None and self._client.live else ""

    @property
    def max_payload(self) -> int:
        """Bytes of a message that the server takes."""
        return self._client.max_payload if self._client is not None else DEFAULT_MAX_PAYLOAD

    def start(self, handler: BackplaneHandler) -> None:
        """Begin to connect, and report to ``handler`` from now on."""
        self._handler = handler
        self._task = self._loop.create_task(self._run())

    async def stop(self) -> None:
        """Close the connection without a report; a server that stands still is waited for 2 s."""
        task, self._task = self._task, None
        while task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_AGAIN)

    def publish(self, subject: str, data: bytes, reply: str = "") -> None:
        """Send one message; dropped without an error while not connected."""
        if self._client is not None and self._client.live:
            self._client.send(subject, data, reply)

    def subscribe(self, subject: str) -> None:
        """Receive what is published to ``subject``, now and after each loss of the connection."""
        if subject not in self._subjects:
            self._subjects[subject] = None
            if self._client is not None:
                self._client.listen(subject)

    def unsubscribe(self, subject: str) -> None:
        """Receive no more of ``subject``."""
        if subject in self._subjects:
            del self._subjects[subject]
            if self._client is not None:
                self._client.ignore(subject)

    async def _run(self) -> None:
        while True:
            was_connected = False
            try:
                was_connected = await self._try_each()
            except Exception:
                log.exception("Internal error in the backplane")
            low, high = (0.0, RETRY / 2) if was_connected else (RETRY / 2, RETRY)
            await asyncio.sleep(self._rng.uniform(low, high))

    async def _try_each(self) -> bool:
        """Try the servers once, in random order; where one connects, stay there until the end."""
        servers = sorted(self._access.servers, key=lambda _: self._rng.random())
        for server in servers:
            for address in await self._addresses(server):
                if await self._serve(server, address):
                    return True
        self._tell_down("; ".join(f"{where}: {reason}" for where, reason in self._reasons.items()))
        return False

    async def _addresses(self, server: NatsServer) -> Sequence[Address]:
        try:
            async with asyncio.timeout(LOOKUP_LIMIT):
                return await self._look_up(server.address)
        except TimeoutError:
            self._failed(str(server), f"the name is not found within {LOOKUP_LIMIT:g} s")
        except (OSError, UnicodeError) as error:
            self._failed(str(server), f"the name is not found: {str(error.args[-1]).lower()}")
        return ()

    async def _serve(self, server: NatsServer, address: Address) -> bool:
        """Connect, and stay until the end. Return whether there was a connection."""
        client = NatsClient(self._access, server, self._handler, self.counters)
        is_stopping = False
        try:
            await client.open(address)
            self._client = client
            for subject in self._subjects:
                client.listen(subject)
            await client.confirm()
            self._loop.call_soon(self._connected, client, server)
            self._lost(server, await client.stay())
        except NatsError as error:
            is_name = address != server.address
            self._failed(f"{server} ({address})" if is_name else str(server), str(error))
            return False
        except asyncio.CancelledError:
            is_stopping = True
            raise
        finally:
            self._client = None
            await client.end(at_once=not is_stopping)
        return True

    def _connected(self, client: NatsClient, server: NatsServer) -> None:
        if client is not self._client:
            return
        client.live = True
        self.counters.connections += 1
        self._is_told_down = False
        self._reasons.clear()
        if self._lost_at is None:
            log.info("Connected to the backplane: %s", server)
        else:
            away = self._loop.time() - self._lost_at
            log.info("The backplane is back after %.1f s: %s", away, server)
        self._handler.connected()

    def _lost(self, server: NatsServer, reason: str) -> None:
        self._lost_at = self._loop.time()
        log.warning("Lost the backplane: %s. Reason: %s", server, reason)
        self._tell_down(f"{server}: {reason}")

    def _failed(self, where: str, reason: str) -> None:
        if self._reasons.get(where) != reason:
            self._reasons[where] = reason
            text = "Could not connect to the backplane: %s. Error: %s"
            log.warning(text, where, reason, extra={"key": where})

    def _tell_down(self, reason: str) -> None:
        if not self._is_told_down:
            self._is_told_down = True
            # By the loop: an error in the handler must not end the task that connects.
            self._loop.call_soon(self._handler.disconnected, reason)
