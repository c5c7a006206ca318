"""Whole frames are taken off the input with the result that the library's parser has."""

from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode, apply_mask  # type: ignore[attr-defined]
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol, Side

from live.raw import BINARY, CLOSE, CONT, PING, PONG, TEXT, frame
from nodnod_agent.transport.frames import Framer, WholeFrames, serialize
from transport.harness import Harness

LIMIT = 1000
"""Bytes of a message."""

LONGER_LENGTH = b"\x81\xfe\x00\x00" + bytes(4)
"""An empty text frame whose length is encoded in more bytes than needed."""

Seen = tuple[list[tuple[int, bytes, bool]], list[tuple[int, bytes]], bool, object]
"""What a connection makes of its input: the frames received, those sent, EOF sent, the error."""


def seen_by(ws: Protocol, received: list[tuple[int, bytes, bool]]) -> Seen:
    writes = ws.data_to_send()
    other = Protocol(CLIENT if ws.side is SERVER else SERVER, state=OPEN, max_size=None)
    other.receive_data(b"".join(writes))
    assert other.parser_exc is None
    sent = [one for one in other.events_received() if isinstance(one, Frame)]
    error = ws.parser_exc and (type(ws.parser_exc), str(ws.parser_exc))
    return received, [(one.opcode, bytes(one.data)) for one in sent], ws.eof_sent, error


def parsed(side: Side, reads: list[bytes]) -> Seen:
    """What the library makes of these reads."""
    ws = Protocol(side, state=OPEN, max_size=LIMIT)
    received = []
    for data in reads:
        ws.receive_data(data)
        received += events(ws)
    return seen_by(ws, received)


def taken(side: Side, reads: list[bytes]) -> Seen:
    """What we make of them."""
    ws = WholeFrames(side, state=OPEN, max_size=LIMIT)
    received = []
    for data in reads:
        start = 0
        while start < len(data):
            whole = ws.take_frame(data, start)
            if whole is not None:
                first, payload, start = whole
                received.append((first & 0x0F, payload, True))
                continue
            end = ws.reader.piece_end(data, start)
            ws.receive_data(data[start:end])
            start = end
            some = events(ws)
            assert len(some) <= 1
            received += some
    return seen_by(ws, received)


def events(ws: Protocol) -> list[tuple[int, bytes, bool]]:
    some = [one for one in ws.events_received() if isinstance(one, Frame)]
    return [(int(one.opcode), bytes(one.data), one.fin) for one in some]


def cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    """The stream in reads that end at these places."""
    places = sorted({0, len(stream), *(place % (len(stream) + 1) for place in cuts)})
    return [stream[begin:end] for begin, end in pairwise(places)]


PAYLOADS = st.one_of(
    st.binary(max_size=8),
    st.sampled_from([b"", b"x" * 125, b"x" * 126, b"x" * LIMIT, b"x" * (LIMIT + 1), b"\xc3\xa9"]),
)
CLOSE_PAYLOADS = st.sampled_from([b"", b"\x03\xe8", b"\x03\xe8bye", b"\x00", b"\xff\xff"])


@st.composite
def frames(draw: st.DrawFn, side: Side) -> bytes:
    """A frame of the other side, or something that is none."""
    kind = draw(st.sampled_from(["whole"] * 5 + ["any"] * 3 + ["close", "odd"]))
    if kind == "odd":
        longer = LONGER_LENGTH if side is SERVER else LONGER_LENGTH[:1] + b"\x7e\x00\x00"
        wrong_mask = frame("x", masked=side is CLIENT)
        long = frame("x" * 70_000, masked=side is SERVER)
        return draw(st.one_of(st.sampled_from([longer, wrong_mask, long]), st.binary(max_size=14)))
    opcode, fin, reserved = TEXT, True, 0
    if kind == "whole":
        opcode = draw(st.sampled_from([TEXT, TEXT, PING, PONG]))
    elif kind == "any":
        opcode = draw(st.sampled_from([TEXT, CONT, CONT, BINARY, PING, PONG, 0x3, 0xB]))
        fin = draw(st.booleans())
        reserved = draw(st.sampled_from([0, 0, 0, 4, 1]))
    payload = draw(CLOSE_PAYLOADS if kind == "close" else PAYLOADS)
    opcode = CLOSE if kind == "close" else opcode
    made = frame(payload, opcode, fin=fin, reserved=reserved, masked=side is SERVER)
    if side is SERVER:
        key = draw(st.binary(min_size=4, max_size=4))
        head = len(made) - len(payload) - 4
        return made[:head] + key + bytes(apply_mask(payload, key))
    return made


CUTS = st.lists(st.integers(0, 10**6), max_size=20)


@given(st.lists(frames(SERVER), min_size=1, max_size=8), CUTS)
@example([frame(frame(b"", PING))], [6])
@example([frame(b"x" * 0x89)], [2])  # a length that begins as a ping does
@example([frame(b"x", fin=False), frame(b"", PING), frame(b"y", CONT)], [7, 13])
@example([frame(b"", CLOSE), frame(b"", PING)], [6])
@example([LONGER_LENGTH, frame(b"", PING)], [8])
@example([frame(b"x", fin=False), frame(b"y")], [])
@example([frame(b"x" * LIMIT), frame(b"x" * (LIMIT + 1))], [])
def test_whatever_a_client_sends_has_the_result_of_the_library(
    stream: list[bytes], cuts: list[int]
) -> None:
    reads = cut(b"".join(stream), cuts)

    assert taken(SERVER, reads) == parsed(SERVER, reads)


@given(st.lists(frames(CLIENT), min_size=1, max_size=8), CUTS)
def test_whatever_a_server_sends_has_the_result_of_the_library(
    stream: list[bytes], cuts: list[int]
) -> None:
    reads = cut(b"".join(stream), cuts)

    assert taken(CLIENT, reads) == parsed(CLIENT, reads)


@pytest.mark.parametrize("before", [b"", frame("x"), frame("x" * 126), frame("x" * 70_000)])
def test_the_library_parses_no_whole_frame(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, before: bytes
) -> None:
    harness.receive(before)
    parsed: list[bytes] = []
    monkeypatch.setattr(harness.connection.ws, "receive_data", cast(Any, parsed.append))

    harness.receive(
        frame("one") + frame("two"), frame(b"", PING) + frame(b"", PONG) + frame("é" * 99)
    )

    assert parsed == []
    assert harness.texts[-3:] == [b"one", b"two", "é".encode() * 99]
    assert b"\x8a\x00" in harness.transport.sent


def test_behind_a_frame_that_came_in_two_reads_frames_are_whole_again(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = frame("one") + frame("two") + frame("three")
    harness.receive(stream[:4])
    parsed: list[bytes] = []
    receive_data = harness.connection.ws.receive_data

    def note(data: bytes) -> None:
        parsed.append(data)
        receive_data(data)

    monkeypatch.setattr(harness.connection.ws, "receive_data", note)
    harness.receive(stream[4:])

    assert b"".join(parsed) == frame("one")[4:]
    assert harness.texts == [b"one", b"two", b"three"]


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_a_frame_to_send_is_that_of_the_library(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("os.urandom", "secrets.token_bytes"):
        monkeypatch.setattr(name, lambda size: b"mask"[:size])
    payload = b"x" * size

    for mask in (False, True):
        expected = Frame(Opcode.TEXT, payload).serialize(mask=mask)
        assert serialize(0x81, payload, mask=mask) == expected


def test_a_message_that_is_sent_again_is_not_encoded_again() -> None:
    framer, text = Framer(mask=True), b"one"
    assert framer(text) is framer(text)
    assert framer(b"two") != framer(text)
