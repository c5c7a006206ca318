"""One connection, over a fake transport and with a clock that stands still."""

import pytest

from live.raw import BINARY, CLOSE, CONT, PING, PONG, frame
from nodnod_agent.transport import connection as connection_module
from nodnod_agent.transport import writer as writer_module
from transport.harness import Harness, close_frame, text

# One write per loop iteration.


def test_output_of_one_iteration_goes_out_in_one_write(harness: Harness) -> None:
    harness.connection.send(b"one")
    harness.connection.send(b"two")
    harness.connection.ping()
    assert harness.transport.writes == []

    harness.loop.turn()

    assert harness.transport.writes == [text(b"one") + text(b"two") + b"\x89\x00"]


def test_answers_to_one_read_go_out_in_one_write(harness: Harness) -> None:
    harness.receive(frame("one") + frame("two"))

    assert harness.transport.writes == [text(b"one") + text(b"two")]


def test_an_iteration_without_output_writes_nothing(harness: Harness) -> None:
    harness.receive(frame("one")[:3])
    harness.loop.turn()

    assert harness.transport.writes == []


@pytest.mark.parametrize("payload", [b"", b"x"])
def test_a_pong_goes_out_behind_earlier_messages(harness: Harness, payload: bytes) -> None:
    harness.connection.send(b"one")

    harness.receive(frame(payload, PING))

    assert harness.transport.sent == text(b"one") + b"\x8a" + bytes([len(payload)]) + payload


# Messages.


@pytest.mark.parametrize(
    "frames",
    [
        [frame("\N{SNOWMAN}e", fin=False), frame("n", CONT, fin=False), frame("o", CONT)],
        [frame("\N{SNOWMAN}", fin=False), frame(b"", PING), frame("eno", CONT)],
        [frame(b"\xe2", fin=False), frame(b"\x98\x83eno", CONT)],
    ],
    ids=["of three", "with a control frame between", "with a split character"],
)
def test_fragments_are_one_message(harness: Harness, frames: list[bytes]) -> None:
    harness.receive(*(bytes([byte]) for byte in b"".join(frames)))

    assert harness.texts == ["\N{SNOWMAN}eno".encode()]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(b"\xff"), 1007),
        (frame(b"\xff", fin=False) + frame(b"", CONT), 1007),
        (frame(b"x", BINARY), 1003),
        (frame(b"x", masked=False), 1002),
        (frame(b"x", 3), 1002),
        (frame(b"x", reserved=4), 1002),
        (frame(b"x", CONT), 1002),
        (frame(bytes(126), PING), 1002),
        (frame(b"", fin=False) + frame(b"x"), 1002),
        (frame(b"x" * 100_001), 1009),
        (frame(b"x" * 60_000, fin=False) + frame(b"x" * 60_000, CONT), 1009),
    ],
)
def test_a_protocol_error_closes_with_its_code(harness: Harness, data: bytes, code: int) -> None:
    harness.receive(data)
    harness.loop.turn()

    assert harness.texts == []
    assert harness.transport.sent[0] == 0x88
    assert harness.transport.sent[2:4] == close_frame(code)[2:]


def test_a_message_behind_a_protocol_error_is_dropped(harness: Harness) -> None:
    harness.receive(frame("one") + frame(b"x", BINARY) + frame("two"))

    assert harness.texts == [b"one"]


# Output.


def test_what_is_sent_now_is_written_at_once(harness: Harness) -> None:
    harness.connection.send_now(b"one")
    assert harness.transport.writes == [text(b"one")]


def test_what_is_sent_now_comes_behind_what_waits_and_is_joined_with_it(harness: Harness) -> None:
    harness.connection.send(b"one")
    harness.connection.send_now(b"two")
    assert harness.transport.writes == []
    harness.loop.turn()
    assert harness.transport.writes == [text(b"one") + text(b"two")]


def test_input_that_waits_goes_on_when_an_answer_is_sent_now() -> None:
    harness = Harness(limit=1)
    harness.receive(frame("one") + frame("two"))
    assert harness.texts == [b"one"]

    harness.connection.send_now(harness.receiver.held.pop())
    harness.loop.turn()

    assert harness.texts == [b"one", b"two"]


def test_nothing_is_sent_now_after_the_close(harness: Harness) -> None:
    harness.connection.close(1000)
    harness.connection.send_now(b"late")
    harness.loop.turn()
    assert harness.transport.sent == close_frame(1000)


# Input that waits while the receiver is full.


def test_input_waits_while_the_receiver_is_full() -> None:
    harness = Harness(limit=2)

    harness.receive(b"".join(frame(str(number)) for number in range(5)))

    assert harness.texts == [b"0", b"1"]
    assert not harness.transport.reading


def test_waiting_input_goes_on_in_order_once_there_is_room() -> None:
    harness = Harness(limit=2)
    size = 150
    harness.receive(b"".join(frame(str(number) * size) for number in range(10)), frame("late"))

    while harness.receiver.held:
        harness.receiver.answer_one()
        harness.loop.turn()

    assert [text[:1] for text in harness.texts] == [b"%d" % number for number in range(10)] + [b"l"]
    assert harness.transport.reading


def test_waiting_input_is_bytes_not_messages() -> None:
    harness = Harness(limit=1)

    harness.receive(frame("x") * 100_000)

    ws = harness.connection.ws
    assert (ws.events, bytes(ws.reader.buffer)) == ([], b"")
    assert len(harness.connection._unread) == 100_000 * len(frame("x"))


@pytest.mark.parametrize(
    ("waiting", "reply"),
    [(frame("ping", PING), b"\x8a\x04ping"), (frame(b"\x03\xe8", CLOSE), close_frame(1000))],
)
def test_a_control_frame_that_waited_is_answered(waiting: bytes, reply: bytes) -> None:
    harness = Harness(limit=1)
    harness.receive(frame("x") + waiting)

    harness.receiver.answer_one()
    harness.loop.turn()

    assert harness.transport.sent.endswith(reply)
    assert harness.transport.half_closed == (reply == close_frame(1000))


# Keepalive.


@pytest.mark.parametrize("payload", [b"", b"x"])
def test_a_pong_gives_the_round_trip_time(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, payload: bytes
) -> None:
    monkeypatch.setattr(writer_module, "perf_counter", lambda: 10.0)
    monkeypatch.setattr(connection_module, "perf_counter", lambda: 10.25)
    harness.connection.ping()
    harness.loop.turn()

    harness.receive(frame(payload, PONG))

    assert harness.connection.rtt == 0.25


def test_any_input_is_a_sign_of_life(harness: Harness) -> None:
    harness.loop.advance(30)

    harness.receive(frame("one")[:1])

    assert harness.connection.heard == harness.loop.time()
