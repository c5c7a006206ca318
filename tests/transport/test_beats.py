"""Empty pings and pongs known by sight: whatever comes, the library would have said the same."""

from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol, Side

from live.raw import CLOSE, CONT, PING, PONG, TEXT, frame
from nodnod_agent.transport.beats import Beats
from nodnod_agent.transport.connection import Connection
from transport.connections import Echo, ServerPump
from transport.fakes import FakeLoop, FakeTransport

MAXIMUM = 100_000


class Blind(Beats):
    """Knows nothing by sight."""

    def reply(self, data: bytes, ws: Protocol) -> bytes | None:
        return None


def hears(pieces: list[bytes], *, blind: bool) -> tuple[bytes, list[bytes], bool]:
    """What a pump says to these reads, what its user has heard, and whether it ends."""
    loop = FakeLoop()
    pump = ServerPump(loop)
    if blind:
        pump._beats = Blind(*pump._beats)
    transport = FakeTransport(pump)
    pump.connection_made(transport)
    user = pump.user = Echo(pump)
    for piece in pieces:
        if transport.half_closed:
            break
        pump.data_received(piece)
        loop.turn()
    return transport.sent, user.heard, transport.half_closed


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


@given(st.lists(FRAMES, min_size=1, max_size=8), st.lists(st.integers(1, 9), max_size=20))
@example([frame(frame(b"", PING))], [6, 6])
@example([frame(b"x" * 0x8980)], [2, 6])  # a length that begins as a ping does
@example([frame(b"x", fin=False), frame(b"", PING), frame(b"y", CONT)], [7, 6, 7])
@example([frame(b"", CLOSE), frame(b"", PING)], [6, 6])
def test_however_frames_are_cut_the_same_is_heard_and_said(
    frames: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(frames)
    pieces = []
    for cut in [*cuts, len(stream)]:
        if stream:
            pieces.append(stream[:cut])
            stream = stream[cut:]

    assert hears(pieces, blind=False) == hears(pieces, blind=True)


@pytest.mark.parametrize("side", [SERVER, CLIENT])
def test_each_side_knows_the_beats_of_the_other(side: Side) -> None:
    other = Beats.of(CLIENT if side is SERVER else SERVER)
    own, ws = Beats.of(side), Protocol(side, state=OPEN)

    assert own.reply(other.ping, ws) == own.pong
    assert own.reply(other.pong, ws) == b""
    assert own.reply(own.ping, ws) is None


def test_the_beats_are_the_frames_of_the_library() -> None:
    assert Beats.of(SERVER).ping == Frame(Opcode.PING, b"").serialize(mask=False)
    assert Beats.of(SERVER).pong == Frame(Opcode.PONG, b"").serialize(mask=False)
    assert frame(b"", PING)[:2] == Beats.of(CLIENT).ping[:2]


def test_the_library_reads_no_beat_that_comes_alone(
    pump: Connection, transport: FakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []
    monkeypatch.setattr(pump.ws, "receive_data", cast(Any, read.append))

    pump.data_received(frame(b"", PING))
    pump.data_received(frame(b"", PONG))

    assert read == []
    assert transport.sent == b"\x8a\x00"
