"""What the kernel keeps for the connections of an agent: memory that no process shows.

    python bench/kernel.py [--clients 2000] [--unread 50]

Linux, as root, with `ss` (of iproute2). Starts and stops an agent of its own. First idle clients: the
growth of the kernel's tables for sockets (/proc/slabinfo), half of it for each end, since both ends
are on this machine. Then clients that subscribe to streams and read nothing: what the kernel keeps in
the send queues of the agent's sockets (`ss -m`), for clients with a small window and for others.
"""

import sys

if __name__ == "__main__":
    sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import asyncio
import platform
import re
import resource
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.harness.agents import Agent, cluster
from bench.harness.caller import Caller, allow_files, connect_all, run
from bench.harness.options import flag, positive, run_program
from bench.harness.report import print_table
from bench.hostile import RawClient, frame, small_window

PAUSE = 3.0
"""Seconds between a change and the measurement."""

UNREAD_FOR = 20
"""Seconds in which the send queues fill up; they are read every second."""

STREAMS = [
    frame(b'{"type":0,"every":0.25,"history":3600,"id":%d}' % number) for number in range(16)
]

TABLES = ("TCP", "sock_inode_cache", "eventpoll_epi", "dentry", "filp")
"""What a socket takes that a process has open and waits for."""

_QUEUE = re.compile(r"skmem:\(\S*?,w(\d+),")


def main() -> None:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "clients", positive, 2000, "number of idle clients")
    flag(parser, "unread", positive, 50, "number of clients that read nothing")
    options = parser.parse_args()
    allow_files(options.clients)
    with cluster(1) as agents:
        run(watch(agents[0], options.clients, options.unread))


async def watch(agent: Agent, clients: int, unread: int) -> None:
    """Measure and print both."""
    print(f"Linux {platform.release()}, page size {resource.getpagesize()}")
    print_table((f"{clients:,} idle clients", "bytes each"), await idle(agent, clients))
    head = (f"{unread} clients that read nothing", "least", "median", "most")
    windows = (("small window", small_window), ("default window", default_window))
    print_table(head, [[name, *await unsent(agent, unread, make)] for name, make in windows])


async def idle(agent: Agent, number: int) -> list[list[str]]:
    """What each of so many idle clients takes at the agent's end."""
    loop = asyncio.get_running_loop()
    before = tables()
    clients = await connect_all(lambda: Caller(loop, agent.endpoint), agent.endpoint, number)
    await asyncio.sleep(PAUSE)
    after = tables()
    for client in clients:
        client.abort()
    each = {name: (after[name] - before[name]) / number / 2 for name in TABLES}
    return [[name, f"{size:,.0f}"] for name, size in (*each.items(), ("all", sum(each.values())))]


async def unsent(agent: Agent, number: int, make: Callable[[], socket.socket]) -> list[str]:
    """What the kernel keeps for each of so many clients that read nothing, when it is most."""
    loop = asyncio.get_running_loop()
    sockets = [make() for _ in range(number)]
    for sock in sockets:
        await loop.sock_connect(sock, ("127.0.0.1", agent.port))
        client = RawClient(sock)
        await client.shake()
        for stream in STREAMS:
            await client.send(stream)
    most = [0]
    for _ in range(UNREAD_FOR):
        await asyncio.sleep(1)
        most = max(most, queues(agent.port), key=median)
    for sock in sockets:
        sock.close()
    await asyncio.sleep(PAUSE)
    return [f"{min(most):,}", f"{median(most):,.0f}", f"{max(most):,}"]


def default_window() -> socket.socket:
    """A socket as most programs have it."""
    sock = socket.socket()
    sock.setblocking(False)
    return sock


def tables() -> dict[str, int]:
    """Bytes that each table of the kernel takes."""
    sizes = {}
    for line in Path("/proc/slabinfo").read_text().splitlines()[2:]:
        name, _active, count, size, *_ = line.split()
        sizes[name] = int(count) * int(size)
    return sizes


def queues(port: int) -> list[int]:
    """Bytes that the kernel keeps in the send queue of each connection to this port."""
    command = ["ss", "--tcp", "--memory", "--numeric", "--no-header", "--oneline", "state"]
    command += ["established", "sport", "=", f":{port}"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [int(size) for size in _QUEUE.findall(text)] or [0]


if __name__ == "__main__":
    run_program(main)
