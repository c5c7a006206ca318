"""Flow control: an other side that does not read, or that sends nothing but control frames."""

from collections.abc import Callable

import pytest
from websockets.frames import Frame

from live.raw import CONT, PING, PONG, frame
from nodnod_agent.transport.connection import CONTROL_FRAMES, Connection
from nodnod_agent.transport.control_frames import MAX_MUTES, MUTED_FOR, SMALL
from nodnod_agent.transport.writer import STALL_LIMIT, UNSENT_LIMIT
from transport.harness import Harness

Send = Callable[[Connection, bytes], None]


@pytest.mark.parametrize("sends_more", [False, True])
def test_a_side_that_reads_nothing_is_cut_at_the_stall_limit(
    harness: Harness, sends_more: bool
) -> None:
    harness.fill_output()

    for _ in range(4):
        assert not harness.transport.aborted
        harness.loop.advance(STALL_LIMIT / 4)
        if sends_more:
            harness.connection.send(b"x")

    assert harness.transport.aborted
    assert harness.connection.cut == "has read nothing for 5 s"


def test_what_the_kernel_takes_at_once_gives_no_second_limit(harness: Harness) -> None:
    harness.fill_output()
    harness.transport.take(40_000)

    harness.loop.advance(1.25 * STALL_LIMIT)

    assert harness.transport.aborted


@pytest.mark.parametrize("send", [None, Connection.send, Connection.send_now])
def test_a_slow_side_is_not_cut(harness: Harness, send: Send | None) -> None:
    harness.fill_output(4)

    for _ in range(20):
        harness.loop.advance(STALL_LIMIT / 2)
        harness.transport.take(1000)
        if send is not None:
            send(harness.connection, b"x" * 2000)

    assert not harness.transport.aborted


def test_nothing_is_read_until_the_other_side_reads(harness: Harness) -> None:
    harness.fill_output()
    assert not harness.transport.reading

    harness.transport.take(harness.transport.unsent)
    harness.loop.advance(2 * STALL_LIMIT)

    assert harness.transport.reading
    assert not harness.transport.aborted


@pytest.mark.parametrize("send", [Connection.send, Connection.send_now])
def test_output_that_only_grows_cuts_the_connection(harness: Harness, send: Send) -> None:
    harness.transport.stuck = True

    for _ in range(20):
        send(harness.connection, b"x" * (UNSENT_LIMIT // 10))
        harness.loop.turn()
        if harness.transport.lost:
            break

    assert harness.transport.aborted
    assert harness.connection.cut.endswith("bytes of output unread")


def test_the_answers_to_many_requests_at_once_stay_below_the_limit() -> None:
    harness = Harness(copies=1000)
    harness.transport.stuck = True

    harness.receive(frame("x" * 10) * 10_000)

    assert harness.transport.unsent < UNSENT_LIMIT
    assert not harness.transport.aborted
    while len(harness.texts) < 10_000:
        harness.transport.take(harness.transport.unsent)
        harness.loop.turn()
    assert harness.texts == [b"x" * 10] * 10_000


# The control-frame limit.

FLOODS = {
    "pings": frame("x", PING),
    "empty pings": frame("", PING),
    "pongs": frame("x", PONG),
    "empty fragments": frame("", CONT, fin=False),
    "small fragments": frame("x" * (SMALL - 1), CONT, fin=False),
}


def flood(kind: str, count: int) -> bytes:
    """Some frames of a kind; fragments have the beginning of a message ahead of them."""
    begin = frame("", fin=False) if "fragments" in kind else b""
    return begin + FLOODS[kind] * count


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_of_control_frames_is_muted_for_a_second(harness: Harness, kind: str) -> None:
    harness.receive(flood(kind, 150))
    assert not harness.transport.reading

    harness.loop.advance(MUTED_FOR)

    assert harness.transport.reading
    harness.receive(frame("", CONT if "fragments" in kind else PING), frame("one"))
    assert harness.texts[-1] == b"one"
    assert not harness.transport.aborted


def test_empty_pings_in_reads_of_their_own_are_muted_too(harness: Harness) -> None:
    for _ in range(CONTROL_FRAMES + 1):
        harness.receive(frame("", PING))

    assert not harness.transport.reading


@pytest.mark.parametrize("kind", FLOODS)
def test_the_frames_processed_of_a_flood_are_bounded(harness: Harness, kind: str) -> None:
    taken: list[Frame] = []
    take = harness.connection._take
    harness.connection._take = lambda frame: (taken.append(frame), take(frame))[1]  # type: ignore[method-assign]

    harness.receive(flood(kind, 40_000))
    harness.loop.turn()

    assert len(taken) <= CONTROL_FRAMES + 1


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_that_goes_on_is_cut(harness: Harness, kind: str) -> None:
    harness.receive(flood(kind, 40_000))

    harness.loop.advance((MAX_MUTES + 1) * MUTED_FOR)

    assert harness.transport.aborted
    assert harness.connection.cut == (
        f"more than {CONTROL_FRAMES} frames a second that are no messages"
    )


def test_control_frames_below_the_limit_are_never_muted(harness: Harness) -> None:
    for _ in range(3 * MAX_MUTES):
        for _ in range(CONTROL_FRAMES - 1):
            harness.receive(frame("x", PING))
        assert harness.transport.reading
        harness.loop.advance(1.0)


def test_floods_with_quiet_seconds_between_them_are_never_cut(harness: Harness) -> None:
    for _ in range(3 * MAX_MUTES):
        harness.receive(flood("pings", CONTROL_FRAMES + 1))
        assert not harness.transport.reading
        harness.loop.advance(2 * MUTED_FOR)
        for _ in range(CONTROL_FRAMES):
            harness.receive(frame("x", PING))
        harness.loop.advance(2 * MUTED_FOR)

    assert not harness.transport.aborted


def test_fragments_that_are_not_tiny_do_not_count(harness: Harness) -> None:
    harness.receive(frame("x" * SMALL, fin=False))
    for _ in range(3 * CONTROL_FRAMES):
        harness.receive(frame("x" * SMALL, CONT, fin=False))
    harness.receive(frame("x", CONT))

    assert len(harness.texts[0]) == (3 * CONTROL_FRAMES + 1) * SMALL + 1


def test_a_connection_that_is_lost_while_muted_does_not_read_again(harness: Harness) -> None:
    harness.receive(flood("pings", 1000))

    harness.transport.abort()
    harness.loop.advance(2 * MUTED_FOR)

    assert not harness.transport.reading
