"""Host names to addresses, again and again: a name with several addresses is all of them."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable

from nodnod.address import Address

__all__ = ["Resolver", "is_literal"]

EVERY = 30.0
"""Seconds between two look-ups of a name."""

LIMIT = 10.0
"""Seconds that one look-up may take; it waits in a thread of the loop's, nobody waits for it."""

Tell = Callable[[Address, list[Address]], None]


class Resolver:
    """One task per name, which tells what the name stands for whenever it has been looked up."""

    def __init__(self, tell: Tell) -> None:
        """``tell(name, addresses)`` gets an empty list where the look-up failed."""
        self._tell = tell
        self._tasks: dict[Address, asyncio.Task[None]] = {}

    def add(self, name: Address) -> None:
        """Begin to look a name up."""
        if name not in self._tasks:
            self._tasks[name] = asyncio.get_running_loop().create_task(self._follow(name))

    def remove(self, name: Address) -> None:
        """Look a name up no more."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()

    def stop(self) -> None:
        """Look nothing up any more."""
        for name in tuple(self._tasks):
            self.remove(name)

    async def _follow(self, name: Address) -> None:
        while True:
            self._tell(name, await resolve(name))
            await asyncio.sleep(EVERY)


async def resolve(name: Address) -> list[Address]:
    """Every IPv4 address of a name, or else every IPv6 one; empty if it cannot be looked up.

    Not both: the two families of a name are mostly two ways to the same machines.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LIMIT):
            found = await loop.getaddrinfo(name.host, name.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # TimeoutError is an OSError
        return []
    by_family: dict[int, list[Address]] = {}
    for family, _, _, _, where in found:
        address = Address(str(where[0]), int(where[1]))
        of_family = by_family.setdefault(family, [])
        if address not in of_family:
            of_family.append(address)
    return by_family.get(socket.AF_INET) or by_family.get(socket.AF_INET6) or []


def is_literal(host: str) -> bool:
    """Whether a host is an IP address, and no name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
