"""Empty pings and pongs are recognized by their bytes, with the same result as the library's."""

from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol, Side
from websockets.server import ServerProtocol

from live.raw import CLOSE, CONT, PING, PONG, TEXT, frame
from nodnod_agent.transport.empty_frames import EMPTY_FRAMES, UNKNOWN, FrameTracker
from transport.harness import Harness


def result(reads: list[bytes], *, recognize: bool) -> tuple[bytes, list[bytes], bool]:
    """What a connection sends after these reads, what its receiver gets, and whether it ends."""
    harness = Harness()
    if not recognize:
        harness.connection._tracker.incomplete = UNKNOWN
    for data in reads:
        if harness.transport.half_closed:
            break
        harness.receive(data)
        harness.loop.turn()
    return harness.transport.sent, harness.texts, harness.transport.half_closed


FRAMES = st.one_of(
    st.builds(frame, st.just(b""), st.sampled_from([PING, PONG, PING, PONG, TEXT, CONT, CLOSE])),
    st.builds(frame, st.binary(max_size=8), st.sampled_from([PING, PONG])),
    st.builds(
        frame,
        st.sampled_from([b"", b"x", frame(b"", PING), frame(b"", PONG), b"y" * 126]),
        st.sampled_from([TEXT, CONT]),
        fin=st.booleans(),
    ),
)
LONG_LENGTH = b"\x81\xfe\x00\x00" + bytes(4)
"""An empty text frame whose length is encoded in more bytes than needed."""


@given(st.lists(FRAMES, min_size=1, max_size=8), st.lists(st.integers(1, 9), max_size=20))
@example([frame(frame(b"", PING))], [6, 6])
@example([frame(b"x" * 0x8980)], [2, 6])  # a length that begins as a ping does
@example([frame(b"x", fin=False), frame(b"", PING), frame(b"y", CONT)], [7, 6, 7])
@example([frame(b"", CLOSE), frame(b"", PING)], [6, 6])
@example([LONG_LENGTH, frame(b"", PING)], [8, 6])
@example([frame(b"x" * 70_000), frame(b"", PING), frame(b"", PONG)], [70_014, 6, 6])
def test_however_frames_are_cut_the_result_is_that_of_the_library(
    frames: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(frames)
    reads = []
    for cut in [*cuts, len(stream)]:
        if stream:
            reads.append(stream[:cut])
            stream = stream[cut:]

    assert result(reads, recognize=True) == result(reads, recognize=False)


@pytest.mark.parametrize("side", [SERVER, CLIENT])
def test_each_side_recognizes_the_frames_of_the_other(side: Side) -> None:
    own, other = EMPTY_FRAMES[side], EMPTY_FRAMES[CLIENT if side is SERVER else SERVER]
    tracker = FrameTracker(Protocol(side, state=OPEN))

    assert tracker.reply(other.ping) == own.pong
    assert tracker.reply(other.pong) == b""
    assert tracker.reply(own.ping) is None


@pytest.mark.parametrize(
    ("piece", "between"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"Host: x\r\n\r\n", True),
        (b"Host: x\r\n\r\n\x81\x85\r\n\r\n", False),  # a part of a frame, whose mask this is
        (b"\n\x81\x85\r\n\r\n", False),
        (b"Host: x\r\n\r\n\x89", False),
    ],
)
def test_after_the_handshake_input_is_between_frames_only_if_nothing_came_behind_it(
    piece: bytes, between: bool
) -> None:
    tracker = FrameTracker(ServerProtocol())
    assert tracker.reply(EMPTY_FRAMES[CLIENT].ping) is None

    tracker.head_parsed(piece)

    assert (tracker.reply(EMPTY_FRAMES[CLIENT].ping) is not None) == between


@pytest.mark.parametrize("before", [b"", frame("x"), frame("x" * 126), frame("x" * 70_000)])
def test_the_library_parses_no_empty_frame_that_comes_alone(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, before: bytes
) -> None:
    harness.receive(before)
    parsed: list[bytes] = []
    monkeypatch.setattr(harness.connection.ws, "receive_data", cast(Any, parsed.append))

    harness.receive(frame(b"", PING), frame(b"", PONG))

    assert parsed == []
    assert harness.transport.sent.endswith(b"\x8a\x00")
