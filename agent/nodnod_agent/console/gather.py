"""The views of all agents of a cluster: one is asked, then everybody that anybody lists."""

import asyncio
from collections.abc import Callable, Iterable

from msgspec import Struct

from nodnod_client.client import Client
from nodnod_client.errors import NodNodError
from nodnod_client.messages import MemberInfo

AT_ONCE = 32
"""Agents asked at the same time; more takes more sockets, and less time."""

LIMIT = 30.0
"""Seconds after which nobody is asked any more, and nobody waited for."""

MOST = 4096
"""Addresses that are asked at most: lists are other people's."""

View = list[MemberInfo]


class Views(Struct, frozen=True):
    """What came back: views, and by address why others could not be asked."""

    views: list[View]
    failures: dict[str, str]


async def gather_views(
    first: Client, dial: Callable[[str], Client], *, limit: float = LIMIT
) -> Views:
    """Ask ``first``, which is connected, and all others through clients that ``dial`` makes.

    Those that are down for somebody are asked too: only so the other half of a cluster that was
    cut in two is found. Each has the timeout of its client to connect and again to answer. Raises
    what ``first.members()`` raises.
    """
    own = (await first.members()).members
    result = Views([own], {})
    asked: set[str] = set()
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(address: str) -> View:
        async with gate, dial(address) as client:
            return (await client.members()).members

    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit
    fresh = result.views
    while addresses := list(_unknown(fresh, result.views, asked))[: MOST - len(asked)]:
        asked.update(addresses)
        tasks = {loop.create_task(ask(address)): address for address in addresses}
        fresh = []
        try:
            await asyncio.wait(tasks, timeout=max(0.0, deadline - loop.time()))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task, address in tasks.items():
            why = _failure(task, limit)
            if why:
                result.failures[address] = why
            else:
                fresh.append(task.result())
        result.views.extend(fresh)
    return result


def _unknown(fresh: Iterable[View], views: list[View], asked: set[str]) -> Iterable[str]:
    """Addresses in fresh views of those who have not told theirs; who has left is not asked."""
    known = {view[0].instance for view in views if view}
    found = {
        row.address: None
        for view in fresh
        for row in view[1:]
        if row.state != "left" and row.version != 1 and row.instance not in known
    }
    return (address for address in found if address not in asked)


def _failure(task: asyncio.Task[View], limit: float) -> str:
    if task.cancelled():
        return f"no time left after {limit:g} s"
    error = task.exception()
    if error is None:
        return "" if task.result() else "it lists nobody, not even itself"
    if isinstance(error, NodNodError):
        return str(error)
    raise error
