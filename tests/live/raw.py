"""A client that sends any bytes it likes, and reads only when told to."""

import asyncio
import json
import socket
import struct
from contextlib import suppress
from typing import Any, Self

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

PATIENCE = 10.0
"""Seconds after which a test gives up."""

STUCK = 0.25
"""Seconds after which the other side counts as not reading."""


def frame(
    data: bytes | str = b"",
    opcode: int = TEXT,
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: int | None = None,
) -> bytes:
    """A frame as a client sends it; ``length`` is a false length of its payload."""
    payload = data.encode() if isinstance(data, str) else data
    size = len(payload) if length is None else length
    first = fin << 7 | reserved << 4 | opcode
    mask_bit = masked << 7
    if size < 126:
        head = struct.pack("!BB", first, mask_bit | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, mask_bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, size)
    # A mask of zeros leaves the payload as it is.
    return head + (bytes(4) if masked else b"") + payload


def upgrade(path: str = "/", *headers: str, protocol: str = "HTTP/1.1") -> bytes:
    """A WebSocket handshake; ``headers`` replace the default ones of the same name."""
    fields = {
        "host": "Host: localhost",
        "upgrade": "Upgrade: websocket",
        "connection": "Connection: Upgrade",
        "sec-websocket-key": "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version": "Sec-WebSocket-Version: 13",
    }
    for header in headers:
        fields.pop(header.partition(":")[0].lower(), None)
    # A header without a value is left out.
    lines = [line for line in (*fields.values(), *headers) if not line.endswith(":")]
    return "\r\n".join([f"GET {path} {protocol}", *lines, "", ""]).encode()


class RawClient:
    """Use as an async context manager; ``shake`` makes it a WebSocket."""

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        self._port = port
        self._receive_buffer = receive_buffer
        self._buffer = bytearray()
        self.socket = socket.socket()

    async def __aenter__(self) -> Self:
        self.socket.setblocking(False)
        if self._receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        try:
            await self._loop.sock_connect(self.socket, ("127.0.0.1", self._port))
        except OSError:
            self.socket.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.socket.close()

    def reset(self) -> None:
        """End the connection with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    async def shake(self, *headers: str) -> str:
        """Do the handshake; gives the head of the answer."""
        await self.send(upgrade("/", *headers))
        return await self.head()

    async def send(self, *pieces: bytes) -> None:
        async with asyncio.timeout(PATIENCE):
            for piece in pieces:
                await self._loop.sock_sendall(self.socket, piece)

    async def send_until_stuck(self, piece: bytes, *, most: int) -> int:
        """Send again and again until nothing more is taken; how many bytes were."""
        sent = 0
        while sent < most:
            try:
                async with asyncio.timeout(STUCK):
                    await self._loop.sock_sendall(self.socket, piece)
            except TimeoutError:
                break
            sent += len(piece)
        return sent

    async def head(self) -> str:
        """The head of an HTTP answer."""
        while b"\r\n\r\n" not in self._buffer:
            await self._more()
        return self._cut(self._buffer.index(b"\r\n\r\n") + 4).decode()

    async def status(self) -> int:
        """The status of an HTTP answer."""
        return int((await self.head()).split()[1])

    async def frame(self) -> tuple[int, bytes]:
        """The next frame from the server: its opcode and payload."""
        await self._need(2)
        opcode, size, start = self._buffer[0] & 15, self._buffer[1], 2
        if size >= 126:
            start = 4 if size == 126 else 10
            await self._need(start)
            size = int.from_bytes(self._buffer[2:start])
        await self._need(start + size)
        return opcode, self._cut(start + size)[start:]

    async def answer(self) -> dict[str, Any]:
        """The next text message; anything else is an error."""
        opcode, payload = await self.frame()
        assert opcode == TEXT, (opcode, payload)
        answer: dict[str, Any] = json.loads(payload)
        return answer

    async def close_code(self) -> int:
        """Skip frames up to the close frame and give its code; 1006 without one."""
        try:
            while True:
                opcode, payload = await self.frame()
                if opcode == CLOSE:
                    return int.from_bytes(payload[:2])
        except (EOFError, ConnectionError):
            return 1006

    async def rest(self) -> bytes:
        """All that comes until the other side has closed or cut the connection."""
        try:
            while True:
                await self._more()
        except (EOFError, ConnectionError):
            return self._cut(len(self._buffer))

    async def drain(self) -> int:
        """Read and discard all that comes until the end; how many bytes that was."""
        size = 0
        with suppress(ConnectionError):
            while data := await self._loop.sock_recv(self.socket, 1 << 20):
                size += len(data)
        return size

    async def end(self) -> None:
        """End this side's stream, and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    async def send_and_end(self, data: bytes) -> None:
        """Send, and end this side's stream, in one segment where TLS or the network allows."""
        await self.send(data)
        await self.end()

    def decode(self, data: bytes) -> bytes:
        """What the server means by what has come."""
        return data

    def _cut(self, size: int) -> bytes:
        """Take so many bytes from what has come."""
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        return piece

    async def _need(self, size: int) -> None:
        while len(self._buffer) < size:
            await self._more()

    async def _more(self) -> None:
        async with asyncio.timeout(PATIENCE):
            data = await self._loop.sock_recv(self.socket, 65536)
        if not data:
            raise EOFError
        self._buffer += self.decode(data)

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()
