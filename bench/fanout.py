"""Many subscribers of one stream: the lag of its ticks, and their cost for the agent.

    python bench/fanout.py --subscribers 5000 --nodes 20 --every 1

Starts and stops a cluster of its own, subscribes to all of it at one agent, and listens. The lag of a
message is counted from the begin of its tick. The schedule is regular, so that is the earliest phase
at which any message of the run arrived.
"""

import sys

if __name__ == "__main__":
    sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import asyncio
import contextlib
import re
import time
from array import array
from itertools import pairwise

from bench.harness.agents import Agent, cluster
from bench.harness.caller import Caller, allow_files, connect_all, framed, run
from bench.harness.metrics import broadcasts
from bench.harness.options import flag, positive, run_program, seconds
from bench.harness.report import percentile, print_records
from bench.harness.usage import Meter, rss
from bench.hostile import RawClient, small_window
from nodnod_client.address import Address

WARM_UP = 2.0
"""Ticks before anything is counted."""

SLOW_RATE = 1024
"""Bytes a second that a slow subscriber reads."""

_SEQ = re.compile(rb'"seq":(\d+)\}$')


class Subscriber(Caller):
    """Notes when each tick came, and how many were skipped."""

    __slots__ = ("last", "skipped", "times")

    def __init__(self, loop: asyncio.AbstractEventLoop, server: Address) -> None:
        super().__init__(loop, server)
        self.times = array("d")
        self.last = -1
        self.skipped = 0

    def received(self, text: bytes) -> None:
        """Note a tick."""
        self.times.append(time.perf_counter())
        found = _SEQ.search(text, max(0, len(text) - 40))
        seq = int(found[1]) if found else self.last
        self.skipped += max(0, seq - self.last - 1)
        self.last = seq

    def subscribe(self, every: float) -> None:
        """Ask for the stream."""
        self.out.append(framed(b'{"type":1,"every":%g,"id":"s"}' % every))
        self.schedule_flush()

    def forget(self) -> None:
        """Drop what came during the warm-up."""
        del self.times[:]
        self.skipped = 0


def main() -> None:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "subscribers", positive, [1, 1000, 5000], "numbers of subscribers, one row each")
    flag(parser, "nodes", positive, 20, "agents in the cluster")
    flag(parser, "every", seconds, 1.0, "seconds from tick to tick")
    flag(parser, "seconds", seconds, 15.0, "seconds of each measurement")
    parser.add_argument(
        "--slow",
        "-slow",
        type=positive,
        nargs="?",
        const=1,
        default=0,
        help="add this many subscribers that read 1 KB/s (1 without a number), in a further row",
    )
    options = parser.parse_args()
    numbers = sorted(set(options.subscribers))
    allow_files(2 * (numbers[-1] + options.slow))
    with cluster(options.nodes) as agents:
        rows = run(watch(agents[0], numbers, options))
    print(f"One agent of {options.nodes}, every {options.every:g} s, {options.seconds:g} s each.")
    print_records(rows)


async def watch(
    agent: Agent, numbers: list[int], options: argparse.Namespace
) -> list[dict[str, str]]:
    """One row for each number of subscribers, and one more with slow ones."""
    rows = []
    subscribers: list[Subscriber] = []
    loop = asyncio.get_running_loop()
    for number in numbers:
        more = number - len(subscribers)
        new = await connect_all(lambda: Subscriber(loop, agent.endpoint), agent.endpoint, more)
        for subscriber in new:
            subscriber.subscribe(options.every)
        subscribers += new
        rows.append(await listen(agent, subscribers, options, f"{number:,}"))
    if options.slow:
        reading = (read_slowly(agent.endpoint, options.every) for _ in range(options.slow))
        slow = [asyncio.create_task(one) for one in reading]
        label = f"{numbers[-1]:,} + {options.slow:,} slow"
        rows.append(await listen(agent, subscribers, options, label))
        for task in slow:
            task.cancel()
        ends = await asyncio.gather(*slow, return_exceptions=True)
        if cut := sum(not isinstance(end, asyncio.CancelledError) for end in ends):
            print(f"{cut:,} of the slow subscribers were cut", file=sys.stderr)
    for subscriber in subscribers:
        subscriber.abort()
    return rows


async def listen(
    agent: Agent, subscribers: list[Subscriber], options: argparse.Namespace, label: str
) -> dict[str, str]:
    """Listen for some time; the row of the table."""
    await asyncio.sleep(WARM_UP * options.every)
    meter, queries = Meter(agent.pid), await broadcasts(agent.endpoint)
    for subscriber in subscribers:
        subscriber.forget()
    begin = time.perf_counter()
    await asyncio.sleep(options.seconds)
    span = time.perf_counter() - begin
    times = array("d")
    for subscriber in subscribers:
        times.extend(subscriber.times)
    lags = sorted(lag * 1000 for lag in lags_of(times, options.every))
    asked = await broadcasts(agent.endpoint)
    rate = "?" if queries is None or asked is None else f"{(asked - queries) / span:.2f}"
    return {
        "subscribers": label,
        "messages/s": f"{len(times) / span:,.0f}",
        "agent CPU %": f"{100 * meter.seconds() / span:.1f}",
        "lag p50 ms": f"{percentile(lags, 50):.1f}",
        "lag p99 ms": f"{percentile(lags, 99):.1f}",
        "lag max ms": f"{lags[-1]:.1f}",
        "skipped": f"{sum(subscriber.skipped for subscriber in subscribers):,}",
        "peer queries/s": rate,
        "agent RSS MB": f"{rss(agent.pid) / 1e6:.1f}",
    }


def lags_of(times: "array[float]", every: float) -> list[float]:
    """The seconds from its tick to each message."""
    if not times:
        return [0.0]
    # Phases form a circle: the tick begins with the first one after the widest gap.
    phases = sorted(moment % every for moment in times)
    gaps = [(after - before, after) for before, after in pairwise(phases)]
    gaps.append((phases[0] + every - phases[-1], phases[0]))
    begin = max(gaps)[1]
    return [(moment - begin) % every for moment in times]


async def read_slowly(server: Address, every: float) -> None:
    """Subscribe, and read 1 KB a second through a small window."""
    with small_window() as sock:
        await asyncio.get_running_loop().sock_connect(sock, tuple(server))
        client = RawClient(sock)
        await client.shake()
        await client.send(framed(b'{"type":1,"every":%g,"id":"slow"}' % every))
        with contextlib.suppress(EOFError):
            while True:
                await client.take(SLOW_RATE)
                await asyncio.sleep(1.0)


if __name__ == "__main__":
    run_program(main)
