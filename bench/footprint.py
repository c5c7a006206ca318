"""Memory and CPU of one agent with one peer: idle, with idle clients, and under load.

    python bench/footprint.py [--clients 1000 3000] [--streaming 1000] [--seconds 30]
    python bench/footprint.py --clients 9000 --streaming 5000
    python bench/footprint.py --tls

Starts and stops two agents of its own, which sample every second, and measures the first. The last
idle clients stay when each in turn gets answers of 64 KB and of 1.1 MB at once, and when
`--streaming` of them subscribe to the whole cluster, with a tick a second. `--tls` measures TLS.
"""

import sys

if __name__ == "__main__":
    sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import asyncio
import resource
import tempfile
import time
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from bench.harness.agents import Agent, cluster
from bench.harness.caller import Requester, allow_files, connect_all, run
from bench.harness.certificate import make_certificate
from bench.harness.load import Plan, measure_good
from bench.harness.options import flag, positive, run_program, seconds
from bench.harness.report import print_table
from bench.harness.usage import Meter, pss, rss
from nodnod_client.codec import decode_answer
from nodnod_client.tls import client_context

PAUSE = 2.0
"""Seconds between a change and the measurement."""

HEAD = ("state", "RSS MB", "PSS MB", "CPU %", "bytes per client", "requests/s")
STREAM = b'{"type":1,"every":1,"id":"s"}'
LONG = b'{"type":1,"detail":["system","cpu","load","memory","filesystems","diskio","network"]}'

SIZES = {"64 KB": 64_000, "1.1 MB": 1_100_000}
"""Of the answers that a client gets at once."""

LIMITS = {"inFlight": 10_000, "unread": 8 << 20}
"""What the agents allow for that."""


def main() -> None:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "clients", positive, [1000, 3000], "numbers of idle clients, one row each")
    flag(parser, "streaming", positive, 1000, "how many of the last of them then subscribe")
    flag(parser, "seconds", seconds, 30.0, "seconds of each measurement")
    parser.add_argument("--tls", action="store_true", help="agents and clients use TLS")
    options = parser.parse_args()
    numbers = sorted(set(options.clients))
    if options.streaming > numbers[-1]:
        parser.error(f"--streaming {options.streaming} is more than --clients {numbers[-1]}")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    print(f"open files: at first {soft:,}, {hard:,} allowed; the agent raises its own limit")
    allow_files(numbers[-1])
    with tempfile.TemporaryDirectory(prefix="nodnod-bench-") as folder:
        tls = make_certificate(Path(folder)) if options.tls else {}
        ca = tls.get("ca", "")
        settings: dict[str, Any] = {"limits": LIMITS, **({"tls": tls} if tls else {})}
        with cluster(2, settings, ca=ca or None) as agents:
            rows = run(watch(agents[0], numbers, options.streaming, options.seconds, ca))
    print_table(HEAD, rows)


async def watch(
    agent: Agent, numbers: list[int], streaming: int, span: float, ca: str
) -> list[list[str]]:
    """One row for each state."""
    rows = [await idle(agent, "idle, one peer", span)]
    loop = asyncio.get_running_loop()
    clients: list[Requester] = []
    empty = rss(agent.pid)
    server, tls = agent.endpoint, client_context(ca) if ca else None
    for number in numbers:
        more = number - len(clients)
        clients += await connect_all(lambda: Requester(loop, server), server, more, tls)
        rows.append(await idle(agent, f"{number:,} idle clients", span, empty, number))
    answer = await clients[0].ask(LONG)
    if error := decode_answer(answer).error:
        raise RuntimeError(error)
    for label, size in SIZES.items():
        for client in clients:
            await client.ask(LONG, ceil(size / len(answer)))
        state = f"after answers of {label} to each"
        rows.append(await idle(agent, state, span, empty, len(clients)))
    quiet = rss(agent.pid)
    for client in clients[:streaming]:
        client.send(STREAM)
    rows.append(await idle(agent, f"{streaming:,} of them stream", span, quiet, streaming))
    for client in clients:
        client.abort()
    await asyncio.sleep(PAUSE)
    plan = Plan(server=agent.endpoint, nodes=2, concurrent=20, number=20_000, ca=ca)
    rows.append(await loaded(agent, "20 connections, one at a time", plan, span))
    plan = replace(plan, pipeline=16, number=100_000)
    rows.append(await loaded(agent, "20 connections, 16 in flight", plan, span))
    return rows


async def idle(
    agent: Agent, state: str, span: float, empty: int = 0, clients: int = 0
) -> list[str]:
    """Measure an agent without requests."""
    await asyncio.sleep(PAUSE)
    meter, began = Meter(agent.pid), time.perf_counter()
    await asyncio.sleep(span)
    share = meter.seconds() / (time.perf_counter() - began)
    each = f"{(rss(agent.pid) - empty) / clients:,.0f}" if clients else ""
    return [state, *memory(agent), f"{100 * share:.2f}", each, ""]


async def loaded(agent: Agent, state: str, plan: Plan, span: float) -> list[str]:
    """Measure an agent under constant load."""
    meter, began, answers = Meter(agent.pid), time.perf_counter(), 0
    busy = 0.0
    while time.perf_counter() - began < span:
        outcome = await measure_good(plan)
        answers += outcome.responses
        busy += outcome.duration
    share = meter.seconds() / busy
    return [state, *memory(agent), f"{100 * share:.0f}", "", f"{answers / busy:,.0f}"]


def memory(agent: Agent) -> Iterator[str]:
    """RSS and, on Linux, PSS."""
    shared = pss(agent.pid)
    yield f"{rss(agent.pid) / 1e6:.1f}"
    yield "-" if shared is None else f"{shared / 1e6:.1f}"


if __name__ == "__main__":
    run_program(main)
