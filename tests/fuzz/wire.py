"""Parses what one side of a connection wrote, as the other side would, without the agent's code."""

import re
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol, Side

from bench.harness.invariants.form import parse

_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t\x20-\x7e\x80-\xff]*")
_STATUS = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) [ -~]*")
_REQUEST = re.compile(rb"GET / HTTP/1\.1")
_UNREADABLE_REQUEST = (400, 414, 431)


class Wire:
    """All output of one side: the head, then a page or frames."""

    def __init__(self, written: bytes, side: Side, *, head: bool = False) -> None:
        """``side`` wrote it; ``head``: only the head of a page was requested.

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
        """A page has its announced length; none follows the response to a readable HEAD request."""
        self.body = rest
        values = [value for name, value in self.headers if name == b"Content-Length"]
        assert len(values) == 1, values
        lengths = [0 if head else int(values[0])]
        if head and self.status in _UNREADABLE_REQUEST:
            lengths.append(int(values[0]))
        assert len(rest) in lengths
        if rest and (b"Content-Type", b"application/json") in self.headers:
            parse(rest if rest.startswith(b"{") else b'{"list":%b}' % rest)

    def _read_frames(self, rest: bytes, side: Side) -> None:
        self.frames, behind = _frames(rest, side)
        control = (Opcode.PING, Opcode.PONG, Opcode.CLOSE)
        assert all(frame.opcode in (*control, Opcode.TEXT) and frame.fin for frame in self.frames)
        # Until the other side sends its close frame, pings are answered behind this side's.
        while behind:
            more, behind = _frames(behind, side)
            assert {frame.opcode for frame in more} == {Opcode.PONG}, "more than a pong behind"

    @property
    def texts(self) -> list[bytes]:
        """The text messages."""
        return [bytes(frame.data) for frame in self.frames if frame.opcode is Opcode.TEXT]

    @property
    def messages(self) -> list[Any]:
        """The texts, then the other frames: the order between answers and pongs may vary."""
        others = [frame for frame in self.frames if frame.opcode is not Opcode.TEXT]
        return [*self.texts, *((frame.opcode, bytes(frame.data)) for frame in others)]


def _frames(data: bytes, side: Side) -> tuple[list[Frame], bytes]:
    """The frames up to a close frame, and the bytes behind that one."""
    reader = Protocol(side, state=OPEN, max_size=None)
    reader.receive_data(data)
    assert reader.parser_exc is None, reader.parser_exc
    frames = [event for event in reader.events_received() if isinstance(event, Frame)]
    size = sum(len(frame.serialize(mask=side is SERVER)) for frame in frames)
    closed = frames and frames[-1].opcode is Opcode.CLOSE
    assert size == len(data) or closed, "an incomplete frame"
    return frames, data[size:]
