"""What it costs an agent to tell people: over HTTP, over TLS, and through Apprise.

    python bench/channels.py

The server is in another process. CPU and memory over HTTP are those of this process, which has loaded
what an agent has; those of Apprise are of the child that lives for one message.
"""

import sys

if __name__ == "__main__":
    sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import asyncio
import resource
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import nodnod_agent.daemon
from nodnod_agent.core.alerts.message import compose_test
from nodnod_agent.notify.apprise_channel import Apprise
from nodnod_agent.notify.channel import Channel
from nodnod_agent.notify.http_request import Trust
from nodnod_agent.notify.urls import parse_channel
from nodnod_agent.notify.webhook import Webhook

SENDS = 200


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def _serve(port: "Connection") -> None:
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    port.send(server.server_port)
    server.serve_forever()


def _private() -> int:
    """Memory of this process that is its own, in KB."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))


async def _send(channel: Channel) -> None:
    result: asyncio.Future[tuple[bool, str]] = asyncio.get_running_loop().create_future()
    message = compose_test("kenny", "kenny:7070", time.time())
    channel.send(message, lambda ok, why: result.set_result((ok, why)))
    ok, why = await result
    if not ok:
        sys.exit(f"{channel.label}: {why}")


async def _measure(port: int) -> None:
    loop = asyncio.get_running_loop()
    webhook = Webhook(parse_channel(f"webhook+http://127.0.0.1:{port}"), Trust(), loop)
    memory, cpu = _private(), time.process_time()
    for _ in range(SENDS):
        await _send(webhook)
    each = (time.process_time() - cpu) / SENDS * 1000
    print(f"webhook: {each:.1f} ms of CPU each, {_private() - memory} KB after {SENDS}")

    memory, cpu = _private(), time.process_time()
    trust = Trust()
    trust()
    spent = (time.process_time() - cpu) * 1000
    print(f"TLS: {spent:.0f} ms of CPU and {_private() - memory} KB for the authorities, once")

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    await _send(Apprise(parse_channel(f"json://127.0.0.1:{port}"), loop))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"Apprise: {spent:.2f} s of CPU and {after.ru_maxrss / 1024:.0f} MB for one message")


def main() -> None:
    """Measure all three."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    assert nodnod_agent.daemon
    # By spawn: a copy of this process would count as a child as large as this.
    spawn = get_context("spawn")
    ours, theirs = spawn.Pipe()
    server = spawn.Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    try:
        asyncio.run(_measure(ours.recv()))
    finally:
        server.kill()
        server.join()


if __name__ == "__main__":
    main()
