"""The empty ping and its pong: nearly all that an idle connection carries, so known by sight.

In a cluster of a hundred, an agent that nobody asks anything hears a hundred of them a second, and
each comes alone, to a process gone cold. Read as any frame it costs half again as much as
everything else that an idle agent does; known by its bytes it costs next to nothing.

Only what comes alone and between two frames is looked at: in any other place the same bytes may
be part of something else, and it is the library that tells.
"""

from typing import Any, NamedTuple

from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, OPEN, Protocol, Side
from websockets.streams import StreamReader

_AT_BOUNDARY = StreamReader.at_eof.__code__
"""Where the library's parser waits when a frame has ended and no other has begun."""


class Beats(NamedTuple):
    """What goes out as an empty ping and pong on one side, and how those of the other begin."""

    ping: bytes
    pong: bytes
    heard_ping: bytes
    heard_pong: bytes
    length: int
    """Bytes of either of the other side's."""

    @classmethod
    def of(cls, side: Side) -> "Beats":
        """Those of one side of a connection."""
        return _CLIENTS if side is CLIENT else _SERVERS

    def reply(self, data: bytes, ws: Protocol) -> bytes | None:
        """What to say to a beat: a pong, or nothing; ``None`` if this is not known to be one."""
        if len(data) != self.length or ws.state is not OPEN:
            return None
        head = data[:2]
        if head == self.heard_ping:
            answer = self.pong
        elif head == self.heard_pong:
            answer = b""
        else:
            return None
        return answer if _between_frames(ws) else None


def _between_frames(ws: Protocol) -> bool:
    """Whether the next byte begins a frame, told from where the library's parser waits for it."""
    waits: Any = ws.parser
    while waits.gi_yieldfrom is not None:
        waits = waits.gi_yieldfrom
    return waits.gi_code is _AT_BOUNDARY


def _empty(opcode: Opcode, *, mask: bool) -> bytes:
    return Frame(opcode, b"").serialize(mask=mask)


def _beats(*, client: bool) -> Beats:
    heard_ping = _empty(Opcode.PING, mask=not client)
    return Beats(
        ping=_empty(Opcode.PING, mask=client),
        pong=_empty(Opcode.PONG, mask=client),
        heard_ping=heard_ping[:2],
        heard_pong=_empty(Opcode.PONG, mask=not client)[:2],
        length=len(heard_ping),
    )


_CLIENTS = _beats(client=True)
_SERVERS = _beats(client=False)
