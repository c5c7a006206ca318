"""Gathers the views of all agents: asks one, then every agent that any view lists."""

import asyncio
from collections.abc import Callable, Iterable

from msgspec import Struct

from nodnod_client.client import Client
from nodnod_client.errors import NodNodError
from nodnod_client.messages import MemberInfo

CONCURRENCY = 32
"""Agents asked at the same time; a higher value uses more sockets and less time."""

TIME_LIMIT = 30.0
"""Seconds in which all agents must answer."""

MAX_ADDRESSES = 4096
"""Addresses asked at most: the lists come from other machines and cannot be trusted."""

View = list[MemberInfo]


class Views(Struct, frozen=True):
    """The views received, and by address why other agents could not be asked."""

    views: list[View]
    failures: dict[str, str]


async def gather_views(
    first: Client, dial: Callable[[str], Client], *, limit: float = TIME_LIMIT
) -> Views:
    """Ask ``first``, which is connected, and all others through clients made by ``dial``.

    Agents that are down for another one are asked too, to find the other half of a partitioned
    cluster. The timeout of each client applies once to connect and once to answer. ``limit`` is
    the total time in seconds. Raises what ``first.members()`` raises.
    """
    own = (await first.members()).members
    result = Views([own], {})
    asked: set[str] = set()
    slots = asyncio.Semaphore(CONCURRENCY)

    async def ask(address: str) -> View:
        async with slots, dial(address) as client:
            return (await client.members()).members

    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit
    fresh = result.views
    while addresses := list(_unasked(fresh, result.views, asked))[: MAX_ADDRESSES - len(asked)]:
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
            failure = _failure(task, limit)
            if failure:
                result.failures[address] = failure
            else:
                fresh.append(task.result())
        result.views.extend(fresh)
    return result


def _unasked(fresh: Iterable[View], views: list[View], asked: set[str]) -> Iterable[str]:
    """Return the addresses in fresh views that were not asked, without those that have left."""
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
        return f"no answer within {limit:g} s"
    error = task.exception()
    if error is None:
        return "" if task.result() else "it listed no members, not even itself"
    if isinstance(error, NodNodError):
        return str(error)
    raise error
