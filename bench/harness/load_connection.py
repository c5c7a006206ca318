"""A WebSocket client connection for loads.

It shares no code with the agent's transport, so that the load is the same for every build, and does
little for each frame, because on a machine with few cores it takes them from the server.
"""

import asyncio
from typing import cast

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from nodnod_client.address import Address

TEXT = 0x81
PING = 0x89
"""First bytes of whole frames."""

HEAD_END = b"\r\n\r\n"


class LoadConnection(asyncio.Protocol):
    """One connection. Its frames go out at once, each in a write of its own.

    If ``joined``, the frames that are sent during one read go out in one write at its end.
    """

    __slots__ = ("_joined", "_out", "_request", "_unread", "opened", "transport")

    transport: asyncio.Transport

    def __init__(
        self, loop: asyncio.AbstractEventLoop, server: Address, *, joined: bool = False
    ) -> None:
        self.opened: asyncio.Future[None] = loop.create_future()
        self._request = ClientProtocol(parse_uri(server.url)).connect().serialize()
        self._joined = joined
        self._out: list[bytes] = []
        self._unread = b""
        """A frame, or the response, that is not complete yet."""

    def received(self, text: bytes) -> None:
        """Take a text message."""
        raise NotImplementedError

    def send(self, frame: bytes) -> None:
        """Send one frame, which is masked already."""
        if self._joined:
            self._out.append(frame)
        else:
            self.transport.write(frame)

    def flush(self) -> None:
        """Write the frames that wait to be joined."""
        if self._out:
            self.transport.write(b"".join(self._out))
            self._out.clear()

    def abort(self) -> None:
        """End at once."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the upgrade request."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop has a class of its own
        # Below this limit, uvloop joins the writes of one iteration of the loop.
        self.transport.set_write_buffer_limits(0)
        self.transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report a connection that was never opened."""
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("closed during the handshake"))

    def data_received(self, data: bytes) -> None:
        """Take what is complete."""
        self._unread += data
        if not self.opened.done():
            self._take_response()
        if self.opened.done():
            self._take_frames()
            self.flush()

    def _take_response(self) -> None:
        head, end, after = self._unread.partition(HEAD_END)
        if not end:
            return
        self._unread = after
        status = head[len("HTTP/1.1 ") :][:3].decode(errors="replace")
        if status == "101":
            self.opened.set_result(None)
        else:
            self.opened.set_exception(ConnectionError(f"no WebSocket there: HTTP {status}"))

    def _take_frames(self) -> None:
        data, start = self._unread, 0
        size = len(data)
        while size - start >= 2:
            length, begin = data[start + 1], start + 2
            if length > 125:
                begin += 2 if length == 126 else 8
                length = int.from_bytes(data[start + 2 : begin])
            end = begin + length
            if end > size:
                break
            self._take(data[start], data[begin:end])
            start = end
        self._unread = data[start:]

    def _take(self, first: int, data: bytes) -> None:
        if first == TEXT:
            self.received(data)
        elif first == PING:
            self.send(Frame(Opcode.PONG, data).serialize(mask=True))
