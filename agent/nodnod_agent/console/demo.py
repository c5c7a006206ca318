"""``nodnod demo``: a real cluster on this machine, to watch and to ask."""

import asyncio
import contextlib
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from nodnod_agent.console.cluster_view import cluster_view
from nodnod_agent.console.command import Command, Status, number
from nodnod_agent.console.hints import hints
from nodnod_agent.console.local_cluster import (
    AGENT_COMMAND,
    LocalAgent,
    free_addresses,
    local_cluster,
)
from nodnod_agent.console.output import print_error, table
from nodnod_agent.console.signals import until_signal
from nodnod_agent.console.units import counted
from nodnod_client.address import DEFAULT_PORT
from nodnod_client.client import Client
from nodnod_client.errors import NodNodError
from nodnod_client.messages import Answer

START_TIMEOUT = 30.0
"""Seconds within which every agent must see all others."""

POLL_INTERVAL = 0.1
"""Seconds between polls while the agents start."""

LIVE_INTERVAL = 1.0
PLAIN_INTERVAL = 5.0
"""Seconds between tables on a terminal, and elsewhere."""


def _add_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--nodes",
        metavar="N",
        type=number(int, 1, 100),
        default=3,
        help="number of agents to run (default: 3)",
    )


def _run(args: Namespace) -> int:
    return demonstrate(int(args.nodes))


def demonstrate(
    count: int, command: Sequence[str] = AGENT_COMMAND, first_port: int = DEFAULT_PORT
) -> int:
    """Run ``count`` agents, each started by ``command``, until a signal; return the exit status."""
    status = asyncio.run(until_signal(_demonstrate(count, command, first_port)))
    return Status.OK if status is None else status


async def _demonstrate(count: int, command: Sequence[str], first_port: int) -> int:
    try:
        addresses = free_addresses(count, first_port)
    except OSError as error:
        print_error(str(error))
        return Status.UNREACHABLE
    with (
        tempfile.TemporaryDirectory(prefix="nodnod-demo-") as folder,
        local_cluster(addresses, Path(folder), command) as agents,
    ):
        print_error(await _show(agents))
        for agent in agents:
            sys.stderr.write(f"--- {agent.name} ({agent.address}):\n{agent.log()}\n")
    return Status.UNREACHABLE


async def _show(agents: Sequence[LocalAgent]) -> str:
    """Show the cluster until cancelled; return the error that ended it."""
    _print(f"Starting {counted(len(agents), 'agent')} on this machine:")
    for agent in agents:
        _print(f"  {agent.name:<10} {agent.address}   process {agent.process.pid}")
    async with contextlib.AsyncExitStack() as stack:
        clients = [Client(str(agent.address), timeout=5.0) for agent in agents]
        for client in clients:
            stack.push_async_callback(client.disconnect)
        error = await _connected(agents, clients)
        if error:
            return error
        _print(hints([(agent.address, agent.process.pid) for agent in agents]))
        await _watch(agents, clients)
        return "all agents have ended"


async def _connected(agents: Sequence[LocalAgent], clients: Sequence[Client]) -> str:
    """Wait until every agent answers for all; return the error that prevents it, or nothing."""
    waiting = list(clients)
    try:
        async with asyncio.timeout(START_TIMEOUT):
            while waiting:
                for agent in agents:
                    if agent.end:
                        return f"{agent.name} did not start: {agent.end}"
                waiting = [c for c in waiting if not await _sees(c, len(clients))]
                await asyncio.sleep(POLL_INTERVAL if waiting else 0)
    except TimeoutError:
        urls = ", ".join(client.url for client in waiting)
        return f"after {START_TIMEOUT:g} s some agents still do not see all others: {urls}"
    return ""


async def _sees(client: Client, count: int) -> bool:
    try:
        await client.connect()
        answer = await client.stat_all()
    except NodNodError:
        return False
    return sum(1 for node in answer.nodes.values() if not node.error) >= count


async def _watch(agents: Sequence[LocalAgent], clients: Sequence[Client]) -> None:
    """Show the cluster until cancelled, or until all agents have ended."""
    output = table(repeated=True, view=cluster_view)
    try:
        async for item in _poll(agents, clients):
            if isinstance(item, Answer):
                output.show(item)
            else:
                output.error(item)
    finally:
        output.close()


async def _poll(
    agents: Sequence[LocalAgent], clients: Sequence[Client]
) -> AsyncIterator[Answer | str]:
    """Yield an answer of any running agent at each interval, and a line when an agent ends."""
    running = dict(zip(agents, clients, strict=True))
    while running:
        for agent in [agent for agent in running if agent.end]:
            del running[agent]
            yield f"{agent.name} has ended: {agent.end}"
        for client in running.values():
            try:
                await client.connect()
                yield await client.stat_all()
            except NodNodError:
                continue  # the next agent answers for the whole cluster too
            break
        await asyncio.sleep(LIVE_INTERVAL if sys.stdout.isatty() else PLAIN_INTERVAL)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


COMMAND = Command("demo", "run a cluster on this machine and watch it", _add_flags, _run)
