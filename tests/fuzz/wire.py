"""Reads what was written, as the other side of a connection would, with no help of the agent's."""

import re
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol, Side

from bench.harness.invariants.form import parse

_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t\x20-\x7e\x80-\xff]*")
_STATUS = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) [ -~]*")
_REQUEST = re.compile(rb"GET / HTTP/1\.1")


class Wire:
    """All that one side of a connection wrote: the head, then a page or frames."""

    def __init__(self, written: bytes, side: Side, *, head: bool = False) -> None:
        """``side`` is whose writing it is; ``head``: no page was asked for, only its head.

        AssertionError where it is not well-formed.
        """
        self.status = 0
        self.frames: list[Frame] = []
        self.body = b""
        if not written:
            return
        above, found, rest = written.partition(b"\r\n\r\n")
        assert found, f"no end of a head: {written[:80]!r}"
        first, *lines = above.split(b"\r\n")
        assert all(map(_LINE.fullmatch, lines)), lines
        self.headers = [tuple(line.split(b": ", 1)) for line in lines]
        if side is SERVER:
            match = _STATUS.fullmatch(first)
            assert match, first
            self.status = int(match[1])
        else:
            assert _REQUEST.fullmatch(first), first
        if self.status in (0, 101):
            self._read_frames(rest, CLIENT if side is SERVER else SERVER)
        else:
            self._read_page(rest, head=head)

    def _read_page(self, rest: bytes, *, head: bool) -> None:
        """The page, as long as is announced; nothing after a HEAD, if it was one that could be read."""
        self.body = rest
        values = [value for name, value in self.headers if name == b"Content-Length"]
        assert len(values) == 1, values
        right = [0 if head else int(values[0])]
        if head and self.status in UNREADABLE:
            right.append(int(values[0]))
        assert len(rest) in right
        if rest and (b"Content-Type", b"application/json") in self.headers:
            parse(rest if rest.startswith(b"{") else b'{"list":%b}' % rest)

    def _read_frames(self, rest: bytes, side: Side) -> None:
        self.frames, behind = _frames(rest, side)
        assert all(frame.opcode in (*CONTROL, Opcode.TEXT) and frame.fin for frame in self.frames)
        # Who has said goodbye still answers pings, until the other side has said it too.
        while behind:
            more, behind = _frames(behind, side)
            assert {frame.opcode for frame in more} == {Opcode.PONG}, "more than a pong after all"

    @property
    def texts(self) -> list[bytes]:
        """The text messages."""
        return [bytes(frame.data) for frame in self.frames if frame.opcode is Opcode.TEXT]

    @property
    def messages(self) -> list[Any]:
        """What can be compared with another time: answers and pongs are in no order of each other's."""
        rest = [
            (one.opcode, bytes(one.data)) for one in self.frames if one.opcode is not Opcode.TEXT
        ]
        return [*self.texts, *rest]


def _frames(data: bytes, side: Side) -> tuple[list[Frame], bytes]:
    """The frames up to a close frame, and what is behind that one."""
    reader = Protocol(side, state=OPEN, max_size=None)
    reader.receive_data(data)
    assert reader.parser_exc is None, reader.parser_exc
    frames = [event for event in reader.events_received() if isinstance(event, Frame)]
    read = sum(len(frame.serialize(mask=side is SERVER)) for frame in frames)
    closed = frames and frames[-1].opcode is Opcode.CLOSE
    assert read == len(data) or closed, "half a frame"
    return frames, data[read:]


UNREADABLE = (400, 414, 431)
CONTROL = (Opcode.PING, Opcode.PONG, Opcode.CLOSE)
