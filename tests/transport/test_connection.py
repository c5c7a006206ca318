"""The pump of one connection, over a transport in memory and with a clock that stands still."""

import pytest

from live.raw import BINARY, CLOSE, CONT, PING, frame
from nodnod_agent.transport import connection as pump_module
from nodnod_agent.transport import writer as outlet_module
from nodnod_agent.transport.connection import SLICE, Connection
from transport.connections import Echo, close_frame, text
from transport.fakes import FakeLoop, FakeTransport

# One write per turn.


def test_what_is_sent_in_one_turn_goes_out_in_one_write(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    pump.send(b"one")
    pump.send(b"two")
    pump.ping()
    assert transport.writes == []

    loop.turn()

    assert transport.writes == [text(b"one") + text(b"two") + b"\x89\x00"]


def test_answers_to_what_came_in_one_read_go_out_in_one_write(
    pump: Connection, transport: FakeTransport, user: Echo
) -> None:
    pump.data_received(frame("one") + frame("two"))

    assert transport.writes == [text(b"one") + text(b"two")]


def test_a_turn_without_output_writes_nothing(
    pump: Connection, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    pump.data_received(frame("one")[:3])
    loop.turn()

    assert transport.writes == []


def test_a_pong_stands_behind_what_was_sent_before(
    pump: Connection, transport: FakeTransport, user: Echo
) -> None:
    pump.send(b"one")

    pump.data_received(frame("x", PING))

    assert transport.sent == text(b"one") + b"\x8a\x01x"


# Messages.


def test_a_message_in_pieces_is_one_message(pump: Connection, user: Echo) -> None:
    pieces = frame("o", fin=False) + frame("n", CONT, fin=False) + frame("e", CONT)
    for byte in pieces:
        pump.data_received(bytes([byte]))

    assert user.heard == [b"one"]


def test_a_control_frame_between_the_pieces_of_a_message_does_no_harm(
    pump: Connection, user: Echo
) -> None:
    pump.data_received(frame("o", fin=False) + frame(b"", PING) + frame("ne", CONT))

    assert user.heard == [b"one"]


def test_a_character_cut_in_two_by_pieces_is_whole(pump: Connection, user: Echo) -> None:
    first, second = "é".encode()[:1], "é".encode()[1:]

    pump.data_received(frame(first, fin=False) + frame(second, CONT))

    assert user.heard == ["é".encode()]


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
def test_what_breaks_the_rules_ends_in_a_close_with_its_code(
    pump: Connection, transport: FakeTransport, user: Echo, loop: FakeLoop, data: bytes, code: int
) -> None:
    pump.data_received(data)
    loop.turn()

    assert user.heard == []
    assert transport.sent[0] == 0x88
    assert transport.sent[2:4] == close_frame(code)


def test_nothing_is_heard_after_what_breaks_the_rules(pump: Connection, user: Echo) -> None:
    pump.data_received(frame("one") + frame(b"x", BINARY) + frame("two"))

    assert user.heard == [b"one"]


# What waits while the user has enough.


def test_what_the_user_has_no_room_for_waits(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    user = pump.user = Echo(pump, most=2)

    pump.data_received(b"".join(frame(str(number)) for number in range(5)))

    assert user.heard == [b"0", b"1"]
    assert not transport.reading


def test_what_waits_comes_in_order_as_soon_as_there_is_room(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    user = pump.user = Echo(pump, most=2)
    size = SLICE // 4
    pump.data_received(b"".join(frame(str(number) * size) for number in range(10)))
    pump.data_received(frame("late"))

    while user.held:
        user.answer_one()
        loop.turn()

    assert [heard[:1] for heard in user.heard] == [b"%d" % number for number in range(10)] + [b"l"]
    assert transport.reading


def test_of_what_waits_most_is_bytes_and_not_messages(pump: Connection) -> None:
    pump.user = Echo(pump, most=1)

    pump.data_received(frame("x") * 100_000)

    assert pump._events is not None
    assert len(pump._events) < SLICE


def test_a_ping_that_waited_is_answered(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    user = pump.user = Echo(pump, most=1)
    first = frame("x" * (SLICE - 8))
    assert len(first) == SLICE
    pump.data_received(first + frame("ping", PING))

    user.answer_one()
    loop.turn()

    assert transport.sent.endswith(b"\x8a\x04ping")


def test_who_filled_the_user_to_the_brim_is_read_from_again(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    user = pump.user = Echo(pump, most=2)
    pump.data_received(frame("x") * 4)  # two are taken, two wait

    for _ in range(4):
        user.answer_one()
        loop.turn()

    assert transport.reading


def test_a_goodbye_that_waited_is_returned(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    user = pump.user = Echo(pump, most=1)
    pump.data_received(frame("x" * (SLICE - 8)) + frame(b"\x03\xe8", CLOSE))

    user.answer_one()
    loop.turn()

    assert transport.sent.endswith(b"\x88\x02\x03\xe8")
    assert transport.half_closed


# Signs of life.


def test_a_pong_tells_how_long_the_ping_took(
    pump: Connection, loop: FakeLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet_module, "perf_counter", lambda: 10.0)
    monkeypatch.setattr(pump_module, "perf_counter", lambda: 10.25)
    pump.ping()
    loop.turn()

    pump.data_received(frame(b"", 10))

    assert pump.rtt == 0.25


def test_any_bytes_are_a_sign_of_life(pump: Connection, loop: FakeLoop) -> None:
    loop.pass_time(30)

    pump.data_received(frame("one")[:1])

    assert pump.heard == loop.time()
