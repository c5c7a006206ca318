"""Closes a server of asyncio's while somebody is just coming in.

Until CPython has mended it (python/cpython#109564), who has been accepted when ``Server.close`` is
called, but has no transport yet, is left open by nobody in particular.
"""

import asyncio
from collections.abc import Iterable
from socket import socket

STEPS = 5
"""Steps of the loop until who has been accepted has a transport; it takes three."""


async def accept_nobody_more(sockets: Iterable[socket]) -> None:
    """Leave who comes from now on in the kernel; who has been accepted is connected on return."""
    loop = asyncio.get_running_loop()
    for sock in sockets:
        loop.remove_reader(sock.fileno())
    for _ in range(STEPS):
        await asyncio.sleep(0)
