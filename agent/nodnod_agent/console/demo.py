"""``nodnod demo``: a real cluster on this machine, to watch and to ask."""

import asyncio
import contextlib
import os
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from nodnod_agent.console.cluster_view import cluster_view
from nodnod_agent.console.command import Command, Status, number
from nodnod_agent.console.hints import hints, missing_backplane
from nodnod_agent.console.local_cluster import (
    AGENT_COMMAND,
    LocalAgent,
    LocalCluster,
    LocalProcess,
    free_addresses,
    local_cluster,
    server_program,
)
from nodnod_agent.console.output import print_error, print_line, table
from nodnod_agent.console.signals import until_signal
from nodnod_agent.console.units import counted, plain
from nodnod_client.address import DEFAULT_PORT
from nodnod_client.client import Client
from nodnod_client.errors import NodNodError
from nodnod_client.messages import Answer

START_TIMEOUT = 30.0
"""Seconds without progress after which the start counts as failed."""

POLL_INTERVAL = 0.1
"""Seconds between polls while the agents start."""

TELL_INTERVAL = 2.0
"""Seconds between lines about the progress of one agent."""

LOG_LINES = 10
MAX_LOGS = 3
"""How much of which logs is shown if the start fails."""

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
    parser.add_argument(
        "--backplane",
        action="store_true",
        help="have them reach each other over a NATS server, which is started too",
    )


def _run(args: Namespace) -> int:
    return demonstrate(int(args.nodes), backplane=bool(args.backplane))


def demonstrate(
    count: int,
    command: Sequence[str] = AGENT_COMMAND,
    first_port: int = DEFAULT_PORT,
    *,
    backplane: bool = False,
) -> int:
    """Run ``count`` agents, each started by ``command``, until a signal; return the exit status."""
    server = None
    if backplane:
        from nodnod_agent.backplane.access import is_installed  # only here: it takes time

        server = server_program()
        if server is None or not is_installed():
            print_error(missing_backplane(has_server=server is not None, has_client=is_installed()))
            return Status.UNREACHABLE
    status = asyncio.run(until_signal(_demonstrate(count, command, first_port, server)))
    return Status.OK if status is None else status


async def _demonstrate(
    count: int, command: Sequence[str], first_port: int, server: str | None
) -> int:
    try:
        addresses = free_addresses(count, first_port)
    except OSError as error:
        print_error(str(error))
        return Status.UNREACHABLE
    with (
        tempfile.TemporaryDirectory(prefix="nodnod-demo-") as folder,
        local_cluster(addresses, Path(folder), command) as cluster,
    ):
        try:
            await _show(cluster, server)
        except _DemoError as end:
            print_error(str(end))
            for one in end.processes[:MAX_LOGS]:
                lines = one.log().splitlines()
                where = f" ({one.address})" if isinstance(one, LocalAgent) else ""
                print_line(f"--- the end of the log of {one.name}{where}:\n")
                print_line("".join(f"{plain(line, 1000)}\n" for line in lines[-LOG_LINES:]))
    return Status.UNREACHABLE


class _DemoError(Exception):
    """Why, and whose logs may tell more."""

    def __init__(self, why: str, processes: Sequence[LocalProcess]) -> None:
        super().__init__(why)
        self.processes = processes


async def _show(cluster: LocalCluster, server: str | None) -> None:
    """Start the cluster and show it until cancelled. Raises _DemoError."""
    _print(f"Starting {counted(len(cluster.addresses), 'agent')} on this machine:")
    if server is not None:
        await _start_server(cluster, server)
    async with contextlib.AsyncExitStack() as stack:
        clients = [Client(str(address), timeout=5.0) for address in cluster.addresses]
        for client in clients:
            stack.push_async_callback(client.disconnect)
        await _start(cluster, clients)
        agents = cluster.agents
        _print(hints([(agent.address, agent.process.pid) for agent in agents]))
        await _watch(cluster, clients)
        raise _DemoError("all agents have ended", agents)


async def _start_server(cluster: LocalCluster, program: str) -> None:
    """Start the NATS server, and wait until it listens. Raises _DemoError."""
    server, clock = cluster.start_server(program), asyncio.get_running_loop().time
    deadline = clock() + START_TIMEOUT
    while not (url := cluster.use_server()):
        if server.end or clock() > deadline:
            why = server.end or f"it does not listen after {START_TIMEOUT:g} s"
            raise _DemoError(f"{server.name} did not start: {why}", [server])
        await asyncio.sleep(POLL_INTERVAL)
    _print(f"  {server.name:<10} {url}   process {server.process.pid}")


async def _start(cluster: LocalCluster, clients: Sequence[Client]) -> None:
    """Start the agents, in batches that the machine can take; wait until each answers for all."""
    count = len(clients)
    waiting = iter(clients)
    while batch := cluster.start(2 * (os.cpu_count() or 1)):
        for agent in batch:
            await _until_seen(cluster, agent, next(waiting), 1)
            _print(f"  {agent.name:<10} {agent.address}   process {agent.process.pid}")
    for agent, client in zip(cluster.agents, clients, strict=True):
        await _until_seen(cluster, agent, client, count)


async def _until_seen(cluster: LocalCluster, agent: LocalAgent, client: Client, count: int) -> None:
    """Wait until this agent answers for so many. Raises _DemoError if that comes no closer."""
    most, clock = 0, asyncio.get_running_loop().time
    progressed = told = clock()
    while (seen := await _seen(client)) < count:
        if ended := [one for one in cluster.processes if one.end]:
            raise _DemoError(f"{ended[0].name} did not start: {ended[0].end}", ended)
        now = clock()
        if seen > most:
            most, progressed = seen, now
        if now - progressed > START_TIMEOUT:
            what = f"sees {most} of {count} agents" if most else "does not answer"
            why = f"{agent.name} {what}, and that has not changed for {START_TIMEOUT:g} s"
            raise _DemoError(why, [agent])
        if most and now - told > TELL_INTERVAL:
            told = now
            _print(f"  {agent.name} sees {most} of {count} agents")
        await asyncio.sleep(POLL_INTERVAL)


async def _seen(client: Client) -> int:
    """How many nodes its agent has numbers of; 0 if it does not answer."""
    try:
        await client.connect()
        answer = await client.stat_all()
    except NodNodError:
        return 0
    return sum(1 for node in answer.nodes.values() if not node.error)


async def _watch(cluster: LocalCluster, clients: Sequence[Client]) -> None:
    """Show the cluster until cancelled, or until all agents have ended."""
    output = table(repeated=True, view=cluster_view)
    try:
        async for item in _poll(cluster, clients):
            if isinstance(item, Answer):
                output.show(item)
            else:
                output.error(item)
    finally:
        output.close()


async def _poll(cluster: LocalCluster, clients: Sequence[Client]) -> AsyncIterator[Answer | str]:
    """Yield an answer of any running agent at each interval, and a line when a process ends."""
    asked = dict(zip(cluster.agents, clients, strict=True))
    running = cluster.processes
    while asked:
        for one in [one for one in running if one.end]:
            running.remove(one)
            yield f"{one.name} has ended: {one.end}"
        asked = {agent: client for agent, client in asked.items() if agent in running}
        for client in asked.values():
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
