"""Hostile connections: each kind does one wrong thing to an agent until it is cut off.

bench/siege.py and bench/soak.py run it in a process of its own: `python bench/hostile.py --server
HOST:PORT --count 500 --seconds 20`. It sends to loopback only, and only to that server. A connection
that is cut off connects again after `--pause` seconds. Prints as JSON how often each kind connected
and was cut off.
"""

import sys

if __name__ == "__main__":
    sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import asyncio
import contextlib
import ipaddress
import json
import os
import socket
from collections.abc import Awaitable, Callable
from itertools import count
from typing import NamedTuple

from websockets.frames import Frame, Opcode

from bench.harness.caller import allow_files, run
from bench.harness.options import add_server, flag, positive, run_program, seconds
from nodnod_client.address import Address

AT_ONCE = 20
SMALL_WINDOW = 4096
FOREVER = 1e9

_UPGRADE = (
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n{}\r\n"
)

_numbers = count()


class RawClient:
    """One connection without a protocol, for one kind of client to misuse."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        """Send all of it, however long that takes."""
        await self._loop.sock_sendall(self._sock, data)

    async def take(self, most: int = 65536) -> bytes:
        """Read what is there. Raises EOFError at the end."""
        data = await self._loop.sock_recv(self._sock, most)
        if not data:
            raise EOFError
        return data

    async def shake(self, headers: str = "") -> None:
        """Become a WebSocket."""
        await self.send(_UPGRADE.format(headers).encode())
        await self.take()

    async def wait(self) -> None:
        """Read until the other side closes."""
        while True:
            await self.take()

    async def flood(self, data: bytes, *, read: bool) -> None:
        """Send the same again and again; ``read`` what comes back, or let it pile up."""
        reader = asyncio.create_task(self.wait()) if read else None
        try:
            while reader is None or not reader.done():
                await self.send(data)
        finally:
            if reader is not None:
                reader.cancel()
                await asyncio.wait([reader])
                if not reader.cancelled():
                    reader.exception()  # it was cut off; fetched, or asyncio would log it


def small_window() -> socket.socket:
    """A socket that takes little unread data."""
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW)
    return sock


def frame(data: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    """A frame as a client sends it."""
    return Frame(opcode, data, fin).serialize(mask=True)


# -- the kinds -------------------------------------------------------------------------------------


async def slow_handshake(one: RawClient) -> None:
    """Sends the upgrade a byte at a time, a byte a second."""
    for byte in _UPGRADE.encode():
        await one.send(bytes([byte]))
        await asyncio.sleep(1.0)


async def unread_stream(one: RawClient) -> None:
    """Subscribes to streams and reads no tick."""
    await one.shake()
    for number in range(16):
        await one.send(frame(b'{"type":1,"every":0.25,"id":%d}' % number))
    await asyncio.sleep(FOREVER)


async def false_join(one: RawClient) -> None:
    """Claims to be an agent, and announces members that do not exist."""
    number = next(_numbers)
    me = f"10.66.{number // 250 % 250}.{number % 250}:1"
    await one.shake(
        "Sec-WebSocket-Protocol: nodnod.2\r\nNodNod-Name: mallory\r\n"
        f"NodNod-Instance: {number}\r\nNodNod-Address: 127.0.0.1:1\r\n"
    )
    member: dict[str, object] = {"name": "mallory", "address": "127.0.0.1:1"}
    member |= {"instance": str(number), "incarnation": number}
    members = [member | {"address": f"nonsense {me} {n}"} for n in range(1000)]
    join = {"type": 4, "id": 1, "member": member, "digest": "x", "members": members}
    await one.flood(frame(json.dumps(join).encode()), read=True)


async def costly_questions(one: RawClient) -> None:
    """Asks for the longest history, each time a little different, so that no answer is cached."""
    await one.shake()
    for number in _numbers:
        question = b'{"type":1,"history":%.3f,"id":%d}' % (604_800 - number % 600_000, number)
        await one.send(frame(question) * 8)
        await one.take()


async def costly_patterns(one: RawClient) -> None:
    """Asks for nodes by patterns that are new each time."""
    await one.shake()
    for number in _numbers:
        patterns = [f"*{number}?{n}*[a-z]*" for n in range(256)]
        question = {"type": 1, "id": number, "nodes": patterns}
        await one.send(frame(json.dumps(question).encode()))
        await one.take()


class Script(NamedTuple):
    """A kind that sends ``first``, then ``flood`` again and again, until it is cut off.

    ``headers`` are further ones of its upgrade to a WebSocket, ``None`` is no upgrade. Unless it
    ``reads``, what comes back piles up.
    """

    first: bytes = b""
    flood: bytes = b""
    headers: str | None = ""
    reads: bool = True

    async def __call__(self, one: RawClient) -> None:
        """Misuse a connection. Raises EOFError or OSError when it is cut off."""
        if self.headers is not None:
            await one.shake(self.headers)
        await one.send(self.first)
        if self.flood:
            await one.flood(self.flood, read=self.reads)
        await one.wait()


KINDS: dict[str, Callable[[RawClient], Awaitable[None]]] = {
    "slow_handshake": slow_handshake,
    "silent": Script(headers=None),
    "no_websocket": Script(bytes(range(256)) * 16, headers=None),
    "foreign_page": Script(headers="Origin: https://evil.example\r\n"),
    "unread_stream": unread_stream,
    "unread_answers": Script(flood=frame(b'{"type":1}') * 100, reads=False),
    "unread_pings": Script(flood=frame(b"x" * 125, Opcode.PING) * 100, reads=False),
    "ping_flood": Script(flood=frame(b"", Opcode.PING) * 1000),
    # A message in empty fragments, which never ends, and one that exceeds every limit.
    "empty_pieces": Script(frame(b"", fin=False), frame(b"", Opcode.CONT, fin=False) * 1000),
    "endless_pieces": Script(frame(b"x", fin=False), frame(b"x" * 1000, Opcode.CONT, fin=False)),
    "half_a_frame": Script(frame(b'{"type":1}' * 100)[:500]),
    "wrong_requests": Script(flood=frame(b'{"type":99}') + frame(b"[") + frame(b'{"timeout":-1}')),
    "binary": Script(frame(bytes(1000), Opcode.BINARY)),
    "false_join": false_join,
    "costly_questions": costly_questions,
    "costly_patterns": costly_patterns,
}


# -- the connections -------------------------------------------------------------------------------


async def besiege(
    server: Address, kinds: list[str], number: int, span: float, pause: float
) -> dict[str, dict[str, int]]:
    """Keep ``number`` connections of these kinds in turn for so many seconds; their counts."""
    counts = {kind: {"came": 0, "cut": 0} for kind in kinds}
    dialing = asyncio.Semaphore(AT_ONCE)
    tasks = [
        asyncio.create_task(_keep_connecting(server, kinds[n % len(kinds)], counts, dialing, pause))
        for n in range(number)
    ]
    await asyncio.wait(tasks, timeout=span)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return counts


async def _keep_connecting(
    server: Address,
    kind: str,
    counts: dict[str, dict[str, int]],
    dialing: asyncio.Semaphore,
    pause: float,
) -> None:
    loop = asyncio.get_running_loop()
    while True:
        new = small_window if kind.startswith("unread") else socket.socket
        with contextlib.suppress(OSError, EOFError), new() as sock:
            sock.setblocking(False)
            async with dialing:
                await loop.sock_connect(sock, tuple(server))
            counts[kind]["came"] += 1
            await KINDS[kind](RawClient(sock))
        counts[kind]["cut"] += 1
        await asyncio.sleep(pause)


def give_way() -> None:
    """Run only when no other process wants to."""
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except (AttributeError, OSError):  # Linux's own, or not allowed here
        os.nice(19)


def add_kinds(parser: argparse.ArgumentParser) -> None:
    """Add the flag that chooses the kinds."""
    text, kinds = "kinds of hostile connections (default all)", list(KINDS)
    parser.add_argument("--kinds", nargs="+", choices=kinds, default=kinds, help=text)


def main() -> None:
    """Parse, run, print the counts as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_server(parser)
    flag(parser, "count", positive, 500, "connections")
    flag(parser, "seconds", seconds, 10.0, "seconds of the attack")
    flag(parser, "pause", seconds, 0.2, "seconds before a cut connection connects again")
    add_kinds(parser)
    options = parser.parse_args()
    if not ipaddress.ip_address(options.server.host).is_loopback:
        parser.error("--server must be a loopback address: this program attacks it")
    allow_files(options.count)
    give_way()
    counts = run(
        besiege(options.server, options.kinds, options.count, options.seconds, options.pause)
    )
    print(json.dumps(counts))


if __name__ == "__main__":
    run_program(main)
