"""A server that gives one static answer, over the agent's own pump: the most an agent could do.

    python bench/static.py 127.0.0.1:7080 answer.json

limit.py runs it; by hand, it lets any other load generator find its own limit.
"""

import sys
from os.path import abspath, dirname

sys.path[0] = dirname(dirname(abspath(__file__)))  # bench/concurrent.py hides the library's

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from bench.harness.caller import allow_files, new_loop
from nodnod_agent.core.interfaces import Hello, Wire
from nodnod_agent.transport.server import Server
from nodnod_client.address import Address, parse_address

MAX_CLIENTS = 10_000


class Session:
    """Whatever is asked, the answer is the same."""

    full = False
    stall_limit = 5.0
    known = False

    def __init__(self, wire: Wire, answer: bytes) -> None:
        self._wire = wire
        self._answer = answer

    def received(self, text: bytes) -> None:
        """See User."""
        self._wire.send(self._answer)

    def ended(self) -> None:
        """See Visitor."""


class Answering:
    """Serves everybody alike."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def accepted(self, wire: Wire, hello: Hello) -> Session:
        """See Service."""
        return Session(wire, self._answer)


def no_page(request: Request, respond: Callable[[Response], None]) -> None:
    """See Page."""
    respond(Response(426, "Upgrade Required", Headers()))


async def serve(address: Address, answer: bytes) -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    server = Server(
        loop, Answering(answer), hello=Hello(2, "static"), page=no_page, max_clients=MAX_CLIENTS
    )
    with socket.create_server(address) as listener:
        server.listen([listener])
        await asyncio.Event().wait()


def main() -> None:
    """Parse and serve."""
    address, file = sys.argv[1:]
    allow_files(MAX_CLIENTS)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve(parse_address(address), Path(file).read_bytes()))


if __name__ == "__main__":
    main()
