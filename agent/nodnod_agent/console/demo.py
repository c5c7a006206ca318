"""``nodnod demo``: a real cluster on this machine, to watch and to ask."""

import asyncio
import contextlib
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from nodnod_agent.console.command import Command, Status, number
from nodnod_agent.console.hints import hints
from nodnod_agent.console.local_cluster import COMMAND as AGENT
from nodnod_agent.console.local_cluster import LocalCluster, free_addresses
from nodnod_agent.console.output import LiveTable, Output, TableOutput, complain
from nodnod_agent.console.signals import until_signal
from nodnod_client.address import DEFAULT_PORT
from nodnod_client.client import Client
from nodnod_client.errors import NodNodError
from nodnod_client.messages import Answer

START_PATIENCE = 30.0
"""Seconds in which all agents must see all."""

LOOK_EVERY = 0.1
LIVE_EVERY = 1.0
PLAIN_EVERY = 5.0
"""Seconds between looks while starting, and between tables on a terminal and without one."""


def add_flags(parser: ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--nodes",
        metavar="N",
        type=number(int, 1, 100),
        default=3,
        help="how many agents to run (default: 3)",
    )


def run(args: Namespace) -> int:
    """Run the command."""
    return demonstrate(int(args.nodes))


def demonstrate(count: int, command: Sequence[str] = AGENT, first_port: int = DEFAULT_PORT) -> int:
    """Run so many agents, started by ``command``, until a signal; gives the exit status."""
    status = asyncio.run(until_signal(_demonstrate(count, command, first_port)))
    return Status.FINE if status is None else status


async def _demonstrate(count: int, command: Sequence[str], first_port: int) -> int:
    try:
        addresses = free_addresses(count, first_port)
    except OSError as error:
        complain(str(error))
        return Status.UNREACHABLE
    with (
        tempfile.TemporaryDirectory(prefix="nodnod-demo-") as folder,
        LocalCluster(addresses, Path(folder), command) as fleet,
    ):
        fault = await _run(fleet)
        complain(fault)
        for member in fleet.members:
            sys.stderr.write(f"--- {member.name} ({member.address}):\n{member.log()}\n")
    return Status.UNREACHABLE


async def _run(fleet: LocalCluster) -> str:
    """Show what runs until cancelled; gives what went wrong, in words."""
    _say(f"Starting {_agents(len(fleet.members))} on this machine:")
    for member in fleet.members:
        _say(f"  {member.name:<10} {member.address}   process {member.process.pid}")
    async with contextlib.AsyncExitStack() as stack:
        clients = [Client(str(member.address), timeout=5.0) for member in fleet.members]
        for client in clients:
            stack.push_async_callback(client.disconnect)
        fault = await _all_see_all(fleet, clients)
        if fault:
            return fault
        _say(hints([(member.address, member.process.pid) for member in fleet.members]))
        await _watch(fleet, clients)
        return "no agent is left"


async def _all_see_all(fleet: LocalCluster, clients: Sequence[Client]) -> str:
    """Wait until every agent answers for every other; gives what is wrong, or nothing."""
    unseen = list(clients)
    try:
        async with asyncio.timeout(START_PATIENCE):
            while unseen:
                for member in fleet.members:
                    if member.end:
                        return f"{member.name} did not start: {member.end}"
                unseen = [c for c in unseen if not await _sees(c, len(clients))]
                await asyncio.sleep(LOOK_EVERY if unseen else 0)
    except TimeoutError:
        blind = ", ".join(client.url for client in unseen)
        return f"not all agents saw all others within {START_PATIENCE:g} s: {blind}"
    return ""


async def _sees(client: Client, count: int) -> bool:
    try:
        await client.connect()
        answer = await client.stat_all()
    except NodNodError:
        return False
    return sum(1 for node in answer.nodes.values() if not node.error) >= count


async def _watch(fleet: LocalCluster, clients: Sequence[Client]) -> None:
    """Show the cluster until cancelled, or until no agent is left."""
    live = sys.stdout.isatty()
    output: Output = LiveTable() if live else TableOutput()
    try:
        async for what in _looks(fleet, clients, LIVE_EVERY if live else PLAIN_EVERY):
            if isinstance(what, Answer):
                output.show(what)
            else:
                output.trouble(what)
    finally:
        output.close()


async def _looks(
    fleet: LocalCluster, clients: Sequence[Client], every: float
) -> AsyncIterator[Answer | str]:
    """Ask whoever runs: an answer every so many seconds, and a word when an agent has ended."""
    running = dict(zip(fleet.members, clients, strict=True))
    while running:
        for member in [member for member in running if member.end]:
            del running[member]
            yield f"{member.name} has ended: {member.end}"
        for client in running.values():
            try:
                await client.connect()
                yield await client.stat_all()
            except NodNodError:
                continue  # the next one will do: that is the point of it
            break
        await asyncio.sleep(every)


def _agents(count: int) -> str:
    return "1 agent" if count == 1 else f"{count} agents"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


COMMAND = Command("demo", "run a cluster on this machine and watch it", add_flags, run)
