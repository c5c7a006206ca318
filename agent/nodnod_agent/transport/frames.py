"""WebSocket protocol objects that take a whole frame off the input at once, and frames to send.

The parser of the websockets library takes 3 to 4 µs for a frame, a whole one in a single read 1 µs.
Everything else goes to the parser, which gets no more bytes than it asks for: so it stops at the end
of each frame, and the next one may be a whole one again.
"""

import os
from collections.abc import Generator
from functools import lru_cache
from struct import Struct

from websockets.client import ClientProtocol
from websockets.frames import apply_mask  # type: ignore[attr-defined]  # in C where there is one
from websockets.protocol import OPEN, SERVER, Protocol
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

TEXT, PING, PONG = 0x81, 0x89, 0x8A
"""First bytes of unfragmented frames."""

MAX_CONTROL = 125
"""Bytes of payload that fit into the second byte, and of any control frame."""

_LINE, _ALL = -1, -2
"""What the parser may read instead of a number of bytes."""

_SHORT, _MEDIUM, _LONG = Struct("!BB"), Struct("!BBH"), Struct("!BBQ")


class PieceReader(StreamReader):
    """The input of a parser, which knows how much of it the parser waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted = 0
        """Bytes that the parser reads at once, 0 between two frames."""
        self._discards = False
        """Whether the connection is over, and the parser drops all that comes."""

    def read_line(
        self, m: int, too_long_exc_type: type[Exception] = RuntimeError
    ) -> Generator[None, None, bytearray]:
        """Read up to the end of a line."""
        self.wanted = _LINE
        return super().read_line(m, too_long_exc_type)

    def read_exact(self, n: int) -> Generator[None, None, bytearray]:
        """Read so many bytes."""
        self.wanted = n
        return super().read_exact(n)

    def read_to_eof(
        self, m: int, too_long_exc_type: type[Exception] = RuntimeError
    ) -> Generator[None, None, bytearray]:
        """Read all that comes."""
        self.wanted = _ALL
        return super().read_to_eof(m, too_long_exc_type)

    def at_eof(self) -> Generator[None, None, bool]:
        """Wait for the first byte of a frame, or for the end of the stream."""
        self.wanted = 0
        return super().at_eof()

    def discard(self) -> None:
        """Drop the input; what comes later is dropped too."""
        super().discard()
        self._discards = True

    def piece_end(self, data: bytes, start: int) -> int:
        """Where in ``data`` the piece that the parser waits for ends, if it begins at ``start``."""
        wanted = self.wanted
        if wanted == _LINE:
            return data.find(b"\n", start) + 1 or len(data)
        if wanted < 0 or self._discards:
            return len(data)
        size = wanted - len(self.buffer) if wanted else 2  # a frame begins with two bytes
        return min(len(data), start + size)


class WholeFrames(Protocol):
    """Takes whole frames, on either side of a connection."""

    reader: PieceReader

    def parse(self) -> Generator[None]:
        """Parse the input, see the library; called once, before there is any."""
        self.reader = PieceReader()
        return super().parse()

    def take_frame(self, data: bytes, start: int) -> tuple[int, bytes, int] | None:
        """Take the unfragmented text, ping or pong at ``start``: its first byte, its payload, its end.

        ``None`` if the parser must take what is there: part of a frame, another or a long frame, one
        that is invalid or exceeds the limit. The reply to a ping is queued like the parser's.
        """
        if (
            self.reader.wanted
            or self._state is not OPEN
            or self.current_size is not None
            or self.extensions
            or self.debug  # the parser logs every frame
            or len(data) - start < 2
        ):
            return None
        first, length = data[start], data[start + 1]
        if first != TEXT and first != PING and first != PONG:
            return None
        begin = start + 2
        if self.side is SERVER:
            length -= 128  # the mask bit: without it, the length is negative
            begin += 4
        if length == 126 and first == TEXT and len(data) - start >= 4:
            length = data[start + 2] << 8 | data[start + 3]
            begin += 2
        elif not 0 <= length <= MAX_CONTROL:
            return None
        end = begin + length
        limit = self.max_message_size
        if end > len(data) or (limit is not None and length > limit):
            return None
        payload = data[begin:end]
        if self.side is SERVER:
            payload = apply_mask(payload, data[begin - 4 : begin])
        if first == PING:
            self.writes.append(serialize(PONG, payload, mask=self.side is not SERVER))
        return first, payload, end


class WholeServerFrames(WholeFrames, ServerProtocol):
    """The server's side."""


class WholeClientFrames(WholeFrames, ClientProtocol):
    """The client's side."""


def serialize(first: int, payload: bytes, *, mask: bool) -> bytes:
    """A whole frame that begins with the byte ``first``; ``mask`` as a client must."""
    if not mask:
        return _header(first, len(payload), 0) + payload
    key = os.urandom(4)
    return b"%b%b%b" % (_header(first, len(payload), 0x80), key, apply_mask(payload, key))


@lru_cache(maxsize=1024)
def _header(first: int, length: int, mask_bit: int) -> bytes:
    if length <= MAX_CONTROL:
        return _SHORT.pack(first, mask_bit | length)
    if length <= 0xFFFF:
        return _MEDIUM.pack(first, mask_bit | 126, length)
    return _LONG.pack(first, mask_bit | 127, length)


class Framer:
    """Encodes text messages as frames; ``mask`` as a client must.

    A message that goes to many connections is encoded once.
    """

    def __init__(self, *, mask: bool) -> None:
        self._mask = mask
        self._text = b""
        self._frame = serialize(TEXT, b"", mask=mask)

    def __call__(self, text: bytes) -> bytes:
        """The whole frame of one text message (UTF-8)."""
        if text is not self._text:
            self._text, self._frame = text, serialize(TEXT, text, mask=self._mask)
        return self._frame
