"""Builds the parts, owns every task, and stops them in order."""

import asyncio
import logging
import random
import resource
import secrets
import signal
from collections.abc import Callable
from time import time

from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from nodnod_agent.config import Settings
from nodnod_agent.core.cluster import Cluster
from nodnod_agent.core.sample import Sample
from nodnod_agent.core.world import Hello
from nodnod_agent.edge.links import Dialler
from nodnod_agent.edge.sampler import Sampler
from nodnod_agent.edge.server import Server, reject

__all__ = ["run"]

STOP_LIMIT = 1.5
"""Seconds that clients have to take their goodbye."""

RESERVED_FILES = 128
MAX_CLIENTS = 10_000

log = logging.getLogger("nodnod")


def run(settings: Settings, reload: Callable[[], Settings]) -> int:
    """Run one agent until SIGTERM or SIGINT; the exit status. Raises OSError if it cannot listen."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(settings, reload))


async def _serve(settings: Settings, reload: Callable[[], Settings]) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    instance = secrets.token_hex(8)
    hello = Hello(2, settings.name, instance, str(settings.listen))
    sampled: asyncio.Future[None] = loop.create_future()

    def deliver(sample: Sample) -> None:
        cluster.sampled(sample)
        if not sampled.done():
            sampled.set_result(None)

    sampler = Sampler(settings.interval, deliver, loop=loop)
    cluster = Cluster(
        name=settings.name,
        address=hello.address,
        instance=instance,
        clock=loop,
        wall=time,
        rng=random.Random(),  # noqa: S311  # jitter, no secret
        dial=Dialler(loop, hello),
        want=sampler.want,
        mode=settings.mode,
        interval=settings.interval,
    )
    server = Server(loop, cluster, hello=hello, page=_page, max_clients=_max_clients())
    sampler.start()
    try:
        await sampled  # else the first client would meet numbers that mean nothing
        address = await server.listen(settings.listen)
        log.info("Starting NodNod websocket server: [%s : %s]", settings.name, address)
        cluster.start()
        for node in settings.nodes:
            if node != address:
                cluster.peers.add(node)
        await stopping.wait()
        log.info("Stopping")
    finally:
        sampler.stop()
        server.close()
        cluster.stop()
        await server.drained(STOP_LIMIT)
    return 0


def _page(ws: ServerProtocol, request: Request) -> Response:
    if request.method not in ("GET", "HEAD"):
        return reject(ws, 405, "GET and HEAD only")
    return reject(ws, 426, f"NodNod speaks WebSocket here: ws://HOST:PORT{request.path}")


def _max_clients() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(MAX_CLIENTS, max(files - RESERVED_FILES, files // 2))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # no wheel for this platform: asyncio's own loop does
        return None
    return uvloop.new_event_loop
