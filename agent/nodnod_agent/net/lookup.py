"""Looks host names up, in threads that nobody waits for."""

import asyncio
import contextlib
import ipaddress
import socket
import threading

from nodnod_client.address import Address

MOST_AT_ONCE = 256
"""Look-ups under way, each in a thread of its own: names may be made up, and name servers silent."""


class Lookup:
    """Call it with the address of a host by name; one look-up per name is under way at a time.

    The loop's own ``getaddrinfo`` would not do: it runs in threads that the end of the process
    waits for, and one that asks a name server which does not answer takes half a minute.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._under_way: dict[Address, asyncio.Future[list[Address]]] = {}

    async def __call__(self, name: Address) -> list[Address]:
        """Every address of a host, the system's favourite first. Raises OSError, UnicodeError.

        OSError too where so many look-ups are under way that one more is not begun.
        """
        if is_literal(name.host):
            return [name]
        found = self._under_way.get(name)
        if found is None:
            if len(self._under_way) >= MOST_AT_ONCE:
                raise OSError(f"{MOST_AT_ONCE} names are being looked up already")
            found = self._under_way[name] = self._loop.create_future()
            threading.Thread(
                target=self._ask, args=(name,), name="nodnod-lookup", daemon=True
            ).start()
        return await asyncio.shield(found)

    def _ask(self, name: Address) -> None:
        """In the thread."""
        addresses: dict[Address, None] = {}
        failure: Exception | None = None
        try:
            for _, _, _, _, where in socket.getaddrinfo(
                name.host, name.port, type=socket.SOCK_STREAM
            ):
                addresses[Address(str(where[0]), int(where[1]))] = None
        except (OSError, UnicodeError) as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(self._tell, name, list(addresses), failure)

    def _tell(self, name: Address, addresses: list[Address], failure: Exception | None) -> None:
        found = self._under_way.pop(name)
        if failure is None:
            found.set_result(addresses)
        else:
            found.set_exception(failure)
            found.exception()  # whoever asked may have given up meanwhile


def is_literal(host: str) -> bool:
    """Whether a host is an IP address, and no name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
