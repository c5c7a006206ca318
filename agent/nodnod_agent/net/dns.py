"""Name resolution: one lookup, repeated lookups, and this machine's full name.

Lookups run in daemon threads of our own. The loop's ``getaddrinfo`` uses an executor that the end
of the process waits for, and a name server that does not answer takes half a minute.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable

from nodnod_agent.net.ip import ip_literal
from nodnod_client.address import Address

MAX_LOOKUPS = 256
"""Lookups under way, each in its own thread: names may be made up, and name servers silent."""

LOOKUP_INTERVAL = 30.0
"""Seconds between two lookups of a name."""

LOOKUP_TIMEOUT = 10.0
"""Seconds that one lookup may take."""

LookUp = Callable[[Address], Awaitable[list[Address]]]
OnResolved = Callable[[Address, list[Address]], None]


class Lookup:
    """Look up a host name: ``await lookup(name)``. Concurrent calls for one name share a thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pending: dict[Address, asyncio.Future[list[Address]]] = {}

    async def __call__(self, name: Address) -> list[Address]:
        """Return every address of a host, in the system's order of preference.

        Raises OSError where the lookup fails or ``MAX_LOOKUPS`` are pending, and UnicodeError.
        """
        if ip_literal(name.host) is not None:
            return [name]
        future = self._pending.get(name)
        if future is None:
            if len(self._pending) >= MAX_LOOKUPS:
                raise OSError(f"{MAX_LOOKUPS} names are being looked up already")
            future = self._pending[name] = self._loop.create_future()
            threading.Thread(
                target=self._run, args=(name,), name="nodnod-lookup", daemon=True
            ).start()
        return await asyncio.shield(future)

    def _run(self, name: Address) -> None:
        """Look the name up. Runs in the thread."""
        addresses: dict[Address, None] = {}
        failure: Exception | None = None
        try:
            for *_, where in socket.getaddrinfo(name.host, name.port, type=socket.SOCK_STREAM):
                addresses[Address(str(where[0]), int(where[1]))] = None
        except (OSError, UnicodeError) as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(self._complete, name, list(addresses), failure)

    def _complete(self, name: Address, addresses: list[Address], failure: Exception | None) -> None:
        future = self._pending.pop(name)
        if failure is None:
            future.set_result(addresses)
        else:
            future.set_exception(failure)
            future.exception()  # marks it as seen: every caller may have given up


class Resolver:
    """Looks up host names repeatedly, each in its own task.

    ``on_resolved(name, addresses)`` is called after every lookup; the list is empty if it failed.
    """

    def __init__(self, on_resolved: OnResolved, look_up: LookUp) -> None:
        self._on_resolved = on_resolved
        self._look_up = look_up
        self._tasks: dict[Address, asyncio.Task[None]] = {}

    def add(self, name: Address) -> None:
        """Start looking up a name."""
        if name not in self._tasks:
            self._tasks[name] = asyncio.get_running_loop().create_task(self._repeat(name))

    def remove(self, name: Address) -> None:
        """Stop looking up a name."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()

    def stop(self) -> None:
        """Stop looking up all names."""
        for name in tuple(self._tasks):
            self.remove(name)

    async def _repeat(self, name: Address) -> None:
        while True:
            self._on_resolved(name, await resolve(name, self._look_up))
            await asyncio.sleep(LOOKUP_INTERVAL)


async def resolve(name: Address, look_up: LookUp) -> list[Address]:
    """Return every IPv4 address of a name, else every IPv6 address; empty if the lookup fails.

    Never both: the two families of a name usually lead to the same machines.
    """
    try:
        async with asyncio.timeout(LOOKUP_TIMEOUT):
            found = await look_up(name)
    except (OSError, UnicodeError):  # TimeoutError is an OSError
        return []
    return [address for address in found if ":" not in address.host] or found


def look_up_full_name(loop: asyncio.AbstractEventLoop, on_found: Callable[[str], None]) -> None:
    """Call ``on_found`` in the loop with this machine's name and domain, if there is one."""

    def run() -> None:
        try:
            found = socket.getaddrinfo(
                socket.gethostname(), None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME
            )
        except (OSError, UnicodeError):
            return
        name = next((canonical for _, _, _, canonical, _ in found if canonical), "")
        if name:
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(on_found, name)

    threading.Thread(target=run, name="nodnod-fullname", daemon=True).start()
