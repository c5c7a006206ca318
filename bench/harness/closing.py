"""Closes an asyncio server while a client connects.

Until CPython mends it (python/cpython#109564), a connection that is accepted when ``Server.close``
is called, but has no transport yet, stays open and belongs to nothing.
"""

import asyncio
from collections.abc import Iterable
from socket import socket

STEPS = 5
"""Steps of the loop until an accepted connection has its transport; it takes three."""


async def stop_accepting(sockets: Iterable[socket]) -> None:
    """Leave new connections in the kernel; those accepted before have a transport on return."""
    loop = asyncio.get_running_loop()
    for sock in sockets:
        loop.remove_reader(sock.fileno())
    for _ in range(STEPS):
        await asyncio.sleep(0)
