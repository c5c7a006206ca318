"""A server that gives one static answer, over the agent's own transport: the most an agent could do.

    python bench/static.py 127.0.0.1:7080 answer.json

limit.py runs it; run by hand, it shows the limit of any other load generator.
"""

import sys

if __name__ == "__main__":
    sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from bench.harness.caller import allow_files, run
from bench.harness.options import address
from nodnod_agent.core.interfaces import Hello, Wire
from nodnod_agent.transport.fair_queue import FairQueue
from nodnod_agent.transport.server import Server
from nodnod_agent.transport.server_connection import ServerContext
from nodnod_client.address import Address

MAX_CLIENTS = 10_000


class StaticSession:
    """Gives the same answer to every request."""

    full = False
    stall_limit = 5.0
    known = False

    def __init__(self, wire: Wire, answer: bytes) -> None:
        self._wire = wire
        self._answer = answer

    def received(self, text: bytes) -> None:
        """Answer."""
        self._wire.send(self._answer)

    def input_ended(self) -> bool:
        """Return False: every request is answered at once."""
        return False

    def ended(self) -> None:
        """Nothing to do."""


def no_page(request: Request, respond: Callable[[Response], None]) -> None:
    """No page."""
    respond(Response(426, "Upgrade Required", Headers()))


async def serve(address: Address, answer: bytes) -> None:
    """Serve until the process is ended."""

    def accept(wire: Wire, hello: Hello) -> Any:
        return StaticSession(wire, answer)

    loop = asyncio.get_running_loop()
    context = ServerContext(
        loop=loop,
        queue=FairQueue(loop),
        accept=accept,
        page=no_page,
        hello=Hello(2, "static"),
        max_clients=MAX_CLIENTS,
    )
    server = Server(context)
    with socket.create_server(address) as listener:
        server.listen([listener])
        await asyncio.Event().wait()


def main() -> None:
    """Parse and serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", type=address, help="HOST:PORT to listen on")
    parser.add_argument("file", type=Path, help="the answer")
    options = parser.parse_args()
    allow_files(MAX_CLIENTS)
    run(serve(options.address, options.file.read_bytes()))


if __name__ == "__main__":
    main()
