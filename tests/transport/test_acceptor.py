"""Accepting: few connections at a time, and a pause where resources have run out."""

import errno
import logging
import socket
from collections.abc import Iterator
from typing import Any, cast

import pytest

from nodnod_agent.transport.acceptor import MAX_PER_ITERATION, RETRY_AFTER, Acceptor
from transport.fakes import FakeLoop


class FakeListener:
    """A listening socket; ``results`` is what ``accept`` returns or raises, one by one."""

    def __init__(self) -> None:
        self.results: list[Exception | socket.socket] = []
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
        if not self.results:
            raise BlockingIOError
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result, None


class Accepting:
    """An open acceptor, and the connections that it has accepted."""

    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.listener = FakeListener()
        self.accepted: list[socket.socket] = []
        self.acceptor = Acceptor(
            cast(Any, self.loop), cast(Any, self.listener), self.accepted.append
        )
        self.acceptor.open()

    def readable(self, *results: Exception | socket.socket) -> None:
        """The listening socket is readable, and ``results`` are there to be accepted."""
        self.listener.results += results
        self.loop.readers[self.listener]()


@pytest.fixture
def accepting() -> Iterator[Accepting]:
    accepting = Accepting()
    yield accepting
    for sock in accepting.accepted:
        sock.close()


def test_few_connections_are_accepted_in_one_iteration(accepting: Accepting) -> None:
    accepting.readable(*(socket.socket() for _ in range(2 * MAX_PER_ITERATION - 1)))
    assert len(accepting.accepted) == MAX_PER_ITERATION

    accepting.readable()
    assert len(accepting.accepted) == 2 * MAX_PER_ITERATION - 1
    assert not any(sock.getblocking() for sock in accepting.accepted)


def test_a_connection_that_has_gone_does_not_stop_the_next(accepting: Accepting) -> None:
    accepting.readable(ConnectionAbortedError(errno.ECONNABORTED, "gone"), socket.socket())

    assert len(accepting.accepted) == 1


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_without_resources_accepting_pauses_and_logs_it(
    accepting: Accepting, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    caplog.set_level(logging.WARNING)

    accepting.readable(OSError(number, "nothing left"), socket.socket())

    assert accepting.loop.readers == {}
    assert len(caplog.messages) == 1
    accepting.loop.advance(RETRY_AFTER)
    accepting.readable()
    assert len(accepting.accepted) == 1


def test_a_closed_acceptor_does_not_resume_after_a_pause(accepting: Accepting) -> None:
    accepting.readable(OSError(errno.EMFILE, "nothing left"))

    accepting.acceptor.close()
    accepting.acceptor.close()
    accepting.loop.advance(2 * RETRY_AFTER)

    assert accepting.loop.readers == {}
    assert accepting.listener.closed
