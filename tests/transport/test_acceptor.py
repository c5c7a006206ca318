"""Accepting: few at a time, and rest where nothing is left to do it with."""

import asyncio
import errno
import logging
import socket
from typing import Any, cast

import pytest

from nodnod_agent.transport.acceptor import AT_ONCE, REST, Acceptor
from transport.fakes import FakeLoop


class Readers(FakeLoop):
    """A loop that knows who waits for a socket."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: dict[object, Any] = {}

    def add_reader(self, sock: object, callback: Any) -> None:
        self.readers[sock] = callback

    def remove_reader(self, sock: object) -> None:
        self.readers.pop(sock, None)


class Door:
    """A listening socket: what ``accept`` is to give, one after the other."""

    def __init__(self) -> None:
        self.coming: list[Exception | socket.socket] = []
        self.closed = False

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def listen(self, backlog: int) -> None:
        pass

    def fileno(self) -> int:
        return -1 if self.closed else 3

    def close(self) -> None:
        self.closed = True

    def accept(self) -> tuple[socket.socket, None]:
        if not self.coming:
            raise BlockingIOError
        one = self.coming.pop(0)
        if isinstance(one, Exception):
            raise one
        return one, None


class Hall:
    """An acceptor and those whom it has greeted."""

    def __init__(self) -> None:
        self.loop = Readers()
        self.door = Door()
        self.greeted: list[socket.socket] = []
        loop, door = cast(asyncio.AbstractEventLoop, self.loop), cast(socket.socket, self.door)
        self.acceptor = Acceptor(loop, door, self.greeted.append)
        self.acceptor.open()

    def ring(self) -> None:
        """The socket is readable."""
        self.loop.readers[self.door]()


@pytest.fixture
def hall() -> Any:
    hall = Hall()
    yield hall
    for sock in hall.greeted:
        sock.close()


def test_few_are_accepted_in_a_turn_and_the_rest_in_the_next(hall: Hall) -> None:
    hall.door.coming = [socket.socket() for _ in range(2 * AT_ONCE - 1)]

    hall.ring()
    assert len(hall.greeted) == AT_ONCE
    hall.ring()
    assert len(hall.greeted) == 2 * AT_ONCE - 1
    assert not any(sock.getblocking() for sock in hall.greeted)


def test_one_that_has_gone_again_keeps_nobody_out(hall: Hall) -> None:
    gone = ConnectionAbortedError(errno.ECONNABORTED, "gone")
    hall.door.coming = [gone, socket.socket()]

    hall.ring()

    assert len(hall.greeted) == 1


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_with_nothing_left_it_rests_a_second_and_says_so(
    hall: Hall, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    caplog.set_level(logging.WARNING)
    hall.door.coming = [OSError(number, "nothing left"), socket.socket()]

    hall.ring()

    assert hall.loop.readers == {}
    assert len(caplog.messages) == 1
    hall.loop.pass_time(REST)
    hall.ring()
    assert len(hall.greeted) == 1


def test_once_closed_nobody_is_accepted_also_not_after_a_rest(hall: Hall) -> None:
    hall.door.coming = [OSError(errno.EMFILE, "nothing left")]
    hall.ring()

    hall.acceptor.close()
    hall.acceptor.close()
    hall.loop.pass_time(2 * REST)

    assert hall.loop.readers == {}
    assert hall.door.closed
