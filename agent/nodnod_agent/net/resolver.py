"""Host names to addresses, again and again: a name with several addresses is all of them."""

import asyncio
from collections.abc import Awaitable, Callable

from nodnod_client.address import Address

EVERY = 30.0
"""Seconds between two look-ups of a name."""

LIMIT = 10.0
"""Seconds that one look-up may take."""

LookUp = Callable[[Address], Awaitable[list[Address]]]
Tell = Callable[[Address, list[Address]], None]


class Resolver:
    """One task per name, which tells what the name stands for whenever it has been looked up."""

    def __init__(self, tell: Tell, look_up: LookUp) -> None:
        """``tell(name, addresses)`` gets an empty list where the look-up failed."""
        self._tell = tell
        self._look_up = look_up
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
            self._tell(name, await resolve(name, self._look_up))
            await asyncio.sleep(EVERY)


async def resolve(name: Address, look_up: LookUp) -> list[Address]:
    """Every IPv4 address of a name, or else every IPv6 one; empty if it cannot be looked up.

    Not both: the two families of a name are mostly two ways to the same machines.
    """
    try:
        async with asyncio.timeout(LIMIT):
            found = await look_up(name)
    except (OSError, UnicodeError):  # TimeoutError is an OSError
        return []
    return [address for address in found if ":" not in address.host] or found
