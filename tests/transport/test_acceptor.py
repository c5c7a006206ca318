"""Accepting: few connections at a time, and a pause where resources have run out."""

import errno
import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, cast

import pytest

from nodnod_agent.transport.acceptor import MAX_PER_ITERATION, RETRY_AFTER, Acceptor
from transport.fakes import FakeLoop


class Listener(socket.socket):
    """A listening socket; ``accept`` raises the next of its errors, if there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.bind(("127.0.0.1", 0))
        self.errors: list[OSError] = []

    def accept(self) -> tuple[socket.socket, Any]:
        if self.errors:
            raise self.errors.pop(0)
        return super().accept()


class Accepting(ExitStack):
    """An open acceptor, its clients, and the connections that it has accepted."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = FakeLoop()
        self.listener = Listener()
        self.accepted: list[socket.socket] = []
        self.acceptor = Acceptor(cast(Any, self.loop), self.listener, self._accept)
        self.acceptor.open()
        self.callback(self.acceptor.close)

    def _accept(self, sock: socket.socket) -> None:
        self.accepted.append(self.enter_context(sock))

    def connect(self, clients: int, *errors: OSError) -> None:
        """Clients connect, and the listening socket is readable."""
        for _ in range(clients):
            self.enter_context(socket.create_connection(self.listener.getsockname()))
        self.listener.errors += errors
        self.loop.readers[self.listener]()


@pytest.fixture
def accepting() -> Iterator[Accepting]:
    with Accepting() as accepting:
        yield accepting


def test_few_connections_are_accepted_in_one_iteration(accepting: Accepting) -> None:
    accepting.connect(2 * MAX_PER_ITERATION - 1)
    assert len(accepting.accepted) == MAX_PER_ITERATION

    accepting.connect(0)
    assert len(accepting.accepted) == 2 * MAX_PER_ITERATION - 1
    assert not any(sock.getblocking() for sock in accepting.accepted)


def test_a_connection_that_has_gone_does_not_stop_the_next(accepting: Accepting) -> None:
    accepting.connect(1, ConnectionAbortedError(errno.ECONNABORTED, "gone"))

    assert len(accepting.accepted) == 1


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_without_resources_accepting_pauses_and_logs_it(
    accepting: Accepting, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    caplog.set_level(logging.WARNING)

    accepting.connect(1, OSError(number, "nothing left"))

    assert accepting.loop.readers == {}
    assert len(caplog.messages) == 1
    accepting.loop.advance(RETRY_AFTER)
    accepting.connect(0)
    assert len(accepting.accepted) == 1


def test_a_closed_acceptor_does_not_resume_after_a_pause(accepting: Accepting) -> None:
    accepting.connect(0, OSError(errno.EMFILE, "nothing left"))

    accepting.acceptor.close()
    accepting.acceptor.close()
    accepting.loop.advance(2 * RETRY_AFTER)

    assert accepting.loop.readers == {}
    assert accepting.listener.fileno() == -1
